// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What fences do on the real kernel and on the fake. */
abstract class FenceContract {
    /** Long enough to be waited for in vain, with a wait that is real. */
    static final Duration SHORT = Duration.ofMillis(2);

    private static final Path SYSTEM = Path.of("/dev/dma_heap/system");

    /** A device whose work the test ends. Closing it fails what is pending. */
    interface Timeline extends AutoCloseable {
        /** A descriptor that the caller owns. */
        int fence();

        /** Ends the oldest that is pending. */
        void signal();

        @Override
        void close();
    }

    abstract Kernel kernel();

    abstract Timeline timeline();

    abstract int openFiles() throws Exception;

    private DmaHeapSource source;
    private OpenHeap heap;
    private DmaBuf buffer;
    private int files;

    @BeforeEach
    void allocate() throws Exception {
        source = new DmaHeapSource(kernel(), SYSTEM);
        heap = new OpenHeap(kernel(), Heap.of("system"), source, true, new BufferCount());
        heap.allocate(1).close(); // the node is open from now on
        files = openFiles();
        buffer = heap.allocate(4096);
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        buffer.close();
        assertEquals(files, openFiles());
        heap.close();
    }

    OpenHeap heap() {
        return heap;
    }

    DmaBuf buffer() {
        return buffer;
    }

    Fence pending(Timeline timeline) throws CenallocException {
        return Fence.adopt(kernel(), timeline.fence());
    }

