// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DmaBufTest {
    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20);

    private OpenHeap system() throws CenallocException {
        Path path = Path.of("/dev/dma_heap/system");
        return new OpenHeap(kernel, Heap.of("system"), new DmaHeapSource(kernel, path), true, new BufferCount());
    }

    @Test
    void closingWhileOthersUseItNeverTouchesAClosedDescriptor() throws Exception {
        OpenHeap heap = system();
        try (var threads = Executors.newFixedThreadPool(4)) {
            for (int round = 0; round < 100; round++) {
                DmaBuf buffer = heap.allocate(1);
                var closing = new AtomicBoolean();
                var users = new ArrayList<Future<?>>();
                for (int i = 0; i < 3; i++) {
                    users.add(threads.submit(() -> {
                        try {
                            while (true) {
                                // The fake answers EBADF for a closed number, which would come out as an exception
                                // of another type.
                                buffer.access(Direction.READ).close();
                                LockSupport.parkNanos(10_000);
                            }
                        } catch (IllegalStateException e) {
                            assertTrue(closing.get(), "only once it is being closed");
                        }
                        return null;
                    }));
                }
                closing.set(true);
                while (true) {
                    try {
                        buffer.close();
                        break;
                    } catch (IllegalStateException e) {
                        LockSupport.parkNanos(10_000); // an access is open at this moment
                    }
                }
                for (var user : users) {
                    user.get();
                }
            }
        }
        heap.close();
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void closingWhileOthersMapItNeverLeavesAMappingOfAClosedBuffer() throws Exception {
        OpenHeap heap = system();
        try (var threads = Executors.newFixedThreadPool(2)) {
            for (int round = 0; round < 100; round++) {
                DmaBuf buffer = heap.allocate(1);
                Future<?> user = threads.submit(() -> {
                    try {
                        while (true) {
                            try (var mapping = buffer.map(Direction.READ_WRITE);
                                    var _ = buffer.access(Direction.WRITE)) {
                                mapping.segment().fill((byte) 1);
                            }
                            LockSupport.parkNanos(
                                    10_000); // or the other would hardly get its turn on a single processor
                        }
                    } catch (IllegalStateException e) {
                        return "closed, before a mapping was made";
                    }
                });
                while (true) {
                    try {
                        buffer.close();
                        break;
                    } catch (IllegalStateException e) {
                        LockSupport.parkNanos(10_000); // in use at this moment
                    }
                }
                user.get();
                assertEquals(0, kernel.openMappings());
            }
        }
        heap.close();
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void aLostBufferIsReleased() throws Exception {
        OpenHeap heap = system();
        lose(heap);
        long limit = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while ((kernel.openFiles() > 1 || kernel.openMappings() > 0) && System.nanoTime() < limit) {
            System.gc();
            Thread.sleep(20);
        }
        assertEquals(1, kernel.openFiles(), "the heap alone");
        assertEquals(0, kernel.openMappings());
        heap.close();
    }

    private static void lose(OpenHeap heap) throws Exception {
        heap.allocate(1).map(Direction.READ);
    }

    @Test
    void aClosedHeapGivesNothing() throws Exception {
        OpenHeap heap = system();
        heap.allocate(1).close();
        heap.close();
        assertThrows(IllegalStateException.class, () -> heap.allocate(1));
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void aDuplicateHasALifeOfItsOwn() throws Exception {
        OpenHeap heap = system();
        DmaBuf buffer = heap.allocate(1);
        DmaBuf same = buffer.duplicate();
        assertNotEquals(buffer.fd(), same.fd());
        assertEquals(buffer.inode(), same.inode());
        assertEquals(buffer.size(), same.size());
        buffer.close();
        assertEquals(4096, (1 << 20) - kernel.free(), "the memory is still there");
        try (var mapping = same.map(Direction.READ_WRITE)) {
            mapping.segment().fill((byte) 1);
        }
        assertThrows(IllegalStateException.class, buffer::duplicate);
        same.close();
        assertEquals(1 << 20, kernel.free());
        heap.close();
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void aBufferOfAnotherProcessIsTaken() throws Exception {
        OpenHeap heap = system();
        try (DmaBuf buffer = heap.allocate(1);
                DmaBuf taken = DmaBuf.ofProcess(kernel, 4711, buffer.fd())) {
            assertNotEquals(buffer.fd(), taken.fd());
            assertEquals(buffer.inode(), taken.inode());
            assertEquals(3, kernel.openFiles(), "not that of the process");
            for (long pid : new long[] {Long.MIN_VALUE, 0, 1L << 31}) {
                assertThrows(IllegalArgumentException.class, () -> DmaBuf.ofProcess(kernel, pid, 0));
            }
            assertThrows(IllegalArgumentException.class, () -> DmaBuf.ofProcess(kernel, 1, -1));
            for (int call = 0; call < 2; call++) {
                kernel.failCall(call, Errno.EPERM);
                var e = assertThrows(NoPermissionException.class, () -> DmaBuf.ofProcess(kernel, 1, buffer.fd()));
                kernel.failNoCall();
                assertEquals(call == 0 ? "pidfd_open" : "pidfd_getfd", e.call());
                assertTrue(e.isFromKernel(), e::toString);
                assertEquals(3, kernel.openFiles());
            }
        }
        heap.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.ENOMEM, Errno.EINVAL})
    void pagesThatCannotBeUnmappedAreCovered(int errno) throws Exception {
        OpenHeap heap = system();
        try (DmaBuf buffer = heap.allocate(1);
                var log = new LogCapture()) {
            kernel.unmapErrno = errno;
            buffer.map(Direction.READ).close();
            assertEquals("", log.text());
            assertEquals(0, kernel.openMappings());
        }
        heap.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.ENOMEM, Errno.EINVAL})
    void pagesThatStayAreReportedOnce(int errno) throws Exception {
        OpenHeap heap = system();
        try (var log = new LogCapture()) {
            try (DmaBuf buffer = heap.allocate(1)) {
                kernel.unmapErrno = errno;
                kernel.coverErrno = errno;
                Mapping mapping = buffer.map(Direction.READ);
                mapping.close();
                mapping.close();
                assertThrows(
                        IllegalStateException.class, () -> mapping.segment().get(ValueLayout.JAVA_BYTE, 0));
            }
            assertEquals(1, kernel.openMappings());
            String text = "munmap gave " + Errno.name(errno) + " for 4096 bytes of a buffer";
            assertEquals(2, log.text().split(text, -1).length, log::text);
        }
        assertEquals(1, kernel.openFiles(), "the heap's node");
        heap.close();
    }

    @Test
    void aDuplicateThatFailsLeavesNothing() throws Exception {
        OpenHeap heap = system();
        try (DmaBuf buffer = heap.allocate(1)) {
            for (int call = 0; call < 2; call++) {
                kernel.failCall(call, Errno.EMFILE);
                var refused = assertThrows(CenallocException.class, buffer::duplicate);
                assertEquals(Errno.EMFILE, refused.errno());
            }
            kernel.failNoCall();
            assertEquals(2, kernel.openFiles());
        }
        heap.close();
    }
}
