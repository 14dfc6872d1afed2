// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.plan.Field.Rule;
import dev.cenalloc.plan.HeapProperties.Trait;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A set of statements that no memory satisfies together, as small as possible: without any one of them, memory can
 * satisfy the rest. Immutable.
 */
public final class Conflict {
    /** The fields that can contradict another field even if heaps do not matter. Only these are tried together. */
    private static final Set<Field> ENTANGLED = EnumSet.of(
            Field.CONTIGUOUS,
            Field.MAX_SEGMENTS,
            Field.MAX_SEGMENT_SIZE,
            Field.SEGMENT_BOUNDARY,
            Field.OFFSET_ALIGNMENT,
            Field.PITCH_ALIGNMENT,
            Field.LINE_ALIGNMENT,
            Field.EXTRA_LINES,
            Field.LEFT_MARGIN,
            Field.TOP_MARGIN,
            Field.MIN_PITCH,
            Field.MAX_PITCH,
            Field.EQUAL_PITCHES,
            Field.PROPORTIONAL_PITCHES,
            Field.GAPLESS,
            Field.MIN_SIZE,
            Field.MAX_SIZE,
            Field.PROTECTED,
            Field.ACCEPTS_PROTECTED,
            Field.CPU_READ,
            Field.CPU_WRITE);

    /**
     * The limit for merging and testing constraints, for all conflicts together. Real sets of devices need far fewer.
     */
    private static final int TRIALS = 200_000;

    /** The largest number of independent conflicts that are reported. */
    private static final int MOST = 8;

    private final List<Statement> statements;
    private final boolean smallest;

    private final boolean exhaustive;

    private Conflict(List<Statement> statements, boolean smallest, boolean exhaustive) {
        this.statements = List.copyOf(statements);
        this.smallest = smallest;
        this.exhaustive = exhaustive;
    }

    /** This conflict, for devices with more combinations of alternatives than were tried. */
    Conflict endedEarly() {
        return new Conflict(statements, smallest, false);
    }

    /**
     * {@return whether every combination of the devices' alternatives was tried} At most the first 1024 combinations
     * are tried.
     */
    public boolean isExhaustive() {
        return exhaustive;
    }

    /** {@return the conflicting statements; empty if no device is responsible} */
    public List<Statement> statements() {
        return statements;
    }

    /**
     * {@return whether no smaller set of statements conflicts} False only if very many devices state very much, so that
     * the search ends early. Even then, without any one of the statements memory can satisfy the rest.
     */
    public boolean isSmallest() {
        return smallest;
    }

    @Override
    public String toString() {
        return statements.isEmpty()
                ? "no device is responsible"
                : statements.stream().map(Statement::toString).collect(Collectors.joining("; "));
    }

    /** The conflicts on any machine. */
    static List<Conflict> onAnyMachine(Demand demand, List<Device> devices, List<Heap> known) {
        // One ideal heap for each name that a device mentions, and one for all names that no device mentions.
        var names = new TreeSet<String>();
        devices.forEach(device ->
                Substitutes.allow(device.constraints(), known).allowedHeaps().ifPresent(names::addAll));
        var heaps = new ArrayList<Predicate<Constraints>>();
        heaps.add(merged -> merged.says(Field.HEAPS));
        for (String name : names) {
            boolean scattered = HeapProperties.of(name).contiguous() == Trait.NO;
            heaps.add(merged -> !merged.allowsPool(name) || (scattered && merged.isContiguous()));
        }
        return new Search(demand, devices, known, heaps).all();
    }

    /** The conflicts with these heaps. */
    static List<Conflict> among(Demand demand, List<Device> devices, List<Heap> known, List<Heap> heaps) {
        var unsuitable = new ArrayList<Predicate<Constraints>>();
        for (Heap heap : heaps) {
            unsuitable.add(merged ->
                    Suitability.objection(merged, demand.size(merged), heap).isPresent());
        }
        return new Search(demand, devices, known, unsuitable).all();
    }

    /** One statement, and constraints that state only that. */
    private record Element(Statement statement, Constraints constraints) {}

    /** Elements, and their merged constraints. */
    private record Chosen(List<Element> elements, Constraints merged) {
        Chosen and(Element one) {
            var more = new ArrayList<>(elements);
            more.add(one);
            return new Chosen(more, merged.and(one.constraints));
        }
    }

    /**
     * A chosen set must rule out every heap. So the search takes a heap that the set does not rule out yet, and
     * branches over the elements that do.
     */
    private static final class Search {
        private final Demand demand;
        private final List<Predicate<Constraints>> heaps;
        private List<Element> elements;
        private List<Element> entangled;
        private @Nullable List<Element> found;
        private int trials;

        Search(Demand demand, List<Device> devices, List<Heap> known, List<Predicate<Constraints>> heaps) {
            this.demand = demand;
            this.heaps = heaps;
            this.elements = elements(devices, known);
            this.entangled = entangled(elements);
        }

        private static List<Element> entangled(List<Element> elements) {
            return elements.stream()
                    .filter(element -> ENTANGLED.contains(element.statement.field()))
                    .toList();
        }

