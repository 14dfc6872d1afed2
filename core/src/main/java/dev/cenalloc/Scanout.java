package dev.cenalloc;

import java.lang.foreign.MemorySegment;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * A way from memory to a screen: the plane that scans out, the CRTC that times it, the connector with the screen, by the
 * kernel's numbers for them. A value, as it was when {@link Probe#scanouts()} read it; holds nothing open. Immutable.
 *
 * <p>Source: {@code Documentation/gpu/drm-kms.rst}.
 *
 * @param plane the CRTC's primary plane
 * @param crtc the first that reaches the connector
 * @param connector with a screen that is connected
 * @param isVirtual whether the screen exists in the driver only
 * @param modes of the screen, at least one, in the driver's order
 * @param images that the plane takes; none is larger than the largest mode
 */
public record Scanout(
        int plane, int crtc, int connector, boolean isVirtual, List<Mode> modes, List<ImageRange> images) {
    /** Makes it immutable. */
    public Scanout {
        modes = List.copyOf(modes);
        images = List.copyOf(images);
    }

    /**
     * One size and rate of a screen. Immutable.
     *
     * @param width in pixels
     * @param height in lines
     * @param refresh how often a second, as the driver rounds it
     * @param isPreferred whether the screen would rather have this than another
     * @param info the {@code drm_mode_modeinfo}, to be made a blob of and set; read-only, never freed before it is collected
     */
    public record Mode(int width, int height, Rate refresh, boolean isPreferred, MemorySegment info) {
        /** {@return whether an image of this size fits} */
        boolean holds(int imageWidth, int imageHeight) {
            return imageWidth <= width && imageHeight <= height;
        }

        private boolean is(int imageWidth, int imageHeight) {
            return imageWidth == width && imageHeight == height;
        }

        @Override
        public String toString() {
            return width + "x" + height + " at " + refresh + " Hz";
        }
    }

    /**
     * {@return the mode for images of a size} One of that very size; else the preferred one, or else the smallest, of those that
     * are larger. Empty if the images are larger than every mode.
     *
     * @param width of the images, in pixels
     * @param height of the images, in lines
     */
    public Optional<Mode> mode(int width, int height) {
        return modes.stream()
                .filter(mode -> mode.holds(width, height))
                .min(Comparator.comparing((Mode mode) -> !mode.is(width, height))
                        .thenComparing(mode -> !mode.isPreferred())
                        .thenComparingLong(mode -> (long) mode.width() * mode.height()));
    }
}
