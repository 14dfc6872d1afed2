// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.image;

/**
 * Rules for the pitches and offsets of a {@link Layout}. A value.
 *
 * @param pitchAlignment the pitch of each plane is a multiple of this, in bytes, at least 1
 * @param minPitch the smallest pitch of any plane, in bytes; 0 for no limit
 * @param maxPitch the largest pitch of any plane, in bytes; {@link Long#MAX_VALUE} for no limit
 * @param offsetAlignment each plane begins at a multiple of this, in bytes, at least 1
 * @param lineAlignment the number of stored lines of the image is a multiple of this, at least 1
 * @param extraLines lines of memory behind the last plane, at its pitch, at least 0
 * @param leftMargin columns of memory before the image in each line, at least 0
 * @param topMargin lines of memory before the first line of the image, at least 0
 * @param equalPitches whether all planes in a buffer have one pitch, that of the widest
 * @param proportionalPitches whether the pitch of the first plane in a buffer tells those of the others
 * @param gapless whether the first plane begins at byte 0, and each further plane where the one before it ends
 */
public record LayoutRules(
        long pitchAlignment,
        long minPitch,
        long maxPitch,
        long offsetAlignment,
        long lineAlignment,
        long extraLines,
        long leftMargin,
        long topMargin,
        boolean equalPitches,
        boolean proportionalPitches,
        boolean gapless) {
    /** No rules: the tightest layout. */
    public static final LayoutRules NONE = new LayoutRules(1, 0, Long.MAX_VALUE, 1);

    /**
     * Checks the numbers.
     *
     * @throws IllegalArgumentException if an alignment is below 1, or another number is negative
     */
    public LayoutRules {
        if (pitchAlignment < 1
                || offsetAlignment < 1
                || lineAlignment < 1
                || minPitch < 0
                || maxPitch < 0
                || extraLines < 0
                || leftMargin < 0
                || topMargin < 0) {
            throw new IllegalArgumentException("alignments are at least 1, pitches, lines and margins at least 0, not"
                    + " lineAlignment " + lineAlignment + ", extraLines " + extraLines + ", leftMargin " + leftMargin
                    + ", topMargin " + topMargin + ", pitchAlignment "
                    + pitchAlignment + ", minPitch " + minPitch + ", maxPitch " + maxPitch + ", offsetAlignment "
                    + offsetAlignment);
        }
    }

    /**
     * Rules for pitches and offsets only.
     *
     * @param pitchAlignment as above
     * @param minPitch as above
     * @param maxPitch as above
     * @param offsetAlignment as above
     * @throws IllegalArgumentException as above
     */
    public LayoutRules(long pitchAlignment, long minPitch, long maxPitch, long offsetAlignment) {
        this(pitchAlignment, minPitch, maxPitch, offsetAlignment, 1, 0, 0, 0, false, false, false);
    }
}
