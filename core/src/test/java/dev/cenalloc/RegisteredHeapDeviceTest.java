// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dma_heap_allocation_data;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/** Heaps of the program's own, and what becomes of descriptors that they should not have given. */
@RequiresHeap({"system", "reserved"})
class RegisteredHeapDeviceTest {
    private static final Device NAMED = Device.of("npu", Constraints.NONE.onlyHeaps(List.of("vendor")), "test");

    /** What a program could write with the public interface alone. */
    private static final class Vendor implements HeapSource {
        final int node = Linux.open("/dev/dma_heap/reserved", Linux.O_RDONLY | Linux.O_CLOEXEC);

        @Override
        public int allocate(long size) throws CenallocException {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment request = dma_heap_allocation_data.allocate(arena);
                dma_heap_allocation_data.len(request, size);
                dma_heap_allocation_data.fd_flags(request, Linux.O_RDWR | Linux.O_CLOEXEC);
                int result = Linux.ioctl(node, dmabuf_h.DMA_HEAP_IOCTL_ALLOC(), request);
                if (result < 0) {
                    throw CenallocException.of(-result, "ioctl VENDOR_ALLOC", size);
                }
                return dma_heap_allocation_data.fd(request);
            }
        }

        @Override
        public void close() {
            Linux.close(node);
        }
    }

    @Test
    void itsMemoryIsUsedAndItsEndIsTheSources() throws Exception {
        int files = Traces.openFiles();
        String buffers = Traces.dmaBufs();
        try (var cenalloc = Cenalloc.open()) {
            Heap vendor = cenalloc.register("vendor", HeapProperties.UNKNOWN, new Vendor());
            try (var buffer = cenalloc.create(5000)) {
                buffer.attach(NAMED);
                try (var mapping = buffer.map(Direction.READ_WRITE);
                        var _ = buffer.access(Direction.READ_WRITE)) {
                    mapping.segment().set(ValueLayout.JAVA_INT, 8188, 3);
                }
                assertEquals("vendor", buffer.choice().orElseThrow().heap().name());
                assertEquals("reserved", buffer.dmaBuf().exporter());
                assertEquals(1, cenalloc.usage(vendor).buffers());
                assertEquals(8192, cenalloc.usage(vendor).bytes());
                assertThrows(IllegalStateException.class, () -> cenalloc.unregister(vendor));
            }
            assertEquals(0, cenalloc.usage(vendor).buffers());
            cenalloc.unregister(vendor);
        }
        assertEquals(files, Traces.openFiles());
        assertEquals(buffers, Traces.dmaBufs());
    }

    @Test
    void itsErrnoPasses() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(1L << 40)) {
            cenalloc.register("vendor", HeapProperties.UNKNOWN, new Vendor());
            buffer.attach(NAMED);
            var e = assertThrows(MemoryExhaustedException.class, buffer::dmaBuf);
            assertEquals("[vendor: ENOMEM]", e.attempts().toString());
        }
    }

    private static int memoryFile() {
        int file = Linux.memfdCreate("no dma-buf", Linux.MFD_CLOEXEC);
        Linux.ftruncate(file, 4096);
        return file;
    }

    private static CenallocException refused(Supplier<HeapSource> source) throws Exception {
        int files = Traces.openFiles();
        String buffers = Traces.dmaBufs();
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(5000)) {
            Heap vendor = cenalloc.register("vendor", HeapProperties.UNKNOWN, source.get());
            buffer.attach(NAMED);
            var e = assertThrows(CenallocException.class, buffer::dmaBuf);
            assertTrue(String.valueOf(e.getMessage()).contains("vendor"), e.getMessage());
            assertTrue(buffer.choice().isEmpty());
            assertEquals(0, cenalloc.usage(vendor).buffers());
            assertEquals(0, cenalloc.usage(vendor).bytes());
            return e;
        } finally {
            assertEquals(files, Traces.openFiles());
            assertEquals(buffers, Traces.dmaBufs());
        }
    }

    @Test
    void whatIsNoDmaBufIsRefused() throws Exception {
        assertEquals(Errno.ENOTTY, refused(() -> size -> memoryFile()).errno());
    }

    @Test
    void whatIsNoDescriptorIsRefused() throws Exception {
        assertEquals(Errno.EBADF, refused(() -> size -> 1_000_000).errno());
    }

    @Test
    void whatIsTooSmallIsRefused() throws Exception {
        var e = refused(() -> new HeapSource() {
            private final Vendor vendor = new Vendor();

            @Override
            public int allocate(long size) throws CenallocException {
                return vendor.allocate(4096);
            }

            @Override
            public void close() {
                vendor.close();
            }
        });
        assertEquals(Errno.EPROTO, e.errno());
        assertTrue(String.valueOf(e.getMessage()).contains("4096"), e.getMessage());
    }
}
