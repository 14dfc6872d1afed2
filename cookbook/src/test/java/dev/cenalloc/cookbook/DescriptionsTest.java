// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.LayoutRules;
import dev.cenalloc.image.PixelFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What we write for EGL and FFmpeg; that the numbers are those of their headers, {@link HeaderAssertions} tells. */
class DescriptionsTest {
    private final Arena arena = Arena.ofAuto();

    static List<Layout> layouts(Image image) {
        var rules = new LayoutRules(256, 0, Long.MAX_VALUE, 4096);
        var layouts = new ArrayList<Layout>();
        for (int buffer = 0; buffer < image.format().buffers(); buffer++) {
            layouts.add(Layout.of(image, buffer, rules).orElseThrow());
        }
        return layouts;
    }

    @Test
    void eglOfOneBuffer() {
        var layouts = layouts(new Image(PixelFormat.NV12, 100, 10));
        int nv12 = 'N' | 'V' << 8 | '1' << 16 | '2' << 24;
        assertArrayEquals(
                new long[] {
                    0x3057, 100, 0x3056, 10, 0x3271, nv12, //
                    0x3272, 7, 0x3273, 0, 0x3274, 256, //
                    0x3275, 7, 0x3276, 4096, 0x3277, 256, //
                    0x3038
                },
                EglAttributes.of(layouts, List.of(7), false));
    }

    @Test
    void eglOfABufferForEachPlaneWithModifier() {
        var image = new Image(PixelFormat.YUV420M, 100, 10);
        var layouts = layouts(image);
        long[] list = EglAttributes.of(layouts, List.of(7, 8, 9), true);
        assertArrayEquals(
                new long[] {
                    0x3278, 9, 0x3279, 0, 0x327A, 256, 0x3447, 0, 0x3448, 0, //
                    0x3038
                },
                Arrays.copyOfRange(list, 26, list.length));
        long modifier = 0x0100_0000_8765_4321L;
        var tiled = new Image(PixelFormat.XR24, 100, 10, modifier);
        var layout = new Layout(tiled, 0, List.of(new Layout.Plane(0, 512, 16)), 8192);
        long[] odd = EglAttributes.of(List.of(layout), List.of(3), true);
        assertArrayEquals(
                new long[] {0x3443, 0x8765_4321L, 0x3444, 0x0100_0000, 0x3038},
                Arrays.copyOfRange(odd, 12, odd.length));
    }

    private static int count(Image image) {
        return image.format().buffers();
    }

    @ParameterizedTest
    @EnumSource(
            value = PixelFormat.class,
            names = {"XR24", "NV12", "NV21M", "P010", "YUV420", "YUV422M", "YUYV", "R8", "NV24"})
    void ffmpegThereAndBack(PixelFormat format) {
        var image = new Image(format, 99, 11);
        var layouts = layouts(image);
        var fds = new ArrayList<Integer>();
        for (int i = 0; i < count(image); i++) {
            fds.add(40 + i);
        }
        for (boolean layerAPlane : new boolean[] {false, true}) {
            if (layerAPlane && (format == PixelFormat.XR24 || format == PixelFormat.YUYV)) {
                assertThrows(IllegalArgumentException.class, () -> AvDrmFrame.of(arena, layouts, fds, true));
                continue;
            }
            var frame = AvDrmFrame.of(arena, layouts, fds, layerAPlane);
            assertEquals(528, frame.byteSize());
            var back = AvDrmFrame.layouts(frame, image);
            for (int i = 0; i < layouts.size(); i++) {
                // It does not tell how many lines there is room for.
                var visible = new ArrayList<Layout.Plane>();
                for (int plane = 0; plane < layouts.get(i).planes().size(); plane++) {
                    var place = layouts.get(i).planes().get(plane);
                    visible.add(new Layout.Plane(
                            place.offset(), place.pitch(), layouts.get(i).rows(plane)));
                }
                assertEquals(new Layout(image, i, visible, layouts.get(i).size()), back.get(i));
            }
        }
    }

    /** By the offsets of the header, one after the other. */
    @Test
    void ffmpegHasWhatTheHeaderSays() {
        var layouts = layouts(new Image(PixelFormat.NV12M, 100, 10));
        MemorySegment frame = AvDrmFrame.of(arena, layouts, List.of(7, 8), true);
        assertEquals(2, frame.get(ValueLayout.JAVA_INT, 0));
        assertEquals(7, frame.get(ValueLayout.JAVA_INT, 8));
        assertEquals(2560, frame.get(ValueLayout.JAVA_LONG, 16));
        assertEquals(8, frame.get(ValueLayout.JAVA_INT, 32));
        assertEquals(1280, frame.get(ValueLayout.JAVA_LONG, 40));
        assertEquals(2, frame.get(ValueLayout.JAVA_INT, 104));
        assertEquals(PixelFormat.R8.drmFourcc().orElseThrow(), frame.get(ValueLayout.JAVA_INT, 112));
        assertEquals(1, frame.get(ValueLayout.JAVA_INT, 116));
        assertEquals(0, frame.get(ValueLayout.JAVA_INT, 120));
        assertEquals(256, frame.get(ValueLayout.JAVA_LONG, 136));
        assertEquals(AvDrmFrame.GR88, frame.get(ValueLayout.JAVA_INT, 216));
        assertEquals(1, frame.get(ValueLayout.JAVA_INT, 224));
    }

    @Test
    void aFrameThatLiesIsRefused() {
        var image = new Image(PixelFormat.NV12, 100, 10);
        var frame = AvDrmFrame.of(arena, layouts(image), List.of(7), false);
        assertThrows(
                IllegalArgumentException.class,
                () -> AvDrmFrame.layouts(frame, new Image(PixelFormat.NV21, 100, 10)),
                "another format");
        assertThrows(
                IllegalArgumentException.class,
                () -> AvDrmFrame.layouts(frame, new Image(PixelFormat.NV12, 257, 10)),
                "lines longer than the pitch");
        assertThrows(
                IllegalArgumentException.class,
                () -> AvDrmFrame.layouts(frame, new Image(PixelFormat.NV12, 100, 40)),
                "planes beyond the object");
        assertThrows(
                IllegalArgumentException.class,
                () -> AvDrmFrame.layouts(frame, new Image(PixelFormat.NV12M, 100, 10)),
                "too few objects");
        frame.set(ValueLayout.JAVA_INT, 104, Integer.MAX_VALUE);
        assertThrows(IllegalArgumentException.class, () -> AvDrmFrame.layouts(frame, image), "layers");
    }
}
