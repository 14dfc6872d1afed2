// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.image;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * A pixel format: how the pixels of an image are stored as bytes. DRM and V4L2 each identify a format by a
 * <i>fourcc</i>, a code of four characters. Their codes differ: DRM's {@code RG24} is V4L2's {@code BGR3}. A format
 * that only one of them defines cannot be exchanged with a device of the other. The names here are DRM's; those of
 * formats that only V4L2 defines are V4L2's. Only V4L2 has separate codes for formats whose planes lie in separate
 * buffers; their names here end in {@code M}.
 *
 * <p>Source: {@code include/uapi/drm/drm_fourcc.h}, {@code include/uapi/linux/videodev2.h} and
 * {@code Documentation/userspace-api/media/v4l/pixfmt-*.rst} of Linux 6.12; the planes as in {@code __drm_format_info}
 * of {@code drivers/gpu/drm/drm_fourcc.c} and {@code v4l2_format_info} of
 * {@code drivers/media/v4l2-core/v4l2-common.c}. V4L2 has {@code NV15} in Linux 6.18, and not in 6.12.
 */
public enum PixelFormat {
    // Code of DRM, code of V4L2 ("" where there is none), bits of colour in a pixel, planes.

    /** Bytes: blue, green, red, unused. */
    XR24("XR24", "XR24", 24, samples(4)),
    /** {@link #XR24} with alpha in the last byte. */
    AR24(XR24, "AR24", "AR24"),
    /** Bytes: red, green, blue, unused. */
    XB24("XB24", "XB24", 24, samples(4)),
    /** {@link #XB24} with alpha in the last byte. */
    AB24(XB24, "AB24", "AB24"),
    /** Four bytes, the lowest first: 2 unused bits at the top, 10 bits each of red, green, blue. DRM only. */
    XR30("XR30", "", 30, samples(4)),
    /** {@link #XR30} with alpha in the 2 bits at the top; V4L2 has this one. */
    AR30(XR30, "AR30", "AR30"),
    /** Two bytes, the lower first: 5 bits of red at the top, 6 of green, 5 of blue. */
    RG16("RG16", "RGBP", 16, samples(2)),
    /** Bytes: blue, green, red. */
    RG24("RG24", "BGR3", 24, samples(3)),
    /** One byte: red for DRM, grey for V4L2. Also used for lines of bytes that are no pixels. */
    R8("R8  ", "GREY", 8, samples(1)),
    /** Two bytes, the lower first: red for DRM, grey for V4L2, which calls it {@code Y16}. */
    R16("R16 ", "Y16 ", 16, samples(2)),
    /** Packed 4:2:2. Bytes: Y, Cb, Y, Cr. */
    YUYV("YUYV", "YUYV", 16, packed(4, 2)),
    /** Packed 4:2:2. Bytes: Cb, Y, Cr, Y. */
    UYVY("UYVY", "UYVY", 16, packed(4, 2)),
    /** 4:2:0 in two planes: Y; Cb and Cr interleaved. */
    NV12("NV12", "NV12", 12, samples(1), samples(2, 2, 2)),
    /** {@link #NV12} with Cr before Cb. */
    NV21("NV21", "NV21", 12, samples(1), samples(2, 2, 2)),
    /** 4:2:2 in two planes: Y; Cb and Cr interleaved. */
    NV16("NV16", "NV16", 16, samples(1), samples(2, 2, 1)),
    /** {@link #NV16} with Cr before Cb. */
    NV61("NV61", "NV61", 16, samples(1), samples(2, 2, 1)),
    /** 4:4:4 in two planes: Y; Cb and Cr interleaved. */
    NV24("NV24", "NV24", 24, samples(1), samples(2)),
    /** {@link #NV12} of 10 bits without gaps, the lower bits first: four samples in five bytes. */
    NV15("NV15", "NV15", 15, packed(5, 4), new Sampling(5, 2, 2, 2)),
    /** {@link #NV12} of 10 bits, each in the upper bits of two bytes, the lower byte first. */
    P010("P010", "P010", 15, samples(2), samples(4, 2, 2)),
    /** 4:2:0 in three planes: Y; Cb; Cr. The fourcc is {@code YU12} in both lists. */
    YUV420("YU12", "YU12", 12, samples(1), samples(1, 2, 2), samples(1, 2, 2)),
    /** {@link #YUV420} with Cr before Cb. The fourcc is {@code YV12} in both lists. */
    YVU420("YV12", "YV12", 12, samples(1), samples(1, 2, 2), samples(1, 2, 2)),
    /** 4:2:2 in three planes: Y; Cb; Cr. DRM's {@code YU16}, V4L2's {@code 422P}. */
    YUV422("YU16", "422P", 16, samples(1), samples(1, 2, 1), samples(1, 2, 1)),
    /** 4:4:4 in three planes: Y; Cb; Cr. DRM's {@code YU24}; V4L2 has it as {@link #YUV444M} only. */
    YUV444("YU24", "", 24, samples(1), samples(1), samples(1)),
    /** {@link #NV12} with each plane in a separate buffer; V4L2's {@code NM12}. */
    NV12M(NV12, "NM12"),
    /** {@link #NV21} with each plane in a separate buffer; V4L2's {@code NM21}. */
    NV21M(NV21, "NM21"),
    /** {@link #NV16} with each plane in a separate buffer; V4L2's {@code NM16}. */
    NV16M(NV16, "NM16"),
    /** {@link #NV61} with each plane in a separate buffer; V4L2's {@code NM61}. */
    NV61M(NV61, "NM61"),
    /** {@link #YUV420} with each plane in a separate buffer; V4L2's {@code YM12}. */
    YUV420M(YUV420, "YM12"),
    /** {@link #YVU420} with each plane in a separate buffer; V4L2's {@code YM21}. */
    YVU420M(YVU420, "YM21"),
    /** {@link #YUV422} with each plane in a separate buffer; V4L2's {@code YM16}. */
    YUV422M(YUV422, "YM16"),
    /** {@link #YUV444} with each plane in a separate buffer; V4L2's {@code YM24}. */
    YUV444M(YUV444, "YM24"),
    /** Bayer pattern, one byte for each pixel. Lines in turn: blue, green; then green, red. V4L2 only. */
    SBGGR8("", "BA81", 8, samples(1)),
    /** As {@link #SBGGR8}. Lines in turn: green, blue; then red, green. */
    SGBRG8("", "GBRG", 8, samples(1)),
    /** As {@link #SBGGR8}. Lines in turn: green, red; then blue, green. */
    SGRBG8("", "GRBG", 8, samples(1)),
    /** As {@link #SBGGR8}. Lines in turn: red, green; then green, blue. */
    SRGGB8("", "RGGB", 8, samples(1)),
    /**
     * Bayer pattern, 10 bits in the lower bits of two bytes, the lower byte first. Lines in turn: blue, green; then
     * green, red. V4L2 only.
     */
    SBGGR10("", "BG10", 10, samples(2)),
    /** As {@link #SBGGR10}. Lines in turn: green, blue; then red, green. */
    SGBRG10("", "GB10", 10, samples(2)),
    /** As {@link #SBGGR10}. Lines in turn: green, red; then blue, green. */
    SGRBG10("", "BA10", 10, samples(2)),
    /** As {@link #SBGGR10}. Lines in turn: red, green; then green, blue. */
    SRGGB10("", "RG10", 10, samples(2)),
    /**
     * Bayer pattern, 10 bits packed as in MIPI: the upper bytes of four pixels, then their lower bits. Lines in turn:
     * blue, green; then green, red. V4L2 only.
     */
    SBGGR10P("", "pBAA", 10, packed(5, 4)),
    /** As {@link #SBGGR10P}. Lines in turn: green, blue; then red, green. */
    SGBRG10P("", "pGAA", 10, packed(5, 4)),
    /** As {@link #SBGGR10P}. Lines in turn: green, red; then blue, green. */
    SGRBG10P("", "pgAA", 10, packed(5, 4)),
    /** As {@link #SBGGR10P}. Lines in turn: red, green; then green, blue. */
    SRGGB10P("", "pRAA", 10, packed(5, 4)),
    /**
     * Bayer pattern, 12 bits in the lower bits of two bytes, the lower byte first. Lines in turn: blue, green; then
     * green, red. V4L2 only.
     */
    SBGGR12("", "BG12", 12, samples(2)),
    /** As {@link #SBGGR12}. Lines in turn: green, blue; then red, green. */
    SGBRG12("", "GB12", 12, samples(2)),
    /** As {@link #SBGGR12}. Lines in turn: green, red; then blue, green. */
    SGRBG12("", "BA12", 12, samples(2)),
    /** As {@link #SBGGR12}. Lines in turn: red, green; then green, blue. */
    SRGGB12("", "RG12", 12, samples(2)),
    /**
     * Bayer pattern, 12 bits packed as in MIPI: the upper bytes of two pixels, then their lower bits. Lines in turn:
     * blue, green; then green, red. V4L2 only.
     */
    SBGGR12P("", "pBCC", 12, packed(3, 2)),
    /** As {@link #SBGGR12P}. Lines in turn: green, blue; then red, green. */
    SGBRG12P("", "pGCC", 12, packed(3, 2)),
    /** As {@link #SBGGR12P}. Lines in turn: green, red; then blue, green. */
    SGRBG12P("", "pgCC", 12, packed(3, 2)),
    /** As {@link #SBGGR12P}. Lines in turn: red, green; then green, blue. */
    SRGGB12P("", "pRCC", 12, packed(3, 2));

