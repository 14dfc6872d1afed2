package dev.cenalloc.share;

import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.bindings.dmabuf.sync_file_info;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Fences that a peer sends. Stateless. */
final class Fences {
    private static final ThreadLocal<MemorySegment> ARGUMENT =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(sync_file_info.layout()));

    private Fences() {}

    /** Takes a descriptor that has come, and checks that it is a sync file; the caller closes it. */
    static int take(Kernel kernel, UnixSocket socket) throws ProtocolException {
        int fd = socket.take();
        MemorySegment argument = ARGUMENT.get();
        argument.fill((byte) 0);
        int result = kernel.repeatableIoctl(fd, dmabuf_h.SYNC_IOC_FILE_INFO(), argument);
        if (result < 0) {
            kernel.close(fd);
            throw new ProtocolException("the peer sent a descriptor as a fence that is none (SYNC_IOC_FILE_INFO: "
                    + dev.cenalloc.bindings.Errno.name(-result) + ")");
        }
        return fd;
    }
}
