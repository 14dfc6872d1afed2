// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

/** Numbers the frames of a stream by the driver's count, and counts those that are missing. Allocates nothing. */
final class FrameCount {
    /** The number of the frame that was returned last. */
    private long last;

    private boolean isFirst = true;
    private long dropped;

    /** A new stream begins. */
    void begin() {
        isFirst = true;
        dropped = 0;
    }

    /**
     * The number of a frame that the driver has filled.
     *
     * @param sequence the driver's count, in 32 bits
     */
    long number(int sequence) {
        if (isFirst) {
            // A gap lies between two frames, and a driver need not begin at 0.
            isFirst = false;
            last = Integer.toUnsignedLong(sequence) - 1;
        }
        long ahead = Integer.toUnsignedLong(sequence - (int) last);
        // A driver that begins its count anew has dropped nothing.
        return ahead == 0 || ahead > Integer.MAX_VALUE ? last + 1 : last + ahead;
    }

    /** The frame with this number is returned; those before it, since the last, are lost. */
    void returned(long number) {
        dropped += number - last - 1;
        last = number;
    }

    long dropped() {
        return dropped;
    }
}
