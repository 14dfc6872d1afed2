// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.text.Count;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/** Compares constraints with the properties of heaps. The only place that does. Stateless. */
final class Suitability {
    private Suitability() {}

    /** Why no memory on any machine can satisfy the constraints for this demand; empty if some can. */
    static Optional<String> contradiction(Constraints merged, Demand demand) {
        Set<String> heaps = merged.allowedHeaps().orElse(null);
        if (heaps != null && heaps.isEmpty()) {
            return Optional.of("no heap is allowed by every device");
        }
        if (merged.isContiguous()
                && heaps != null
                && heaps.stream().allMatch(name -> HeapProperties.of(name).contiguous() == Trait.NO)) {
            return Optional.of("the allowed heaps give scattered memory, and it must be contiguous");
        }
        if (merged.flag(Field.PROTECTED)) {
            if (!merged.flag(Field.ACCEPTS_PROTECTED)) {
                return Optional.of("the memory must be protected, and not every device accepts that");
            }
            if (merged.flag(Field.CPU_READ) || merged.flag(Field.CPU_WRITE)) {
                return Optional.of("the memory must be protected, and the CPU cannot access protected memory");
            }
        }
        return demand.contradiction(merged);
    }

    /**
     * The first field that memory of this heap does not satisfy; empty if it satisfies all. An unknown property does
     * not satisfy a requirement. Addresses are an exception, since no heap reports them: they only change the order.
     *
     * @param merged the constraints of all devices, {@linkplain Substitutes with substitutes}
     * @param size the number of bytes to allocate
     */
    static Optional<Field> objection(Constraints merged, long size, Heap heap) {
        HeapProperties properties = heap.properties();
        if (!merged.allowsPool(heap.pool())) {
            return Optional.of(Field.HEAPS);
        }
        if (merged.flag(Field.CONTIGUOUS) && properties.contiguous() != Trait.YES) {
            return Optional.of(Field.CONTIGUOUS);
        }
        if (merged.raw(Field.MAX_SEGMENTS) < segments(merged, size, heap)) {
            return Optional.of(Field.MAX_SEGMENTS);
        }
        if (merged.flag(Field.PROTECTED) && !properties.isProtected()) {
            return Optional.of(Field.PROTECTED);
        }
        if (properties.isProtected() && !merged.flag(Field.ACCEPTS_PROTECTED)) {
            return Optional.of(Field.ACCEPTS_PROTECTED);
        }
        if (properties.isDecrypted() && !merged.flag(Field.ACCEPTS_DECRYPTED)) {
            return Optional.of(Field.ACCEPTS_DECRYPTED);
        }
        // For an unknown heap the mapping will show it. The CPU never accesses protected memory.
        boolean hidden = properties.isProtected() || properties.cpuMappable() == Trait.NO;
        if (merged.flag(Field.CPU_READ) && hidden) {
            return Optional.of(Field.CPU_READ);
        }
        if (merged.flag(Field.CPU_WRITE) && hidden) {
            return Optional.of(Field.CPU_WRITE);
        }
        if (merged.flag(Field.PAGES) && properties.pages() != Trait.YES) {
            return Optional.of(Field.PAGES);
        }
        if (!merged.highestAddresses().isEmpty() && isBelow(merged, properties) == Trait.NO) {
            return Optional.of(Field.HIGHEST_ADDRESS);
        }
        return Optional.empty();
    }