    @ParameterizedTest
    @EnumSource(Direction.class)
    void ofABufferThatNobodyUsesNothingIsToBeWaitedFor(Direction access) throws Exception {
        assertTrue(buffer.exchangesFences());
        assertTrue(buffer.await(access, Duration.ZERO));
        try (Fence fence = buffer.exportFence(access)) {
            assertTrue(fence.isSignalled());
            assertTrue(fence.await(Duration.ofNanos(-1)));
            assertTrue(fence.await(Duration.ofSeconds(Long.MAX_VALUE)));
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Direction.class,
            names = {"WRITE", "READ_WRITE"})
    void whoWritesIsWaitedForByEverybody(Direction access) throws Exception {
        try (Timeline camera = timeline();
                Fence frame = pending(camera)) {
            assertFalse(frame.isSignalled());
            assertFalse(frame.await(SHORT));
            buffer.importFence(frame, access);
            for (Direction next : Direction.values()) {
                assertFalse(buffer.await(next, Duration.ZERO), next + " would see half a frame");
                assertFalse(buffer.await(next, SHORT));
                try (Fence fence = buffer.exportFence(next)) {
                    assertFalse(fence.await(SHORT));
                }
            }
            try (Fence before = buffer.exportFence(Direction.READ)) {
                camera.signal();
                assertTrue(before.await(Duration.ofDays(1_000_000_000)), "what was exported is that frame");
            }
            assertTrue(frame.isSignalled());
            for (Direction next : Direction.values()) {
                assertTrue(buffer.await(next, Duration.ofDays(1)));
                try (Fence fence = buffer.exportFence(next)) {
                    assertTrue(fence.isSignalled());
                }
            }
        }
    }

    @Test
    void whoReadsIsWaitedForByThoseWhoWrite() throws Exception {
        try (Timeline display = timeline();
                Fence shown = pending(display)) {
            buffer.importFence(shown, Direction.READ);
            assertTrue(buffer.await(Direction.READ, Duration.ZERO), "two may read");
            assertFalse(buffer.await(Direction.WRITE, SHORT));
            assertFalse(buffer.await(Direction.READ_WRITE, Duration.ZERO));
            try (Fence read = buffer.exportFence(Direction.READ);
                    Fence write = buffer.exportFence(Direction.WRITE);
                    Fence both = buffer.exportFence(Direction.READ_WRITE)) {
                assertTrue(read.isSignalled());
                assertFalse(write.isSignalled());
                assertFalse(both.isSignalled());
                display.signal();
                assertTrue(write.isSignalled());
                assertTrue(both.isSignalled());
            }
            assertTrue(buffer.await(Direction.WRITE, Duration.ofDays(1)));
        }
    }

    @Test
    void whoWritesWaitsForAllOfThem() throws Exception {
        try (Timeline camera = timeline();
                Timeline display = timeline();
                Fence frame = pending(camera);
                Fence shown = pending(display)) {
            buffer.importFence(frame, Direction.WRITE);
            buffer.importFence(shown, Direction.READ);
            try (Fence read = buffer.exportFence(Direction.READ);
                    Fence write = buffer.exportFence(Direction.WRITE)) {
                camera.signal();
                assertTrue(read.isSignalled());
                assertFalse(write.isSignalled());
                assertFalse(buffer.await(Direction.WRITE, SHORT));
                display.signal();
                assertTrue(write.await(Duration.ofDays(1)));
                assertTrue(buffer.await(Direction.WRITE, Duration.ofDays(1)));
            }
        }
    }

    @Test
    void mergedMeansBoth() throws Exception {
        try (Timeline left = timeline();
                Timeline right = timeline();
                Fence one = pending(left);
                Fence other = pending(right);
                Fence both = one.merge(other);
                Fence itself = one.merge(one)) {
            left.signal();
            assertTrue(one.isSignalled());
            assertTrue(itself.isSignalled());
            assertFalse(both.await(SHORT));
            right.signal();
            assertTrue(both.await(Duration.ofDays(1)));
            try (Fence over = one.merge(other)) {
                assertTrue(over.isSignalled());
            }
        }
    }

    @Test
    void whatFailsIsToldWithItsErrno() throws Exception {
        Timeline camera = timeline();
        try (Timeline other = timeline();
                Fence frame = pending(camera);
                Fence good = pending(other);
                Fence both = frame.merge(good)) {
            buffer.importFence(frame, Direction.WRITE);
            try (Fence exported = buffer.exportFence(Direction.READ)) {
                assertFalse(exported.isSignalled());
                camera.close();
                assertFailed(frame);
                assertFailed(exported);
            }
            assertFalse(both.isSignalled(), "the other is pending");
            other.signal();
            assertFailed(both);
            try (Fence afterwards = frame.merge(good)) {
                assertTrue(afterwards.isSignalled(), "an error of the past is forgotten");
            }
            assertTrue(buffer.await(Direction.WRITE, Duration.ofDays(1)), "poll tells no error");
            try (Fence afterwards = buffer.exportFence(Direction.READ)) {
                assertTrue(afterwards.isSignalled());
            }
        } finally {
            camera.close();
        }
    }

    private static void assertFailed(Fence fence) {
        for (int i = 0; i < 2; i++) {
            var e = assertThrows(CenallocException.class, () -> fence.await(Duration.ofDays(1)));
            assertEquals(Errno.ENOENT, e.errno(), "what a timeline gives that is closed");
            assertEquals("fence", e.call());
            assertThrows(CenallocException.class, fence::isSignalled);
        }
    }

    @Test
    void oneObjectHoldsOneAfterTheOther() throws Exception {
        try (Timeline camera = timeline();
                Fence frame = pending(camera);
                Fence fence = buffer.exportFence(Direction.READ)) {
            int before = openFiles();
            assertTrue(fence.isSignalled());
            buffer.importFence(frame, Direction.WRITE);
            buffer.exportFence(Direction.READ, fence);
            assertFalse(fence.isSignalled());
            camera.signal();
            assertTrue(fence.isSignalled());
            fence.replace(camera.fence());
            assertFalse(fence.isSignalled());
            assertEquals(before, openFiles());
            assertThrows(IllegalArgumentException.class, () -> fence.replace(-2));
            assertThrows(IllegalArgumentException.class, () -> fence.replace(fence.fd()));
            assertFalse(fence.isSignalled(), "still the same");
        }
    }

    @Test
    void onlySyncFilesAreFences() throws Exception {
        Kernel kernel = kernel();
        int files = openFiles();
        var e = assertThrows(CenallocException.class, () -> Fence.adopt(kernel, 1_000_000));
        assertEquals(Errno.EBADF, e.errno());
        e = assertThrows(CenallocException.class, () -> Fence.adopt(kernel, -2));
        assertEquals(Errno.EBADF, e.errno());
        e = assertThrows(CenallocException.class, () -> Fence.adopt(kernel, source.allocate(1)));
        assertEquals(Errno.ENOTTY, e.errno());
        e = assertThrows(CenallocException.class, () -> Fence.adopt(kernel, file()));
        assertEquals(Errno.ENOTTY, e.errno());
        e = assertThrows(
                CenallocException.class,
                () -> Fence.adopt(kernel, kernel.open(SYSTEM, Linux.O_RDONLY | Linux.O_CLOEXEC)));
        assertEquals(Errno.EINVAL, e.errno(), "a heap looks at the number of a request only");
        assertEquals(files, openFiles(), "each was ours from then on, so it is closed now");
    }

    /** As Vulkan, EGL and KMS say that there is nothing to wait for. */
    @Test
    void minusOneIsAFenceThatIsSignalled() throws Exception {
        int files = openFiles();
        try (Timeline camera = timeline();
                Fence frame = pending(camera);
                Fence signalled = Fence.adopt(kernel(), -1)) {
            assertEquals(-1, signalled.fd());
            assertEquals("signalled fence", signalled.toString());
            assertTrue(signalled.isSignalled());
            assertTrue(signalled.await(Duration.ZERO));
            try (Fence both = signalled.merge(frame);
                    Fence turned = frame.merge(signalled);
                    Fence none = signalled.merge(signalled)) {
                assertFalse(both.isSignalled());
                assertFalse(turned.isSignalled());
                assertTrue(none.isSignalled());
                camera.signal();
                assertTrue(both.isSignalled());
                assertTrue(turned.isSignalled());
            }
            buffer.importFence(signalled, Direction.WRITE);
            assertTrue(buffer.await(Direction.READ, Duration.ZERO));
        }
        try (Timeline camera = timeline();
                Fence fence = pending(camera)) {
            fence.replace(-1);
            assertTrue(fence.isSignalled());
            fence.replace(-1);
            assertTrue(fence.isSignalled());
            fence.replace(camera.fence());
            assertFalse(fence.isSignalled());
            fence.replace(-1);
            buffer.exportFence(Direction.READ, fence);
            assertTrue(fence.fd() >= 0);
            fence.replace(-1);
        }
        assertEquals(files, openFiles());
        Fence closed = Fence.adopt(kernel(), -1);
        closed.close();
        closed.close();
        assertThrows(IllegalStateException.class, closed::fd);
        assertThrows(IllegalStateException.class, closed::isSignalled);
        assertThrows(IllegalStateException.class, () -> closed.replace(-1));
        DmaBuf gone = heap.allocate(1);
        gone.close();
        try (Fence signalled = Fence.adopt(kernel(), -1)) {
            assertThrows(IllegalStateException.class, () -> gone.importFence(signalled, Direction.READ));
        }
        assertEquals(files, openFiles());
    }

    @Test
    void whatReplacedAFenceIsCheckedWhenItIsUsed() throws Exception {
        int files = openFiles();
        try (Fence good = buffer.exportFence(Direction.READ);
                Fence bad = buffer.exportFence(Direction.READ)) {
            bad.replace(file());
            assertEquals(
                    Errno.ENOTTY,
                    assertThrows(CenallocException.class, bad::isSignalled).errno());
            assertEquals(
                    Errno.EINVAL,
                    assertThrows(CenallocException.class, () -> buffer.importFence(bad, Direction.READ))
                            .errno());
            assertEquals(
                    Errno.ENOENT,
                    assertThrows(CenallocException.class, () -> good.merge(bad)).errno());
            assertEquals(
                    Errno.ENOTTY,
                    assertThrows(CenallocException.class, () -> bad.merge(good)).errno());
        }
        assertEquals(files, openFiles());
    }

    private int file() {
        int file = kernel().memfdCreate("no fence", Linux.MFD_CLOEXEC);
        assertTrue(file >= 0, () -> Errno.name(-file));
        return file;
    }

    @Test
    void usingAClosedOneThrows() throws Exception {
        int files = openFiles();
        Fence closed = buffer.exportFence(Direction.READ);
        closed.close();
        closed.close();
        assertThrows(IllegalStateException.class, closed::fd);
        assertThrows(IllegalStateException.class, closed::isSignalled);
        assertThrows(IllegalStateException.class, () -> closed.await(SHORT));
        assertThrows(IllegalStateException.class, () -> closed.merge(closed));
        assertThrows(IllegalStateException.class, () -> buffer.importFence(closed, Direction.READ));
        assertThrows(IllegalStateException.class, () -> buffer.exportFence(Direction.READ, closed));
        try (Fence open = buffer.exportFence(Direction.READ)) {
            assertThrows(IllegalStateException.class, () -> open.merge(closed));
            DmaBuf gone = heap.allocate(1);
            gone.close();
            assertThrows(IllegalStateException.class, () -> gone.await(Direction.READ, SHORT));
            assertThrows(IllegalStateException.class, gone::exchangesFences);
            assertThrows(IllegalStateException.class, () -> gone.exportFence(Direction.READ));
            assertThrows(IllegalStateException.class, () -> gone.exportFence(Direction.READ, open));
            assertThrows(IllegalStateException.class, () -> gone.importFence(open, Direction.READ));
            assertTrue(open.isSignalled());
        }
        assertEquals(files, openFiles());
    }
}
