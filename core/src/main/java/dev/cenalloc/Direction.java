package dev.cenalloc;

import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;

/** What the CPU does with a buffer: decides the protection of a mapping and the cache work of an access. */
public enum Direction {
    /** The CPU reads what devices wrote. */
    READ(Linux.PROT_READ, dmabuf_h.DMA_BUF_SYNC_READ()),
    /** The CPU writes what devices will read. A mapping for writing can be read too. */
    WRITE(Linux.PROT_READ | Linux.PROT_WRITE, dmabuf_h.DMA_BUF_SYNC_WRITE()),
    /** Both. */
    READ_WRITE(Linux.PROT_READ | Linux.PROT_WRITE, dmabuf_h.DMA_BUF_SYNC_RW());

    final int protection;
    final int syncFlags;

    Direction(int protection, int syncFlags) {
        this.protection = protection;
        this.syncFlags = syncFlags;
    }
}
