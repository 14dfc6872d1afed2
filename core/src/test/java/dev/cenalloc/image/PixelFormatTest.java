package dev.cenalloc.image;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class PixelFormatTest {
    /**
     * The characters as they stand in drm_fourcc.h and videodev2.h of Linux 6.12, and the planes as its tables have
     * them.
     */
    @ParameterizedTest
    @CsvSource({
        // format, DRM, V4L2, buffers, planes: bytes/pixels across/lines down (drm_fourcc.c, v4l2-common.c)
        "XR24, XR24, XR24, 1, 4/1/1", // DRM_FORMAT_XRGB8888, V4L2_PIX_FMT_XBGR32
        "XB24, XB24, XB24, 1, 4/1/1", // DRM_FORMAT_XBGR8888, V4L2_PIX_FMT_RGBX32
        "RG16, RG16, RGBP, 1, 2/1/1", // DRM_FORMAT_RGB565, V4L2_PIX_FMT_RGB565
        "RG24, RG24, BGR3, 1, 3/1/1", // DRM_FORMAT_RGB888, V4L2_PIX_FMT_BGR24
        "R8, 'R8  ', GREY, 1, 1/1/1",
        "YUYV, YUYV, YUYV, 1, 4/2/1",
        "UYVY, UYVY, UYVY, 1, 4/2/1",
        "NV12, NV12, NV12, 1, 1/1/1 2/2/2",
        "NV16, NV16, NV16, 1, 1/1/1 2/2/1",
        "YUV420, YU12, YU12, 1, 1/1/1 1/2/2 1/2/2",
        "NV12M, NV12, NM12, 2, 1/1/1 2/2/2",
        "NV16M, NV16, NM16, 2, 1/1/1 2/2/1",
        "YUV420M, YU12, YM12, 3, 1/1/1 1/2/2 1/2/2",
    })
    void asTheKernelHasIt(PixelFormat format, String drm, String v4l2, int buffers, String planes) {
        var found = new StringBuilder();
        format.planes()
                .forEach(plane -> found.append(found.isEmpty() ? "" : " ")
                        .append(plane.bytes())
                        .append('/')
                        .append(plane.horizontal())
                        .append('/')
                        .append(plane.vertical()));
        assertAll(
                () -> assertEquals(fourcc(drm), format.drmFourcc()),
                () -> assertEquals(fourcc(v4l2), format.v4l2Fourcc()),
                () -> assertEquals(buffers, format.buffers()),
                () -> assertEquals(planes, found.toString()));
    }

    private static int fourcc(String code) {
        return code.charAt(0) | code.charAt(1) << 8 | code.charAt(2) << 16 | code.charAt(3) << 24;
    }

    @ParameterizedTest
    @EnumSource
    void isFoundByEitherCode(PixelFormat format) {
        assertEquals(Optional.of(format), PixelFormat.ofV4l2(format.v4l2Fourcc()));
        // DRM tells nothing of buffers: one for all planes.
        PixelFormat found = PixelFormat.ofDrm(format.drmFourcc()).orElseThrow();
        assertEquals(1, found.buffers());
        assertEquals(format.planes(), found.planes());
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
    }

    @Test
    void othersAreUnknown() {
        for (int unknown : new int[] {0, -1, fourcc("MJPG"), fourcc("nv12"), fourcc("XR24") | 1 << 31}) {
            assertEquals(Optional.empty(), PixelFormat.ofDrm(unknown));
            assertEquals(Optional.empty(), PixelFormat.ofV4l2(unknown));
        }
    }
}
