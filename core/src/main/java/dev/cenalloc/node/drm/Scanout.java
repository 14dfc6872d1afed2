// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.PixelFormat;
import java.lang.foreign.MemorySegment;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A way from memory to a screen: the plane that scans out, the CRTC that times it, the connector with the screen, by
 * the kernel's numbers for them. A value, as it was when it was read; holds nothing open. Immutable.
 *
 * <p>Source: {@code Documentation/gpu/drm-kms.rst}.
 *
 * @param name of the connector, such as {@code HDMI-A-1}
 * @param plane the CRTC's primary plane
 * @param crtc the first that reaches the connector
 * @param connector with a screen that is connected
 * @param isVirtual whether the screen exists in the driver only
 * @param widthMm of the screen in millimetres; 0 if it is not known
 * @param heightMm as {@code widthMm}
 * @param modes of the screen, at least one, in the driver's order
 * @param images that the plane takes, in sizes and at rates that one of the modes has
 * @param otherFormats of the plane, without a name here, by their four characters
 * @param doubts what the driver says of the modes that cannot be, in words
 * @param overlays the other planes of the CRTC
 */
public record Scanout(
        String name,
        int plane,
        int crtc,
        int connector,
        boolean isVirtual,
        int widthMm,
        int heightMm,
        List<Mode> modes,
        List<ImageRange> images,
        List<String> otherFormats,
        List<String> doubts,
        List<Overlay> overlays) {
    /** Makes it immutable. */
    public Scanout {
        modes = List.copyOf(modes);
        images = List.copyOf(images);
        otherFormats = List.copyOf(otherFormats);
        doubts = List.copyOf(doubts);
        overlays = List.copyOf(overlays);
    }

    /**
     * A plane above the primary one.
     *
     * @param id the kernel's number for it
     * @param isCursor whether it is meant for a cursor, which most hardware limits in size
     * @param images that it takes
     * @param otherFormats without a name here, by their four characters
     */
    public record Overlay(int id, boolean isCursor, List<ImageRange> images, List<String> otherFormats) {
        /** Makes it immutable. */
        public Overlay {
            images = List.copyOf(images);
            otherFormats = List.copyOf(otherFormats);
        }
    }

    /**
     * One size and rate of a screen. Immutable.
     *
     * @param width in pixels
     * @param height in lines
     * @param refresh how often a second, as the driver rounds it
     * @param isPreferred whether the screen would rather have this than another
     * @param info the {@code drm_mode_modeinfo}, to be made a blob of and set; read-only, never freed before it is
     *     collected
     */
    public record Mode(int width, int height, FrameRate refresh, boolean isPreferred, MemorySegment info) {
        private boolean holds(Image image) {
            return image.width() <= width && image.height() <= height;
        }

        private boolean isOfSizeOf(Image image) {
            return image.width() == width && image.height() == height;
        }

        /** {@return whether everything is equal, by content} */
        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Mode mode && info.mismatch(mode.info) < 0;
        }

        @Override
        public int hashCode() {
            return Objects.hash(width, height, refresh);
        }

        @Override
        public String toString() {
            return width + "x" + height + " at " + refresh + " Hz";
        }
    }

    /** A way to the same screen through an overlay. */
    public Scanout through(Overlay overlay) {
        return new Scanout(
                name,
                overlay.id,
                crtc,
                connector,
                isVirtual,
                widthMm,
                heightMm,
                modes,
                overlay.images,
                overlay.otherFormats,
                doubts,
                overlays);
    }

    /**
     * {@return the formats that the plane has with a modifier}
     *
     * @param modifier {@code DRM_FORMAT_MOD_*}
     */
    public Set<PixelFormat> formats(long modifier) {
        return images.stream()
                .filter(range -> range.modifier() == modifier)
                .map(ImageRange::format)
                .collect(Collectors.toSet());
    }

    /**
     * {@return whether the primary plane has such images, and a mode is large enough}
     *
     * @param image any
     */
    public boolean shows(Image image) {
        return mode(image).isPresent() && formats(image.modifier()).contains(image.format());
    }

    /**
     * {@return the mode for images that come at a rate} One that refreshes as often, if there is one; of these, one of
     * the image's very size; else the preferred one, or else the smallest, of those that are larger. Empty if the image
     * is larger than every mode.
     *
     * @param image to be shown
     * @param rate at which it changes
     */
    public Optional<Mode> mode(Image image, FrameRate rate) {
        return modes.stream()
                .filter(mode -> mode.holds(image))
                .min(Comparator.comparing((Mode mode) -> mode.refresh().compareTo(rate) < 0)
                        .thenComparing(mode -> !mode.isOfSizeOf(image))
                        .thenComparing(mode -> !mode.isPreferred())
                        .thenComparingLong(mode -> (long) mode.width() * mode.height()));
    }

    /** The mode for images that stay. */
    public Optional<Mode> mode(Image image) {
        return mode(image, new FrameRate(1, Long.MAX_VALUE));
    }
}
