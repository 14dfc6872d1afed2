package dev.cenalloc.image;

import dev.cenalloc.image.ImageRange.Sizes;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Which images a caller requests of a negotiation. Format and size must be met; the rate is approached. Immutable: each method
 * returns a changed copy.
 *
 * {@snippet :
 * var request = ImageRequest.ANY.format(PixelFormat.XR24).rate(30);
 * }
 */
public final class ImageRequest {
    /** Any image: the devices choose the best that they have in common. */
    public static final ImageRequest ANY = new ImageRequest(null, null, null);

    private final @Nullable PixelFormat format;
    private final @Nullable Sizes size;
    private final @Nullable FrameRate rate;

    private ImageRequest(@Nullable PixelFormat format, @Nullable Sizes size, @Nullable FrameRate rate) {
        this.format = format;
        this.size = size;
        this.rate = rate;
    }

    /**
     * {@return this request, with a format}
     *
     * @param exact this one and no other
     */
    public ImageRequest format(PixelFormat exact) {
        return new ImageRequest(Objects.requireNonNull(exact), size, rate);
    }

    /**
     * {@return this request, with a size}
     *
     * @param width in pixels, at least 1: this one and no other
     * @param height in lines, at least 1: this one and no other
     * @throws IllegalArgumentException if one is not positive
     */
    public ImageRequest size(int width, int height) {
        return new ImageRequest(format, Sizes.of(width, height), rate);
    }

    /**
     * {@return this request, with a rate}
     *
     * @param nearest if not all devices have it, the nearest above that they have, or if there is none, below
     */
    public ImageRequest rate(FrameRate nearest) {
        return new ImageRequest(format, size, Objects.requireNonNull(nearest));
    }

    /**
     * {@return this request, with a rate}
     *
     * @param framesPerSecond at least 1; approached as in {@link #rate(FrameRate)}
     * @throws IllegalArgumentException if it is not positive
     */
    public ImageRequest rate(long framesPerSecond) {
        return rate(FrameRate.of(framesPerSecond));
    }

    /** {@return the only format that satisfies it, if one is requested} */
    public Optional<PixelFormat> format() {
        return Optional.ofNullable(format);
    }

    /** {@return the only size that satisfies it, if one is requested} */
    public Optional<Sizes> size() {
        return Optional.ofNullable(size);
    }

    /** {@return the rate to come near to, if one is requested} */
    public Optional<FrameRate> rate() {
        return Optional.ofNullable(rate);
    }

    /** {@return whether it rules any image out: whether a format or a size is requested} */
    public boolean insists() {
        return format != null || size != null;
    }

    /**
     * {@return whether a format satisfies the request}
     *
     * @param other any format
     */
    public boolean allows(PixelFormat other) {
        return format == null || format == other;
    }

    /** {@return the sizes that satisfy the request} */
    public Sizes sizes() {
        return size == null ? Sizes.ANY : size;
    }

    /** {@return the requested format and size, in words} */
    public String images() {
        return Stream.of(format(), size())
                .flatMap(Optional::stream)
                .map(Object::toString)
                .collect(Collectors.joining(" "));
    }

    @Override
    public String toString() {
        return (insists() ? images() : "anything")
                + rate().map(asked -> " at " + asked.exact()).orElse("");
    }
}
