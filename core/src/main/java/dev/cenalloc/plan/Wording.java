// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.text.Count;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** The text of constraints. Stateless. */
final class Wording {
    private Wording() {}

    /** The text of one field of the constraints, to follow the name of a device. */
    static String of(Constraints constraints, Field field) {
        return switch (field) {
            case HEAPS -> {
                Set<String> heaps = constraints.allowedHeaps().orElse(Set.of());
                yield switch (heaps.size()) {
                    case 0 -> "no common heap";
                    case 1 -> {
                        String heap = heaps.iterator().next();
                        // The memory of a device has a name that says what it is.
                        yield heap.startsWith("memory of ") ? heap : "memory of the heap " + heap;
                    }
                    default -> "memory of one of the heaps " + sorted(heaps);
                };
            }
            case CONTIGUOUS -> "contiguous memory";
            case MAX_SEGMENTS -> {
                long segments = constraints.raw(field);
                yield "at most " + Count.of(segments, "segment");
            }
            case MAX_SEGMENT_SIZE -> "segments of at most " + constraints.raw(field) + " bytes";
            case SEGMENT_BOUNDARY -> "no segment across a multiple of " + constraints.raw(field) + " bytes";
            case HIGHEST_ADDRESS ->
                constraints.highestAddresses().entrySet().stream()
                        .map(limit ->
                                "addresses up to 0x" + Long.toHexString(limit.getValue()) + " in " + limit.getKey())
                        .collect(Collectors.joining(" and "));
            case BASE_ALIGNMENT -> "a start at a multiple of " + constraints.raw(field) + " bytes";
            case OFFSET_ALIGNMENT -> "planes at multiples of " + constraints.raw(field) + " bytes";
            case PITCH_ALIGNMENT -> "a pitch in multiples of " + constraints.raw(field) + " bytes";
            case LINE_ALIGNMENT -> "lines in multiples of " + constraints.raw(field);
            case EXTRA_LINES -> {
                long lines = constraints.raw(field);
                yield "memory for " + Count.of(lines, "more line");
            }
            case LEFT_MARGIN -> before(constraints.raw(field), "column");
            case TOP_MARGIN -> before(constraints.raw(field), "line");
            case MIN_PITCH -> "a pitch of at least " + constraints.raw(field) + " bytes";
            case MAX_PITCH -> "a pitch of at most " + constraints.raw(field) + " bytes";
            case EQUAL_PITCHES -> "one pitch for all planes";
            case PROPORTIONAL_PITCHES -> "pitches that follow from that of the first plane";
            case GAPLESS -> "planes from byte 0 on without gaps";
            case MIN_SIZE -> "at least " + constraints.raw(field) + " bytes";
            case MAX_SIZE -> "at most " + constraints.raw(field) + " bytes";
            case BUFFERS -> {
                long buffers = constraints.raw(field);
                yield "at least " + Count.of(buffers, "buffer");
            }
            case PROTECTED -> "protected memory";
            case ACCEPTS_PROTECTED ->
                constraints.flag(field) ? "accepts protected memory" : "does not accept protected memory";
            case CPU_READ -> "memory that the CPU can read";
            case CPU_WRITE -> "memory that the CPU can write";
            case COHERENT -> "coherent memory if possible";
            case ACCEPTS_DECRYPTED ->
                constraints.flag(field) ? "accepts decrypted memory" : "does not accept decrypted memory";
            case PAGES -> "memory with pages";
            case NEAR -> "memory near " + sorted(constraints.near().orElse(Set.of())) + " if possible";
            case USAGE ->
                constraints.usage().stream()
                        .map(how -> how == Usage.CPU_HEAVY ? "much used by the CPU" : "hardly used by the CPU")
                        .collect(Collectors.joining(", "));
        };
    }

    private static String before(long count, String what) {
        return Count.of(count, what) + " before the image";
    }

    private static String sorted(Set<String> names) {
        return new TreeSet<>(names).stream().collect(Collectors.joining(", ", "{", "}"));
    }
}
