package dev.cenalloc.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class CheckerTest {
    private static final Frame FRAME = new Frame(5, 3, 32, 96);

    @Test
    void everyPixelCountsAndNothingElse() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment one = arena.allocate(FRAME.size(), 4);
            MemorySegment other = arena.allocate(FRAME.size(), 4);
            assertEquals(0, Checker.differences(one, other, FRAME));
            other.set(ValueLayout.JAVA_BYTE, 3, (byte) 0xFF); // the unused byte of the first pixel
            other.set(ValueLayout.JAVA_INT, 20, 1); // between the lines
            assertEquals(0, Checker.differences(one, other, FRAME));
            for (int y = 0; y < FRAME.height(); y++) {
                for (int x = 0; x < FRAME.width(); x++) {
                    long pixel = (long) y * FRAME.stride() + x * 4L;
                    for (int colour = 0; colour < 3; colour++) {
                        other.set(ValueLayout.JAVA_BYTE, pixel + colour, (byte) 1);
                        assertEquals(1, Checker.differences(one, other, FRAME));
                        other.set(ValueLayout.JAVA_BYTE, pixel + colour, (byte) 0);
                    }
                }
            }
        }
    }
}
