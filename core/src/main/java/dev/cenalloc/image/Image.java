// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.image;

import dev.cenalloc.bindings.drm.drm_h;
import java.util.Objects;

/**
 * The description of an image, independent of memory: pixel format, width, height and modifier. Immutable.
 *
 * <p>The size is the visible one, of what is to be seen. A device may hold more columns and lines in memory, the coded
 * size, such as 1920x1088 for 1920x1080. The {@link Layout} has them: as part of its pitches, as {@linkplain
 * Layout#storedLines stored lines}, and before the image as {@linkplain Layout#topMargin margins}.
 *
 * <p>Source: the terms are those of {@code Documentation/userspace-api/dma-buf-alloc-exchange.rst}.
 *
 * @param format the pixel format
 * @param width in pixels, at least 1. It need not be a width that the format can store, such as an even one for a
 *     subsampled format: the {@link Layout} rounds the stored width up
 * @param height in lines, at least 1; the {@link Layout} rounds the stored height up in the same way
 * @param modifier {@code DRM_FORMAT_MOD_*}, the arrangement of the bytes. This library lays out only {@link #LINEAR}
 *     images, which are stored line by line. Only devices that know another modifier can lay out its images
 */
public record Image(PixelFormat format, int width, int height, long modifier) {
    /** The modifier of images that are stored line by line. An absent modifier means something else. */
    public static final long LINEAR = drm_h.DRM_FORMAT_MOD_LINEAR();

    /**
     * Checks the arguments.
     *
     * @throws IllegalArgumentException if width or height is not positive
     */
    public Image {
        Objects.requireNonNull(format, "format");
        if (width <= 0 || height <= 0) {
            throw new IllegalArgumentException("an image has at least 1x1 pixels, not " + width + "x" + height);
        }
    }

    /**
     * A linear image.
     *
     * @param format the pixel format
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
