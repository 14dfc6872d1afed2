// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** An {@link Error} may come between any two steps. Whatever was left then, the next close finishes. */
@SuppressWarnings("MustBeClosedChecker") // of the arenas: the pages close them
class ErrorsHalfWayTest {
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "test");

    /** Bytes that are left on the stack at most when an operation begins, in calls that do nothing. */
    private static final int CALLS = 200;

    // ---- the stack overflows ----

    /** What is done with almost no stack left, and what it leaves to be closed if it succeeds. */
    enum Operation {
        FIRST_USE {
            @Override
            @Nullable
            AutoCloseable run(SharedBuffer buffer, AutoCloseable before) throws Exception {
                buffer.dmaBuf();
                return null;
            }
        },
        MAP {
            @Override
            @Nullable
            AutoCloseable run(SharedBuffer buffer, AutoCloseable before) throws Exception {
                return buffer.map(Direction.READ_WRITE);
            }
        },
        UNMAP {
            @Override
            AutoCloseable before(SharedBuffer buffer) throws Exception {
                return buffer.map(Direction.READ_WRITE);
            }

            @Override
            @Nullable
            AutoCloseable run(SharedBuffer buffer, AutoCloseable before) throws Exception {
                before.close();
                return null;
            }
        },
        ACCESS {
            @Override
            @Nullable
            AutoCloseable run(SharedBuffer buffer, AutoCloseable before) throws Exception {
                return buffer.access(Direction.READ);
            }
        },
        END_ACCESS {
            @Override
            AutoCloseable before(SharedBuffer buffer) throws Exception {
                CpuAccess access = buffer.access(Direction.READ);
                return () -> {
                    try {
                        access.close();
                    } catch (IllegalStateException e) {
                        assertEquals("no CPU access to end", e.getMessage());
                    }
                };
            }

            @Override
            @Nullable
            AutoCloseable run(SharedBuffer buffer, AutoCloseable before) throws Exception {
                before.close();
                return null;
            }
        },
        RELOCATE {
            @Override
            @Nullable
            AutoCloseable run(SharedBuffer buffer, AutoCloseable before) throws Exception {
                return buffer.relocate(CONTIGUOUS);
            }
        },
        FENCE {
            @Override
            @Nullable
            AutoCloseable run(SharedBuffer buffer, AutoCloseable before) throws Exception {
                return buffer.dmaBuf().exportFence(Direction.READ);
            }
        },
        NAME {
            @Override
            @Nullable
            AutoCloseable run(SharedBuffer buffer, AutoCloseable before) throws Exception {
                buffer.name("a name");
                return null;
            }
        },
        CLOSE {
            @Override
            @Nullable
            AutoCloseable run(SharedBuffer buffer, AutoCloseable before) throws Exception {
                buffer.close();
                return null;
            }
        };

        /** Something open already. */
        AutoCloseable before(SharedBuffer buffer) throws Exception {
            if (this != FIRST_USE) {
                buffer.map(Direction.READ).close();
            }
            return () -> {};
        }

        abstract @Nullable AutoCloseable run(SharedBuffer buffer, AutoCloseable before) throws Exception;
    }

    @ParameterizedTest
    @EnumSource(Operation.class)
    void anOverflowOfTheStackLeavesNothingThatCannotBeClosed(Operation operation) throws Exception {
        SmallStack.with(() -> {
            // A class whose initialisation overflows the stack cannot be used any more, by other tests neither.
            overflow(operation, 0);
            int overflows = 0;
            // Again if a compiler has made the frames smaller after the depth was measured.
            for (int i = 0; i < 10 && overflows == 0; i++) {
                int deepest = SmallStack.deepest();
                for (int less = CALLS; less >= 0; less--) {
                    overflows += overflow(operation, deepest - less) ? 1 : 0;
                }
            }
            assertTrue(overflows > 0, operation + " was to overflow the stack");
        });
    }

    private static boolean overflow(Operation operation, int depth) throws Exception {
        FakeKernel kernel = new FakeKernel().heap("system", 1 << 20).heap("reserved", 1 << 20);
        boolean overflown = false;
        try (var cenalloc = kernel.open()) {
            SharedBuffer buffer = cenalloc.create(4096);
            AutoCloseable before = operation.before(buffer);
            var after = new AtomicReference<@Nullable AutoCloseable>();
            try {
                SmallStack.deep(depth, () -> after.set(operation.run(buffer, before)));
            } catch (StackOverflowError e) {
                overflown = true;
            }
            before.close();
            AutoCloseable made = after.get();
            if (made != null) {
                made.close();
            }
            if (overflown && operation != Operation.CLOSE) {
                buffer.map(Direction.WRITE).close();
                buffer.access(Direction.READ).close();
            }
            buffer.close();
            assertEquals(0, kernel.openMappings(), operation + " at " + depth);
        }
        return overflown;
    }

    // ---- an arena, a kernel, a source throws ----

    /** An arena whose first close throws, before or after it has closed. */
    private static final class Failing implements Arena {
        private final Arena arena = Arena.ofShared();
        private final boolean closesFirst;
        private boolean failed;

        Failing(boolean closesFirst) {
            this.closesFirst = closesFirst;
        }

        @Override
        public MemorySegment allocate(long size, long alignment) {
            return arena.allocate(size, alignment);
        }

        @Override
        public MemorySegment.Scope scope() {
            return arena.scope();
        }

        @Override
        public void close() {
            if (failed || closesFirst) {
                arena.close();
            }
            if (!failed) {
                failed = true;
                throw new StackOverflowError();
            }
        }
    }

    private static MappedPages pages(FakeKernel kernel, Descriptor descriptor, Arena arena) throws CenallocException {
        var pages = new MappedPages(kernel, descriptor, 4096, arena, null);
        assertNotNull(pages.map(Direction.READ_WRITE));
        return pages;
    }

    private static Descriptor descriptor(FakeKernel kernel) {
        return new Descriptor(kernel, kernel.foreignDmaBuf("camera", 4096, false));
    }

    @Test
    void anArenaThatIsStillOpenIsClosedByTheNextClose() throws Exception {
        var kernel = new FakeKernel();
        Descriptor descriptor = descriptor(kernel);
        MappedPages pages = pages(kernel, descriptor, new Failing(false));
        assertThrows(StackOverflowError.class, pages::close);
        assertEquals(1, kernel.openMappings());
        pages.close();
        pages.close();
        assertEquals(0, kernel.openMappings());
        assertFalse(kernel.calls.contains("cover"));
        descriptor.close();
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void underAnArenaOfUnknownStateThePagesAreReplaced() throws Exception {
        var kernel = new FakeKernel();
        Descriptor descriptor = descriptor(kernel);
        MappedPages pages = pages(kernel, descriptor, new Failing(true));
        assertThrows(StackOverflowError.class, pages::close);
        assertThrows(IllegalStateException.class, descriptor::close, "it is held");
        pages.finish();
        assertEquals(0, kernel.openMappings());
        assertTrue(kernel.calls.contains("cover"));
        assertFalse(kernel.calls.contains("munmap"));
        descriptor.close();
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void whatIsInUseStaysAsItWas() throws Exception {
        var kernel = new FakeKernel();
        Descriptor descriptor = descriptor(kernel);
        var arena = new Arena() {
            private final Arena shared = Arena.ofShared();
            boolean inUse = true;

            @Override
            public MemorySegment allocate(long size, long alignment) {
                return shared.allocate(size, alignment);
            }

            @Override
            public MemorySegment.Scope scope() {
                return shared.scope();
            }

            @Override
            public void close() {
                if (inUse) {
                    throw new IllegalStateException("acquired by 1 clients");
                }
                shared.close();
            }
        };
        MappedPages pages = pages(kernel, descriptor, arena);
        for (int i = 0; i < 2; i++) {
            assertThrows(IllegalStateException.class, pages::close);
            pages.finish(); // nobody has begun to close it
            assertEquals(1, kernel.openMappings());
        }
        arena.inUse = false;
        pages.close();
        assertEquals(0, kernel.openMappings());
        descriptor.close();
    }

    @Test
    void aDescriptorWhoseCloseFailedIsClosedByTheNext() {
        var kernel = new FakeKernel();
        Descriptor descriptor = descriptor(kernel);
        kernel.failClose(new OutOfMemoryError("test"));
        assertThrows(OutOfMemoryError.class, descriptor::close);
        assertFalse(descriptor.isOpen());
        assertEquals(1, kernel.openFiles());
        descriptor.close();
        descriptor.close();
        assertEquals(0, kernel.openFiles());
    }

    /** As with try-with-resources, which closes once. */
    @Test
    void anAccessWhoseEndFailedHoldsNothing() throws Exception {
        FakeKernel kernel = new FakeKernel().heap("system", 1 << 20);
        try (var cenalloc = kernel.open()) {
            DmaBuf buffer = cenalloc.allocate(cenalloc.heaps().getFirst(), 1);
            CpuAccess outer = buffer.access(Direction.WRITE);
            CpuAccess inner = buffer.access(Direction.WRITE);
            kernel.failRequest(new StackOverflowError());
            assertThrows(StackOverflowError.class, inner::close);
            assertThrows(IllegalStateException.class, buffer::close, "the outer one is open");
            kernel.failRequest(new OutOfMemoryError("test"));
            assertThrows(OutOfMemoryError.class, outer::close);
            outer.close();
            buffer.close();
            assertEquals(1, kernel.openFiles(), "the node");
        }
    }

    /** The kernel's refusal of an end is no error of ours: the access counts as ended. */
    @Test
    void anAccessWhoseEndTheKernelRefusesHasEnded() throws Exception {
        FakeKernel kernel = new FakeKernel().heap("system", 1 << 20);
        try (var cenalloc = kernel.open()) {
            DmaBuf buffer = cenalloc.allocate(cenalloc.heaps().getFirst(), 1);
            CpuAccess access = buffer.access(Direction.READ);
            kernel.failCall(0, Errno.EIO);
            assertThrows(CenallocException.class, access::close);
            kernel.failNoCall();
            buffer.close();
            assertEquals(1, kernel.openFiles(), "the node");
        }
    }

    @Test
    void aBufferWhoseCloseFailedIsClosedByTheNext() throws Exception {
        FakeKernel kernel = new FakeKernel().heap("system", 1 << 20);
        try (var cenalloc = kernel.open()) {
            SharedBuffer buffer = cenalloc.create(1);
            buffer.map(Direction.READ).close();
            int files = kernel.openFiles();
            kernel.failClose(new OutOfMemoryError("test"));
            assertThrows(OutOfMemoryError.class, buffer::close);
            buffer.close();
            assertEquals(files - 1, kernel.openFiles());
            assertEquals(0, cenalloc.usage(cenalloc.heaps().getFirst()).buffers());
        }
    }

    @Test
    void aSourceThatCannotBeClosedCostsNoBuffer() throws Exception {
        FakeKernel kernel = new FakeKernel().heap("system", 1 << 20);
        var heap = new AtomicReference<@Nullable OpenHeap>();
        var registered = new OpenHeap(kernel, Heap.of("sram"), new Closed(kernel, heap), false, new BufferCount());
        heap.set(registered);
        assertThrows(AssertionError.class, () -> registered.allocate(1));
        assertEquals(0, registered.usage().buffers());
        assertEquals(0, kernel.openFiles());
    }

    /** Its heap is closed while it allocates; and its own close throws. */
    private static final class Closed implements HeapSource {
        private final DmaHeapSource source;
        private final AtomicReference<@Nullable OpenHeap> heap;

        Closed(FakeKernel kernel, AtomicReference<@Nullable OpenHeap> heap) throws CenallocException {
            this.source = new DmaHeapSource(kernel, Path.of("/dev/dma_heap/system"));
            this.heap = heap;
        }

        @Override
        public int allocate(long size) throws CenallocException {
            OpenHeap own = heap.get();
            assertNotNull(own);
            own.close();
            return source.allocate(size);
        }

        @Override
        public void close() {
            source.close();
            throw new AssertionError("the source cannot be closed");
        }
    }

    @Test
    void anErrorInOneHeapClosesTheOthers() throws Exception {
        FakeKernel kernel = new FakeKernel().heap("reserved", 1 << 20).heap("system", 1 << 20);
        Cenalloc cenalloc = kernel.open();
        for (Heap heap : cenalloc.heaps()) {
            cenalloc.allocate(heap, 1).close();
        }
        assertEquals(2, kernel.openFiles());
        kernel.failClose(new OutOfMemoryError("test"));
        assertThrows(OutOfMemoryError.class, cenalloc::close);
        assertEquals(1, kernel.openFiles());
    }

    @Test
    @Timeout(60)
    void theCleanerFinishesWhatNobodyClosesAgain() throws Exception {
        FakeKernel kernel = new FakeKernel().heap("system", 1 << 20);
        try (var cenalloc = kernel.open()) {
            Heap heap = cenalloc.heaps().getFirst();
            failToClose(kernel, cenalloc);
            for (int i = 0; i < 500 && cenalloc.usage(heap).buffers() > 0; i++) {
                System.gc();
                Thread.sleep(Duration.ofMillis(10));
            }
            assertEquals(0, cenalloc.usage(heap).buffers());
            assertEquals(1, kernel.openFiles(), "the node");
        }
    }

    private static void failToClose(FakeKernel kernel, Cenalloc cenalloc) throws Exception {
        DmaBuf buffer = cenalloc.allocate(cenalloc.heaps().getFirst(), 1);
        kernel.failClose(new OutOfMemoryError("test"));
        assertThrows(OutOfMemoryError.class, buffer::close);
        assertEquals(1, cenalloc.usage(cenalloc.heaps().getFirst()).buffers());
    }
}
