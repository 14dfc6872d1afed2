package dev.cenalloc;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How much memory a buffer needs, as far as it is known before its devices are: so many bytes, or an image, whose layout the
 * devices decide.
 *
 * @param bytes the number of bytes; of an image, in the smallest layout that there is
 * @param alignment a power of two that the size is a multiple of
 * @param image what lies in it, null if it is just bytes
 * @param buffer which of the image's buffers
 */
record Extent(long bytes, long alignment, @Nullable Image image, int buffer) {
    /** The smallest page of the supported architectures: what memory comes in, at least. */
    static final long PAGE = 4096;

    /** The largest page of the supported architectures: rounding up to it must not overflow. */
    static final long LARGEST_PAGE = 65_536;

    static final Extent LEAST = new Extent(1, 1, null, 0);

    /** What pitches are measured by if there is no image: some pitch must suit everyone. */
    private static final Image ONE_PIXEL = new Image(PixelFormat.R8, 1, 1);

    static void checkSize(long size) {
        if (size <= 0 || size > Long.MAX_VALUE - LARGEST_PAGE + 1) {
            throw new IllegalArgumentException("a buffer has from 1 to 2^63-65536 bytes, not " + size);
        }
    }

    static Extent ofBytes(long size, long alignment) {
        checkSize(size);
        if (Long.bitCount(alignment) != 1 || alignment <= 0) {
            throw new IllegalArgumentException("an alignment is a power of two, not " + alignment);
        }
        var extent = new Extent(size, alignment, null, 0);
        if (extent.size(Constraints.NONE) < 0) {
            throw new IllegalArgumentException(size + " bytes cannot be rounded up to a multiple of " + alignment);
        }
        return extent;
    }

    static Extent ofImage(Image image, int buffer) {
        Layout.checkBuffer(image, buffer);
        if (image.modifier() != Image.LINEAR) {
            throw new IllegalArgumentException("how " + image
                    + " lies in memory is known to the devices that speak of it, and not here: ask one of them to allocate it,"
                    + " or take a linear image");
        }
        Layout least = new Extent(1, 1, image, buffer).layout(Constraints.NONE);
        if (least == null) {
            throw new IllegalArgumentException(image + " has more than 2^63-65536 bytes");
        }
        return new Extent(least.size(), 1, image, buffer);
    }

    /** Where the image lies; null if there is none, or no layout suits. */
    @Nullable
    Layout layout(Constraints merged) {
        if (image == null) {
            return null;
        }
        List<Layout.Plane> planes = Layout.planes(image, buffer, merged);
        long size = planes == null ? -1 : grown(planes.getLast().end(), merged);
        return planes == null || size < 0 ? null : new Layout(image, buffer, planes, size);
    }

    /** The bytes to ask for; -1 if there is no such number. */
    long size(Constraints merged) {
        if (image == null) {
            return grown(bytes, merged);
        }
        Layout layout = layout(merged);
        return layout == null ? -1 : layout.size();
    }

    private long grown(long least, Constraints merged) {
        long size = Math.max(least, merged.raw(Field.MIN_SIZE));
        size = roundUp(size, alignment);
        return size > Long.MAX_VALUE - LARGEST_PAGE + 1 ? -1 : size;
    }

    /** Why no memory of this extent can be as the constraints say; null if it can. */
    @Nullable
    String contradiction(Constraints merged, boolean contiguous) {
        if (Layout.planes(image == null ? ONE_PIXEL : image, buffer, merged) == null) {
            return image == null
                    ? "no distance from line to line suits everyone"
                    : "no distance from line to line, or no place for a plane, suits everyone";
        }
        long size = size(merged);
        if (size < 0) {
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
        return image == null ? bytes + " bytes" : image + (image.format().buffers() == 1 ? "" : ", buffer " + buffer);
    }
}
