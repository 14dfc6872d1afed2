// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.HeapProperties.Trait;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/** Makes plans: merges the constraints, sorts out the heaps, tries alternatives. Stateless. */
final class Solver {
    /** Alternatives and optional devices multiply; at most this many combinations are tried. */
    static final int COMBINATIONS = 1024;

    private static final int PLENTIFUL = 100_000;
    private static final int FOLLOWS_ADVICE = 10_000;
    private static final int AS_HINTED = 1000;

    /** A heap that satisfies all devices. */
    record Candidate(Heap heap, int score) {}

    private static final Comparator<Candidate> ORDER = Comparator.<Candidate>comparingInt(candidate -> -candidate.score)
            .thenComparingInt(candidate -> KnownHeaps.preference(candidate.heap.name()))
            .thenComparing(candidate -> candidate.heap.name());

    private Solver() {}

    /** As {@link Plan#of}. */
    static Plan solve(Demand demand, List<Device> devices, List<Heap> heaps) {
        var combinations = new Combinations(devices);
        if (combinations.count() == 1) {
            return solve(demand, devices, devices, List.of(), heaps);
        }
        Plan first = null;
        while (combinations.hasNext()) {
            combinations.next();
            Plan plan = solve(demand, devices, combinations.devices(), combinations.leftOut(), heaps);
            if (plan.hasCandidates()) {
                return plan;
            }
            first = first == null ? plan : first;
        }
        return Objects.requireNonNull(first);
    }

    private static Plan solve(
            Demand demand, List<Device> attached, List<Device> devices, List<Device> leftOut, List<Heap> heaps) {
        Constraints merged = merge(devices, heaps);
        Layout layout = demand.layout(merged).orElse(null);
        long size = layout == null ? demand.size(merged) : layout.size();
        var found = new Candidate[heaps.size()];
        int count = 0;
        Map<Heap, Objection> refusals = Map.of();
        if (Suitability.contradiction(merged, demand).isEmpty()) {
            for (Heap heap : heaps) {
                if (Suitability.objection(merged, size, heap).isPresent()
                        || isUnasked(merged, heap)
                        || heap.properties().maxSize().orElse(size) < size
                        || !heap.isAccessible()) {
                    continue;
                }
                Optional<Objection> refusal = heap.refusal(merged, size);
                if (refusal.isPresent()) {
                    refusals = refusals.isEmpty() ? new LinkedHashMap<>() : refusals;
                    refusals.put(heap, refusal.get());
                    continue;
                }
                found[count++] = new Candidate(heap, score(merged, heap.properties()));
            }
        }
        Candidate[] candidates = Arrays.copyOf(found, sort(found, count));
        return new Plan(demand, attached, devices, leftOut, heaps, merged, layout, size, candidates, refusals);
    }

    /**
     * The merged constraints of all devices. Substitutes are added to each device's heaps before merging: one device
     * may name a heap and another its substitute.
     */
    static Constraints merge(List<Device> devices, List<Heap> heaps) {
        // Without a device the memory is ordinary: no device consents to other memory.
        if (devices.isEmpty()) {
            return Constraints.NONE;
        }
        var substitutes = new ArrayList<Heap>();
        for (Heap heap : heaps) {
            if (heap.replacesOthers()) {
                substitutes.add(heap);
            }
        }
        var all = new ArrayList<Constraints>(devices.size());
        for (Device device : devices) {
            all.add(Substitutes.allow(device.constraints(), substitutes));
        }
        return Constraints.merge(all);
    }

    /** Whether a heap is used only when named, and no device names it. */
    static boolean isUnasked(Constraints merged, Heap heap) {
        return heap.properties().onlyWhenNamed() && !Suitability.isNamed(merged, heap);
    }

    /**
     * Plentiful memory comes first, to keep scarce memory for devices that need it. Then advice, hints, the heap's
     * score.
     */
    private static int score(Constraints merged, HeapProperties properties) {
        return (properties.scarce() == Trait.NO ? PLENTIFUL : 0)
                + FOLLOWS_ADVICE * Suitability.advicesFollowed(merged, properties)
                + (Suitability.isAsHinted(merged, properties) ? AS_HINTED : 0)
                + properties.score();
    }

    /** Sorts, keeps only the best name of each pool, and returns the number of candidates left. */
    private static int sort(Candidate[] found, int count) {
        Arrays.sort(found, 0, count, ORDER);
        var pools = new HashSet<String>();
        int kept = 0;
        for (int i = 0; i < count; i++) {
            if (pools.add(found[i].heap.pool())) {
                found[kept++] = found[i];
            }
        }
        return kept;
    }
}
