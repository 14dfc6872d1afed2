// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.stream.Overlap.Kind;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/**
 * The best images of one format that all ports have in common. A value.
 *
 * @param kind format and modifier
 * @param size the best size
 * @param rate the best rate at that size
 * @param overlaps what the choice was made from
 */
record Candidate(Kind kind, Sizes size, FrameRate rate, List<Overlap> overlaps) {
    /**
     * More colour goes before fewer bytes, and those before no alpha: what is in the alpha of a camera is chance. One
     * buffer goes before several, of which each costs its descriptors, mappings and system calls.
     */
    static final Comparator<Kind> BEST_FORMAT = Comparator.<Kind>comparingInt(
                    kind -> -kind.format().colourBits())
            .thenComparingInt(kind -> kind.format().bitsPerPixel())
            .thenComparing(kind -> kind.format().hasAlpha())
            .thenComparingInt(kind -> kind.format().buffers());

    /** The best first; of equally good formats the order is kept. */
    static List<Kind> ranked(Collection<Kind> kinds) {
        List<PixelFormat> listed = kinds.stream().map(Kind::format).distinct().toList();
        return kinds.stream()
                .sorted(BEST_FORMAT
                        .thenComparingInt(kind -> listed.indexOf(kind.format()))
                        .thenComparing(kind -> kind.modifier() != Image.LINEAR))
                .toList();
    }

    PixelFormat format() {
        return kind.format();
    }

    Image image() {
        return new Image(kind.format(), size.maxWidth(), size.maxHeight(), kind.modifier());
    }

    /** All rates at the size. */
    List<Rates> rates() {
        return rates(overlaps, size);
    }

    static List<Rates> rates(List<Overlap> overlaps, Sizes size) {
        return overlaps.stream()
                .filter(overlap -> overlap.sizes().and(size).isPresent())
                .flatMap(overlap -> overlap.rates().stream())
                .distinct()
                .toList();
    }

    static FrameRate highest(List<Rates> rates) {
        return Collections.max(rates.stream().map(Rates::max).toList());
    }
}
