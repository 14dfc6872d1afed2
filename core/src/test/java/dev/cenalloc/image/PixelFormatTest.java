// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.image;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.image.KernelFormats.PlaneOf;
import dev.cenalloc.image.KernelFormats.Row;
import dev.cenalloc.image.KernelFormats.Table;
import dev.cenalloc.image.PixelFormat.Sampling;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class PixelFormatTest {
    private static List<Row> rows() {
        return KernelFormats.rows();
    }

    @Test
    void eachFormatIsComparedWithTheKernel() {
        assertEquals(
                List.of(PixelFormat.values()), rows().stream().map(Row::format).toList());
    }

    @ParameterizedTest
    @MethodSource("rows")
    void definedWhereTheKernelDefinesIt(Row row) {
        assertEquals(row.drm().isPresent(), row.format().drmFourcc().isPresent());
        assertEquals(row.v4l2().isPresent(), row.format().v4l2Fourcc().isPresent());
    }

    @ParameterizedTest
    @MethodSource("rows")
    void planesAsInTheKernelsTables(Row row) {
        // DRM has one code for planes in one buffer and in several.
        row.drmTable().ifPresent(table -> compare(table, row.format()));
        row.v4l2Table().ifPresent(table -> {
            compare(table, row.format());
            assertEquals(table.buffers(), row.format().buffers());
        });
    }

    private static void compare(Table table, PixelFormat format) {
        assertEquals(table.planes().size(), format.planes().size());
        for (int i = 0; i < table.planes().size(); i++) {
            PlaneOf expected = table.planes().get(i);
            Sampling plane = format.planes().get(i);
            assertEquals(expected.bytes() * plane.width(), plane.bytes() * expected.pixels(), format + " plane " + i);
            assertEquals(0, plane.width() % expected.pixels(), format + " plane " + i);
            assertEquals(expected.lines(), plane.vertical(), format + " plane " + i);
        }
    }

    /**
     * Where the tables have no entry, by {@code pixfmt-srggb10p.rst}, {@code pixfmt-srggb12p.rst} and others of V4L2.
     */
    @ParameterizedTest
    @CsvSource({"R16, 2, 1", "SBGGR10P, 5, 4", "SRGGB10P, 5, 4", "SGBRG12P, 3, 2", "SGRBG12P, 3, 2"})
    void planesAsInTheKernelsDocuments(PixelFormat format, int bytes, int pixels) {
        assertEquals(List.of(new Sampling(bytes, pixels, 1, 1)), format.planes());
    }

    /** The characters as they stand in drm_fourcc.h and videodev2.h of Linux 6.12; {@code ci/abi} checks all. */
    @ParameterizedTest
    @CsvSource({
        "AR24, AR24, AR24", // DRM_FORMAT_ARGB8888, V4L2_PIX_FMT_ABGR32
        "XB24, XB24, XB24", // DRM_FORMAT_XBGR8888, V4L2_PIX_FMT_RGBX32
        "RG16, RG16, RGBP", // DRM_FORMAT_RGB565, V4L2_PIX_FMT_RGB565
        "RG24, RG24, BGR3", // DRM_FORMAT_RGB888, V4L2_PIX_FMT_BGR24
        "R8, 'R8  ', GREY",
        "R16, 'R16 ', 'Y16 '",
        "YUV422, YU16, 422P",
        "YVU420M, YV12, YM21",
    })
    void codesAsInTheHeaders(PixelFormat format, String drm, String v4l2) {
        assertEquals(OptionalInt.of(fourcc(drm)), format.drmFourcc());
        assertEquals(OptionalInt.of(fourcc(v4l2)), format.v4l2Fourcc());
    }

    private static int fourcc(String code) {
        return code.charAt(0) | code.charAt(1) << 8 | code.charAt(2) << 16 | code.charAt(3) << 24;
    }

    @ParameterizedTest
    @EnumSource
    void isFoundByEitherCode(PixelFormat format) {
        assertTrue(format.v4l2Fourcc().isPresent() || format.drmFourcc().isPresent());
        format.v4l2Fourcc().ifPresent(code -> assertEquals(Optional.of(format), PixelFormat.ofV4l2(code)));
        // DRM tells nothing of buffers: one for all planes.
        format.drmFourcc().ifPresent(code -> {
            PixelFormat found = PixelFormat.ofDrm(code).orElseThrow();
            assertEquals(1, found.buffers());
            assertEquals(format.planes(), found.planes());
        });
    }

    @Test
    void noCodeIsUsedTwice() {
        var drm = new HashMap<Integer, PixelFormat>();
        var v4l2 = new HashMap<Integer, PixelFormat>();
        for (PixelFormat format : PixelFormat.values()) {
            if (format.buffers() == 1) {
                format.drmFourcc().ifPresent(code -> assertEquals(null, drm.put(code, format)));
            }
            format.v4l2Fourcc().ifPresent(code -> assertEquals(null, v4l2.put(code, format)));
        }
    }

    @ParameterizedTest
    @EnumSource
    void colourIsAtMostWhatIsStored(PixelFormat format) {
        assertTrue(format.colourBits() > 0 && format.colourBits() <= format.bitsPerPixel(), format::name);
    }

    @ParameterizedTest
    @CsvSource({
        "XR24, 32, 24",
        "AR24, 32, 24",
        "AR30, 32, 30",
        "NV12, 12, 12",
        "P010, 24, 15",
        "NV15, 15, 15",
        "NV24, 24, 24",
        "R16, 16, 16",
        "SRGGB10P, 10, 10",
        "SRGGB10, 16, 10",
        "SRGGB12P, 12, 12",
        "SRGGB12, 16, 12",
        "YUV422, 16, 16",
    })
    void bitsOfAPixel(PixelFormat format, int stored, int colour) {
        assertEquals(stored, format.bitsPerPixel());
        assertEquals(colour, format.colourBits());
    }

    @Test
    void alphaHasASiblingWithout() {
        assertEquals(Optional.of(PixelFormat.XR24), PixelFormat.AR24.withoutAlpha());
        assertEquals(Optional.of(PixelFormat.AB24), PixelFormat.XB24.withAlpha());
        assertEquals(Optional.of(PixelFormat.AR30), PixelFormat.XR30.withAlpha());
        assertEquals(Optional.empty(), PixelFormat.NV12.withAlpha());
        assertEquals(
                List.of(PixelFormat.AR24, PixelFormat.AB24, PixelFormat.AR30),
                Arrays.stream(PixelFormat.values())
                        .filter(PixelFormat::hasAlpha)
                        .toList());
        for (PixelFormat format : PixelFormat.values()) {
            format.withoutAlpha().ifPresent(opaque -> {
                assertEquals(format.planes(), opaque.planes());
                assertEquals(Optional.of(format), opaque.withAlpha());
                assertEquals(Optional.empty(), opaque.withoutAlpha());
            });
        }
    }

    @Test
    void planesApartHaveASiblingTogether() {
        assertEquals(Optional.of(PixelFormat.NV12), PixelFormat.NV12M.withPlanesTogether());
        assertEquals(Optional.of(PixelFormat.YUV444M), PixelFormat.YUV444.withPlanesApart());
        assertEquals(Optional.empty(), PixelFormat.NV24.withPlanesApart());
        assertEquals(Optional.empty(), PixelFormat.XR24.withPlanesTogether());
        int apart = 0;
        for (PixelFormat format : PixelFormat.values()) {
            assertEquals(format.buffers() > 1, format.withPlanesTogether().isPresent(), format::name);
            if (format.buffers() > 1) {
                PixelFormat together = format.withPlanesTogether().orElseThrow();
                assertEquals(1, together.buffers());
                assertEquals(format.planes(), together.planes());
                assertEquals(format.drmFourcc(), together.drmFourcc());
                assertEquals(Optional.of(format), together.withPlanesApart());
                assertEquals(Optional.empty(), format.withPlanesApart());
                apart++;
            }
        }
        assertEquals(8, apart);
    }

    @Test
    void theSameCharactersAreNotTheSameFormat() {
        assertEquals(Optional.empty(), PixelFormat.ofV4l2(fourcc("RG16")));
        assertEquals(Optional.empty(), PixelFormat.ofV4l2(fourcc("RG24")));
        assertEquals(Optional.empty(), PixelFormat.ofDrm(fourcc("RGBP")));
        assertEquals(Optional.empty(), PixelFormat.ofDrm(fourcc("BGR3")));
        assertEquals(Optional.empty(), PixelFormat.ofDrm(fourcc("NM12")));
        // V4L2's RGB3 has the bytes in the other order.
        assertEquals(Optional.empty(), PixelFormat.ofV4l2(fourcc("RGB3")));
        // So has its RX30.
        assertEquals(Optional.empty(), PixelFormat.ofV4l2(fourcc("XR30")));
        assertEquals(Optional.empty(), PixelFormat.ofDrm(fourcc("BA81")));
    }

    @Test
    void othersAreUnknown() {
        for (int unknown : new int[] {0, -1, fourcc("MJPG"), fourcc("nv12"), fourcc("XR24") | 1 << 31}) {
            assertEquals(Optional.empty(), PixelFormat.ofDrm(unknown));
            assertEquals(Optional.empty(), PixelFormat.ofV4l2(unknown));
        }
    }

    @Test
    void aCodeIsToldByItsCharacters() {
        assertAll(
                () -> assertEquals("MJPG", PixelFormat.characters(fourcc("MJPG"))),
                () -> assertEquals("Z16", PixelFormat.characters(fourcc("Z16 "))),
                () -> assertEquals("Y16-BE", PixelFormat.characters(fourcc("Y16 ") | 1 << 31)),
                () -> assertEquals("\\x00\\x00\\x00\\x00", PixelFormat.characters(0)),
                () -> assertEquals("\\xFF\\xFF\\xFF\\x7F-BE", PixelFormat.characters(-1)),
                () -> assertEquals("A\\x1B[\\x5C", PixelFormat.characters(fourcc("A\u001b[\\"))));
    }

    @Test
    void anotherFormatOfTheSamePlanesHasTheSameLayout() {
        Layout layout = Layout.of(new Image(PixelFormat.XR24, 37, 13));
        Layout same = layout.in(PixelFormat.AR24);
        assertEquals(new Image(PixelFormat.AR24, 37, 13), same.image());
        assertEquals(layout.planes(), same.planes());
        assertEquals(layout, same.in(PixelFormat.XR24));
        assertThrows(IllegalArgumentException.class, () -> layout.in(PixelFormat.RG24));
        Layout apart = Layout.of(new Image(PixelFormat.NV12M, 4, 4), 0, LayoutRules.NONE)
                .orElseThrow();
        assertThrows(IllegalArgumentException.class, () -> apart.in(PixelFormat.NV12));
    }
}
