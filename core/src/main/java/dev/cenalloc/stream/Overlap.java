// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;

/**
 * Sizes that several ports have in common, and the rates that they have in common at each of these sizes, perhaps none.
 */
record Overlap(Sizes sizes, List<Rates> rates) {
    /** Format and modifier. Two devices exchange images only if both are equal, but for {@link Port#own alpha}. */
    record Kind(PixelFormat format, long modifier) {
        static Kind of(ImageRange range) {
            return new Kind(range.format(), range.modifier());
        }

        /** The same bytes without alpha; empty if there is no alpha. */
        Optional<Kind> withoutAlpha() {
            return format.withoutAlpha().map(opaque -> new Kind(opaque, modifier));
        }

        /** The same bytes with alpha; empty if there is no such format. */
        Optional<Kind> withAlpha() {
            return format.withAlpha().map(alpha -> new Kind(alpha, modifier));
        }

        @Override
        public String toString() {
            return new ImageRange(format, modifier, Sizes.ANY, List.of(Rates.ANY)).kind();
        }
    }

    /**
     * How many ranges of sizes that some ports have in common are looked at: the ranges of all ports multiply. Of more,
     * those with the largest sizes.
     */
    static final int MOST = 1024;

    /**
     * What ports have in common of one kind, within what is requested.
     *
     * @param isWhole whether that is all; else there were more than {@link #MOST} ranges
     */
    record Common(List<Overlap> overlaps, boolean isWhole) {}

    /**
     * What ports have in common of one kind, within what is requested.
     *
     * @param producer the one of all ports that gives the images
     */
    static Common of(Kind kind, ImageRequest request, List<Port> ports, Port producer) {
        List<Overlap> all = List.of(new Overlap(request.sizes(), List.of(Rates.ANY)));
        boolean isWhole = true;
        for (Port port : ports) {
            List<ImageRange> ranges = port.images(kind, port == producer);
            var narrower = new LinkedHashSet<Overlap>();
            for (Overlap overlap : all) {
                for (ImageRange range : ranges) {
                    overlap.sizes
                            .and(range.sizes())
                            .ifPresent(
                                    both -> narrower.add(new Overlap(both, Rates.and(overlap.rates, range.rates()))));
                }
            }
            isWhole &= narrower.size() <= MOST;
            all = narrower.size() <= MOST
                    ? List.copyOf(narrower)
                    : narrower.stream()
                            .sorted(Comparator.comparing(Overlap::hasImages)
                                    .thenComparingLong(Overlap::area)
                                    .reversed())
                            .limit(MOST)
                            .toList();
        }
        return new Common(all, isWhole);
    }

    /** Whether there are images, at some rate. */
    boolean hasImages() {
        return !rates.isEmpty();
    }

    /** The largest size. */
    Sizes largest() {
        return Sizes.of(sizes.maxWidth(), sizes.maxHeight());
    }

    /** Whether one size is among the sizes. */
    boolean contains(Sizes one) {
        return sizes.contains(one.maxWidth(), one.maxHeight());
    }

    /** Pixels of the largest size. */
    long area() {
        return (long) sizes.maxWidth() * sizes.maxHeight();
    }

    boolean reaches(FrameRate rate) {
        return rates.stream().anyMatch(range -> range.max().compareTo(rate) >= 0);
    }
}
