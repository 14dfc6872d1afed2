// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.CenallocException;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;

/**
 * A frame of a pipeline, in memory of that pipeline. Closed by the caller that got it from {@link UnixFdSource#next},
 * which gives it back. It is the only one of its {@link #ring()}. The same object comes again when its memory does. For
 * one thread at a time.
 */
public final class UnixFdFrame extends Frame {
    private final UnixFdSource source;
    private final long[] identities;
    private final long[] places;
    private long id;
    private long sequence;
    private long pts;
    private long duration;
    private int flags;
    /** Whether its memory is of no use any more: it is closed when it comes back. */
    private boolean outdated;

    UnixFdFrame(UnixFdSource source, Ring ring, long[] identities, long[] places) {
        super(ring, 0);
        this.source = source;
        this.identities = identities;
        this.places = places;
        hold("the pipeline");
    }

    /** Whether it is not lent, and a new buffer is in its memory. */
    boolean isFree(NewBuffer what, Files files) {
        return !isLent() && files.areAs(identities) && what.isAs(places);
    }

    UnixFdFrame lend(NewBuffer what, long number) {
        id = what.id();
        pts = what.pts();
        duration = what.duration();
        flags = what.flags();
        sequence = number;
        lend();
        return this;
    }

    void keep() {
        keepLent();
    }

    void end() {
        revoke();
    }

    long id() {
        return id;
    }

    boolean isOutdated() {
        return outdated;
    }

    void setOutdated() {
        outdated = true;
    }

    /**
     * {@return how many frames the source gave before; the pipeline does not number them, so that a loss is not seen}
     */
    @Override
    public long sequence() {
        return sequence;
    }

    /**
     * {@return when the frame is to be shown, in nanoseconds of the monotonic clock; 0 if the pipeline does not tell}
     * It is the time of capture and the latency of the pipeline.
     */
    @Override
    public long timestampNanos() {
        return pts == Wire.NONE ? 0 : pts;
    }

    /** {@return how long it is to be shown, in nanoseconds; -1 if the pipeline does not tell} */
    public long durationNanos() {
        return duration;
    }

    /** {@return GstBufferFlags, bit 4 and up} */
    public int flags() {
        return flags;
    }

    /** {@return whether frames are missing before this one, by the word of the pipeline (GST_BUFFER_FLAG_DISCONT)} */
    public boolean isDiscontinuity() {
        return (flags & Wire.DISCONTINUITY) != 0;
    }

    /** {@return whether the pipeline says that the image is damaged (GST_BUFFER_FLAG_CORRUPTED)} */
    @Override
    public boolean isDamaged() {
        return (flags & Wire.CORRUPTED) != 0;
    }

    @Override
    protected void giveBack() throws CenallocException {
        source.giveBack(this);
    }
}
