// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.image;

/** Integer arithmetic that detects overflow, for sizes, pitches and rates. Stateless. */
public final class Arithmetic {
    /** The result if the exact result is not below 2^63. */
    public static final long NO_RESULT = -1;

    private Arithmetic() {}

    /**
     * {@return the greatest common divisor}
     *
     * @param one at least 0
     * @param other at least 0
     */
    public static long gcd(long one, long other) {
        long a = one;
        long b = other;
        while (b != 0) {
            long rest = a % b;
            a = b;
            b = rest;
        }
        return a;
    }

    /**
     * {@return the least common multiple, or {@link Long#MAX_VALUE} if it is not below 2^63} If an operand is
     * {@link Long#MAX_VALUE}, the result is too.
     *
     * @param one at least 1
     * @param other at least 1
     */
    public static long lcm(long one, long other) {
        if (one == other || other == 1) {
            return one;
        }
        if (one == Long.MAX_VALUE || other == Long.MAX_VALUE) {
            return Long.MAX_VALUE;
        }
        long factor = other / gcd(one, other);
        return Math.multiplyHigh(one, factor) == 0 && one * factor > 0 ? one * factor : Long.MAX_VALUE;
    }

    /**
     * {@return the value rounded up to a multiple, or {@link #NO_RESULT} if the multiple is not below 2^63}
     *
     * @param value at least 0
     * @param multiple at least 1; for {@link Long#MAX_VALUE} the result is {@link #NO_RESULT}
     */
    public static long roundUp(long value, long multiple) {
        if (multiple == Long.MAX_VALUE) {
            return NO_RESULT;
        }
        long rest = value % multiple;
        return rest == 0 ? value : value > Long.MAX_VALUE - (multiple - rest) ? NO_RESULT : value + (multiple - rest);
    }

    /**
     * The product of a number, which may be {@link #NO_RESULT}, and a positive number; {@link #NO_RESULT} if it is not
     * below 2^63.
     */
    static long product(long one, long other) {
        return one < 0 || one > Long.MAX_VALUE / other ? NO_RESULT : one * other;
    }
}
