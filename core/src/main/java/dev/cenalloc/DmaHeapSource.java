// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dma_heap_allocation_data;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.plan.HeapProperties;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Allocates from a node in {@code /dev/dma_heap}. Closed by its {@link OpenHeap}. Thread-safe. */
final class DmaHeapSource implements HeapSource {
    private final Kernel kernel;
    private final Path path;
    private final HeapNode node;
    /** Null for a heap with a separate pool. */
    private final @Nullable OrdinaryMemory ordinary;

    private final long memoryTotal;

    DmaHeapSource(Kernel kernel, Path path) throws CenallocException {
        this.kernel = kernel;
        this.path = path;
        this.node = new HeapNode(kernel, path);
        // The kernel's names for heaps of ordinary pages begin with "system".
        boolean isOrdinary = String.valueOf(path.getFileName()).startsWith(HeapProperties.SYSTEM);
        boolean charged = MachineNumbers.moduleParameter(kernel, "dma_heap", "mem_accounting")
                        .orElse(0)
                != 0;
        this.ordinary = isOrdinary ? new OrdinaryMemory(kernel, path, charged) : null;
        this.memoryTotal = MachineNumbers.meminfo(kernel, "MemTotal").orElse(Long.MAX_VALUE);
    }

    @Override
    public int allocate(long size) throws CenallocException {
        if (ordinary != null) {
            ordinary.check(size);
        } else if (size > memoryTotal) {
            throw OrdinaryMemory.refusal(path, size, "this machine has only " + memoryTotal + " bytes of memory");
        }
        Descriptor open = node.open(size);
        int fd = open.acquire();
        try (Arena arena = Arena.ofConfined()) {
            // For input and output: fd must be 0 on entry, and no heap flags are defined (dma-heap.h).
            MemorySegment request = dma_heap_allocation_data.allocate(arena);
            dma_heap_allocation_data.len(request, size);
            dma_heap_allocation_data.fd_flags(request, Linux.O_RDWR | Linux.O_CLOEXEC);
            int result;
            do {
                result = kernel.ioctl(fd, dmabuf_h.DMA_HEAP_IOCTL_ALLOC(), request);
            } while (result == -Errno.EINTR);
            if (result < 0) {
                throw CenallocException.ofCall(-result, "DMA_HEAP_IOCTL_ALLOC", path, size);
            }
            return dma_heap_allocation_data.fd(request);
        } finally {
            open.release();
        }
    }

    @Override
    public void close() {
        node.close();
    }
}