    /** Why these constraints do not allow a layout; empty if they do. */
    static Optional<String> objection(Constraints merged, Layout layout) {
        for (Layout.Plane plane : layout.planes()) {
            if (plane.pitch() % merged.raw(Field.PITCH_ALIGNMENT) != 0
                    || plane.pitch() < merged.raw(Field.MIN_PITCH)
                    || plane.pitch() > merged.raw(Field.MAX_PITCH)) {
                return Optional.of("it has a pitch of " + plane.pitch() + " bytes");
            }
            if (plane.offset() % merged.raw(Field.OFFSET_ALIGNMENT) != 0) {
                return Optional.of("it has a plane at byte " + plane.offset());
            }
        }
        if (merged.flag(Field.EQUAL_PITCHES) && pitches(layout).distinct().count() > 1) {
            return Optional.of("its planes have pitches of "
                    + pitches(layout).mapToObj(Long::toString).collect(Collectors.joining(", ")) + " bytes");
        }
        if (merged.flag(Field.PROPORTIONAL_PITCHES) && !layout.hasProportionalPitches()) {
            return Optional.of("its planes have pitches of "
                    + pitches(layout).mapToObj(Long::toString).collect(Collectors.joining(", "))
                    + " bytes, which do not follow from the first");
        }
        if (merged.flag(Field.GAPLESS) && !layout.isGapless()) {
            return Optional.of("it has a gap before a plane");
        }
        // Counted from the image or from the first line in memory: a layout from elsewhere does not tell.
        if (layout.storedLines() % merged.raw(Field.LINE_ALIGNMENT) != 0
                && (layout.topMargin() + layout.storedLines()) % merged.raw(Field.LINE_ALIGNMENT) != 0) {
            return Optional.of("it has " + Count.of(layout.storedLines(), "line"));
        }
        if (layout.extraLines() < merged.raw(Field.EXTRA_LINES)) {
            return Optional.of(
                    "it has no memory for " + Count.of(merged.raw(Field.EXTRA_LINES), "line") + " behind the last");
        }
        if (layout.leftMargin() < merged.raw(Field.LEFT_MARGIN)) {
            return Optional.of("it has " + Count.of(layout.leftMargin(), "column") + " before the image");
        }
        if (layout.topMargin() < merged.raw(Field.TOP_MARGIN)) {
            return Optional.of("it has " + Count.of(layout.topMargin(), "line") + " before the image");
        }
        return Optional.empty();
    }

    private static LongStream pitches(Layout layout) {
        return layout.planes().stream().mapToLong(Layout.Plane::pitch);
    }

    /** Whether a device names this heap. */
    static boolean isNamed(Constraints merged, Heap heap) {
        return merged.says(Field.HEAPS) && merged.allowsPool(heap.pool());
    }

    /** The largest number of segments that the memory may have: one for each page of scattered memory. */
    static long segments(Constraints merged, long size, Heap heap) {
        return Demand.segments(merged, size, heap.properties().contiguous() == Trait.YES ? size : heap.pageSize());
    }

    private static Trait isBelow(Constraints merged, HeapProperties properties) {
        Trait below = Trait.YES;
        for (Map.Entry<String, Long> limit : merged.highestAddresses().entrySet()) {
            Trait one = properties.isWithin(limit.getKey(), limit.getValue());
            if (one == Trait.NO) {
                return one;
            }
            below = one == Trait.UNKNOWN ? one : below;
        }
        return below;
    }

    /**
     * Whether memory of this heap satisfies the constraints, as far as that is known without trying it.
     *
     * @param merged as for {@link #objection(Constraints, long, Heap)}
     */
    static Trait suits(Constraints merged, Demand demand, long size, Heap heap) {
        HeapProperties properties = heap.properties();
        if (contradiction(merged, demand).isPresent()
                || properties.maxSize().orElse(size) < size
                || objection(merged, size, heap.withProperties(atBest(properties)))
                        .isPresent()
                || heap.refusal(merged, size).isPresent()) {
            return Trait.NO;
        }
        // A device without constraints takes ordinary memory, which this may not be.
        boolean certain = !isUnknown(properties)
                && objection(merged, size, heap).isEmpty()
                && merged.fields().stream().allMatch(field -> isCertain(field, merged, demand, heap));
        return certain ? Trait.YES : Trait.UNKNOWN;
    }

    /** Whether nothing is known of the kind of memory. */
    private static boolean isUnknown(HeapProperties properties) {
        return properties.contiguous() == Trait.UNKNOWN
                && properties.cpuMappable() == Trait.UNKNOWN
                && properties.pages() == Trait.UNKNOWN
                && !properties.isProtected()
                && !properties.isDecrypted();
    }

