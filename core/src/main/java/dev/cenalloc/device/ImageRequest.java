package dev.cenalloc.device;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.PixelFormat;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What the caller of a negotiation wants. Format and size are insisted on; the rate is the one to come near to. Immutable:
 * each method returns a changed copy.
 *
 * {@snippet :
 * var wish = ImageRequest.ANYTHING.format(PixelFormat.XR24).rate(FrameRate.of(30));
 * }
 */
public final class ImageRequest {
    /** No wish at all: the best there is. */
    public static final ImageRequest ANYTHING = new ImageRequest(null, null, null);

    private final @Nullable PixelFormat format;
    private final @Nullable Sizes size;
    private final @Nullable FrameRate rate;

    private ImageRequest(@Nullable PixelFormat format, @Nullable Sizes size, @Nullable FrameRate rate) {
        this.format = format;
        this.size = size;
        this.rate = rate;
    }

    /**
     * {@return this wish, with a format}
     *
     * @param exact this one and no other
     */
    public ImageRequest format(PixelFormat exact) {
        return new ImageRequest(Objects.requireNonNull(exact), size, rate);
    }

    /**
     * {@return this wish, with a size}
     *
     * @param width in pixels, at least 1: this one and no other
     * @param height in lines, at least 1: this one and no other
     * @throws IllegalArgumentException if one is not positive
     */
    public ImageRequest size(int width, int height) {
        return new ImageRequest(format, Sizes.of(width, height), rate);
    }

    /**
     * {@return this wish, with a rate}
     *
     * @param nearest if not all devices have it, the nearest above that they have, or if there is none, below
     */
    public ImageRequest rate(FrameRate nearest) {
        return new ImageRequest(format, size, Objects.requireNonNull(nearest));
    }

    /** {@return the only format that will do, if one is wished} */
    public Optional<PixelFormat> format() {
        return Optional.ofNullable(format);
    }

    /** {@return the only size that will do, if one is wished} */
    public Optional<Sizes> size() {
        return Optional.ofNullable(size);
    }

    /** {@return the rate to come near to, if one is wished} */
    public Optional<FrameRate> rate() {
        return Optional.ofNullable(rate);
    }

    /** Whether it rules any image out. */
    boolean insists() {
        return format != null || size != null;
    }

    boolean allows(PixelFormat other) {
        return format == null || format == other;
    }

    /** The sizes that it allows. */
    Sizes sizes() {
        return size == null ? Sizes.ANY : size;
    }

    /** The images that are insisted on, in words. */
    String images() {
        return Stream.of(format(), size())
                .flatMap(Optional::stream)
                .map(Object::toString)
                .collect(Collectors.joining(" "));
    }

    @Override
    public String toString() {
        return (insists() ? images() : "anything")
                + rate().map(wished -> " at " + wished.exact()).orElse("");
    }
}
