package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.dmabuf.dma_buf_sync;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A bracket around the CPU's touching of a buffer, closed by whoever began it: between {@link DmaBuf#access} and
 * {@link #close} the CPU sees what devices wrote, after it devices see what the CPU wrote. Safe for any number of
 * threads; brackets may overlap and nest, each is ended once. Beginning and ending allocate no objects, so a frame loop
 * may do both for each frame.
 */
public final class CpuAccess implements AutoCloseable {
    private final DmaBuf buffer;
    /** The kernel only reads these, so that all threads can share them. */
    private final MemorySegment start;

    private final MemorySegment end;
    private final AtomicInteger open = new AtomicInteger();

    CpuAccess(DmaBuf buffer, Direction direction) {
        this.buffer = buffer;
        // END must carry the direction of its START (dma-buf.h).
        start = argument(direction.syncFlags | dmabuf_h.DMA_BUF_SYNC_START());
        end = argument(direction.syncFlags | dmabuf_h.DMA_BUF_SYNC_END());
    }

    private static MemorySegment argument(long flags) {
        MemorySegment sync = dma_buf_sync.allocate(Arena.ofAuto());
        dma_buf_sync.flags(sync, flags);
        return sync.asReadOnly();
    }

    boolean isOpen() {
        return open.get() > 0;
    }

    CpuAccess begin() throws CenallocException {
        sync(start);
        open.incrementAndGet();
        return this;
    }

    /**
     * Ends the access. May block for as long as the cache work takes.
     *
     * @throws IllegalStateException if there is no access to end
     * @throws CenallocException with the errno of DMA_BUF_IOCTL_SYNC; the access counts as ended
     */
    @Override
    public void close() throws CenallocException {
        if (open.getAndUpdate(n -> Math.max(0, n - 1)) == 0) {
            throw new IllegalStateException("no CPU access to end");
        }
        sync(end);
    }

    private void sync(MemorySegment flags) throws CenallocException {
        int result;
        do {
            result = buffer.ioctl(dmabuf_h.DMA_BUF_IOCTL_SYNC(), flags);
            // Both mean: again (dma-buf.rst, CPU access).
        } while (result == -Errno.EINTR || result == -Errno.EAGAIN);
        if (result < 0) {
            throw CenallocException.ofCall(-result, "DMA_BUF_IOCTL_SYNC", null, -1);
        }
    }
}