    /**
     * The sampling of a plane: how many bytes describe which block of pixels. A value.
     *
     * @param bytes bytes in a block, at least 1
     * @param samples samples in a block, side by side, which share its bytes; 1 unless samples are packed without
     *     regard to the limits of bytes
     * @param horizontal width of a sample in pixels; 1 if the plane is not subsampled
     * @param vertical height of a sample in lines; 1 if the plane is not subsampled
     */
    public record Sampling(int bytes, int samples, int horizontal, int vertical) {
        /** {@return the width of a block in pixels} */
        public int width() {
            return samples * horizontal;
        }

        /** Bytes by which a line may grow: a sample, or a byte if a sample has no whole bytes. */
        int step() {
            return bytes % samples == 0 ? bytes / samples : 1;
        }
    }

    private final String drm;
    private final String v4l2;
    private final int colourBits;

    @SuppressWarnings("ImmutableEnumChecker") // List.of is immutable
    private final List<Sampling> planes;

    /** The same planes in one buffer; null if these lie in one. */
    private final @Nullable PixelFormat together;
    /** The same bytes without alpha; null if this has no alpha. */
    private final @Nullable PixelFormat opaque;

    private final int widthMultiple;
    private final int heightMultiple;

    PixelFormat(String drm, String v4l2, int colourBits, Sampling... planes) {
        this(drm, v4l2, colourBits, List.of(planes), null, null);
    }

