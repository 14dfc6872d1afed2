package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dma_heap_allocation_data;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * One source of memory, a node in {@code /dev/dma_heap}. Owned by the {@link Cenalloc} that listed it, which closes it.
 * Safe for any number of threads.
 */
public final class Heap {
    private final Kernel kernel;
    private final Path path;
    private final String name;
    private final HeapProperties properties;
    private final long memoryTotal;
    /** Opened at the first allocation and kept, so that an allocation is one system call. */
    private @Nullable Descriptor descriptor;

    private boolean closed;

    Heap(Kernel kernel, Path path) {
        this.kernel = kernel;
        this.path = path;
        this.memoryTotal = kernel.memoryTotal();
        this.name = String.valueOf(path.getFileName());
        this.properties = HeapProperties.of(name);
    }

    /** {@return the name of the node, which is the heap's id} */
    public String name() {
        return name;
    }

    /** {@return the device node} */
    public Path path() {
        return path;
    }

    /** {@return what is known of its memory} */
    public HeapProperties properties() {
        return properties;
    }

    /**
     * Allocates from this very heap, whatever suits whom. {@link Cenalloc#create} is the way to let the devices decide.
     * Blocks while the kernel finds and clears the memory.
     *
     * <p>The system heap knows no limit: the kernel (6.12) meets a request for more memory than is free by killing processes,
     * and this one has good prospects. So more than the machine has is refused here, without asking.
     *
     * @param size in bytes, positive; the kernel rounds it up to whole pages
     * @return a buffer that the caller closes, zeroed, readable and writable
     * @throws IllegalArgumentException if the size is not positive or not countable in pages
     * @throws IllegalStateException if the {@link Cenalloc} is closed
     * @throws AccessDeniedException EACCES, EPERM: this process may not open the node
     * @throws MissingDeviceException ENOENT: the node is gone
     * @throws CenallocException with the errno of the kernel: ENOMEM if there is not enough memory, EMFILE if the process
     *     has too many files open
     */
    public DmaBuf allocate(long size) throws CenallocException {
        checkSize(size);
        if (size > memoryTotal) {
            throw new CenallocException(
                    Errno.ENOMEM,
                    "allocate",
                    path,
                    size,
                    "this machine has only " + memoryTotal + " bytes of memory",
                    "ask for less");
        }
        Descriptor node = open();
        int fd = node.acquire();
        try (Arena arena = Arena.ofConfined()) {
            // In and out in one: fd must be 0 on entry, the heap flags are 0 for want of any (dma-heap.h).
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
            return DmaBuf.own(kernel, dma_heap_allocation_data.fd(request));
        } finally {
            node.release();
        }
    }

    static void checkSize(long size) {
        // 64 KiB is the largest page of the supported architectures.
        if (size <= 0 || size > Long.MAX_VALUE - 65_535) {
            throw new IllegalArgumentException("a buffer has from 1 to 2^63-65536 bytes, not " + size);
        }
    }

    private synchronized Descriptor open() throws CenallocException {
        if (closed) {
            throw new IllegalStateException("the Cenalloc of heap " + name + " is closed");
        }
        Descriptor open = descriptor;
        if (open == null) {
            // Read-only is enough to allocate, and all that a careful udev rule grants.
            int fd = kernel.open(path, Linux.O_RDONLY | Linux.O_CLOEXEC);
            if (fd < 0) {
                throw CenallocException.ofCall(-fd, "open", path, -1);
            }
            open = new Descriptor(kernel, fd);
            descriptor = open;
        }
        return open;
    }

    synchronized void close() {
        closed = true;
        if (descriptor != null) {
            descriptor.close();
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
