// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.CenallocException;
import dev.cenalloc.Fence;
import dev.cenalloc.PoolBuffer;
import org.jspecify.annotations.Nullable;

/**
 * A frame that the program fills itself, {@linkplain Ring#lend lent} by a ring. Closed by the caller, or by what the
 * caller hands it to, such as a display; then it is free. For one thread at a time.
 */
public final class RingFrame extends Frame {
    private long sequence;
    private long timestampNanos;
    private @Nullable Fence end;

    RingFrame(Ring ring, int index) {
        super(ring, index);
    }

    /** Its memory was lent to the caller. */
    void begin() {
        sequence = 0;
        timestampNanos = 0;
        markLent();
    }

    @SuppressWarnings("ReferenceEquality") // the very buffer
    boolean isOf(PoolBuffer buffer) {
        return memory() == buffer;
    }

    /**
     * States what {@link #sequence} and {@link #timestampNanos} return; both are 0 when it is lent.
     *
     * @param number of the image in the stream, from 0
     * @param nanos when it was made, in nanoseconds of the monotonic clock; 0 if that is not known
     */
    public void stamp(long number, long nanos) {
        sequence = number;
        timestampNanos = nanos;
    }

    @Override
    public long sequence() {
        return sequence;
    }

    @Override
    public long timestampNanos() {
        return timestampNanos;
    }

    @Override
    public boolean isDamaged() {
        return false;
    }

    /**
     * Gives it back before the work on it has ended, as {@link PoolBuffer#close(Fence)}.
     *
     * @param work the end of the work; null if it has ended. The caller closes it, at once if it likes
     * @throws IllegalStateException if it was given back, or an access of the CPU is open, or the fence is closed
     * @throws CenallocException as there; the frame is still lent
     */
    public void close(@Nullable Fence work) throws CenallocException {
        end = work;
        try {
            close();
        } catch (CenallocException | RuntimeException e) {
            end = null; // it is still this caller's
            throw e;
        }
    }

    @Override
    protected void giveBack() throws CenallocException {
        Fence work = end;
        end = null; // before it can be lent again
        boolean back = false;
        try {
            memory().close(work);
            back = true;
        } finally {
            if (!back) {
                keepLent();
            }
        }
    }
}
