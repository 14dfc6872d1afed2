// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;

/**
 * A frame of a V4L2 queue. Closed by the caller that got it, which gives it back to the queue. For one thread at a
 * time.
 */
final class VideoFrame extends Frame {
    private final FrameQueue queue;
    private long sequence;
    private long timestampNanos;
    private boolean isDamaged;
    /** Bytes before the image, in each buffer. */
    private final long[] headers;

    VideoFrame(FrameQueue queue, Ring ring, int index) {
        super(ring, index);
        this.queue = queue;
        this.headers = new long[ring.layouts().size()];
    }

    boolean isOf(FrameQueue other) {
        return queue == other;
    }

    long headerBytes(int buffer) {
        return headers[buffer];
    }

    void setHeaderBytes(int buffer, long bytes) {
        headers[buffer] = bytes;
    }

    /** Its stream begins, and has it until {@link #end}. */
    void begin(String stream) {
        hold(stream);
    }

    /** Lends it to the caller. */
    VideoFrame lend(long number, long timestamp, boolean damaged) {
        sequence = number;
        timestampNanos = timestamp;
        isDamaged = damaged;
        lend();
        return this;
    }

    /** Its stream has ended. */
    void end() {
        revoke();
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
        return isDamaged;
    }

    @Override
    protected void giveBack() throws CenallocException {
        queue.giveBack(index());
    }
}
