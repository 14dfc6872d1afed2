// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Faults;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.plan.Direction;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The contract on the fake, and what a real kernel cannot be made to do. */
class FakeFenceTest extends FenceContract {
    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20);

    @Override
    Kernel kernel() {
        return kernel;
    }

    @Override
    int openFiles() {
        return kernel.openFiles();
    }

    @Override
    Timeline timeline() {
        var pending = new ArrayDeque<FakeKernel.Work>();
        return new Timeline() {
            @Override
            public int fence() {
                var work = new FakeKernel.Work();
                pending.add(work);
                return kernel.fence(work);
            }

            @Override
            public void signal() {
                pending.remove().status = 1;
            }

            @Override
            public void close() {
                pending.forEach(work -> work.status = -Errno.ENOENT);
                pending.clear();
            }
        };
    }

    @Test
    void aFenceIsNamedByItsDescriptor() throws Exception {
        try (Timeline camera = timeline()) {
            Fence frame = pending(camera);
            int calls = kernel.calls.size();
            assertEquals("fence " + frame.fd(), frame.toString());
            frame.close();
            assertEquals("closed fence", frame.toString());
            assertEquals(List.of("close"), kernel.calls.subList(calls, kernel.calls.size()));
        }
    }

    @Test
    void onAnOlderKernelThereIsStillAWayToWait() throws Exception {
        try (Timeline camera = timeline();
                Fence frame = pending(camera)) {
            buffer().importFence(frame, Direction.WRITE);
            kernel.exchangesFences = false;
            assertFalse(buffer().exchangesFences());
            var e = assertThrows(CenallocException.class, () -> buffer().exportFence(Direction.READ));
            assertEquals(Errno.ENOTTY, e.errno());
            assertTrue(e.remedy().contains("DmaBuf.await"), e.remedy());
            e = assertThrows(CenallocException.class, () -> buffer().importFence(frame, Direction.READ));
            assertEquals(Errno.ENOTTY, e.errno());
            assertTrue(e.remedy().contains("Fence.await"), e.remedy());

            assertFalse(buffer().await(Direction.READ, SHORT));
            assertFalse(frame.await(SHORT));
            camera.signal();
            assertTrue(buffer().await(Direction.READ, SHORT));
            assertTrue(frame.await(SHORT));
        }
    }

    @Test
    void whatWouldWaitIsAskedForInWholeMilliseconds() throws Exception {
        try (Timeline camera = timeline();
                Fence frame = pending(camera)) {
            assertFalse(frame.await(Duration.ofNanos(1)));
            assertFalse(frame.await(Duration.ofNanos(2_000_001)));
            assertFalse(frame.await(Duration.ofSeconds(-1)));
            assertEquals(List.of(1, 3, 0), kernel.timeouts);
        }
    }

    @Test
    void aTimeThatPollCannotWaitForIsWaitedForInPieces() throws Exception {
        try (Timeline camera = timeline();
                Fence frame = pending(camera)) {
            kernel.whileWaiting = () -> {
                if (kernel.timeouts.size() == 3) {
                    camera.signal();
                }
            };
            assertTrue(frame.await(Duration.ofDays(365)));
            assertEquals(List.of(Integer.MAX_VALUE, Integer.MAX_VALUE, Integer.MAX_VALUE), kernel.timeouts);
        }
    }

    @Test
    void anInterruptedWaitGoesOnForTheRest() throws Exception {
        try (Timeline camera = timeline();
                Fence frame = pending(camera)) {
            buffer().importFence(frame, Direction.WRITE);
            kernel.failCall(0, Errno.EINTR);
            assertFalse(frame.await(Duration.ofHours(1)));
            kernel.failCall(0, Errno.EINTR);
            assertFalse(buffer().await(Direction.READ, Duration.ofHours(1)));
            assertEquals(4, kernel.timeouts.size());
            for (int wait : kernel.timeouts) {
                assertTrue(wait > 0 && wait <= 3_600_000, () -> "waits of " + kernel.timeouts);
            }
        }
    }

    @Test
    void aLoopKeepsToTheCallsOfC() throws Exception {
        try (Timeline display = timeline();
                Fence written = buffer().exportFence(Direction.READ);
                Fence shown = pending(display)) {
            kernel.calls.clear();
            buffer().exportFence(Direction.READ, written);
            shown.replace(display.fence());
            buffer().importFence(shown, Direction.READ);
            assertFalse(shown.await(SHORT));
            assertEquals(List.of("ioctl", "close", "close", "ioctl", "poll"), kernel.calls);
        }
    }

    @Test
    void whoWaitsKeepsItFromBeingReplaced() throws Exception {
        try (Timeline display = timeline();
                Fence shown = pending(display)) {
            int[] refused = {0};
            kernel.whileWaiting = () -> {
                int files = kernel.openFiles();
                assertThrows(IllegalStateException.class, () -> shown.replace(display.fence()));
                assertEquals(files, kernel.openFiles(), "it was ours from then on");
                refused[0]++;
            };
            assertFalse(shown.await(SHORT));
            assertEquals(1, refused[0]);
        }
    }

    @Test
    void closedWhileSomebodyWaitsItGoesBackAfterwards() throws Exception {
        try (Timeline display = timeline()) {
            Fence shown = pending(display);
            int files = kernel.openFiles();
            kernel.whileWaiting = () -> {
                shown.close();
                assertEquals(files, kernel.openFiles());
                assertThrows(IllegalStateException.class, shown::fd);
            };
            assertFalse(shown.await(SHORT));
            assertEquals(files - 1, kernel.openFiles());
        }
    }

    @Test
    void aLostOneIsReleased() throws Exception {
        int files = kernel.openFiles();
        lose();
        long limit = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while (kernel.openFiles() > files && System.nanoTime() < limit) {
            System.gc();
            Thread.sleep(20);
        }
        assertEquals(files, kernel.openFiles());
    }

    private void lose() throws Exception {
        assertTrue(buffer().exportFence(Direction.READ).isSignalled());
    }

    @Test
    void whatIsNoFaultOfTheFenceIsTold() throws Exception {
        int files = kernel.openFiles();
        for (int errno : Faults.ERRNOS) {
            int fd = kernel.fence(new FakeKernel.Work());
            kernel.failCall(0, errno);
            var e = assertThrows(CenallocException.class, () -> Fence.adopt(kernel, fd));
            assertEquals(errno, e.errno());
            assertEquals(files, kernel.openFiles());
        }
    }
}