        /** Conflicts without a statement in common, until memory can satisfy the rest. */
        List<Conflict> all() {
            var conflicts = new ArrayList<Conflict>();
            while (firstSuitable(together(elements)) == null && conflicts.size() < MOST) {
                Conflict conflict = run();
                if (conflict.statements.isEmpty()) {
                    break; // no statement is responsible
                }
                conflicts.add(conflict);
                var told = Set.copyOf(conflict.statements);
                elements = elements.stream()
                        .filter(element -> !told.contains(element.statement))
                        .toList();
                entangled = entangled(elements);
            }
            return List.copyOf(conflicts);
        }

        private static Constraints together(List<Element> elements) {
            Constraints merged = Constraints.NEUTRAL;
            for (Element element : elements) {
                merged = merged.and(element.constraints);
            }
            return merged;
        }

        /** The elements of all devices. Of equal statements, or if one implies the other, only one. */
        private static List<Element> elements(List<Device> devices, List<Heap> known) {
            Constraints merged =
                    Constraints.merge(devices.stream().map(Device::constraints).toList());
            var seen = new HashSet<Constraints>();
            var elements = new ArrayList<Element>();
            for (Device device : devices) {
                Constraints constraints = device.constraints();
                for (Field field : Field.values()) {
                    boolean decides = (field.rule() != Rule.MIN && field.rule() != Rule.MAX)
                            || constraints.raw(field) == merged.raw(field);
                    Constraints alone = Substitutes.allow(constraints.only(field), known);
                    if (constraints.limits(field) && decides && !field.isAdvisory() && seen.add(alone)) {
                        elements.add(new Element(Statement.of(device, field), alone));
                    }
                }
            }
            return elements;
        }

        private Conflict run() {
            found = null;
            // By size, so that the first conflict found is the smallest. Most conflicts have one to three statements.
            for (int size = 0; size <= elements.size() && !isOver(); size++) {
                branch(new Chosen(List.of(), Constraints.NEUTRAL), size);
            }
            Set<Element> conflicting = Collections.newSetFromMap(new IdentityHashMap<>());
            conflicting.addAll(found == null ? withoutTheSuperfluous(elements) : found);
            // In the order of attaching, not of the search.
            return new Conflict(
                    elements.stream()
                            .filter(conflicting::contains)
                            .map(Element::statement)
                            .toList(),
                    found != null,
                    true);
        }

        private void branch(Chosen chosen, int left) {
            Predicate<Constraints> suitable = firstSuitable(chosen.merged);
            if (suitable == null) {
                found = chosen.elements;
                return;
            }
            if (left < 1) {
                return;
            }
            for (int i = 0; i < elements.size() && !isOver(); i++) {
                follow(chosen.and(elements.get(i)), left - 1, suitable);
            }
            entangle(chosen, 0, left, suitable);
        }

        /** Branches over sets of entangled elements that rule the heap out together, but not without the last one. */
        private void entangle(Chosen chosen, int from, int left, Predicate<Constraints> heap) {
            for (int i = from; i < entangled.size() && !isOver(); i++) {
                Chosen more = chosen.and(entangled.get(i));
                if (!follow(more, left - 1, heap) && left > 1) {
                    entangle(more, i + 1, left - 1, heap);
                }
            }
        }

        /** Continues with a set if it rules the heap out. Returns whether it does. */
        private boolean follow(Chosen chosen, int left, Predicate<Constraints> heap) {
            if (isOver()) {
                return false;
            }
            boolean rulesOut = rulesOut(chosen, heap);
            if (rulesOut) {
                branch(chosen, left);
            }
            return rulesOut;
        }

        /** Whether a conflict is found, or no trials are left. */
        private boolean isOver() {
            return found != null || trials >= TRIALS;
        }

        private boolean rulesOut(Chosen chosen, Predicate<Constraints> heap) {
            trials++;
            return Suitability.contradiction(chosen.merged, demand).isPresent() || heap.test(chosen.merged);
        }

        /** The first heap that the merged constraints do not rule out; null if there is none. */
        private @Nullable Predicate<Constraints> firstSuitable(Constraints merged) {
            if (Suitability.contradiction(merged, demand).isPresent()) {
                return null;
            }
            for (Predicate<Constraints> heap : heaps) {
                if (!heap.test(merged)) {
                    return heap;
                }
            }
            return null;
        }

        /**
         * Leaves out each element that the others do without. Merges each element three times, however many there are.
         */
        private List<Element> withoutTheSuperfluous(List<Element> all) {
            var following = new Constraints[all.size() + 1];
            following[all.size()] = Constraints.NEUTRAL;
            for (int i = all.size() - 1; i >= 0; i--) {
                following[i] = following[i + 1].and(all.get(i).constraints);
            }
            Chosen needed = new Chosen(new ArrayList<>(), Constraints.NEUTRAL);
            for (int i = 0; i < all.size(); i++) {
                if (firstSuitable(needed.merged.and(following[i + 1])) != null) {
                    needed.elements.add(all.get(i));
                    needed = new Chosen(needed.elements, needed.merged.and(all.get(i).constraints));
                }
            }
            return needed.elements;
        }
    }
}
