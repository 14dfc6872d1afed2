package dev.cenalloc.image;

import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * A pixel format: how the pixels of an image are stored as bytes. DRM and V4L2 each identify a format by a
 * <i>fourcc</i>, a code of four characters. Their codes differ: DRM's {@code RG24} is V4L2's {@code BGR3}. The names
 * here are DRM's. Only V4L2 has separate codes for formats whose planes lie in separate buffers; their names here end
 * in {@code M}.
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
    /** One byte: red for DRM, grey for V4L2. Also used for lines of bytes that are no pixels. */
    R8(drm_h.DRM_FORMAT_R8(), v4l2_h.V4L2_PIX_FMT_GREY(), pixels(1)),
    /** Packed 4:2:2. Bytes: Y, Cb, Y, Cr. */
    YUYV(drm_h.DRM_FORMAT_YUYV(), v4l2_h.V4L2_PIX_FMT_YUYV(), new Sampling(4, 2, 1)),
    /** Packed 4:2:2. Bytes: Cb, Y, Cr, Y. */
    UYVY(drm_h.DRM_FORMAT_UYVY(), v4l2_h.V4L2_PIX_FMT_UYVY(), new Sampling(4, 2, 1)),
    /** 4:2:0 in two planes: Y; Cb and Cr interleaved. */
    NV12(drm_h.DRM_FORMAT_NV12(), v4l2_h.V4L2_PIX_FMT_NV12(), pixels(1), new Sampling(2, 2, 2)),
    /** 4:2:2 in two planes: Y; Cb and Cr interleaved. */
    NV16(drm_h.DRM_FORMAT_NV16(), v4l2_h.V4L2_PIX_FMT_NV16(), pixels(1), new Sampling(2, 2, 1)),
    /** 4:2:0 in three planes: Y; Cb; Cr. The fourcc is {@code YU12} in both lists. */
    YUV420(
            drm_h.DRM_FORMAT_YUV420(),
            v4l2_h.V4L2_PIX_FMT_YUV420(),
            pixels(1),
            new Sampling(1, 2, 2),
            new Sampling(1, 2, 2)),
    /** {@link #NV12} with each plane in a separate buffer; V4L2's {@code NM12}. */
    NV12M(NV12, v4l2_h.V4L2_PIX_FMT_NV12M()),
    /** {@link #NV16} with each plane in a separate buffer; V4L2's {@code NM16}. */
    NV16M(NV16, v4l2_h.V4L2_PIX_FMT_NV16M()),
    /** {@link #YUV420} with each plane in a separate buffer; V4L2's {@code YM12}. */
    YUV420M(YUV420, v4l2_h.V4L2_PIX_FMT_YUV420M());

    /**
     * The sampling of a plane: the block of pixels that one group of bytes describes. A value.
     *
     * @param bytes bytes in the group, at least 1
     * @param horizontal width of the block in pixels; 1 if the plane is not subsampled
     * @param vertical height of the block in lines; 1 if the plane is not subsampled
     */
    public record Sampling(int bytes, int horizontal, int vertical) {}

    private final int drmFourcc;
    private final int v4l2Fourcc;

    @SuppressWarnings("ImmutableEnumChecker") // List.of is immutable
    private final List<Sampling> planes;

    private final boolean apart;
    private final int widthMultiple;
    private final int heightMultiple;

    PixelFormat(int drmFourcc, int v4l2Fourcc, Sampling... planes) {
        this(drmFourcc, v4l2Fourcc, List.of(planes), false);
    }

    /** Another format with each plane in a separate buffer. */
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

    /** {@return DRM's code, {@code DRM_FORMAT_*}; it does not say in which buffers the planes lie} */
    public int drmFourcc() {
        return drmFourcc;
    }

    /** {@return V4L2's code, {@code V4L2_PIX_FMT_*}} */
    public int v4l2Fourcc() {
        return v4l2Fourcc;
    }

    /** {@return the planes, at least one; the first plane has full resolution} */
    public List<Sampling> planes() {
        return planes;
    }

    /** {@return the number of buffers of an image: 1, or one for each plane} */
    public int buffers() {
        return apart ? planes.size() : 1;
    }

    /** The planes in one buffer, from 0. */
    List<Sampling> planes(int buffer) {
        return apart ? planes.subList(buffer, buffer + 1) : planes;
    }

    /** {@return the average number of bits of memory per pixel} */
    public int bitsPerPixel() {
        return planes.stream()
                .mapToInt(plane -> plane.bytes * Byte.SIZE / (plane.horizontal * plane.vertical))
                .sum();
    }

    /** {@return the number of bits of {@link #bitsPerPixel} that carry colour} */
    public int colourBits() {
        return this == XR24 || this == XB24 ? 24 : bitsPerPixel();
    }

    /** The stored width is a multiple of this many pixels: the widest block of any plane. */
    int widthMultiple() {
        return widthMultiple;
    }

    /** The stored height is a multiple of this many lines: the highest block of any plane. */
    int heightMultiple() {
        return heightMultiple;
    }

    /**
     * {@return the format with a DRM code and its planes in one buffer; empty if this library does not know the code}
     *
     * @param fourcc {@code DRM_FORMAT_*}
     */
    public static Optional<PixelFormat> ofDrm(int fourcc) {
        return Arrays.stream(values())
                .filter(format -> format.drmFourcc == fourcc && !format.apart)
                .findFirst();
    }

    /**
     * {@return the format with a V4L2 code; empty if this library does not know the code}
     *
     * @param fourcc {@code V4L2_PIX_FMT_*}
     */
    public static Optional<PixelFormat> ofV4l2(int fourcc) {
        return Arrays.stream(values())
                .filter(format -> format.v4l2Fourcc == fourcc)
                .findFirst();
    }
}
