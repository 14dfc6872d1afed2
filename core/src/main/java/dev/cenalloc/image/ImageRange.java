package dev.cenalloc.image;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Images that a device gives or takes: of one format, of a range of sizes, each at any of some rates. A device whose rate
 * depends on the size has a range for each. Immutable.
 *
 * <p>Source: {@code vidioc-enum-framesizes.rst} and {@code vidioc-enum-frameintervals.rst} in
 * {@code Documentation/userspace-api/media/v4l} of Linux 6.12, whose discrete and stepwise sizes and intervals these can say.
 *
 * @param format how pixels become bytes
 * @param modifier {@code DRM_FORMAT_MOD_*}; {@link Image#LINEAR} is the only one that this library lays out, and any other
 *     matches only its equal
 * @param sizes in pixels
 * @param rates at least one
 */
public record ImageRange(PixelFormat format, long modifier, Sizes sizes, List<Rates> rates) {

    /**
     * Widths and heights, independent of each other.
     *
     * @param minWidth in pixels, at least 1
     * @param maxWidth at least {@code minWidth}; kept is the largest that the steps reach
     * @param widthStep from one width to the next, at least 1; if there is but one width, kept as 1
     * @param minHeight in lines, as {@code minWidth}
     * @param maxHeight as {@code maxWidth}
     * @param heightStep as {@code widthStep}
     */
    public record Sizes(int minWidth, int maxWidth, int widthStep, int minHeight, int maxHeight, int heightStep) {
        /** Every size that an image can have. */
        public static final Sizes ANY = upTo(Integer.MAX_VALUE, Integer.MAX_VALUE);

        /**
         * Checks the numbers, and brings them into the form in which equal sizes are equal.
         *
         * @throws IllegalArgumentException if one is out of its range
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
         * {@return one size}
         *
         * @param width in pixels, at least 1
         * @param height in lines, at least 1
         * @throws IllegalArgumentException if one is not positive
         */
        public static Sizes of(int width, int height) {
            return new Sizes(width, width, 1, height, height, 1);
        }

        /**
         * {@return every size up to this one}
         *
         * @param width in pixels, at least 1
         * @param height in lines, at least 1
         * @throws IllegalArgumentException if one is not positive
         */
        public static Sizes upTo(int width, int height) {
            return new Sizes(1, width, 1, 1, height, 1);
        }

        /**
         * {@return whether this size is among them}
         *
         * @param width in pixels
         * @param height in lines
         */
        public boolean contains(int width, int height) {
            return widths().contains(width) && heights().contains(height);
        }

        /**
         * {@return the sizes that are among both; empty if there are none}
         *
         * @param other the other sizes
         */
        public Optional<Sizes> and(Sizes other) {
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

    /** Numbers at equal distances. */
    private record Span(int min, int max, int step) {
        Span {
            if (min <= 0 || max < min || step <= 0) {
                throw new IllegalArgumentException(
                        "sizes begin at 1 pixel or more, end there or above, in steps of 1 or" + " more, and not from "
                                + min + " to " + max + " in steps of " + step);
            }
            max -= (max - min) % step;
            step = min == max ? 1 : step;
        }

        boolean contains(int number) {
            return number >= min && number <= max && (number - min) % step == 0;
        }

        /** The numbers in both; null if there are none. No product exceeds 2^62. */
        @Nullable
        Span and(Span other) {
            long divisor = Arithmetic.gcd(step, other.step);
            long apart = (long) other.min - min;
            if (apart % divisor != 0) {
                return null;
            }
            // So many steps from the least of these to a number that is one of the others, up or down.
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

        /** What a number has to be multiplied by to leave 1 when divided by the modulus; they have no common divisor. */
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
     * Rates from one to another, both included.
     *
     * @param min the lowest
     * @param max the highest, at least {@code min}
     */
    public record Rates(FrameRate min, FrameRate max) {
        private static final FrameRate LOWEST = new FrameRate(1, Long.MAX_VALUE);
        /** Stands for: no limit. */
        static final FrameRate HIGHEST = FrameRate.of(Long.MAX_VALUE);

        /** Every rate: of a device that takes frames as they come, or that does not say. */
        public static final Rates ANY = new Rates(LOWEST, HIGHEST);

        /**
         * Checks the order.
         *
         * @throws IllegalArgumentException if the highest is below the lowest
         */
        public Rates {
            if (max.compareTo(min) < 0) {
                throw new IllegalArgumentException(
                        "the highest rate is at least the lowest, and " + max.exact() + " is below " + min.exact());
            }
        }

        /**
         * {@return one rate}
         *
         * @param rate that one
         */
        public static Rates of(FrameRate rate) {
            return new Rates(rate, rate);
        }

        /**
         * {@return every rate up to this one} So says a display of its refresh rate: frames beyond it are never seen.
         *
         * @param rate the highest
         */
        public static Rates upTo(FrameRate rate) {
            return new Rates(LOWEST, rate);
        }

        /**
         * {@return whether this rate is among them}
         *
         * @param rate any
         */
        public boolean contains(FrameRate rate) {
            return rate.compareTo(min) >= 0 && rate.compareTo(max) <= 0;
        }

        /**
         * {@return the rates that are among both lists}
         *
         * @param some rates
         * @param others other rates
         */
        public static List<Rates> and(List<Rates> some, List<Rates> others) {
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
     * Checks that there is a rate.
     *
     * @throws IllegalArgumentException if there is none; of a device that does not say, it is {@link Rates#ANY}
     */
    public ImageRange {
        Objects.requireNonNull(format);
        Objects.requireNonNull(sizes);
        rates = List.copyOf(rates);
        if (rates.isEmpty()) {
            throw new IllegalArgumentException(
                    "images come at some rate: give at least one, or Rates.ANY if the device does not say");
        }
    }

    /**
     * Linear images at some rates.
     *
     * @param format how pixels become bytes
     * @param sizes in pixels
     * @param rates at least one
     * @throws IllegalArgumentException if there is no rate
     */
    public ImageRange(PixelFormat format, Sizes sizes, Rates... rates) {
        this(format, Image.LINEAR, sizes, List.of(rates));
    }

    /**
     * Linear images at any rate.
     *
     * @param format how pixels become bytes
     * @param sizes in pixels
     */
    public ImageRange(PixelFormat format, Sizes sizes) {
        this(format, sizes, Rates.ANY);
    }

    /** {@return the format, with the modifier if it is not {@link Image#LINEAR}, in words} */
    public String kind() {
        return format + (modifier == Image.LINEAR ? "" : " with modifier 0x" + Long.toHexString(modifier));
    }

    /** {@return the sizes and rates, in words} */
    public String sizesAndRates() {
        return sizes + " at " + rates.stream().map(Rates::toString).collect(Collectors.joining(", "));
    }

    @Override
    public String toString() {
        return kind() + " " + sizesAndRates();
    }
}
