// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.bindings.dmabuf.udmabuf_create;
import dev.cenalloc.image.Arithmetic;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.function.IntSupplier;

/**
 * Allocates memory of an anonymous file, which {@code /dev/udmabuf} makes a dma-buf. A desktop grants it to the user at
 * the console, while heaps belong to root. Some importers refuse it, and each maps it page by page. Closed by its
 * {@link OpenHeap}. Thread-safe.
 *
 * <p>Source: {@code drivers/dma-buf/udmabuf.c}: the file must be sealed against shrinking, and must not be sealed
 * against writing; the module parameter {@code size_limit_mb} limits the size. (The parameter {@code list_limit}
 * concerns buffers of several files, which another request makes.)
 */
final class UdmabufSource implements HeapSource {
    static final Path PATH = Path.of("/dev/udmabuf");

    private final Kernel kernel;
    private final HeapNode node;
    private final boolean huge;
    /** The size of a page of this kind, in bytes. */
    private final long page;

    private final long maxSize;
    private final OrdinaryMemory ordinary;

    UdmabufSource(Kernel kernel, boolean huge) throws CenallocException {
        this.kernel = kernel;
        this.node = new HeapNode(kernel, PATH);
        this.huge = huge;
        this.ordinary = new OrdinaryMemory(kernel, PATH, true);
        this.page = huge ? MachineNumbers.meminfo(kernel, "Hugepagesize").orElse(2 << 20) : kernel.pageSize();
        this.maxSize = (MachineNumbers.moduleParameter(kernel, "udmabuf", "size_limit_mb")
                                .orElse(64)
                        << 20)
                & -page;
    }

    /** The largest buffer when this object was made, in bytes, whole pages; 64 MiB by default. */
    long maxSize() {
        return maxSize;
    }

    /** Whether this machine has reserved huge pages. */
    static boolean hasHugePages(Kernel kernel) throws CenallocException {
        return MachineNumbers.meminfo(kernel, "HugePages_Total").orElse(0) > 0;
    }

    @Override
    public int allocate(long size) throws CenallocException {
        long length = Arithmetic.roundUp(size, page);
        if (length < 0 || length > maxSize) {
            throw CenallocException.ofRefusal(
                    Errno.EINVAL,
                    "allocate",
                    PATH,
                    size,
                    "a buffer of udmabuf has at most " + maxSize + " bytes",
                    "raise /sys/module/udmabuf/parameters/size_limit_mb and open a new Cenalloc, or use a dma-heap");
        }
        if (!huge) { // Huge pages are reserved already.
            ordinary.check(size);
        }
        Descriptor open = node.open(size);
        int flags = Linux.MFD_CLOEXEC | Linux.MFD_ALLOW_SEALING | (huge ? Linux.MFD_HUGETLB : 0);
        int file = succeeded(createFile(flags), "memfd_create", size);
        try (Arena arena = Arena.ofConfined()) {
            succeeded(kernel.ftruncate(file, length), "ftruncate", size);
            if (huge) {
                // Without it, udmabuf (6.12) takes pages that other programs have reserved, and their count falls below
                // zero (HugePages_Rsvd in meminfo).
                succeeded(uninterrupted(() -> kernel.fallocate(file, length)), "fallocate", size);
            }
            succeeded(kernel.addSeals(file, Linux.F_SEAL_SHRINK), "fcntl F_ADD_SEALS", size);
            MemorySegment request = udmabuf_create.allocate(arena);
            udmabuf_create.memfd(request, file);
            udmabuf_create.flags(request, dmabuf_h.UDMABUF_FLAGS_CLOEXEC());
            udmabuf_create.size(request, length);
            int fd = open.acquire();
            try {
                return succeeded(
                        uninterrupted(() -> kernel.ioctl(fd, dmabuf_h.UDMABUF_CREATE(), request)),
                        "UDMABUF_CREATE",
                        size);
            } finally {
                open.release();
            }
        } finally {
            // The dma-buf keeps the pages.
            Descriptor.closeNumber(kernel, file);
        }
    }

    /** Not executable, which some systems require; kernels before 6.3 do not know the flag. */
    private int createFile(int flags) {
        int file = kernel.memfdCreate("cenalloc", flags | Linux.MFD_NOEXEC_SEAL);
        return file == -Errno.EINVAL ? kernel.memfdCreate("cenalloc", flags) : file;
    }

    private static int uninterrupted(IntSupplier call) {
        int result;
        do {
            result = call.getAsInt();
        } while (result == -Errno.EINTR);
        return result;
    }

    private static int succeeded(int result, String call, long size) throws CenallocException {
        if (result < 0) {
            // The file system of anonymous files reports ENOSPC when memory has run out.
            int errno = result == -Errno.ENOSPC ? Errno.ENOMEM : -result;
            throw CenallocException.ofCall(errno, call, PATH, size);
        }
        return result;
    }

    @Override
    public void close() {
        node.close();
    }
}
