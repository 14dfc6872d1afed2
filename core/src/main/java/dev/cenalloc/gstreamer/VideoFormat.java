// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.image.PixelFormat;
import java.util.Arrays;
import java.util.Optional;

/**
 * GStreamer's names and numbers of the pixel formats that this library has too. Those whose planes lie in buffers of
 * their own have the same names.
 *
 * <p>Source: {@code video-format.h} and the table of {@code video-info-dma.c} of gst-plugins-base 1.28; {@code
 * BGR10x2_LE} came with that, the others are in 1.24.
 */
enum VideoFormat {
    I420("I420", 2, PixelFormat.YUV420),
    YV12("YV12", 3, PixelFormat.YVU420),
    YUY2("YUY2", 4, PixelFormat.YUYV),
    UYVY("UYVY", 5, PixelFormat.UYVY),
    RGBX("RGBx", 7, PixelFormat.XB24),
    BGRX("BGRx", 8, PixelFormat.XR24),
    RGBA("RGBA", 11, PixelFormat.AB24),
    BGRA("BGRA", 12, PixelFormat.AR24),
    BGR("BGR", 16, PixelFormat.RG24),
    Y42B("Y42B", 18, PixelFormat.YUV422),
    Y444("Y444", 20, PixelFormat.YUV444),
    NV12("NV12", 23, PixelFormat.NV12),
    NV21("NV21", 24, PixelFormat.NV21),
    GRAY8("GRAY8", 25, PixelFormat.R8),
    GRAY16("GRAY16_LE", 27, PixelFormat.R16),
    RGB16("RGB16", 29, PixelFormat.RG16),
    NV16("NV16", 51, PixelFormat.NV16),
    NV24("NV24", 52, PixelFormat.NV24),
    NV61("NV61", 60, PixelFormat.NV61),
    P010("P010_10LE", 62, PixelFormat.P010),
    NV15("NV12_10LE40", 81, PixelFormat.NV15),
    AR30("BGR10A2_LE", 85, PixelFormat.AR30),
    XR30("BGR10x2_LE", 140, PixelFormat.XR30);

    /** The number in a meta of an image that is described by DRM's fourcc and modifier. */
    static final int DMA_DRM = 114;

    private final String caps;
    private final int number;
    private final PixelFormat pixels;

    VideoFormat(String caps, int number, PixelFormat pixels) {
        this.caps = caps;
        this.number = number;
        this.pixels = pixels;
    }

    /** The name in caps. */
    String caps() {
        return caps;
    }

    /** The number in a GstVideoMeta. */
    int number() {
        return number;
    }

    /** With all planes in one buffer. */
    PixelFormat pixels() {
        return pixels;
    }

    static Optional<VideoFormat> named(String caps) {
        return Arrays.stream(values()).filter(one -> one.caps.equals(caps)).findFirst();
    }

    static Optional<VideoFormat> of(PixelFormat format) {
        PixelFormat together = format.withPlanesTogether().orElse(format);
        return Arrays.stream(values()).filter(one -> one.pixels == together).findFirst();
    }
}
