// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.image;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The formats as the kernel has them: their names in its headers, and the planes in its tables. {@link
 * FormatAssertions} makes C of the names, {@link PixelFormatTest} compares the planes.
 */
final class KernelFormats {
    /**
     * Format; DRM_FORMAT_; V4L2_PIX_FMT_. Then {@code __drm_format_info} in {@code drivers/gpu/drm/drm_fourcc.c} of
     * Linux 6.12: of each plane {@code cpp} or {@code char_per_block}, and {@code block_w}; {@code hsub} and {@code
     * vsub}. Then {@code v4l2_format_info} in {@code drivers/media/v4l2-core/v4l2-common.c}: {@code mem_planes}; of
     * each plane {@code bpp} and {@code bpp_div}; {@code hdiv} and {@code vdiv}. A dash where the kernel has none.
     */
    private static final String ROWS = """
            XR24 | XRGB8888 | XBGR32 | 4/1 1x1 | 1: 4/1 1x1
            AR24 | ARGB8888 | ABGR32 | 4/1 1x1 | 1: 4/1 1x1
            XB24 | XBGR8888 | RGBX32 | 4/1 1x1 | 1: 4/1 1x1
            AB24 | ABGR8888 | RGBA32 | 4/1 1x1 | 1: 4/1 1x1
            XR30 | XRGB2101010 | - | 4/1 1x1 | -
            AR30 | ARGB2101010 | ARGB2101010 | 4/1 1x1 | 1: 4/1 1x1
            RG16 | RGB565 | RGB565 | 2/1 1x1 | 1: 2/1 1x1
            RG24 | RGB888 | BGR24 | 3/1 1x1 | 1: 3/1 1x1
            R8 | R8 | GREY | 1/1 1x1 | 1: 1/1 1x1
            R16 | R16 | Y16 | - | -
            YUYV | YUYV | YUYV | 2/1 2x1 | 1: 2/1 2x1
            UYVY | UYVY | UYVY | 2/1 2x1 | 1: 2/1 2x1
            NV12 | NV12 | NV12 | 1/1 2/1 2x2 | 1: 1/1 2/1 2x2
            NV21 | NV21 | NV21 | 1/1 2/1 2x2 | 1: 1/1 2/1 2x2
            NV16 | NV16 | NV16 | 1/1 2/1 2x1 | 1: 1/1 2/1 2x1
            NV61 | NV61 | NV61 | 1/1 2/1 2x1 | 1: 1/1 2/1 2x1
            NV24 | NV24 | NV24 | 1/1 2/1 1x1 | 1: 1/1 2/1 1x1
            NV15 | NV15 | NV15 | 5/4 5/2 2x2 | -
            P010 | P010 | P010 | 2/1 4/1 2x2 | 1: 2/1 4/1 2x2
            YUV420 | YUV420 | YUV420 | 1/1 1/1 1/1 2x2 | 1: 1/1 1/1 1/1 2x2
            YVU420 | YVU420 | YVU420 | 1/1 1/1 1/1 2x2 | 1: 1/1 1/1 1/1 2x2
            YUV422 | YUV422 | YUV422P | 1/1 1/1 1/1 2x1 | 1: 1/1 1/1 1/1 2x1
            YUV444 | YUV444 | - | 1/1 1/1 1/1 1x1 | -
            NV12M | NV12 | NV12M | 1/1 2/1 2x2 | 2: 1/1 2/1 2x2
            NV21M | NV21 | NV21M | 1/1 2/1 2x2 | 2: 1/1 2/1 2x2
            NV16M | NV16 | NV16M | 1/1 2/1 2x1 | 2: 1/1 2/1 2x1
            NV61M | NV61 | NV61M | 1/1 2/1 2x1 | 2: 1/1 2/1 2x1
            YUV420M | YUV420 | YUV420M | 1/1 1/1 1/1 2x2 | 3: 1/1 1/1 1/1 2x2
            YVU420M | YVU420 | YVU420M | 1/1 1/1 1/1 2x2 | 3: 1/1 1/1 1/1 2x2
            YUV422M | YUV422 | YUV422M | 1/1 1/1 1/1 2x1 | 3: 1/1 1/1 1/1 2x1
            YUV444M | YUV444 | YUV444M | 1/1 1/1 1/1 1x1 | 3: 1/1 1/1 1/1 1x1
            SBGGR8 | - | SBGGR8 | - | 1: 1/1 1x1
            SGBRG8 | - | SGBRG8 | - | 1: 1/1 1x1
            SGRBG8 | - | SGRBG8 | - | 1: 1/1 1x1
            SRGGB8 | - | SRGGB8 | - | 1: 1/1 1x1
            SBGGR10 | - | SBGGR10 | - | 1: 2/1 1x1
            SGBRG10 | - | SGBRG10 | - | 1: 2/1 1x1
            SGRBG10 | - | SGRBG10 | - | 1: 2/1 1x1
            SRGGB10 | - | SRGGB10 | - | 1: 2/1 1x1
            SBGGR10P | - | SBGGR10P | - | -
            SGBRG10P | - | SGBRG10P | - | -
            SGRBG10P | - | SGRBG10P | - | -
            SRGGB10P | - | SRGGB10P | - | -
            SBGGR12 | - | SBGGR12 | - | 1: 2/1 1x1
            SGBRG12 | - | SGBRG12 | - | 1: 2/1 1x1
            SGRBG12 | - | SGRBG12 | - | 1: 2/1 1x1
            SRGGB12 | - | SRGGB12 | - | 1: 2/1 1x1
            SBGGR12P | - | SBGGR12P | - | -
            SGBRG12P | - | SGBRG12P | - | -
            SGRBG12P | - | SGRBG12P | - | -
            SRGGB12P | - | SRGGB12P | - | -
            """;

