// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.image;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A set of images that a device produces or consumes: one format, a range of sizes, and frame rates. Every size is
 * possible at every rate. A device whose rates depend on the size has one range for each size. Immutable.
 *
 * <p>Source: {@code vidioc-enum-framesizes.rst} and {@code vidioc-enum-frameintervals.rst} in
 * {@code Documentation/userspace-api/media/v4l} of Linux 6.12. A range can express their discrete and stepwise sizes
 * and intervals.
 *
 * @param format the pixel format
 * @param modifier {@code DRM_FORMAT_MOD_*}. This library lays out only {@link Image#LINEAR}; another modifier matches
 *     only itself
 * @param sizes in pixels
 * @param rates at least one
 */
public record ImageRange(PixelFormat format, long modifier, Sizes sizes, List<Rates> rates) {

    /**
     * A range of widths and a range of heights, independent of each other. A value.
     *
     * @param minWidth in pixels, at least 1
     * @param maxWidth in pixels, at least {@code minWidth}; reduced to the largest width that the steps reach
     * @param widthStep pixels from one width to the next, at least 1; becomes 1 if there is only one width
     * @param minHeight in lines, at least 1
     * @param maxHeight in lines, at least {@code minHeight}; reduced to the largest height that the steps reach
     * @param heightStep lines from one height to the next, at least 1; becomes 1 if there is only one height
     */
    public record Sizes(int minWidth, int maxWidth, int widthStep, int minHeight, int maxHeight, int heightStep) {
        /** All sizes. */
        public static final Sizes ANY = upTo(Integer.MAX_VALUE, Integer.MAX_VALUE);

        /**
         * Checks the numbers and normalises them, so that equal sets of sizes are equal records.
         *
         * @throws IllegalArgumentException if a number is out of its range
         */
        public Sizes {
            var widths = new Span(minWidth, maxWidth, widthStep);
            var heights = new Span(minHeight, maxHeight, heightStep);
            maxWidth = widths.max;
            widthStep = widths.step;
            maxHeight = heights.max;
            heightStep = heights.step;
        }

        private Sizes(Span widths, Span heights) {
            this(widths.min, widths.max, widths.step, heights.min, heights.max, heights.step);
        }

        /**
         * {@return exactly one size}
         *
         * @param width in pixels, at least 1
         * @param height in lines, at least 1
         * @throws IllegalArgumentException if width or height is not positive
         */
        public static Sizes of(int width, int height) {
            return new Sizes(width, width, 1, height, height, 1);
        }

        /**
         * {@return all sizes from 1x1 to a maximum}
         *
         * @param width the largest width in pixels, at least 1
         * @param height the largest height in lines, at least 1
         * @throws IllegalArgumentException if width or height is not positive
         */
        public static Sizes upTo(int width, int height) {
            return new Sizes(1, width, 1, 1, height, 1);
        }

        /**
         * {@return whether the range contains a size}
         *
         * @param width in pixels
         * @param height in lines
         */
        public boolean contains(int width, int height) {
            return widths().contains(width) && heights().contains(height);
        }

        /**
         * {@return the sizes that both ranges contain; empty if there are none}
         *
         * @param other the other range
         */
        public Optional<Sizes> and(Sizes other) {
            Objects.requireNonNull(other, "other");
            Span widths = widths().and(other.widths());
            Span heights = heights().and(other.heights());
            return widths == null || heights == null ? Optional.empty() : Optional.of(new Sizes(widths, heights));
        }

        private Span widths() {
            return new Span(minWidth, maxWidth, widthStep);
        }

        private Span heights() {
            return new Span(minHeight, maxHeight, heightStep);
        }

        @Override
        public String toString() {
            if (equals(ANY)) {
                return "any size";
            }
            if (minWidth == maxWidth && minHeight == maxHeight) {
                return minWidth + "x" + minHeight;
            }
            String from = minWidth == 1 && minHeight == 1 ? "" : minWidth + "x" + minHeight + " ";
            String steps = widthStep == 1 && heightStep == 1 ? "" : " in steps of " + widthStep + "x" + heightStep;
            return from + (from.isEmpty() ? "up to " : "to ") + maxWidth + "x" + maxHeight + steps;
        }
    }

    /** An arithmetic sequence of positive numbers. */
    private record Span(int min, int max, int step) {
        Span {
            if (min <= 0 || max < min || step <= 0) {
                throw new IllegalArgumentException(
                        "a range of sizes needs 1 <= minimum <= maximum and a step of at least 1, not from " + min
                                + " to " + max + " in steps of " + step);
            }
            max -= (max - min) % step;
            step = min == max ? 1 : step;
        }

        boolean contains(int number) {
            return number >= min && number <= max && (number - min) % step == 0;
        }

        /** The numbers in both sequences; null if there are none. No product exceeds 2^62. */
        @Nullable
        Span and(Span other) {
            long divisor = Arithmetic.gcd(step, other.step);
            long apart = (long) other.min - min;
            if (apart % divisor != 0) {
                return null;
            }
            // The number of steps from min to a number of the other sequence, upwards or downwards.
            long cycle = other.step / divisor;
            long steps = Math.floorMod(apart / divisor, cycle) * inverse(step / divisor, cycle) % cycle;
            long met = min + steps * step;
            long common = step * cycle;
            long least = Math.max(min, other.min);
            long first = met + Math.ceilDiv(Math.max(0, least - met), common) * common;
            long last = Math.min(max, other.max);
            return first > last
                    ? null
                    : new Span((int) first, (int) last, common > Integer.MAX_VALUE ? Integer.MAX_VALUE : (int) common);
        }

        /** The multiplicative inverse of a number; number and modulus have no common divisor. */
        private static long inverse(long number, long modulus) {
            long previous = 0;
            long current = 1 % modulus;
            long larger = modulus;
            long smaller = number % modulus;
            while (smaller > 0) {
                long quotient = larger / smaller;
                long next = previous - quotient * current;
                previous = current;
                current = next;
                long rest = larger - quotient * smaller;
                larger = smaller;
                smaller = rest;
            }
            return Math.floorMod(previous, modulus);
        }
    }

    /**
     * A range of frame rates, both ends included. A value.
     *
     * @param min the lowest rate
     * @param max the highest rate, at least {@code min}
     */
    public record Rates(FrameRate min, FrameRate max) {
        private static final FrameRate LOWEST = new FrameRate(1, Long.MAX_VALUE);
        /** Means: no limit. */
        static final FrameRate HIGHEST = FrameRate.of(Long.MAX_VALUE);

        /** All rates: for a device that takes frames as they arrive, or that does not report its rates. */
        public static final Rates ANY = new Rates(LOWEST, HIGHEST);

        /**
         * Checks the order.
         *
         * @throws IllegalArgumentException if the highest rate is below the lowest
         */
        public Rates {
            Objects.requireNonNull(min, "min");
            Objects.requireNonNull(max, "max");
            if (max.compareTo(min) < 0) {
                throw new IllegalArgumentException(
                        "the highest rate must be at least the lowest; " + max.exact() + " is below " + min.exact());
            }
        }

        /**
         * {@return exactly one rate}
         *
         * @param rate the rate
         */
        public static Rates of(FrameRate rate) {
            Objects.requireNonNull(rate, "rate");
            return new Rates(rate, rate);
        }

        /**
         * {@return all rates up to a maximum} A display consumes rates up to its refresh rate: it does not show more
         * frames.
         *
         * @param rate the highest rate
         */
        public static Rates upTo(FrameRate rate) {
            return new Rates(LOWEST, Objects.requireNonNull(rate, "rate"));
        }

        /**
         * {@return whether the range contains a rate}
         *
         * @param rate any rate
         */
        public boolean contains(FrameRate rate) {
            Objects.requireNonNull(rate, "rate");
            return rate.compareTo(min) >= 0 && rate.compareTo(max) <= 0;
        }

        /**
         * {@return the rates that both lists contain; empty if there are none}
         *
         * @param some ranges of rates
         * @param others other ranges of rates
         */
        public static List<Rates> and(List<Rates> some, List<Rates> others) {
            Objects.requireNonNull(some, "some");
            Objects.requireNonNull(others, "others");
            var both = new ArrayList<Rates>();
            for (Rates one : some) {
                for (Rates other : others) {
                    FrameRate min = one.min.compareTo(other.min) >= 0 ? one.min : other.min;
                    FrameRate max = one.max.compareTo(other.max) <= 0 ? one.max : other.max;
                    if (min.compareTo(max) <= 0) {
                        both.add(new Rates(min, max));
                    }
                }
            }
            return both.stream().distinct().toList();
        }

        @Override
        public String toString() {
            if (min.equals(max)) {
                return min.exact();
            }
            if (min.equals(LOWEST)) {
                return max.equals(HIGHEST) ? "any rate" : "up to " + max.exact();
            }
            return min.exact() + (max.equals(HIGHEST) ? " or more" : " to " + max.exact());
        }
    }

    /**
     * Checks the arguments.
     *
     * @throws IllegalArgumentException if {@code rates} is empty; for a device that does not report rates, pass
     *     {@link Rates#ANY}
     */
    public ImageRange {
        Objects.requireNonNull(format, "format");
        Objects.requireNonNull(sizes, "sizes");
        for (Rates one : Objects.requireNonNull(rates, "rates")) {
            Objects.requireNonNull(one, "an element of rates");
        }
        rates = List.copyOf(rates);
        if (rates.isEmpty()) {
            throw new IllegalArgumentException(
                    "rates must not be empty: give at least one, or Rates.ANY if the device does not report rates");
        }
    }

    /**
     * Linear images with given rates.
     *
     * @param format the pixel format
     * @param sizes in pixels
     * @param rates at least one
     * @throws IllegalArgumentException if {@code rates} is empty
     */
    public ImageRange(PixelFormat format, Sizes sizes, Rates... rates) {
        this(format, Image.LINEAR, sizes, Arrays.asList(Objects.requireNonNull(rates, "rates")));
    }

    /**
     * Linear images at any rate.
     *
     * @param format the pixel format
     * @param sizes in pixels
     */
    public ImageRange(PixelFormat format, Sizes sizes) {
        this(format, sizes, Rates.ANY);
    }

    /** {@return the format and, if it is not {@link Image#LINEAR}, the modifier, as text} */
    public String kind() {
        return format + (modifier == Image.LINEAR ? "" : " with modifier 0x" + Long.toHexString(modifier));
    }

    /** {@return the sizes and rates, as text} */
    public String sizesAndRates() {
        return sizes + " at " + rates.stream().map(Rates::toString).collect(Collectors.joining(", "));
    }

    @Override
    public String toString() {
        return kind() + " " + sizesAndRates();
    }
}
