// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Frame;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/** Pictures of frames, for java.desktop. Stateless. */
public final class Pictures {
    private Pictures() {}

    /**
     * {@return a picture of what is in a frame} Reads inside a CPU access.
     *
     * @param frame of a format with a colour for each pixel, YUYV, UYVY, NV12, NV21, NV16, NV61 or NV24
     * @throws IOException if the memory cannot be read
     * @throws IllegalArgumentException if the format is another
     */
    public static BufferedImage of(Frame frame) throws IOException {
        try (var pixels = frame.access(Direction.READ)) {
            return of(pixels.segment(), frame.layout());
        }
    }

    /**
     * {@return a picture of an image in memory}
     *
     * @param memory where the image is
     * @param layout how it lies there
     * @throws IllegalArgumentException if the format is none of those of {@link #of(Frame)}
     */
    public static BufferedImage of(MemorySegment memory, Layout layout) {
        Image image = layout.image();
        var picture = new BufferedImage(image.width(), image.height(), BufferedImage.TYPE_INT_RGB);
        Optional<Colours> colours = Colours.of(image.format());
        for (int y = 0; y < image.height(); y++) {
            MemorySegment line = layout.row(memory, 0, y);
            for (int x = 0; x < image.width(); x++) {
                picture.setRGB(
                        x,
                        y,
                        colours.isPresent()
                                ? colours.get()
                                        .get(line, (long) x * colours.get().bytes())
                                : yuv(memory, layout, line, x, y));
            }
        }
        return picture;
    }

    private static int yuv(MemorySegment memory, Layout layout, MemorySegment line, int x, int y) {
        // Two pixels share a pair of chroma samples.
        long pair = x / 2 * 2L;
        return switch (layout.image().format()) {
            case YUYV -> rgb(line, 2L * x, line, 2 * pair + 1, 2 * pair + 3);
            case UYVY -> rgb(line, 2L * x + 1, line, 2 * pair, 2 * pair + 2);
            case NV12 -> rgb(line, x, layout.row(memory, 1, y / 2), pair, pair + 1);
            case NV21 -> rgb(line, x, layout.row(memory, 1, y / 2), pair + 1, pair);
            case NV16 -> rgb(line, x, layout.row(memory, 1, y), pair, pair + 1);
            case NV61 -> rgb(line, x, layout.row(memory, 1, y), pair + 1, pair);
            case NV24 -> rgb(line, x, layout.row(memory, 1, y), 2L * x, 2L * x + 1);
            default ->
                throw new IllegalArgumentException(
                        "there is no picture of " + layout.image().format() + ": use a format such as XR24 or YUYV");
        };
    }

    /** BT.601 in the limited range, in steps of 1/256. */
    private static int rgb(MemorySegment luma, long y, MemorySegment chroma, long cb, long cr) {
        int c = 298 * (unsigned(luma, y) - 16) + 128;
        int d = unsigned(chroma, cb) - 128;
        int e = unsigned(chroma, cr) - 128;
        return clamp(c + 409 * e) << 16 | clamp(c - 100 * d - 208 * e) << 8 | clamp(c + 516 * d);
    }

    private static int unsigned(MemorySegment bytes, long at) {
        return Byte.toUnsignedInt(bytes.get(ValueLayout.JAVA_BYTE, at));
    }

    private static int clamp(int value) {
        return Math.clamp(value >> 8, 0, 255);
    }
}
