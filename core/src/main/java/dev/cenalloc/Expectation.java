package dev.cenalloc;

import dev.cenalloc.SharedBuffer.Strictness;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Who is to be attached to a buffer before its first use.
 *
 * @param strictness what an earlier one does
 * @param names of devices, if they are known by name
 * @param count how many, if not; 0 for nobody
 * @param untilSealed whether somebody has to say that all have come
 */
record Expectation(Strictness strictness, Set<String> names, int count, boolean untilSealed) {
    static final Expectation NONE = new Expectation(Strictness.LENIENT, Set.of(), 0, false);

    static Expectation of(Strictness strictness, Collection<String> names) {
        return new Expectation(strictness, Set.copyOf(names), 0, names.isEmpty());
    }

    static Expectation of(Strictness strictness, int count) {
        if (count < 1) {
            throw new IllegalArgumentException("at least 1 participant, not " + count);
        }
        return new Expectation(strictness, Set.of(), count, false);
    }

    /** Who has not come, in words; empty if all have. */
    String missing(List<Device> attached) {
        if (untilSealed) {
            return "the call of seal()";
        }
        if (count > attached.size()) {
            return count - attached.size() + " of " + count + " devices";
        }
        var absent = new TreeSet<>(names);
        attached.forEach(device -> {
            absent.remove(device.name());
            absent.remove(device.baseName());
        });
        return String.join(", ", absent);
    }
}
