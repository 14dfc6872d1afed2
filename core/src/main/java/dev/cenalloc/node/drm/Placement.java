// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.CenallocException;
import dev.cenalloc.image.Image;
import java.util.List;

/**
 * Which part of an image a plane shows, and where on the screen. A value.
 *
 * @param x of the target, in pixels of the screen; may be negative where the hardware can clip
 * @param y as {@code x}
 * @param width of the target
 * @param height of the target
 * @param sourceX of the source, in pixels of the image
 * @param sourceY as {@code sourceX}
 * @param sourceWidth another than {@code width} is scaled
 * @param sourceHeight as {@code sourceWidth}
 */
public record Placement(
        int x, int y, int width, int height, int sourceX, int sourceY, int sourceWidth, int sourceHeight) {
    /** The properties of a plane that say what it shows, and where. */
    public static final List<String> PROPERTIES =
            List.of("FB_ID", "CRTC_ID", "CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H", "SRC_X", "SRC_Y", "SRC_W", "SRC_H");

    /** The whole image in the middle of the screen. */
    public static Placement centred(Image image, Scanout.Mode mode) {
        return new Placement(
                (mode.width() - image.width()) / 2,
                (mode.height() - image.height()) / 2,
                image.width(),
                image.height(),
                0,
                0,
                image.width(),
                image.height());
    }

    /** The same, of images that begin elsewhere in their framebuffer. */
    public Placement in(Source source) {
        return new Placement(
                x, y, width, height, source.x() + sourceX, source.y() + sourceY, sourceWidth, sourceHeight);
    }

    /** Adds all properties but FB_ID to a request. */
    public AtomicRequest.Builder set(AtomicRequest.Builder change, KmsObject plane, int crtc) throws CenallocException {
        return change.set(plane, "CRTC_ID", crtc)
                // Signed; as all properties, in 64 bits.
                .set(plane, "CRTC_X", x)
                .set(plane, "CRTC_Y", y)
                .set(plane, "CRTC_W", width)
                .set(plane, "CRTC_H", height)
                // In 16.16 fixed point.
                .set(plane, "SRC_X", (long) sourceX << 16)
                .set(plane, "SRC_Y", (long) sourceY << 16)
                .set(plane, "SRC_W", (long) sourceWidth << 16)
                .set(plane, "SRC_H", (long) sourceHeight << 16);
    }
}
