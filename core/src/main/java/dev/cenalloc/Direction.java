package dev.cenalloc;

import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dma_buf_sync;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** What the CPU does with a buffer: decides the protection of a mapping and the cache work of an access. */
@SuppressWarnings("ImmutableEnumChecker") // the segments are read-only, and live for ever
public enum Direction {
    /** The CPU reads what devices wrote. */
    READ(Linux.PROT_READ, dmabuf_h.DMA_BUF_SYNC_READ()),
    /** The CPU writes what devices will read. A mapping for writing can be read too. */
    WRITE(Linux.PROT_READ | Linux.PROT_WRITE, dmabuf_h.DMA_BUF_SYNC_WRITE()),
    /** Both. */
    READ_WRITE(Linux.PROT_READ | Linux.PROT_WRITE, dmabuf_h.DMA_BUF_SYNC_RW());

    final int protection;
    /** The arguments of DMA_BUF_IOCTL_SYNC. The kernel only reads them, so that all buffers and threads share them. */
    final MemorySegment start;

    /** END must carry the direction of its START (dma-buf.h). */
    final MemorySegment end;

    Direction(int protection, int flags) {
        this.protection = protection;
        this.start = argument(flags | dmabuf_h.DMA_BUF_SYNC_START());
        this.end = argument(flags | dmabuf_h.DMA_BUF_SYNC_END());
    }

    private static MemorySegment argument(long flags) {
        MemorySegment sync = dma_buf_sync.allocate(Arena.global());
        dma_buf_sync.flags(sync, flags);
        return sync.asReadOnly();
    }
}
