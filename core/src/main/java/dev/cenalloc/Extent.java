package dev.cenalloc;

import org.jspecify.annotations.Nullable;

/**
 * How much memory a buffer needs, as far as it is known before its devices are: so many bytes, or so many lines of so
 * many bytes whose distance the devices decide.
 *
 * @param bytes the number of bytes, if {@code lines} is 0
 * @param lineBytes bytes used in one line
 * @param lines the number of lines, or 0
 * @param alignment a power of two that the size is a multiple of
 */
record Extent(long bytes, long lineBytes, long lines, long alignment) {
    /** The smallest page of the supported architectures: what memory comes in, at least. */
    static final long PAGE = 4096;

    /** The largest page of the supported architectures: rounding up to it must not overflow. */
    static final long LARGEST_PAGE = 65_536;

    static final Extent LEAST = new Extent(1, 0, 0, 1);

    static Extent ofBytes(long size, long alignment) {
        if (size <= 0 || size > Long.MAX_VALUE - LARGEST_PAGE + 1) {
            throw new IllegalArgumentException("a buffer has from 1 to 2^63-65536 bytes, not " + size);
        }
        if (Long.bitCount(alignment) != 1 || alignment <= 0) {
            throw new IllegalArgumentException("an alignment is a power of two, not " + alignment);
        }
        var extent = new Extent(size, 0, 0, alignment);
        if (extent.size(Constraints.NONE) < 0) {
            throw new IllegalArgumentException(size + " bytes cannot be rounded up to a multiple of " + alignment);
        }
        return extent;
    }

    static Extent ofLines(long lineBytes, long lines) {
        if (lineBytes <= 0 || lines <= 0 || Math.multiplyHigh(lineBytes, lines) != 0) {
            throw new IllegalArgumentException(
                    "lines and their bytes are at least 1, and their product below 2^63: " + lines + " x " + lineBytes);
        }
        ofBytes(lineBytes * lines, 1);
        return new Extent(0, lineBytes, lines, 1);
    }

    /** The distance from line to line that suits everyone; 0 if there are no lines, -1 if none suits. */
    long pitch(Constraints merged) {
        return lines == 0 ? 0 : pitch(merged, lineBytes);
    }

    private static long pitch(Constraints merged, long lineBytes) {
        long pitch = roundUp(Math.max(lineBytes, merged.raw(Field.MIN_PITCH)), merged.raw(Field.PITCH_ALIGNMENT));
        return pitch < 0 || pitch > merged.raw(Field.MAX_PITCH) ? -1 : pitch;
    }

    /** The bytes to ask for; -1 if there is no such number. */
    long size(Constraints merged) {
        long size = bytes;
        if (lines > 0) {
            long pitch = pitch(merged);
            if (pitch < 0 || Math.multiplyHigh(pitch, lines) != 0 || pitch * lines < 0) {
                return -1;
            }
            size = pitch * lines;
        }
        size = Math.max(size, merged.raw(Field.MIN_SIZE));
        size = roundUp(size, alignment);
        return size > Long.MAX_VALUE - LARGEST_PAGE + 1 ? -1 : size;
    }

    /** Why no memory of this extent can be as the constraints say; null if it can. */
    @Nullable
    String contradiction(Constraints merged, boolean contiguous) {
        if (pitch(merged, Math.max(1, lineBytes)) < 0) {
            return "no distance from line to line suits everyone";
        }
        long size = size(merged);
        if (size < 0 || merged.raw(Field.OFFSET_ALIGNMENT) == Long.MAX_VALUE) {
            return "no size can be a multiple of what everyone needs";
        }
        if (size > merged.raw(Field.MAX_SIZE)) {
            return size + " bytes are needed, and at most " + merged.raw(Field.MAX_SIZE) + " are accepted";
        }
        long segment = Math.min(merged.raw(Field.MAX_SEGMENT_SIZE), merged.raw(Field.SEGMENT_BOUNDARY));
        if (contiguous && segment < size) {
            return "one segment of " + size + " bytes is longer than the " + segment + " that one may have";
        }
        // By division, which cannot overflow (review of RFCv3).
        if (merged.raw(Field.MAX_SEGMENTS) < segments(merged, size, Constraints.UNLIMITED)) {
            return size + " bytes do not fit into " + merged.raw(Field.MAX_SEGMENTS) + " segments of " + segment;
        }
        return null;
    }

    /** Into how many segments so many bytes fall if each may be as long as is accepted, and no longer than {@code longest}. */
    static long segments(Constraints merged, long size, long longest) {
        long segment = Math.min(merged.raw(Field.MAX_SEGMENT_SIZE), longest);
        long boundary = merged.raw(Field.SEGMENT_BOUNDARY);
        // Between two boundaries a last, short one is left over each time. The product is at most the size: no
        // overflow.
        return size / boundary * Math.ceilDiv(boundary, Math.min(segment, boundary))
                + Math.ceilDiv(size % boundary, Math.min(segment, boundary));
    }

    /** Rounds up to a multiple; -1 if that is not below 2^63. */
    static long roundUp(long value, long multiple) {
        if (multiple == Long.MAX_VALUE) {
            return -1;
        }
        long rest = value % multiple;
        return rest == 0 ? value : value > Long.MAX_VALUE - (multiple - rest) ? -1 : value + (multiple - rest);
    }

    @Override
    public String toString() {
        return lines == 0 ? bytes + " bytes" : lines + " lines of " + lineBytes + " bytes";
    }
}