    /** Another format with alpha where that has unused bits. */
    PixelFormat(PixelFormat opaque, String drm, String v4l2) {
        this(drm, v4l2, opaque.colourBits, opaque.planes, opaque.together, opaque);
    }

    /** Another format with each plane in a separate buffer. */
    PixelFormat(PixelFormat together, String v4l2) {
        this(together.drm, v4l2, together.colourBits, together.planes, together, null);
    }

    PixelFormat(
            String drm,
            String v4l2,
            int colourBits,
            List<Sampling> planes,
            @Nullable PixelFormat together,
            @Nullable PixelFormat opaque) {
        this.drm = drm;
        this.v4l2 = v4l2;
        this.colourBits = colourBits;
        this.planes = planes;
        this.together = together;
        this.opaque = opaque;
        this.widthMultiple = (int) planes.stream().mapToLong(Sampling::width).reduce(1, Arithmetic::lcm);
        this.heightMultiple =
                (int) planes.stream().mapToLong(Sampling::vertical).reduce(1, Arithmetic::lcm);
    }

    /** One sample for each pixel. */
    private static Sampling samples(int bytes) {
        return samples(bytes, 1, 1);
    }

    private static Sampling samples(int bytes, int horizontal, int vertical) {
        return new Sampling(bytes, 1, horizontal, vertical);
    }

    /** Pixels that share bytes. */
    private static Sampling packed(int bytes, int pixels) {
        return new Sampling(bytes, pixels, 1, 1);
    }

    /**
     * {@return DRM's code, {@code DRM_FORMAT_*}, which does not say in which buffers the planes lie; empty if only V4L2
     * defines the format}
     */
    public OptionalInt drmFourcc() {
        return code(drm);
    }