    /** What one of the kernel's tables says of a plane: bytes for pixels across, and how many lines they are high. */
    record PlaneOf(int bytes, int pixels, int lines) {}

    /** One of the kernel's tables about a format: the number of buffers, and the planes. */
    record Table(int buffers, List<PlaneOf> planes) {}

    /** The names end the macros in the headers; empty where there is none. */
    record Row(
            PixelFormat format,
            Optional<String> drm,
            Optional<String> v4l2,
            Optional<Table> drmTable,
            Optional<Table> v4l2Table) {
        @Override
        public String toString() {
            return format.name();
        }
    }

    private KernelFormats() {}

    static List<Row> rows() {
        return ROWS.lines()
                .map(line -> Arrays.stream(line.split("\\|", -1))
                        .map(String::strip)
                        .map(cell -> Optional.of(cell).filter(text -> !text.equals("-")))
                        .toList())
                .map(cells -> new Row(
                        PixelFormat.valueOf(cells.getFirst().orElseThrow()),
                        cells.get(1),
                        cells.get(2),
                        cells.get(3).map(KernelFormats::table),
                        cells.get(4).map(KernelFormats::table)))
                .toList();
    }

    private static Table table(String text) {
        String[] parts = text.split(": ", -1);
        String[] words = parts[parts.length - 1].split(" ", -1);
        String[] subsampling = words[words.length - 1].split("x", -1);
        var planes = new ArrayList<PlaneOf>();
        for (String plane : List.of(words).subList(0, words.length - 1)) {
            String[] numbers = plane.split("/", -1);
            boolean isFirst = planes.isEmpty();
            planes.add(new PlaneOf(
                    Integer.parseInt(numbers[0]),
                    Integer.parseInt(numbers[1]) * (isFirst ? 1 : Integer.parseInt(subsampling[0])),
                    isFirst ? 1 : Integer.parseInt(subsampling[1])));
        }
        return new Table(parts.length == 1 ? 1 : Integer.parseInt(parts[0]), planes);
    }
}