    /** What memory may be of which not all is known. */
    private static HeapProperties atBest(HeapProperties properties) {
        HeapProperties best = properties;
        if (best.contiguous() == Trait.UNKNOWN) {
            best = best.withContiguous(Trait.YES);
        }
        return best.pages() == Trait.UNKNOWN ? best.withPages(Trait.YES) : best;
    }

    /** Whether memory of a heap to which nothing is objected keeps a field for certain, or need not. */
    private static boolean isCertain(Field field, Constraints merged, Demand demand, Heap heap) {
        // In a buffer of bytes the caller places the planes, which is no matter of the memory. The heap was asked for
        // as many bytes as the smallest size.
        return field.isOfLayout()
                || field == Field.MIN_SIZE
                || field.isAdvisory()
                || assurance(field, merged, demand, heap) == Assurance.ENFORCED;
    }

    /** The number of advisory fields that this heap is known to follow. */
    static int advicesFollowed(Constraints merged, HeapProperties properties) {
        int followed = 0;
        if (merged.flag(Field.COHERENT) && properties.coherent() == Trait.YES) {
            followed++;
        }
        if (!merged.highestAddresses().isEmpty() && isBelow(merged, properties) == Trait.YES) {
            followed++;
        }
        var near = merged.near().orElse(null);
        if (near != null
                && properties.place().isPresent()
                && near.contains(properties.place().get())) {
            followed++;
        }
        return followed;
    }

    /** Whether the heap is of the kind that the hints prefer. Both hints together cancel each other out. */
    static boolean isAsHinted(Constraints merged, HeapProperties properties) {
        boolean heavy = merged.usage().contains(Usage.CPU_HEAVY);
        boolean hardly = merged.usage().contains(Usage.DEVICE_ONLY);
        return heavy != hardly && properties.cached() == (heavy ? Trait.YES : Trait.NO);
    }

    /** How far memory of this heap keeps a field. */
    static Assurance assurance(Field field, Constraints merged, Demand demand, Heap heap) {
        if (field.isOfLayout()) {
            // This library computes the layout of an image. In a buffer of bytes the caller places the planes.
            return demand.image().isPresent() ? Assurance.ENFORCED : Assurance.ADVISORY;
        }
        HeapProperties properties = heap.properties();
        return switch (field) {
            case HEAPS, PROTECTED, ACCEPTS_PROTECTED, ACCEPTS_DECRYPTED, CONTIGUOUS, PAGES -> Assurance.ENFORCED;
            // Scattered memory is counted by pages. The position of boundaries in contiguous memory is unknown.
            case MAX_SEGMENTS -> merged.says(Field.SEGMENT_BOUNDARY) ? Assurance.ADVISORY : Assurance.ENFORCED;
            // A heap does not limit the length of its segments. A driver may split long ones, or refuse the buffer.
            case MAX_SEGMENT_SIZE, SEGMENT_BOUNDARY -> Assurance.ADVISORY;
            case HIGHEST_ADDRESS -> isBelow(merged, properties) == Trait.YES ? Assurance.ENFORCED : Assurance.ADVISORY;
            // The only parameter of an allocation is the size (dma-heap.h). Memory begins at a page.
            case BASE_ALIGNMENT ->
                merged.raw(Field.BASE_ALIGNMENT) <= heap.pageSize() ? Assurance.ENFORCED : Assurance.ADVISORY;
            // Holds for the requested bytes. The kernel rounds up to whole pages.
            case MAX_SIZE -> Assurance.ENFORCED;
            case MIN_SIZE -> Assurance.CHECKED;
            case CPU_READ, CPU_WRITE -> properties.cpuMappable() == Trait.YES ? Assurance.ENFORCED : Assurance.CHECKED;
            case BUFFERS, COHERENT, NEAR, USAGE -> Assurance.ADVISORY;
            default -> throw new AssertionError(field + " is neither of the layout nor known");
        };
    }
}
