package dev.cenalloc;

import java.lang.foreign.MemorySegment;

/**
 * A buffer in the address space of this process, closed by whoever mapped it. Mapping costs the kernel work for each
 * page, and closing costs tens of microseconds: map once, keep it as long as the buffer is in use, and put the touching
 * in {@link DmaBuf#access} brackets. Safe for any number of threads.
 */
public final class Mapping implements AutoCloseable {
    private final DmaBuf buffer;
    private final MappedPages pages;
    private final MemorySegment segment;

    Mapping(DmaBuf buffer, MappedPages pages, MemorySegment segment) {
        this.buffer = buffer;
        this.pages = pages;
        this.segment = segment;
    }

    /**
     * {@return the memory, as long as the buffer} Read-only if it was mapped for reading. Keep the buffer reachable as
     * long as this is used: of a lost one, the mappings are closed too. Touching it after {@link #close}
     * throws {@link IllegalStateException}.
     */
    public MemorySegment segment() {
        return segment;
    }

    /**
     * Unmaps. Idempotent: if an {@link Error} came out of it, closing it again, or the buffer, finishes what was left.
     *
     * @throws IllegalStateException if a native call or a channel is using the segment at this moment; nothing has changed
     */
    @Override
    public void close() {
        buffer.unmap(pages);
    }
}
