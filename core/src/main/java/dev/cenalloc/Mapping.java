// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A buffer in the address space of this process. Closed by the caller that mapped it, before the buffer. Mapping costs
 * the kernel work for each page, and closing costs tens of microseconds: map once, keep the mapping as long as the
 * buffer is in use, and read and write it in {@link DmaBuf#access} brackets. Safe for any number of threads.
 *
 * <p>Keep the mapping and its buffer, not the {@link #segment} or a {@code ByteBuffer} of it alone: those do not keep
 * the buffer reachable. When the mapping is closed, or the cleaner releases a buffer that the program has lost, the
 * memory is unmapped; each access to a segment or {@code ByteBuffer} of it then throws Java's {@link
 * IllegalStateException} with the message {@code "Already closed"}. It does not crash.
 */
public final class Mapping implements AutoCloseable {
    private final DmaBuf buffer;
    private final MappedPages pages;
    private final MemorySegment segment;
    /** Null unless {@link DmaBuf#CHECK} was set. */
    private final @Nullable AccessCheck check;

    Mapping(DmaBuf buffer, MappedPages pages, MemorySegment segment, @Nullable AccessCheck check) {
        this.buffer = buffer;
        this.pages = pages;
        this.segment = segment;
        this.check = check;
    }

    /**
     * {@return the memory, of the buffer's size} It is read-only if it was mapped for reading. Access after
     * {@link #close} throws {@link IllegalStateException}, "Already closed". Keep the buffer reachable while the
     * segment is in use: the cleaner of a lost buffer closes its mappings.
     *
     * @throws IllegalStateException if {@link DmaBuf#CHECK} is set and no access of the CPU is open
     */
    public MemorySegment segment() {
        return check == null ? segment : check.segment(pages, segment);
    }

    /**
     * Unmaps. Idempotent. If it ends with an {@link Error}, closing it again, or closing the buffer, finishes the work.
     *
     * @throws IllegalStateException if a native call or a channel is using the segment; nothing has changed
     */
    @Override
    public void close() {
        buffer.unmap(pages);
    }

    /** {@return the buffer and whether the mapping is read-only, or that it is closed} Makes no system call. */
    @Override
    public String toString() {
        return (segment.scope().isAlive() ? (segment.isReadOnly() ? "read-only mapping" : "mapping") : "closed mapping")
                + " of " + buffer;
    }
}
