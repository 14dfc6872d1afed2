// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.image.Arithmetic;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.LayoutRules;
import dev.cenalloc.image.PixelFormat;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The contents of a buffer, before its devices are known: a number of bytes, or an image whose layout the devices
 * determine. A value.
 */
public final class Demand {
    /** The smallest page of the supported architectures, which is assumed where the machine is not known. */
    static final long PAGE = 4096;

    /** The largest page of the supported architectures. Rounding up to it must not overflow. */
    private static final long LARGEST_PAGE = 65_536;

    static final Demand LEAST = new Demand(1, 1, null, 0);

    private final long bytes;
    private final long alignment;
    private final @Nullable Image image;
    private final int buffer;
    /** Of existing memory: the devices cannot determine it any more. */
    private final @Nullable Layout fixed;

    private Demand(long bytes, long alignment, @Nullable Image image, int buffer) {
        this(bytes, alignment, image, buffer, null);
    }

    private Demand(long bytes, long alignment, @Nullable Image image, int buffer, @Nullable Layout fixed) {
        this.fixed = fixed;
        this.bytes = bytes;
        this.alignment = alignment;
        this.image = image;
        this.buffer = buffer;
    }

    /**
     * {@return a demand for bytes}
     *
     * @param size in bytes, from 1 to 2^63-65536
     * @throws IllegalArgumentException if the size is out of this range
     */
    public static Demand ofBytes(long size) {
        return ofBytes(size, 1);
    }

    /**
     * {@return a demand for bytes, rounded up to a multiple of an alignment}
     *
     * @param size in bytes, from 1 to 2^63-65536
     * @param alignment of the size in bytes, a power of two
     * @throws IllegalArgumentException if the size, before or after rounding, is out of range, or the alignment is not
     *     a power of two
     */
    public static Demand ofBytes(long size, long alignment) {
        checkSize(size);
        if (Long.bitCount(alignment) != 1 || alignment <= 0) {
            throw new IllegalArgumentException("alignment must be a power of two, not " + alignment);
        }
        var demand = new Demand(size, alignment, null, 0);
        if (demand.size(Constraints.NONE) < 0) {
            throw new IllegalArgumentException(size + " bytes cannot be rounded up to a multiple of " + alignment);
        }
        return demand;
    }

    /**
     * {@return a demand for an image that lies in one buffer}
     *
     * @param image a linear image in a format of one buffer
     * @throws IllegalArgumentException if the image is not linear, lies in several buffers, or has more bytes than a
     *     buffer
     */
    public static Demand ofImage(Image image) {
        Objects.requireNonNull(image, "image");
        if (image.format().buffers() != 1) {
            throw new IllegalArgumentException(
                    image + " lies in " + image.format().buffers() + " buffers: pass the number of one of them");
        }
        return ofImage(image, 0);
    }

    /**
     * {@return a demand for the planes of an image that lie in one of its buffers}
     *
     * @param image a linear image
     * @param buffer which of the image's buffers, from 0; see {@link PixelFormat#buffers}
     * @throws IllegalArgumentException if the image is not linear, has no such buffer, or has more bytes than a buffer
     */
    public static Demand ofImage(Image image, int buffer) {
        Objects.requireNonNull(image, "image");
        Layout tightest = Layout.of(image, buffer, LayoutRules.NONE)
                .filter(layout -> layout.size() <= Long.MAX_VALUE - LARGEST_PAGE + 1)
                .orElseThrow(() -> new IllegalArgumentException(image + " has more than 2^63-65536 bytes"));
        return new Demand(tightest.size(), 1, image, buffer);
    }

    /**
     * {@return a demand for an image whose layout is given, such as that of a buffer from elsewhere} Devices either
     * take the layout, or do not suit.
     *
     * @param layout of any modifier
     * @throws IllegalArgumentException if it has more bytes than a buffer
     */
    public static Demand ofLayout(Layout layout) {
        Objects.requireNonNull(layout, "layout");
        checkSize(layout.size());
        return new Demand(layout.size(), 1, layout.image(), layout.buffer(), layout);
    }

    /**
     * Checks the size of a buffer.
     *
     * @param size in bytes
     * @throws IllegalArgumentException if it is not from 1 to 2^63-65536
     */
    public static void checkSize(long size) {
        if (size <= 0 || size > Long.MAX_VALUE - LARGEST_PAGE + 1) {
            throw new IllegalArgumentException("size must be from 1 to 2^63-65536 bytes, not " + size);
        }
    }

    /** {@return the size in bytes; for an image, the size of its tightest layout} */
    public long bytes() {
        return bytes;
    }

    /** {@return the image; empty if the demand is for bytes} */
    public Optional<Image> image() {
        return Optional.ofNullable(image);
    }

    /** {@return the number of the image's buffer, from 0} */
    public int buffer() {
        return buffer;
    }

    /**
     * {@return the smallest layout of the image that satisfies constraints; empty if no layout does, or the demand is
     * for bytes}
     *
     * @param merged the merged constraints of all devices
     */
    public Optional<Layout> layout(Constraints merged) {
        Objects.requireNonNull(merged, "merged");
        if (image == null) {
            return Optional.empty();
        }
        return laidOut(image, merged).flatMap(layout -> {
            long size = grown(layout.size(), merged);
            return size < 0 ? Optional.empty() : Optional.of(layout.withSize(size));
        });
    }

