package dev.cenalloc;

import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dma_buf_sync;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * What is done with a buffer. For the CPU it decides the protection of a mapping and the cache work of an access; for anybody,
 * what is to be waited for: who reads waits for those who write, who writes for everybody.
 */
@SuppressWarnings("ImmutableEnumChecker") // the segments are read-only, and live for ever
public enum Direction {
    /** The CPU reads what devices wrote. */
    READ(Linux.PROT_READ, dmabuf_h.DMA_BUF_SYNC_READ(), Linux.POLLIN),
    /** The CPU writes what devices will read. A mapping for writing can be read too. */
    WRITE(Linux.PROT_READ | Linux.PROT_WRITE, dmabuf_h.DMA_BUF_SYNC_WRITE(), Linux.POLLOUT),
    /** Both. */
    READ_WRITE(Linux.PROT_READ | Linux.PROT_WRITE, dmabuf_h.DMA_BUF_SYNC_RW(), Linux.POLLOUT);

    final int protection;
    /** DMA_BUF_SYNC_READ, WRITE or both, which is also what the requests for fences take. */
    final int flags;
    /** What poll tells of a dma-buf once such an access may begin (dma-buf.rst, implicit fence poll support). */
    final short ready;
    /** The arguments of DMA_BUF_IOCTL_SYNC. The kernel only reads them, so that all buffers and threads share them. */
    final MemorySegment start;

    /** END must carry the direction of its START (dma-buf.h). */
    final MemorySegment end;

    Direction(int protection, int flags, short ready) {
        this.protection = protection;
        this.flags = flags;
        this.ready = ready;
        this.start = argument(flags | dmabuf_h.DMA_BUF_SYNC_START());
        this.end = argument(flags | dmabuf_h.DMA_BUF_SYNC_END());
    }

    private static MemorySegment argument(long flags) {
        MemorySegment sync = dma_buf_sync.allocate(Arena.global());
        dma_buf_sync.flags(sync, flags);
        return sync.asReadOnly();
    }
}
