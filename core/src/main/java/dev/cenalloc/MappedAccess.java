// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The CPU's access to what a {@link PoolBuffer} holds: its memory, between the calls that keep caches coherent. Closed
 * by the caller that began it. For one thread at a time.
 */
public final class MappedAccess implements AutoCloseable {
    private final PoolBuffer buffer;
    private final Direction direction;
    /** Of each part, once it was accessed. */
    private final List<Mapping> mappings = new ArrayList<>();
    /** The bracket of each part; the same objects at each access. */
    private final List<CpuAccess> brackets = new ArrayList<>();

    private volatile boolean open;

    MappedAccess(PoolBuffer buffer, Direction direction) {
        this.buffer = buffer;
        this.direction = direction;
    }

    boolean isOpen() {
        return open;
    }

    void begin() throws CenallocException {
        if (open) {
            throw new IllegalStateException("an access to " + buffer.called() + " is open already");
        }
        List<DmaBuf> parts = buffer.buffers();
        int begun = 0;
        buffer.beginAccess();
        try {
            while (mappings.size() < parts.size()) {
                mappings.add(buffer.mapping(mappings.size(), direction));
            }
            while (begun < parts.size()) {
                CpuAccess bracket = parts.get(begun).access(direction);
                if (brackets.size() == begun) {
                    brackets.add(bracket);
                }
                begun++;
            }
            open = true;
        } finally {
            if (!open) {
                end(begun);
            }
        }
    }

    /** {@return the memory, read-only if the access is for reading} Valid until this is closed. */
    public MemorySegment segment() {
        return segment(0);
    }

    /**
     * {@return the memory of one part, read-only if the access is for reading} Valid until this is closed.
     *
     * @param part from 0; of an image with a buffer for each plane, the number of the plane
     * @throws IndexOutOfBoundsException if there is no such part
     * @throws IllegalStateException if this is closed
     */
    public MemorySegment segment(int part) {
        if (!open) {
            throw new IllegalStateException("the access to " + buffer.called() + " is closed");
        }
        return mappings.get(part).segment();
    }

    /**
     * {@return where the image lies in the memory}
     *
     * @throws IllegalStateException if it lies in several parts, or the memory holds bytes
     */
    public Layout layout() {
        return buffer.layout();
    }

    /**
     * Ends the access. May block for as long as the cache work takes. Idempotent.
     *
     * @throws CenallocException with the errno of DMA_BUF_IOCTL_SYNC; the access counts as ended
     */
    @Override
    public void close() throws CenallocException {
        if (open) {
            open = false;
            end(brackets.size());
        }
    }

    private void end(int count) throws CenallocException {
        try {
            endBrackets(count);
        } finally {
            buffer.endAccess();
        }
    }

    /** Ends the first brackets, all of them, whatever fails on the way. */
    private void endBrackets(int count) throws CenallocException {
        Exception failure = null;
        for (int i = 0; i < count; i++) {
            try {
                brackets.get(i).close();
            } catch (CenallocException | RuntimeException e) {
                failure = failure == null ? e : failure;
            }
        }
        switch (failure) {
            case CenallocException e -> throw e;
            case RuntimeException e -> throw e;
            case null, default -> {}
        }
    }

    @Override
    public String toString() {
        return (open ? "access " : "closed access ") + direction + " to " + buffer.called();
    }
}
