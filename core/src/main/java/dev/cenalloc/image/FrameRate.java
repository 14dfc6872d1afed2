package dev.cenalloc.image;

import java.math.BigDecimal;
import java.math.RoundingMode;

/**
 * Frames a second, as a reduced fraction: 29.97 of television is 30000/1001, and less than 30. Immutable; comparing is exact.
 *
 * @param frames so many, at least 1
 * @param seconds in so many, at least 1
 */
public record FrameRate(long frames, long seconds) implements Comparable<FrameRate> {
    /**
     * Reduces the fraction.
     *
     * @throws IllegalArgumentException if a number is not positive
     */
    public FrameRate {
        if (frames <= 0 || seconds <= 0) {
            throw new IllegalArgumentException(
                    "a rate is at least 1 frame in at least 1 second, not " + frames + " in " + seconds);
        }
        long divisor = Arithmetic.gcd(frames, seconds);
        frames /= divisor;
        seconds /= divisor;
    }

    /**
     * {@return a whole number of frames a second}
     *
     * @param frames at least 1
     * @throws IllegalArgumentException if it is not positive
     */
    public static FrameRate of(long frames) {
        return new FrameRate(frames, 1);
    }

    /**
     * {@return the rate of frames that are so far apart} V4L2 speaks of the time from frame to frame
     * ({@code struct v4l2_fract timeperframe}), the inverse of a rate.
     *
     * @param numerator of the seconds for a frame, at least 1
     * @param denominator of the same, at least 1
     * @throws IllegalArgumentException if a number is not positive: some drivers say 0 for an interval that they do not know
     */
    public static FrameRate ofInterval(long numerator, long denominator) {
        return new FrameRate(denominator, numerator);
    }

    @Override
    public int compareTo(FrameRate other) {
        // As products of 128 bits, which cannot overflow.
        int high = Long.compare(Math.multiplyHigh(frames, other.seconds), Math.multiplyHigh(other.frames, seconds));
        return high != 0 ? high : Long.compareUnsigned(frames * other.seconds, other.frames * seconds);
    }

    /** {@return the number, and the fraction if the number is rounded, so that no two rates read the same} */
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

    /** {@return the number with at most two decimals, or the fraction if it would read like a whole number and is none} */
    @Override
    public String toString() {
        BigDecimal rounded = BigDecimal.valueOf(frames)
                .divide(BigDecimal.valueOf(seconds), 2, RoundingMode.HALF_UP)
                .stripTrailingZeros();
        return seconds > 1 && rounded.scale() <= 0 ? frames + "/" + seconds : rounded.toPlainString();
    }
}
