// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ImageRangeTest {
    private static final int MOST = Integer.MAX_VALUE;

    private static Sizes wide(int min, int max, int step) {
        return new Sizes(min, max, step, 1, 1, 1);
    }

    @Test
    void equalSizesAreEqual() {
        // The last step does not reach the end, and a single size has no steps.
        assertEquals(wide(16, 64, 16), wide(16, 79, 16));
        assertEquals(Sizes.of(640, 480), new Sizes(640, 655, 16, 480, 480, 2));
        assertEquals(Sizes.upTo(4, 3), new Sizes(1, 4, 1, 1, 3, 1));
        assertEquals(wide(1, MOST, MOST - 1), wide(1, MOST, MOST - 1));
    }

    @ParameterizedTest
    @CsvSource({"0, 1, 1", "-1, 5, 1", "5, 4, 1", "1, 1, 0", "1, 9, -2"})
    void whatIsNoSizeIsRefused(int min, int max, int step) {
        assertThrows(IllegalArgumentException.class, () -> wide(min, max, step));
        var e = assertThrows(IllegalArgumentException.class, () -> new Sizes(1, 1, 1, min, max, step));
        assertEquals(
                "a range of sizes needs 1 <= minimum <= maximum and a step of at least 1, not from " + min + " to "
                        + max + " in steps of " + step,
                e.getMessage());
    }

    @Test
    void stepsMeet() {
        assertEquals(Optional.of(wide(48, 96, 48)), wide(16, 100, 16).and(wide(24, 100, 24)));
        assertEquals(Optional.of(wide(20, 92, 24)), wide(12, 100, 8).and(wide(2, 100, 6)));
        assertEquals(Optional.empty(), wide(16, 100, 16).and(wide(8, 100, 16)));
        assertEquals(Optional.empty(), wide(1, 10, 1).and(wide(11, 20, 1)));
        // Where they meet next is beyond both.
        assertEquals(Optional.empty(), wide(2, 20, 7).and(wide(3, 20, 8)));
        assertEquals(Optional.of(Sizes.of(640, 480)), Sizes.upTo(1920, 1080).and(Sizes.of(640, 480)));
        assertEquals(Optional.empty(), Sizes.of(640, 480).and(Sizes.of(640, 481)));
        assertEquals(Optional.of(Sizes.of(640, 480)), Sizes.ANY.and(Sizes.of(640, 480)));
        assertEquals(Optional.of(Sizes.ANY), Sizes.ANY.and(Sizes.ANY));
    }

    @Test
    void nothingOverflows() {
        // The steps are prime to each other: they meet once in 2^62.
        assertEquals(Optional.of(Sizes.of(1, 1)), wide(1, MOST, MOST - 1).and(wide(1, MOST, MOST - 2)));
        assertEquals(Optional.of(Sizes.of(MOST - 2, 1)), wide(3, MOST, MOST - 5).and(wide(7, MOST, MOST - 9)));
        assertEquals(Optional.empty(), wide(3, MOST, MOST - 5).and(wide(7, MOST, MOST - 10)));
        assertEquals(Optional.of(Sizes.of(MOST, MOST)), Sizes.ANY.and(Sizes.of(MOST, MOST)));
        assertTrue(Sizes.ANY.contains(MOST, MOST));
        assertFalse(Sizes.ANY.contains(0, 1));
        assertFalse(Sizes.ANY.contains(Integer.MIN_VALUE, 1));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void whatIsInBothIsInTheirIntersectionAndNothingElse(long seed) {
        var random = new SplittableRandom(seed);
        int met = 0;
        for (int i = 0; i < 3_000; i++) {
            Sizes one = sizes(random);
            Sizes other = sizes(random);
            Sizes both = one.and(other).orElse(null);
            assertEquals(Optional.ofNullable(both), other.and(one));
            for (int width = 1; width <= 60; width++) {
                for (int height = 1; height <= 12; height++) {
                    boolean expected = isIn(one, width, height) && isIn(other, width, height);
                    assertEquals(
                            expected,
                            both != null && both.contains(width, height),
                            () -> one + " and " + other + ": " + both);
                }
            }
            met += both == null ? 0 : 1;
        }
        assertTrue(met > 300 && met < 2_700, "both occur: " + met);
    }

    private static Sizes sizes(SplittableRandom random) {
        int width = random.nextInt(1, 20);
        int height = random.nextInt(1, 6);
        return new Sizes(
                width,
                width + random.nextInt(40),
                random.nextInt(1, 13),
                height,
                height + random.nextInt(6),
                random.nextInt(1, 4));
    }

    private static boolean isIn(Sizes sizes, int width, int height) {
        boolean across = false;
        for (int w = sizes.minWidth(); w <= sizes.maxWidth(); w += sizes.widthStep()) {
            across |= w == width;
        }
        boolean down = false;
        for (int h = sizes.minHeight(); h <= sizes.maxHeight(); h += sizes.heightStep()) {
            down |= h == height;
        }
        return across && down;
    }

    @Test
    void ratesAreClosedRanges() {
        var some = new Rates(FrameRate.of(15), FrameRate.of(30));
        assertTrue(some.contains(FrameRate.of(15))
                && some.contains(FrameRate.of(30))
                && some.contains(new FrameRate(30_000, 1_001)));
        assertFalse(some.contains(new FrameRate(30_001, 1_000)) || some.contains(new FrameRate(14_999, 1_000)));
        assertEquals(
                List.of(Rates.of(FrameRate.of(30)), Rates.of(FrameRate.of(15))),
                Rates.and(
                        List.of(some),
                        List.of(new Rates(FrameRate.of(30), FrameRate.of(60)), Rates.upTo(FrameRate.of(15)))));
        assertEquals(List.of(), Rates.and(List.of(some), List.of(Rates.of(FrameRate.of(60)))));
        assertEquals(List.of(some), Rates.and(List.of(Rates.ANY, Rates.ANY), List.of(some)), "each once");
        assertThrows(IllegalArgumentException.class, () -> new Rates(FrameRate.of(30), new FrameRate(30_000, 1_001)));
    }

    @Test
    void thereIsARate() {
        var e = assertThrows(
                IllegalArgumentException.class,
                () -> new ImageRange(PixelFormat.XR24, Image.LINEAR, Sizes.ANY, List.of()));
        assertTrue(String.valueOf(e.getMessage()).contains("Rates.ANY"));
        assertEquals(List.of(Rates.ANY), new ImageRange(PixelFormat.XR24, Sizes.ANY).rates());
    }

    @Test
    void itReadsWell() {
        assertEquals("XR24 any size at any rate", new ImageRange(PixelFormat.XR24, Sizes.ANY).toString());
        assertEquals(
                "YUYV 640x480 at 29.97 (30000/1001), 15",
                new ImageRange(
                                PixelFormat.YUYV,
                                Sizes.of(640, 480),
                                Rates.of(new FrameRate(30_000, 1_001)),
                                Rates.of(FrameRate.of(15)))
                        .toString());
        assertEquals(
                "NV12 with modifier 0x101 up to 1920x1080 at up to 60",
                new ImageRange(PixelFormat.NV12, 0x101, Sizes.upTo(1920, 1080), List.of(Rates.upTo(FrameRate.of(60))))
                        .toString());
        assertEquals(
                "R8 16x8 to 64x32 in steps of 16x2 at 1 to 30, 60 or more",
                new ImageRange(
                                PixelFormat.R8,
                                new Sizes(16, 64, 16, 8, 32, 2),
                                new Rates(FrameRate.of(1), FrameRate.of(30)),
                                new Rates(FrameRate.of(60), Rates.ANY.max()))
                        .toString());
    }
}
