// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.image.Arithmetic;
import dev.cenalloc.plan.Field.Rule;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Merges constraints, field by field, by the {@link Rule} of each. Stateless. */
final class Merging {
    private Merging() {}

    /**
     * As {@link Constraints#merge}. Linear in the number of devices, and for many of them cheaper than {@link
     * Constraints#and}.
     */
    static Constraints merge(List<Constraints> all) {
        long[] numbers = Slots.UNSET.clone();
        int flags = 0;
        int consents = Slots.CONSENTS;
        Map<String, Long> highest = Map.of();
        EnumSet<Usage> usage = Constraints.NONE.usage;
        Map<String, String> unknown = Map.of();
        for (Constraints one : all) {
            for (int i = 0; i < numbers.length; i++) {
                numbers[i] = merge(Slots.RULES[i], numbers[i], one.numbers[i]);
            }
            flags |= one.flags;
            consents &= one.flags;
            if (!one.highest.isEmpty() && !one.highest.equals(highest)) {
                var limits = new TreeMap<>(highest);
                one.highest.forEach((space, address) -> limits.merge(space, address, Math::min));
                highest = limits;
            }
            if (!usage.containsAll(one.usage)) {
                usage = EnumSet.copyOf(usage);
                usage.addAll(one.usage);
            }
            if (!one.unknown.isEmpty()) {
                var more = new TreeMap<>(unknown);
                one.unknown.forEach((key, value) -> more.merge(key, value, Merging::smaller));
                unknown = more;
            }
        }
        return new Constraints(
                numbers,
                (flags & ~Slots.CONSENTS) | consents,
                intersection(all, one -> one.heaps),
                Collections.unmodifiableMap(highest),
                intersection(all, one -> one.near),
                usage,
                Collections.unmodifiableMap(unknown));
    }

    /** The merged value of two values of a numeric field. */
    static long merge(Rule rule, long one, long other) {
        return switch (rule) {
            case MIN -> Math.min(one, other);
            case MAX -> Math.max(one, other);
            default -> Arithmetic.lcm(one, other);
        };
    }

    /** The value of an unknown field that two devices set: any choice that does not depend on the order. */
    static String smaller(String one, String other) {
        return one.compareTo(other) <= 0 ? one : other;
    }

    /** The common elements; null is a set of everything. */
    static Set<String> intersection(@Nullable Set<String> before, Set<String> more) {
        var both = new HashSet<>(more);
        if (before != null) {
            both.retainAll(before);
        }
        return Collections.unmodifiableSet(both);
    }

    /** The common elements of all sets; null, which means everything, if there is no set. Makes at most one copy. */
    private static @Nullable Set<String> intersection(
            List<Constraints> all, Function<Constraints, @Nullable Set<String>> setOf) {
        Set<String> common = null;
        boolean copied = false;
        for (Constraints one : all) {
            Set<String> set = setOf.apply(one);
            if (set == null) {
                continue;
            }
            if (common == null) {
                common = set;
            } else if (copied) {
                common.retainAll(set);
            } else if (!set.containsAll(common)) {
                common = new HashSet<>(common);
                common.retainAll(set);
                copied = true;
            }
        }
        return common == null ? null : Collections.unmodifiableSet(common);
    }
}
