package dev.cenalloc.stream;

import dev.cenalloc.CenallocException;
import dev.cenalloc.CpuAccess;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The CPU's access to the image of a {@link Frame}: its memory, between the calls that keep caches coherent. Closed by
 * the caller that began it. For one thread at a time.
 */
public final class FrameAccess implements AutoCloseable {
    private final Ring ring;
    private final int index;
    private final Direction direction;
    /** The memory of each buffer, once it was accessed. */
    private final List<MemorySegment> segments = new ArrayList<>();
    /** The bracket of each buffer; the same objects at each access. */
    private final List<CpuAccess> brackets = new ArrayList<>();

    private boolean open;

    FrameAccess(Ring ring, int index, Direction direction) {
        this.ring = ring;
        this.index = index;
        this.direction = direction;
    }

    boolean isOpen() {
        return open;
    }

    void begin() throws CenallocException {
        if (open) {
            throw new IllegalStateException("an access to frame " + index + " is open already");
        }
        List<DmaBuf> buffers = ring.buffers(index);
        int begun = 0;
        ring.beginAccess(index);
        try {
            while (segments.size() < buffers.size()) {
                segments.add(ring.segment(index, segments.size(), direction));
            }
            while (begun < buffers.size()) {
                CpuAccess bracket = buffers.get(begun).access(direction);
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

    /** {@return the memory of the image, read-only if the access is for reading} Valid until this is closed. */
    public MemorySegment segment() {
        return segment(0);
    }

    /**
     * {@return the memory of one buffer of the image, read-only if the access is for reading} Valid until this is
     * closed.
     *
     * @param buffer from 0
     * @throws IndexOutOfBoundsException if there is no such buffer
     * @throws IllegalStateException if this is closed
     */
    public MemorySegment segment(int buffer) {
        if (!open) {
            throw new IllegalStateException("the access to frame " + index + " is closed");
        }
        return segments.get(buffer);
    }

    /**
     * {@return where the image lies in the memory}
     *
     * @throws IllegalStateException if it lies in several buffers
     */
    public Layout layout() {
        return ring.agreement().layout();
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
            ring.endAccess(index);
        }
    }

    /** Ends the first brackets, all of them, whatever fails on the way. */
    private void endBrackets(int count) throws CenallocException {
        CenallocException failure = null;
        for (int i = 0; i < count; i++) {
            try {
                brackets.get(i).close();
            } catch (CenallocException e) {
                failure = failure == null ? e : failure;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }
}
