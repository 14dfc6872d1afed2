// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The text of caps, read and written. */
class CapsTest {
    private static final String PLAIN = "video/x-raw, format=(string)BGRx, width=(int)640, height=(int)480,"
            + " framerate=(fraction)30/1, colorimetry=(string)sRGB, interlace-mode=(string)progressive";

    @Test
    void whatV4l2srcSendsIsRead() {
        Caps caps = Caps.of(PLAIN);
        assertEquals(new Image(PixelFormat.XR24, 640, 480), caps.image());
        assertEquals(VideoFormat.BGRX, caps.format());
        assertEquals(FrameRate.of(30), caps.rate());
        assertFalse(caps.isInterlaced());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "video/x-raw,width=64,format=NV12,height=48",
                "video/x-raw(memory:DMABuf, meta:Other), x={1, \"a,b\", [2, 3]}, format=NV12, width=64, height=48",
                "video/x-raw, title=(string)\"a \\\", width=(int)9\", format=(string)\"NV\\12\", width=64, height=48",
                "video/x-raw, format=NV12, width=64, height=48, framerate=0/1; audio/x-raw, width=7",
                "video/x-raw , format = (string) NV12 , width =(int) 64, height=48, framerate=1/0"
            })
    void allWaysToWriteCapsAreRead(String text) {
        Caps caps = Caps.of(text);
        assertEquals(new Image(PixelFormat.NV12, 64, 48), caps.image(), caps::objection);
        assertNull(caps.rate());
    }

    @Test
    void drmFormatsAreRead() {
        Caps linear = Caps.of("video/x-raw(memory:DMABuf), format=(string)DMA_DRM, drm-format=(string)XR24,"
                + " width=(int)640, height=(int)480");
        assertEquals(new Image(PixelFormat.XR24, 640, 480), linear.image());
        Caps tiled = Caps.of("video/x-raw(memory:DMABuf), format=(string)DMA_DRM,"
                + " drm-format=(string)NV12:0x0100000000000002, width=(int)640, height=(int)480");
        assertEquals(new Image(PixelFormat.NV12, 640, 480, 0x0100000000000002L), tiled.image());
        assertEquals(
                new Image(PixelFormat.R8, 640, 480),
                Caps.of("video/x-raw, format=DMA_DRM, drm-format=(string)\"R8\\ \\ \", width=640, height=480")
                        .image());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "audio/x-raw, rate=(int)44100 | buffers of audio/x-raw",
                "video/x-raw, format=AYUV, width=64, height=48 | format AYUV is not known",
                "video/x-raw, format=NV12, height=48 | width is missing",
                "video/x-raw, format=NV12, width=-64, height=48 | width is -64",
                "video/x-raw, format=NV12, width=64, height=0 | height is 0",
                "video/x-raw, format=NV12, width=64, height=99999999999 | height is 99999999999",
                "video/x-raw, format=NV12, width=64, height=65537 | height is 65537",
                "video/x-raw, format=NV12, width=64, height=48, interlace-mode=alternate | one field",
                "video/x-raw, format=DMA_DRM, drm-format=XR24:12, width=64, height=48 | no modifier in hexadecimal",
                "video/x-raw, format=DMA_DRM, drm-format=XX24, width=64, height=48 | DRM format XX24",
                "video/x-raw, format=DMA_DRM, width=64, height=48 | DRM format"
            })
    void whatIsNoImageSaysWhy(String text, String why) {
        Caps caps = Caps.of(text);
        assertNull(caps.image());
        assertTrue(caps.objection().contains(why), caps::objection);
    }

    @ParameterizedTest
    @EnumSource(VideoFormat.class)
    void whatIsWrittenIsRead(VideoFormat format) {
        var image = new Image(format.pixels(), 33, 17);
        String text = Objects.requireNonNull(Caps.write(image, new FrameRate(30_000, 1001)));
        Caps caps = Caps.of(text);
        assertEquals(image, caps.image());
        assertEquals(new FrameRate(30_000, 1001), caps.rate());
        assertEquals(format, caps.format());
    }

    @Test
    void modifiersAreWrittenAsGStreamerReadsThem() {
        var image = new Image(PixelFormat.XR24, 33, 17, 0x0100000000000001L);
        String text = Objects.requireNonNull(Caps.write(image, FrameRate.of(30)));
        assertTrue(text.contains("(memory:DMABuf)") && text.contains("XR24:0x0100000000000001"), text);
        assertEquals(image, Caps.of(text).image());
        assertNull(Caps.write(new Image(PixelFormat.SBGGR8, 32, 32), FrameRate.of(30)));
    }

    /** No error, and no endless loop, whatever a peer writes. */
    @Test
    void anyTextIsRead() {
        var random = new Random(12);
        String alphabet = "video/x-raw(,;=\"\\[]{}<>()1234 format";
        for (int round = 0; round < 50_000; round++) {
            var text = new StringBuilder(PLAIN.substring(0, random.nextInt(PLAIN.length())));
            for (int i = random.nextInt(30); i > 0; i--) {
                text.insert(random.nextInt(text.length() + 1), alphabet.charAt(random.nextInt(alphabet.length())));
            }
            assertNotNull(Caps.of(text.toString()).objection());
        }
        assertNull(Caps.of("video/x-raw, a=" + "[".repeat(60_000)).image());
    }
}
