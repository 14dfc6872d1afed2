// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.plan.Direction;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** The contract on the real kernel, with fences that are pending as long as the test wants: sw_sync, in its debugfs. */
@RequiresDevices
class FenceDeviceTest extends FenceContract {
    /** A limit for what is about to happen; if it does not, the test ends, and fails. */
    private static final Duration SOON = Duration.ofMinutes(2);

    @Override
    Kernel kernel() {
        return LinuxKernel.instance();
    }

    @Override
    int openFiles() throws Exception {
        return Traces.openFiles();
    }

    @Override
    Timeline timeline() {
        return new SwSync();
    }

    private static boolean isCloseOnExec(Fence fence) throws Exception {
        String flags = Files.readAllLines(Path.of("/proc/self/fdinfo/" + fence.fd())).stream()
                .filter(line -> line.startsWith("flags:"))
                .findFirst()
                .orElseThrow();
        return (Long.parseLong(flags.substring(6).strip(), 8) & Linux.O_CLOEXEC) != 0;
    }

    @Test
    void descriptorsAreCloseOnExecFromBirth() throws Exception {
        try (Timeline camera = timeline();
                Fence frame = pending(camera);
                Fence exported = buffer().exportFence(Direction.WRITE);
                Fence merged = frame.merge(exported)) {
            assertTrue(isCloseOnExec(exported));
            assertTrue(isCloseOnExec(merged));
            assertNotEquals(frame.fd(), merged.fd());
        }
    }

    @Test
    void whoWaitsIsWokenByAnotherThread() throws Exception {
        try (Timeline camera = timeline();
                Fence frame = pending(camera);
                var threads = Executors.newFixedThreadPool(3)) {
            buffer().importFence(frame, Direction.WRITE);
            var waiting = new CountDownLatch(3);
            Future<Boolean> one = threads.submit(() -> {
                waiting.countDown();
                return frame.await(SOON);
            });
            Future<Boolean> two = threads.submit(() -> {
                waiting.countDown();
                return frame.await(SOON);
            });
            Future<Boolean> three = threads.submit(() -> {
                waiting.countDown();
                return buffer().await(Direction.WRITE, SOON);
            });
            waiting.await();
            Thread.sleep(20); // most likely they are in the kernel by now; if not, the test is only easier
            camera.signal();
            assertTrue(one.get());
            assertTrue(two.get());
            assertTrue(three.get());
        }
    }

    @Test
    void whoWaitsLearnsOfAFailure() throws Exception {
        Timeline camera = timeline();
        try (Fence frame = pending(camera);
                var threads = Executors.newFixedThreadPool(1)) {
            var waiting = new CountDownLatch(1);
            Future<CenallocException> outcome = threads.submit(() -> {
                waiting.countDown();
                return assertThrows(CenallocException.class, () -> frame.await(SOON));
            });
            waiting.await();
            Thread.sleep(20);
            camera.close();
            assertEquals("ENOENT", outcome.get().errnoName());
        } finally {
            camera.close();
        }
    }

    @Test
    void twoThreadsPassABufferToAndFro() throws Exception {
        int frames = 300;
        var written = new AtomicInteger();
        var shown = new AtomicInteger();
        var toDisplay = new Semaphore(0);
        var toCamera = new Semaphore(0);
        try (Timeline camera = timeline();
                Timeline display = timeline();
                var threads = Executors.newFixedThreadPool(1)) {
            Future<?> showing = threads.submit(() -> {
                try (Fence frame = buffer().exportFence(Direction.READ);
                        Fence reading = pending(display)) {
                    for (int i = 1; i <= frames; i++) {
                        toDisplay.acquire();
                        buffer().exportFence(Direction.READ, frame);
                        assertTrue(frame.await(SOON));
                        assertEquals(i, written.get(), "the camera's fence was waited for");
                        buffer().importFence(reading, Direction.READ);
                        toCamera.release();
                        shown.set(i);
                        display.signal();
                        reading.replace(display.fence());
                    }
                }
                return null;
            });
            try (Fence writing = pending(camera)) {
                for (int i = 1; i <= frames; i++) {
                    buffer().importFence(writing, Direction.WRITE);
                    toDisplay.release();
                    written.set(i);
                    camera.signal();
                    writing.replace(camera.fence());
                    toCamera.acquire();
                    assertTrue(buffer().await(Direction.WRITE, SOON));
                    assertEquals(i, shown.get(), "the display's fence was waited for");
                }
            }
            showing.get();
        }
    }

    @Test
    void aWaitInVainKeepsTheMemoryUntilItIsOver() throws Exception {
        String before = Traces.dmaBufs();
        try (Timeline camera = timeline();
                Fence frame = pending(camera)) {
            try (DmaBuf other = heap().allocate(1)) {
                other.importFence(frame, Direction.WRITE);
            }
            assertEquals(before, Traces.dmaBufs());
            try (DmaBuf other = heap().allocate(1)) {
                other.importFence(frame, Direction.WRITE);
                assertFalse(other.await(Direction.READ, SHORT));
            }
            assertNotEquals(before, Traces.dmaBufs());
            camera.signal();
            long limit = System.nanoTime() + SOON.toNanos();
            while (!Traces.dmaBufs().equals(before) && System.nanoTime() < limit) {
                Thread.sleep(10); // the kernel releases it in its own time
            }
            assertEquals(before, Traces.dmaBufs());
        }
    }
}
