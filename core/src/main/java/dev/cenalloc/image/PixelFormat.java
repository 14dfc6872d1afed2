package dev.cenalloc.image;

import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * How the pixels of an image become bytes: what DRM and V4L2 each call by a <i>fourcc</i>, a code of four characters. The
 * two have lists of their own, and the same four characters need not mean the same: {@code RG24} is DRM's name of what V4L2
 * calls {@code BGR3}. The names here are DRM's, but for what only V4L2 tells apart: planes that lie in buffers of their own.
 *
 * <p>Source: {@code include/uapi/drm/drm_fourcc.h}, {@code include/uapi/linux/videodev2.h} and
 * {@code Documentation/userspace-api/media/v4l/pixfmt-*.rst} of Linux 6.12.
 */
public enum PixelFormat {
    /** Bytes: blue, green, red, unused. */
    XR24(drm_h.DRM_FORMAT_XRGB8888(), v4l2_h.V4L2_PIX_FMT_XBGR32(), pixels(4)),
    /** Bytes: red, green, blue, unused. */
    XB24(drm_h.DRM_FORMAT_XBGR8888(), v4l2_h.V4L2_PIX_FMT_RGBX32(), pixels(4)),
    /** Two bytes, the lower first: 5 bits of red at the top, 6 of green, 5 of blue. */
    RG16(drm_h.DRM_FORMAT_RGB565(), v4l2_h.V4L2_PIX_FMT_RGB565(), pixels(2)),
    /** Bytes: blue, green, red. */
    RG24(drm_h.DRM_FORMAT_RGB888(), v4l2_h.V4L2_PIX_FMT_BGR24(), pixels(3)),
    /** One byte: red for DRM, grey for V4L2; or lines of bytes that mean something else altogether. */
    R8(drm_h.DRM_FORMAT_R8(), v4l2_h.V4L2_PIX_FMT_GREY(), pixels(1)),
    /** Packed 4:2:2. Bytes: Y, Cb, Y, Cr. */
    YUYV(drm_h.DRM_FORMAT_YUYV(), v4l2_h.V4L2_PIX_FMT_YUYV(), new Sampling(4, 2, 1)),
    /** Packed 4:2:2. Bytes: Cb, Y, Cr, Y. */
    UYVY(drm_h.DRM_FORMAT_UYVY(), v4l2_h.V4L2_PIX_FMT_UYVY(), new Sampling(4, 2, 1)),
    /** 4:2:0 in two planes: Y; Cb and Cr by turns. */
    NV12(drm_h.DRM_FORMAT_NV12(), v4l2_h.V4L2_PIX_FMT_NV12(), pixels(1), new Sampling(2, 2, 2)),
    /** 4:2:2 in two planes: Y; Cb and Cr by turns. */
    NV16(drm_h.DRM_FORMAT_NV16(), v4l2_h.V4L2_PIX_FMT_NV16(), pixels(1), new Sampling(2, 2, 1)),
    /** 4:2:0 in three planes: Y; Cb; Cr. Both call it {@code YU12}. */
    YUV420(
            drm_h.DRM_FORMAT_YUV420(),
            v4l2_h.V4L2_PIX_FMT_YUV420(),
            pixels(1),
            new Sampling(1, 2, 2),
            new Sampling(1, 2, 2)),
    /** {@link #NV12} with each plane in a buffer of its own, {@code NM12} for V4L2. */
    NV12M(NV12, v4l2_h.V4L2_PIX_FMT_NV12M()),
    /** {@link #NV16} with each plane in a buffer of its own, {@code NM16} for V4L2. */
    NV16M(NV16, v4l2_h.V4L2_PIX_FMT_NV16M()),
    /** {@link #YUV420} with each plane in a buffer of its own, {@code YM12} for V4L2. */
    YUV420M(YUV420, v4l2_h.V4L2_PIX_FMT_YUV420M());

    /**
     * What one group of bytes in a plane stands for: so many pixels across and so many lines down.
     *
     * @param bytes in the group, at least 1
     * @param horizontal pixels across, 1 if the plane is not subsampled
     * @param vertical lines down, 1 if the plane is not subsampled
     */
    public record Sampling(int bytes, int horizontal, int vertical) {}

    private final int drmFourcc;
    private final int v4l2Fourcc;

    @SuppressWarnings("ImmutableEnumChecker") // made by List.of
    private final List<Sampling> planes;

    private final boolean apart;
    private final int widthMultiple;
    private final int heightMultiple;

    PixelFormat(int drmFourcc, int v4l2Fourcc, Sampling... planes) {
        this(drmFourcc, v4l2Fourcc, List.of(planes), false);
    }

    /** Another format, with its planes in buffers of their own. */
    PixelFormat(PixelFormat together, int v4l2Fourcc) {
        this(together.drmFourcc, v4l2Fourcc, together.planes, true);
    }

    PixelFormat(int drmFourcc, int v4l2Fourcc, List<Sampling> planes, boolean apart) {
        this.drmFourcc = drmFourcc;
        this.v4l2Fourcc = v4l2Fourcc;
        this.planes = planes;
        this.apart = apart;
        this.widthMultiple =
                planes.stream().mapToInt(Sampling::horizontal).max().orElseThrow();
        this.heightMultiple = planes.stream().mapToInt(Sampling::vertical).max().orElseThrow();
    }

    private static Sampling pixels(int bytes) {
        return new Sampling(bytes, 1, 1);
    }

    /** {@return the code for DRM, {@code DRM_FORMAT_*}; where planes lie is no part of it} */
    public int drmFourcc() {
        return drmFourcc;
    }

    /** {@return the code for V4L2, {@code V4L2_PIX_FMT_*}} */
    public int v4l2Fourcc() {
        return v4l2Fourcc;
    }

    /** {@return the planes, at least one, the one with all pixels first} */
    public List<Sampling> planes() {
        return planes;
    }

    /** {@return in how many buffers an image lies: 1, or one for each plane} */
    public int buffers() {
        return apart ? planes.size() : 1;
    }

    /** The planes in one of the buffers. */
    List<Sampling> planes(int buffer) {
        return apart ? planes.subList(buffer, buffer + 1) : planes;
    }

    /** {@return bits of memory for each pixel, on average} */
    public int bitsPerPixel() {
        return planes.stream()
                .mapToInt(plane -> plane.bytes * Byte.SIZE / (plane.horizontal * plane.vertical))
                .sum();
    }

    /** {@return the bits of {@link #bitsPerPixel} that hold colour} */
    public int colourBits() {
        return this == XR24 || this == XB24 ? 24 : bitsPerPixel();
    }

    /** Of how many pixels the width of what is stored is a multiple: of as many as stand together in any plane. */
    int widthMultiple() {
        return widthMultiple;
    }

    /** Of how many lines the height of what is stored is a multiple. */
    int heightMultiple() {
        return heightMultiple;
    }

    /**
     * {@return the format that DRM calls so, with its planes in one buffer; empty if it is not among these}
     *
     * @param fourcc {@code DRM_FORMAT_*}
     */
    public static Optional<PixelFormat> ofDrm(int fourcc) {
        return Arrays.stream(values())
                .filter(format -> format.drmFourcc == fourcc && !format.apart)
                .findFirst();
    }

    /**
     * {@return the format that V4L2 calls so; empty if it is not among these}
     *
     * @param fourcc {@code V4L2_PIX_FMT_*}
     */
    public static Optional<PixelFormat> ofV4l2(int fourcc) {
        return Arrays.stream(values())
                .filter(format -> format.v4l2Fourcc == fourcc)
                .findFirst();
    }
}