    private Optional<Layout> laidOut(Image what, Constraints merged) {
        return fixed == null
                ? Layout.of(what, buffer, rules(merged))
                : Optional.of(fixed)
                        .filter(layout -> Suitability.objection(merged, layout).isEmpty());
    }

    /** Whether it is only that one pitch for all planes does not follow from that of the first. */
    private boolean pitchesConflict(Image what, Constraints merged) {
        return merged.flag(Field.EQUAL_PITCHES)
                && merged.flag(Field.PROPORTIONAL_PITCHES)
                && Layout.of(what, buffer, rules(merged, false)).isPresent();
    }

    private LayoutRules rules(Constraints merged) {
        return rules(merged, merged.flag(Field.PROPORTIONAL_PITCHES));
    }

    private LayoutRules rules(Constraints merged, boolean proportional) {
        return new LayoutRules(
                merged.raw(Field.PITCH_ALIGNMENT),
                merged.raw(Field.MIN_PITCH),
                merged.raw(Field.MAX_PITCH),
                merged.raw(Field.OFFSET_ALIGNMENT),
                merged.raw(Field.LINE_ALIGNMENT),
                merged.raw(Field.EXTRA_LINES),
                merged.raw(Field.LEFT_MARGIN),
                merged.raw(Field.TOP_MARGIN),
                merged.flag(Field.EQUAL_PITCHES),
                proportional,
                merged.flag(Field.GAPLESS));
    }

    /** Whether there is a pitch and an offset of a plane, which in a buffer of bytes the caller chooses. */
    private static boolean allowsPlane(Constraints merged) {
        long pitch = Arithmetic.roundUp(Math.max(1, merged.raw(Field.MIN_PITCH)), merged.raw(Field.PITCH_ALIGNMENT));
        return pitch >= 0
                && pitch <= merged.raw(Field.MAX_PITCH)
                && Arithmetic.roundUp(0, merged.raw(Field.OFFSET_ALIGNMENT)) >= 0;
    }

    /** The number of bytes to allocate; -1 if no size satisfies the constraints. */
    long size(Constraints merged) {
        return image == null
                ? grown(bytes, merged)
                : layout(merged).map(Layout::size).orElse(Arithmetic.NO_RESULT);
    }

    private long grown(long least, Constraints merged) {
        long size = Math.max(least, merged.raw(Field.MIN_SIZE));
        size = Arithmetic.roundUp(size, alignment);
        return size > Long.MAX_VALUE - LARGEST_PAGE + 1 ? Arithmetic.NO_RESULT : size;
    }

    /** Why no memory for this demand can satisfy the constraints; empty if some can. */
    Optional<String> contradiction(Constraints merged) {
        if (image == null && !allowsPlane(merged)) {
            return Optional.of("no pitch suits every device");
        }
        if (image != null && laidOut(image, merged).isEmpty()) {
            return fixed != null
                    ? Suitability.objection(merged, fixed)
                    : Optional.of(
                            pitchesConflict(image, merged)
                                    ? "no one pitch for all planes of " + image.format()
                                            + ", which follows from that of the first, suits every device"
                                    : "no pitch, or no offset of a plane, suits every device");
        }
        long size = size(merged);
        if (size < 0) {
            return Optional.of("no size is a multiple of what every device needs");
        }
        if (size > merged.raw(Field.MAX_SIZE)) {
            return Optional.of(size + " bytes are needed, and at most " + merged.raw(Field.MAX_SIZE) + " are accepted");
        }
        long segment = Math.min(merged.raw(Field.MAX_SEGMENT_SIZE), merged.raw(Field.SEGMENT_BOUNDARY));
        if (merged.isContiguous() && segment < size) {
            return Optional.of("one segment of " + size + " bytes is longer than the limit of " + segment + " bytes");
        }
        // By division, which cannot overflow (review of RFCv3).
        if (merged.raw(Field.MAX_SEGMENTS) < segments(merged, size, Constraints.UNLIMITED)) {
            return Optional.of(size + " bytes do not fit into " + merged.raw(Field.MAX_SEGMENTS) + " segments of "
                    + segment + " bytes");
        }
        return Optional.empty();
    }

    /**
     * The number of segments of {@code size} bytes if each is as long as the constraints allow, and at most {@code
     * longest}.
     */
    static long segments(Constraints merged, long size, long longest) {
        long segment = Math.min(merged.raw(Field.MAX_SEGMENT_SIZE), longest);
        long boundary = merged.raw(Field.SEGMENT_BOUNDARY);
        // The last segment before each boundary may be shorter. The product is at most the size, so it cannot overflow.
        return size / boundary * Math.ceilDiv(boundary, Math.min(segment, boundary))
                + Math.ceilDiv(size % boundary, Math.min(segment, boundary));
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Demand that
                && bytes == that.bytes
                && alignment == that.alignment
                && Objects.equals(image, that.image)
                && Objects.equals(fixed, that.fixed)
                && buffer == that.buffer;
    }

    @Override
    public int hashCode() {
        return Objects.hash(bytes, alignment, image, buffer);
    }

    @Override
    public String toString() {
        return image == null ? bytes + " bytes" : image + (image.format().buffers() == 1 ? "" : ", buffer " + buffer);
    }
}
