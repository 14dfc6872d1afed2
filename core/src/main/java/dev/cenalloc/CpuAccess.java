package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A bracket around the CPU's touching of a buffer, closed by whoever began it: between {@link DmaBuf#access} and
 * {@link #close} the CPU sees what devices wrote, after it devices see what the CPU wrote. Safe for any number of
 * threads; brackets may overlap and nest. Each is to be closed exactly once: for the sake of frame loops, beginning and
 * ending allocate no objects, the brackets of a direction are one object that counts, and a second close would end the
 * bracket of somebody else, or throw if there is none. Keep the buffer reachable while one is open.
 */
public final class CpuAccess implements AutoCloseable {
    private final Kernel kernel;
    private final Descriptor descriptor;
    private final Direction direction;
    private final AtomicInteger open = new AtomicInteger();

    CpuAccess(Kernel kernel, Descriptor descriptor, Direction direction) {
        this.kernel = kernel;
        this.descriptor = descriptor;
        this.direction = direction;
    }

    CpuAccess begin() throws CenallocException {
        int fd = descriptor.hold();
        boolean begun = false;
        try {
            int result = sync(kernel, fd, direction.start);
            if (result < 0) {
                throw failure(result);
            }
            open.incrementAndGet();
            begun = true;
            return this;
        } finally {
            if (!begun) {
                descriptor.drop();
            }
        }
    }

    /**
     * Ends the access. May block for as long as the cache work takes.
     *
     * @throws IllegalStateException if there is no access to end
     * @throws CenallocException with the errno of DMA_BUF_IOCTL_SYNC; the access counts as ended
     */
    @Override
    public void close() throws CenallocException {
        // An overflow of the stack comes here, before anything has changed, or not before the system call.
        int fd = descriptor.acquire();
        try {
            if (!end()) {
                throw new IllegalStateException("no CPU access to end");
            }
            try {
                int result = sync(kernel, fd, direction.end);
                if (result < 0) {
                    throw failure(result);
                }
            } finally {
                descriptor.drop();
            }
        } finally {
            descriptor.release();
        }
    }

    /** Whether there was one. */
    private boolean end() {
        int before;
        do {
            before = open.get();
            if (before == 0) {
                return false;
            }
        } while (!open.compareAndSet(before, before - 1));
        return true;
    }

    static int sync(Kernel kernel, int fd, MemorySegment flags) {
        int result;
        do {
            result = kernel.repeatableIoctl(fd, dmabuf_h.DMA_BUF_IOCTL_SYNC(), flags);
            // Both mean: again (dma-buf.rst, CPU access).
        } while (result == -Errno.EINTR || result == -Errno.EAGAIN);
        return result;
    }

    static CenallocException failure(int result) {
        return CenallocException.ofCall(-result, "DMA_BUF_IOCTL_SYNC", null, -1);
    }
}
