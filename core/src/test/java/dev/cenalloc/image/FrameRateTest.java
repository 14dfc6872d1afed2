// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class FrameRateTest {
    private static final FrameRate NTSC = new FrameRate(30_000, 1_001);

    @Test
    void aRateIsAReducedFraction() {
        assertEquals(FrameRate.of(30), new FrameRate(60, 2));
        assertEquals(new FrameRate(1, 1), new FrameRate(Long.MAX_VALUE, Long.MAX_VALUE));
        assertEquals(NTSC, FrameRate.ofInterval(1_001, 30_000));
        assertEquals(FrameRate.of(25), FrameRate.ofInterval(40, 1_000));
        assertEquals(30_000, NTSC.frames());
        assertEquals(1_001, NTSC.seconds());
    }

    @Test
    void televisionIsNotQuite30() {
        assertTrue(NTSC.compareTo(FrameRate.of(30)) < 0);
        assertTrue(NTSC.compareTo(new FrameRate(2_997, 100)) > 0);
        assertEquals(0, NTSC.compareTo(new FrameRate(60_000, 2_002)));
    }

    @ParameterizedTest
    @CsvSource({
        "30, 1, 30, 30",
        "30000, 1001, 29.97, 29.97 (30000/1001)",
        "60000, 1001, 59.94, 59.94 (60000/1001)",
        "2997, 100, 29.97, 29.97",
        "15, 2, 7.5, 7.5",
        "1, 3, 0.33, 0.33 (1/3)",
        "100, 1, 100, 100",
        // They would read like 30, 0 and the largest number.
        "2999999, 100000, 2999999/100000, 2999999/100000",
        "1, 1000, 1/1000, 1/1000",
        "9223372036854775807, 2, 4611686018427387903.5, 4611686018427387903.5",
    })
    void itReadsAsPeopleWriteIt(long frames, long seconds, String text, String exact) {
        var rate = new FrameRate(frames, seconds);
        assertEquals(text, rate.toString());
        assertEquals(exact, rate.exact());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, -1, Long.MIN_VALUE})
    void whatIsNoRateIsRefused(long number) {
        for (var attempt : List.<org.junit.jupiter.api.function.Executable>of(
                () -> new FrameRate(number, 1),
                () -> new FrameRate(1, number),
                () -> FrameRate.of(number),
                () -> FrameRate.ofInterval(number, 30),
                () -> FrameRate.ofInterval(1, number))) {
            var e = assertThrows(IllegalArgumentException.class, attempt);
            assertTrue(String.valueOf(e.getMessage()).contains(Long.toString(number)));
        }
    }

    @Test
    void comparingIsExactHoweverLargeTheNumbers() {
        var random = new SplittableRandom(7);
        for (int i = 0; i < 10_000; i++) {
            var one = new FrameRate(number(random), number(random));
            // Often one that differs in the last digit.
            var other = random.nextBoolean()
                    ? new FrameRate(number(random), number(random))
                    : new FrameRate(Math.max(1, one.frames() - random.nextInt(2)), one.seconds());
            int expected = product(one.frames(), other.seconds()).compareTo(product(other.frames(), one.seconds()));
            assertEquals(expected, Integer.signum(one.compareTo(other)), () -> one + " and " + other);
            assertEquals(expected == 0, one.equals(other));
        }
    }

    private static long number(SplittableRandom random) {
        return 1 + (random.nextLong() >>> random.nextInt(1, 64)) % Long.MAX_VALUE;
    }

    private static BigInteger product(long one, long other) {
        return BigInteger.valueOf(one).multiply(BigInteger.valueOf(other));
    }
}
