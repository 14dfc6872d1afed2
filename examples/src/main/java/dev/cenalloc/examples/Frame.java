package dev.cenalloc.examples;

import dev.cenalloc.Image;
import dev.cenalloc.Layout;
import dev.cenalloc.PixelFormat;
import java.util.List;

/**
 * The layout of the frames that camera and display agree on: packed, one plane, 32 bits a pixel.
 *
 * @param width in pixels
 * @param height in pixels
 * @param stride bytes from one line to the next
 * @param size bytes of the whole frame
 */
record Frame(int width, int height, int stride, int size) {
    /** {@code XR24}: blue, green, red, unused in memory. DRM and V4L2 spell it alike. */
    static final int XR24 = PixelFormat.XR24.drmFourcc();

    /** As the devices are asked about it. */
    Layout layout() {
        return new Layout(
                new Image(PixelFormat.XR24, width, height), 0, List.of(new Layout.Plane(0, stride, height)), size);
    }

    static String fourccName(int code) {
        return "" + (char) (code & 0x7F) + (char) (code >> 8 & 0x7F) + (char) (code >> 16 & 0x7F)
                + (char) (code >> 24 & 0x7F);
    }
}
