package dev.cenalloc;

import dev.cenalloc.ImageRange.Rates;
import dev.cenalloc.ImageRange.Sizes;
import java.util.ArrayList;
import java.util.List;

/**
 * Sizes that several ports have in common, and the rates that they have in common at each of these; those may be none.
 */
record Overlap(Sizes sizes, List<Rates> rates) {
    /** What a format and a modifier make of pixels: two images are exchanged only if both are equal. */
    record Kind(PixelFormat format, long modifier) {
        static Kind of(ImageRange range) {
            return new Kind(range.format(), range.modifier());
        }

        @Override
        public String toString() {
            return ImageRange.kind(format, modifier);
        }
    }

    /** All that ports have in common of one kind, within what is wished for. */
    static List<Overlap> of(Kind kind, Wish wish, List<Port> ports) {
        List<Overlap> all = List.of(new Overlap(wish.sizes(), List.of(Rates.ANY)));
        for (Port port : ports) {
            var narrower = new ArrayList<Overlap>();
            for (Overlap overlap : all) {
                for (ImageRange range : port.images()) {
                    Sizes both = Kind.of(range).equals(kind) ? overlap.sizes.and(range.sizes()) : null;
                    if (both != null) {
                        narrower.add(new Overlap(both, Rates.and(overlap.rates, range.rates())));
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

    /** The images of the largest area. */
    long area() {
        return (long) sizes.maxWidth() * sizes.maxHeight();
    }

    boolean reaches(Rate rate) {
        return rates.stream().anyMatch(range -> range.max().compareTo(rate) >= 0);
    }
}
