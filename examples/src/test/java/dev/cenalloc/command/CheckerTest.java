// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.examples.Colours;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class CheckerTest {
    private static final Layout CAPTURE = layout(PixelFormat.XR24, 32);

    private static Layout layout(PixelFormat format, long pitch) {
        return layout(new Image(format, 5, 3), pitch);
    }

    private static Layout layout(Image image, long pitch) {
        long size = pitch * image.height();
        return new Layout(image, 0, List.of(new Layout.Plane(0, pitch, image.height())), size);
    }

    @Test
    void everyPixelCountsAndNothingElse() throws IOException {
        Layout layout = layout(PixelFormat.XR24, 24);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment one = arena.allocate(layout.size(), 4);
            MemorySegment other = arena.allocate(CAPTURE.size(), 4);
            assertEquals(0, Checker.differences(one, layout, other, CAPTURE));
            other.set(ValueLayout.JAVA_BYTE, 3, (byte) 0xFF); // the unused byte of the first pixel
            other.set(ValueLayout.JAVA_INT, 20, 1); // between the lines
            assertEquals(0, Checker.differences(one, layout, other, CAPTURE));
            for (int y = 0; y < 3; y++) {
                for (int x = 0; x < 5; x++) {
                    for (int colour = 0; colour < 3; colour++) {
                        long at = y * 32L + x * 4L + colour;
                        other.set(ValueLayout.JAVA_BYTE, at, (byte) 1);
                        assertEquals(1, Checker.differences(one, layout, other, CAPTURE));
                        other.set(ValueLayout.JAVA_BYTE, at, (byte) 0);
                    }
                }
            }
        }
    }

    /** An even and an odd rest, of which the larger part is on the right and below. */
    @ParameterizedTest
    @CsvSource({"9, 7, 2, 2", "8, 6, 1, 1", "5, 4, 0, 0", "6, 3, 0, 0"})
    void anImageIsInTheMiddleOfALargerScreen(int width, int height, int left, int top) throws IOException {
        Layout layout = layout(PixelFormat.RG16, 12);
        Layout screen = layout(new Image(PixelFormat.XR24, width, height), 64);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment image = arena.allocate(layout.size(), 4);
            MemorySegment shown = arena.allocate(screen.size(), 4).fill((byte) 0x55);
            for (int y = 0; y < 3; y++) {
                for (int x = 0; x < 5; x++) {
                    boolean isRed = (x + y) % 2 == 0;
                    image.set(ValueLayout.JAVA_SHORT, y * 12L + x * 2L, (short) (isRed ? 0xF800 : 0x07E0));
                    shown.set(ValueLayout.JAVA_INT, (top + y) * 64L + (left + x) * 4L, isRed ? 0xFF0000 : 0x00FF00);
                }
            }
            assertEquals(0, Checker.differences(image, layout, shown, screen));
            shown.set(ValueLayout.JAVA_INT, (top + 2) * 64L + (left + 4) * 4L, 0x0000FF);
            assertEquals(1, Checker.differences(image, layout, shown, screen));
        }
    }

    /** In each format, a difference in the lowest bit that it keeps of a colour counts, and one below does not. */
    @ParameterizedTest
    @EnumSource
    void formatsAreComparedAsFarAsTheyKeepColours(Colours colours) throws IOException {
        Layout layout = layout(PixelFormat.valueOf(colours.name()), 20);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment frame = arena.allocate(layout.size());
            MemorySegment captured = arena.allocate(CAPTURE.size(), 4);
            long at = layout.planes().getFirst().pitch() + colours.bytes(); // the second of the second line
            long capturedAt = 32 + 4;
            colours.set(frame, at, 0xA65C3B);
            captured.set(ValueLayout.JAVA_INT, capturedAt, 0xA65C3B);
            assertEquals(0, Checker.differences(frame, layout, captured, CAPTURE));
            for (int bit = 0; bit < 24; bit++) {
                captured.set(ValueLayout.JAVA_INT, capturedAt, 0xA65C3B ^ 1 << bit);
                assertEquals(
                        colours.precision() >> bit & 1,
                        Checker.differences(frame, layout, captured, CAPTURE),
                        "bit " + bit);
            }
        }
    }
}
