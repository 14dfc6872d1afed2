// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.image;

import dev.cenalloc.image.ImageRange.Sizes;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The images that a caller requests from a negotiation. The negotiation must meet format and size; it approaches the
 * rate. Immutable: methods with an argument return a changed copy.
 *
 * {@snippet :
 * var request = ImageRequest.ANY.format(PixelFormat.XR24).rate(30);
 * }
 */
public final class ImageRequest {
    /** Any image: the negotiation takes the best one that the devices have in common. */
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
     * {@return a copy of this request with a format}
     *
     * @param exact the only format that satisfies the request
     */
    public ImageRequest format(PixelFormat exact) {
        return new ImageRequest(Objects.requireNonNull(exact, "exact"), size, rate);
    }

    /**
     * {@return a copy of this request with a size, the only one that satisfies it}
     *
     * @param width in pixels, at least 1
     * @param height in lines, at least 1
     * @throws IllegalArgumentException if width or height is not positive
     */
    public ImageRequest size(int width, int height) {
        return new ImageRequest(format, Sizes.of(width, height), rate);
    }

    /**
     * {@return a copy of this request with a rate}
     *
     * @param nearest the rate. If the devices do not have it in common, the next higher common rate is taken, and if
     *     there is none, the next lower one
     */
    public ImageRequest rate(FrameRate nearest) {
        return new ImageRequest(format, size, Objects.requireNonNull(nearest, "nearest"));
    }

    /**
     * {@return a copy of this request with a rate}
     *
     * @param framesPerSecond at least 1; approached as in {@link #rate(FrameRate)}
     * @throws IllegalArgumentException if {@code framesPerSecond} is not positive
     */
    public ImageRequest rate(long framesPerSecond) {
        return rate(FrameRate.of(framesPerSecond));
    }

    /** {@return the requested format; empty if any format satisfies the request} */
    public Optional<PixelFormat> format() {
        return Optional.ofNullable(format);
    }

    /** {@return the requested size; empty if any size satisfies the request} */
    public Optional<Sizes> size() {
        return Optional.ofNullable(size);
    }

    /** {@return the rate to approach; empty if none is requested} */
    public Optional<FrameRate> rate() {
        return Optional.ofNullable(rate);
    }

    /** {@return whether the request rules images out: it has a format or a size} */
    public boolean insists() {
        return format != null || size != null;
    }

    /**
     * {@return whether a format satisfies the request}
     *
     * @param other any format
     */
    public boolean allows(PixelFormat other) {
        Objects.requireNonNull(other, "other");
        return format == null || format == other;
    }

    /** {@return the sizes that satisfy the request} */
    public Sizes sizes() {
        return size == null ? Sizes.ANY : size;
    }

    /** {@return the requested format and size, as text} */
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
