package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.bindings.dmabuf.udmabuf_create;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Memory of an anonymous file, made a dma-buf by {@code /dev/udmabuf}: what a desktop grants its users, where heaps are
 * root's. Some importers refuse it, and each maps it page by page. Closed by its {@link Heap}. Thread-safe.
 *
 * <p>Source: {@code drivers/dma-buf/udmabuf.c}: the file must be sealed against shrinking and must not be against
 * writing; size and number of pieces are limited by parameters of the module.
 */
final class UdmabufSource implements Heap.Source {
    static final Path PATH = Path.of("/dev/udmabuf");
    private static final String MODULE = "udmabuf";

    private final Kernel kernel;
    private final Node node;
    private final boolean huge;

    UdmabufSource(Kernel kernel, boolean huge) {
        this.kernel = kernel;
        this.node = new Node(kernel, PATH);
        this.huge = huge;
    }

    /** Bytes that the module gives in one buffer; 64 MiB unless its parameter says otherwise. */
    static long maxSize(Kernel kernel) {
        return Math.max(1, kernel.moduleParameter(MODULE, "size_limit_mb").orElse(64)) << 20;
    }

    /** Whether pages of the huge kind are set aside on this machine. */
    static boolean hasHugePages(Kernel kernel) {
        return kernel.meminfo("HugePages_Total").orElse(0) > 0;
    }

    @Override
    public Optional<String> refusal(Constraints constraints, long size) {
        // A buffer is a list of one item here, so that only a limit below that is met.
        long items = kernel.moduleParameter(MODULE, "list_limit").orElse(1024);
        return items >= 1
                ? Optional.empty()
                : Optional.of("the parameter list_limit of the udmabuf module, " + items + ", allows no buffers");
    }

    @Override
    public int allocate(long size) throws CenallocException {
        long unit = huge ? kernel.meminfo("Hugepagesize").orElse(2 << 20) : kernel.pageSize();
        long length = Extent.roundUp(size, unit);
        long most = maxSize(kernel);
        if (length < 0 || length > most) {
            throw new CenallocException(
                    Errno.EINVAL,
                    "UDMABUF_CREATE",
                    PATH,
                    size,
                    "udmabuf gives at most " + most + " bytes in one buffer",
                    "raise /sys/module/udmabuf/parameters/size_limit_mb, or use a dma-heap");
        }
        Descriptor open = node.open();
        int flags = Linux.MFD_CLOEXEC | Linux.MFD_ALLOW_SEALING | (huge ? Linux.MFD_HUGETLB : 0);
        int file = succeeded(kernel.memfdCreate("cenalloc", flags), "memfd_create", size);
        try (Arena arena = Arena.ofConfined()) {
            succeeded(kernel.ftruncate(file, length), "ftruncate", size);
            succeeded(kernel.addSeals(file, Linux.F_SEAL_SHRINK), "fcntl F_ADD_SEALS", size);
            MemorySegment request = udmabuf_create.allocate(arena);
            udmabuf_create.memfd(request, file);
            udmabuf_create.flags(request, dmabuf_h.UDMABUF_FLAGS_CLOEXEC());
            udmabuf_create.size(request, length);
            int fd = open.acquire();
            try {
                int result;
                do {
                    result = kernel.ioctl(fd, dmabuf_h.UDMABUF_CREATE(), request);
                } while (result == -Errno.EINTR);
                return succeeded(result, "UDMABUF_CREATE", size);
            } finally {
                open.release();
            }
        } finally {
            // The dma-buf holds the pages.
            kernel.close(file);
        }
    }

    private static int succeeded(int result, String call, long size) throws CenallocException {
        if (result < 0) {
            throw CenallocException.ofCall(-result, call, PATH, size);
        }
        return result;
    }

    @Override
    public void close() {
        node.close();
    }
}
