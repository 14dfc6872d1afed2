// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.CenallocException;
import dev.cenalloc.Fence;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.bindings.dmabuf.sync_file_info;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.kernel.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Fences that a peer sends. Stateless. */
final class Fences {
    private static final ThreadLocal<MemorySegment> ARGUMENT =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(sync_file_info.layout()));

    private Fences() {}

    /** {@return the descriptor of a fence that is to be passed on; null if there is nothing to wait for} */
    static @Nullable Descriptor pending(@Nullable Fence fence) {
        // A signalled fence may have no sync file.
        return fence == null || fence.fd() < 0 ? null : Seam.fenceDescriptor(fence);
    }

    /** Takes a descriptor that has come, and checks that it is a sync file; the caller closes it. */
    static int take(Kernel kernel, UnixSocket socket) throws CenallocException {
        MemorySegment argument = ARGUMENT.get();
        argument.fill((byte) 0);
        StackRoom.require();
        int fd = socket.take();
        boolean isFence = false;
        try {
            int result = kernel.repeatableIoctl(fd, dmabuf_h.SYNC_IOC_FILE_INFO(), argument);
            if (result < 0 && result != -Errno.ENOTTY && result != -Errno.EINVAL) {
                throw CenallocException.ofCall(-result, "SYNC_IOC_FILE_INFO", null, -1);
            }
            if (result < 0) {
                throw new ProtocolException("the peer sent a descriptor as a fence that is none (SYNC_IOC_FILE_INFO: "
                        + Errno.name(-result) + ")");
            }
            isFence = true;
            return fd;
        } finally {
            if (!isFence) {
                Descriptor.closeNumber(kernel, fd);
            }
        }
    }
}