    /** {@return V4L2's code, {@code V4L2_PIX_FMT_*}; empty if only DRM defines the format} */
    public OptionalInt v4l2Fourcc() {
        return code(v4l2);
    }

    private static OptionalInt code(String characters) {
        if (characters.isEmpty()) {
            return OptionalInt.empty();
        }
        int code = 0;
        for (int i = 0; i < Integer.BYTES; i++) {
            code |= characters.charAt(i) << (i * Byte.SIZE);
        }
        return OptionalInt.of(code);
    }

    /** {@return the planes, at least one; the first plane has full resolution} */
    public List<Sampling> planes() {
        return planes;
    }

    /** {@return the number of buffers of an image: 1, or one for each plane} */
    public int buffers() {
        return together == null ? 1 : planes.size();
    }

    /** The planes in one buffer, from 0. */
    List<Sampling> planes(int buffer) {
        return together == null ? planes : planes.subList(buffer, buffer + 1);
    }

    /** {@return the average number of bits of memory per pixel} */
    public int bitsPerPixel() {
        return planes.stream()
                .mapToInt(plane -> plane.bytes * Byte.SIZE / (plane.width() * plane.vertical))
                .sum();
    }

    /** {@return the number of bits of {@link #bitsPerPixel} that carry colour; alpha is none} */
    public int colourBits() {
        return colourBits;
    }

    /** {@return whether pixels have alpha} */
    public boolean hasAlpha() {
        return opaque != null;
    }

    /**
     * {@return the format of the same bytes without alpha, such as {@link #XR24} for {@link #AR24}; empty if this has
     * no alpha} A device that reads it ignores the alpha.
     */
    public Optional<PixelFormat> withoutAlpha() {
        return Optional.ofNullable(opaque);
    }

    /**
     * {@return the format of the same bytes with alpha, such as {@link #AR24} for {@link #XR24}; empty if there is
     * none} A device that reads it finds undefined alpha.
     */
    public Optional<PixelFormat> withAlpha() {
        return Arrays.stream(values()).filter(format -> format.opaque == this).findFirst();
    }

    /**
     * {@return the format of the same planes in one buffer, such as {@link #NV12} for {@link #NV12M}; empty if these
     * lie in one}
     */
    public Optional<PixelFormat> withPlanesTogether() {
        return Optional.ofNullable(together);
    }

    /**
     * {@return the format of the same planes with a buffer for each, such as {@link #NV12M} for {@link #NV12}; empty if
     * there is none, or these have} DRM, which takes a handle for each plane, has one code for both.
     */
    public Optional<PixelFormat> withPlanesApart() {
        return Arrays.stream(values()).filter(format -> format.together == this).findFirst();
    }

    /** The stored width is a multiple of this many pixels: whole blocks of every plane. */
    int widthMultiple() {
        return widthMultiple;
    }

    /** The stored height is a multiple of this many lines: whole samples of every plane. */
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
                .filter(format -> format.together == null && format.drmFourcc().equals(OptionalInt.of(fourcc)))
                .findFirst();
    }

    /**
     * {@return the format with a V4L2 code; empty if this library does not know the code}
     *
     * @param fourcc {@code V4L2_PIX_FMT_*}
     */
    public static Optional<PixelFormat> ofV4l2(int fourcc) {
        return Arrays.stream(values())
                .filter(format -> format.v4l2Fourcc().equals(OptionalInt.of(fourcc)))
                .findFirst();
    }

    /**
     * {@return a fourcc as text: its four characters without spaces at the end, such as {@code MJPG}} Bytes that are no
     * printing characters are written as {@code \\xNN}. {@code -BE} follows if the highest bit says that the samples
     * are big-endian.
     *
     * @param fourcc any code of DRM or V4L2
     */
    public static String characters(int fourcc) {
        var text = new StringBuilder();
        for (int shift = 0; shift < Integer.SIZE; shift += Byte.SIZE) {
            int character = ((fourcc & Integer.MAX_VALUE) >> shift) & 0xFF;
            boolean prints = character >= ' ' && character <= '~' && character != '\\';
            text.append(prints ? String.valueOf((char) character) : "\\x%02X".formatted(character));
        }
        return text.toString().stripTrailing() + (fourcc < 0 ? "-BE" : "");
    }
}
