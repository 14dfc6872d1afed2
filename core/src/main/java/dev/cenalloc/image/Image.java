package dev.cenalloc.image;

import dev.cenalloc.bindings.drm.drm_h;

/**
 * A picture as its users speak of it, wherever it lies: pixels across and down, and how they become bytes. Immutable.
 *
 * <p>Source: {@code Documentation/userspace-api/dma-buf-alloc-exchange.rst}, whose words these are.
 *
 * @param format how pixels become bytes
 * @param width in pixels, at least 1. One that the format cannot store, such as an odd one with chroma for every other pixel,
 *     stays as it is, and the {@link Layout} has room for the next that it can
 * @param height in lines, at least 1; as {@code width}
 * @param modifier {@code DRM_FORMAT_MOD_*}: how the bytes are arranged. {@link #LINEAR}, line by line, is the only one that this
 *     library lays out; any other is between the devices that know it
 */
public record Image(PixelFormat format, int width, int height, long modifier) {
    /** The modifier of lines one after the other. It is not the same as not to say any modifier. */
    public static final long LINEAR = drm_h.DRM_FORMAT_MOD_LINEAR();

    /**
     * Checks the numbers.
     *
     * @throws IllegalArgumentException if width or height is not positive
     */
    public Image {
        if (width <= 0 || height <= 0) {
            throw new IllegalArgumentException(
                    "an image has at least 1 pixel across and 1 down, not " + width + "x" + height);
        }
    }

    /**
     * A linear image.
     *
     * @param format how pixels become bytes
     * @param width in pixels, at least 1
     * @param height in lines, at least 1
     * @throws IllegalArgumentException if width or height is not positive
     */
    public Image(PixelFormat format, int width, int height) {
        this(format, width, height, LINEAR);
    }

    @Override
    public String toString() {
        return format + " " + width + "x" + height
                + (modifier == LINEAR ? "" : " with modifier 0x" + Long.toHexString(modifier));
    }
}
