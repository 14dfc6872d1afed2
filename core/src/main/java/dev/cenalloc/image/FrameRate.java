// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.image;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Objects;

/**
 * A frame rate: frames per second as a reduced fraction. Television's 29.97 is 30000/1001. Immutable. Comparisons are
 * exact.
 *
 * @param frames the number of frames in {@code seconds}, at least 1
 * @param seconds the number of seconds, at least 1
 */
public record FrameRate(long frames, long seconds) implements Comparable<FrameRate> {
    /**
     * Reduces the fraction.
     *
     * @throws IllegalArgumentException if one of the numbers is not positive
     */
    public FrameRate {
        if (frames <= 0 || seconds <= 0) {
            throw new IllegalArgumentException(
                    "a frame rate needs at least 1 frame in at least 1 second, not " + frames + " in " + seconds);
        }
        long divisor = Arithmetic.gcd(frames, seconds);
        frames /= divisor;
        seconds /= divisor;
    }

    /**
     * {@return the rate of a whole number of frames per second}
     *
     * @param frames frames per second, at least 1
     * @throws IllegalArgumentException if {@code frames} is not positive
     */
    public static FrameRate of(long frames) {
        return new FrameRate(frames, 1);
    }

    /**
     * {@return the rate for a frame interval} V4L2 gives the time from frame to frame
     * ({@code struct v4l2_fract timeperframe}), which is the inverse of the rate.
     *
     * @param numerator of the interval in seconds, at least 1
     * @param denominator of the interval in seconds, at least 1
     * @throws IllegalArgumentException if one of the numbers is not positive; some drivers return 0 for an unknown
     *     interval
     */
    public static FrameRate ofInterval(long numerator, long denominator) {
        return new FrameRate(denominator, numerator);
    }

    @Override
    public int compareTo(FrameRate other) {
        Objects.requireNonNull(other, "other");
        // Products of 128 bits cannot overflow.
        int high = Long.compare(Math.multiplyHigh(frames, other.seconds), Math.multiplyHigh(other.frames, seconds));
        return high != 0 ? high : Long.compareUnsigned(frames * other.seconds, other.frames * seconds);
    }

    /** {@return the decimal number, with the fraction in parentheses if the number is rounded; unique for each rate} */
    public String exact() {
        String rounded = toString();
        String fraction = frames + "/" + seconds;
        return rounded.equals(fraction)
                        || new BigDecimal(rounded)
                                        .multiply(BigDecimal.valueOf(seconds))
                                        .compareTo(BigDecimal.valueOf(frames))
                                == 0
                ? rounded
                : rounded + " (" + fraction + ")";
    }

    /**
     * {@return the number with at most two decimals, or the fraction if rounding would make it look like a whole
     * number}
     */
    @Override
    public String toString() {
        BigDecimal rounded = BigDecimal.valueOf(frames)
                .divide(BigDecimal.valueOf(seconds), 2, RoundingMode.HALF_UP)
                .stripTrailingZeros();
        return seconds > 1 && rounded.scale() <= 0 ? frames + "/" + seconds : rounded.toPlainString();
    }
}
