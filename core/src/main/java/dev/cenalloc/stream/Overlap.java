package dev.cenalloc.stream;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import java.util.ArrayList;
import java.util.List;

/**
 * Sizes that several ports have in common, and the rates that they have in common at each of these sizes, perhaps none.
 */
record Overlap(Sizes sizes, List<Rates> rates) {
    /** Format and modifier. Two devices exchange images only if both are equal. */
    record Kind(PixelFormat format, long modifier) {
        static Kind of(ImageRange range) {
            return new Kind(range.format(), range.modifier());
        }

        @Override
        public String toString() {
            return new ImageRange(format, modifier, Sizes.ANY, List.of(Rates.ANY)).kind();
        }
    }

    /** What ports have in common of one kind, within what is requested. */
    static List<Overlap> of(Kind kind, ImageRequest request, List<Port> ports) {
        List<Overlap> all = List.of(new Overlap(request.sizes(), List.of(Rates.ANY)));
        for (Port port : ports) {
            var narrower = new ArrayList<Overlap>();
            for (Overlap overlap : all) {
                for (ImageRange range : port.images()) {
                    if (Kind.of(range).equals(kind)) {
                        overlap.sizes
                                .and(range.sizes())
                                .ifPresent(both ->
                                        narrower.add(new Overlap(both, Rates.and(overlap.rates, range.rates()))));
                    }
                }
            }
            all = narrower.stream().distinct().toList();
        }
        return all;
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
