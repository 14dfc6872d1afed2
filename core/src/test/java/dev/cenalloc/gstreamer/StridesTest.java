// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The places of planes without a meta, against GStreamer's own formulas, each written out. */
class StridesTest {
    private static long up(long number, long multiple) {
        return (number + multiple - 1) / multiple * multiple;
    }

    /** Strides, offsets and size as {@code video-info.c} has them for a progressive image. */
    private static Strides expected(VideoFormat format, int w, int h) {
        long h2 = up(h, 2);
        return switch (format) {
            case I420, YV12 -> {
                long luma = up(w, 4);
                long chroma = up(up(w, 2) / 2, 4);
                yield new Strides(
                        List.of(0L, luma * h2, luma * h2 + chroma * h2 / 2),
                        List.of(luma, chroma, chroma),
                        luma * h2 + chroma * h2);
            }
            case Y42B -> {
                long luma = up(w, 4);
                long chroma = up(w, 8) / 2;
                yield new Strides(
                        List.of(0L, luma * h, luma * h + chroma * h),
                        List.of(luma, chroma, chroma),
                        (luma + up(w, 8)) * h);
            }
            case Y444 -> {
                long stride = up(w, 4);
                yield new Strides(
                        List.of(0L, stride * h, 2 * stride * h), List.of(stride, stride, stride), stride * h * 3);
            }
            case NV12, NV21 -> {
                long stride = up(w, 4);
                yield new Strides(List.of(0L, stride * h2), List.of(stride, stride), stride * h2 * 3 / 2);
            }
            case NV16, NV61 -> {
                long stride = up(w, 4);
                yield new Strides(List.of(0L, stride * h), List.of(stride, stride), stride * h * 2);
            }
            case NV24 -> {
                long stride = up(w, 4);
                yield new Strides(
                        List.of(0L, stride * h), List.of(stride, up(2L * w, 4)), stride * h + up(2L * w, 4) * h);
            }
            case P010 -> {
                long stride = up(2L * w, 4);
                yield new Strides(List.of(0L, stride * h2), List.of(stride, stride), stride * h2 * 3 / 2);
            }
            case NV15 -> {
                long stride = (((w * 5L) >> 2) + 4) / 5 * 5;
                yield new Strides(List.of(0L, stride * h2), List.of(stride, stride), stride * h2 * 3 / 2);
            }
            case YUY2, UYVY, RGB16, GRAY16 -> single(up(2L * w, 4), h);
            case RGBX, BGRX, RGBA, BGRA, AR30, XR30 -> single(4L * w, h);
            case BGR -> single(up(3L * w, 4), h);
            case GRAY8 -> single(up(w, 4), h);
        };
    }

    private static Strides single(long stride, int h) {
        return new Strides(List.of(0L), List.of(stride), stride * h);
    }

    @ParameterizedTest
    @EnumSource(VideoFormat.class)
    void theyAreGStreamers(VideoFormat format) {
        for (int w = 1; w <= 70; w++) {
            for (int h : new int[] {1, 2, 3, 16, 33}) {
                Strides strides = Strides.of(format.pixels(), w, h, false);
                // Of NV15 with two pixels more than a whole block, GStreamer's stride has no room for the last block.
                if (format != VideoFormat.NV15 || w % 4 == 0) {
                    assertEquals(expected(format, w, h), strides, format + " " + w + "x" + h);
                }
                Layout layout = strides.layout(new Image(format.pixels(), w, h));
                assertEquals(strides.size(), layout.planes().getLast().end());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
    void chromaOfInterlacedImagesHasAnEvenNumberOfLines(int h) {
        long lines = up(up(h, 2) / 2, 2);
        Strides strides = Strides.of(PixelFormat.YUV420, 16, h, true);
        assertEquals(16 * up(h, 2) + 8 * lines, strides.offsets().getLast());
        assertEquals(16 * up(h, 2) + 2 * 8 * lines, strides.size());
    }

    @Test
    void theLayoutOfAnInterlacedImageHasTheLinesOfTheImage() {
        Layout layout = Strides.of(PixelFormat.YUV420, 16, 6, true).layout(new Image(PixelFormat.YUV420, 16, 6));
        assertEquals(
                List.of(new Layout.Plane(0, 16, 6), new Layout.Plane(96, 8, 3), new Layout.Plane(128, 8, 3)),
                layout.planes());
        assertEquals(160, layout.size());
    }
}
