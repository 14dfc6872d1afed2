// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.dmabuf.dma_buf_export_sync_file;
import dev.cenalloc.bindings.dmabuf.dma_buf_import_sync_file;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.MemorySegment;

/** The requests that exchange fences with a buffer. Stateless; allocates no objects. */
final class BufferFences {
    private BufferFences() {}

    /** Whether this kernel has them. */
    static boolean areExchanged(DmaBuf buffer) throws CenallocException {
        // Without a direction: a kernel that knows the request rejects that.
        int result = buffer.ioctl(dmabuf_h.DMA_BUF_IOCTL_EXPORT_SYNC_FILE(), Fence.argument());
        return switch (-result) {
            case Errno.EINVAL -> true;
            case Errno.ENOTTY -> false;
            default -> throw CenallocException.ofCall(-result, "DMA_BUF_IOCTL_EXPORT_SYNC_FILE", null, -1);
        };
    }

    /** A descriptor of the work that an access has to wait for; the caller closes it. */
    static int exported(DmaBuf buffer, Direction access) throws CenallocException {
        MemorySegment argument = Fence.argument();
        dma_buf_export_sync_file.flags(argument, CpuAccess.flags(access));
        int result = buffer.ioctl(dmabuf_h.DMA_BUF_IOCTL_EXPORT_SYNC_FILE(), argument);
        if (result == -Errno.ENOTTY) {
            throw noExchange("DMA_BUF_IOCTL_EXPORT_SYNC_FILE", "wait with DmaBuf.await, which every kernel has");
        }
        if (result < 0) {
            throw CenallocException.ofCall(-result, "DMA_BUF_IOCTL_EXPORT_SYNC_FILE", null, -1);
        }
        return dma_buf_export_sync_file.fd(argument);
    }

    /** Adds the end of an access to the buffer. */
    static void add(DmaBuf buffer, Fence fence, Direction access) throws CenallocException {
        int fd = fence.acquire();
        try {
            if (fd == Fence.SIGNALLED) {
                int _ = buffer.fd(); // throws if it is closed; there is nothing to wait for
                return;
            }
            MemorySegment argument = Fence.argument();
            dma_buf_import_sync_file.flags(argument, CpuAccess.flags(access));
            dma_buf_import_sync_file.fd(argument, fd);
            int result = buffer.ioctl(dmabuf_h.DMA_BUF_IOCTL_IMPORT_SYNC_FILE(), argument);
            if (result == -Errno.ENOTTY) {
                throw noExchange(
                        "DMA_BUF_IOCTL_IMPORT_SYNC_FILE", "wait with Fence.await before the buffer is passed on");
            }
            if (result < 0) {
                throw Fence.refused(-result, "DMA_BUF_IOCTL_IMPORT_SYNC_FILE");
            }
        } finally {
            fence.release();
        }
    }

    private static CenallocException noExchange(String call, String remedy) {
        return new CenallocException(
                Errno.ENOTTY,
                call,
                null,
                -1,
                "the kernel does not exchange fences with buffers: it is older than 6.0, or has no CONFIG_SYNC_FILE",
                remedy);
    }
}
