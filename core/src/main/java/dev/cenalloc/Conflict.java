package dev.cenalloc;

import dev.cenalloc.Field.Rule;
import dev.cenalloc.HeapProperties.Trait;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The smallest set of statements that no memory satisfies together: take any one of them back and the rest can be
 * satisfied. Immutable.
 */
public final class Conflict {
    /** What can contradict another field, beside the heaps: only these need to be tried in pairs and threes. */
    private static final Set<Field> ENTANGLED = EnumSet.of(
            Field.CONTIGUOUS,
            Field.MAX_SEGMENTS,
            Field.MAX_SEGMENT_SIZE,
            Field.SEGMENT_BOUNDARY,
            Field.BASE_ALIGNMENT,
            Field.PITCH_ALIGNMENT,
            Field.MIN_PITCH,
            Field.MAX_PITCH,
            Field.MIN_SIZE,
            Field.MAX_SIZE,
            Field.PROTECTED,
            Field.ACCEPTS_PROTECTED,
            Field.CPU_READ,
            Field.CPU_WRITE);

    /** How many times constraints are merged and tried; enough for what people build, and an end for what they do not. */
    private static final int TRIALS = 200_000;

    private final List<Statement> statements;
    private final boolean smallest;

    private Conflict(List<Statement> statements, boolean smallest) {
        this.statements = List.copyOf(statements);
        this.smallest = smallest;
    }

    /** {@return who says what; empty if the heaps lack memory for anyone} */
    public List<Statement> statements() {
        return statements;
    }

    /**
     * {@return whether no smaller set clashes} Always, but for very many devices with very different lists of heaps, where
     * the search ends early; then still none of the statements can be spared.
     */
    public boolean isSmallest() {
        return smallest;
    }

    @Override
    public String toString() {
        return statements.isEmpty()
                ? "no device is to blame"
                : statements.stream().map(Statement::toString).collect(Collectors.joining("; "));
    }

    /** What clashes on any machine. */
    static Conflict onAnyMachine(Extent extent, List<Device> devices) {
        // A heap of each name that is mentioned, and one that nobody mentions, each as good as can be.
        var names = new TreeSet<String>();
        devices.forEach(device -> device.constraints().allowedHeaps().ifPresent(names::addAll));
        var heaps = new ArrayList<Predicate<Constraints>>();
        heaps.add(merged -> merged.says(Field.HEAPS));
        for (String name : names) {
            boolean scattered = HeapProperties.of(name).contiguous() == Trait.NO;
            heaps.add(merged -> !merged.allowsPool(name) || (scattered && merged.isContiguous()));
        }
        return new Search(extent, devices, heaps).run();
    }

    /** What clashes with these heaps. */
    static Conflict among(Extent extent, List<Device> devices, List<Heap> heaps) {
        var unsuitable = new ArrayList<Predicate<Constraints>>();
        for (Heap heap : heaps) {
            unsuitable.add(merged -> Suitability.objection(merged, extent.size(merged), heap) != null);
        }
        return new Search(extent, devices, unsuitable).run();
    }

    /** One statement with what it says as constraints of its own. */
    private record Element(Statement statement, Constraints constraints) {}

    /**
     * A depth-first search with a bound: what is chosen must rule out every heap, so take a heap that it does not yet
     * rule out and branch over what would.
     */
    private static final class Search {
        private final Extent extent;
        private final List<Predicate<Constraints>> heaps;
        private final List<Element> elements;
        private final List<Element> entangled;
        private @Nullable List<Element> best;
        private int trials;

        Search(Extent extent, List<Device> devices, List<Predicate<Constraints>> heaps) {
            this.extent = extent;
            this.heaps = heaps;
            this.elements = elements(devices);
            this.entangled = elements.stream()
                    .filter(element -> ENTANGLED.contains(element.statement.field()))
                    .toList();
        }

        /** Of statements that are equal, or of which one says more, one is enough. */
        private static List<Element> elements(List<Device> devices) {
            Constraints merged =
                    Constraints.merge(devices.stream().map(Device::constraints).toList());
            var seen = new HashSet<Constraints>();
            var elements = new ArrayList<Element>();
            for (Device device : devices) {
                Constraints constraints = device.constraints();
                for (Field field : Field.values()) {
                    boolean says = field.rule() == Rule.AND ? !constraints.flag(field) : constraints.says(field);
                    boolean decides = (field.rule() != Rule.MIN && field.rule() != Rule.MAX)
                            || constraints.raw(field) == merged.raw(field);
                    Constraints alone = constraints.only(field);
                    if (says && decides && !field.isAdvisory() && seen.add(alone)) {
                        elements.add(new Element(Statement.of(device, field), alone));
                    }
                }
            }
            return elements;
        }

        Conflict run() {
            branch(List.of());
            boolean complete = trials < TRIALS && best != null;
            List<Element> found = best;
            if (found == null) {
                found = withoutTheSuperfluous(elements);
            }
            return new Conflict(found.stream().map(Element::statement).toList(), complete);
        }

        private void branch(List<Element> chosen) {
            int left = (best == null ? Integer.MAX_VALUE : best.size()) - chosen.size();
            if (left <= 0 || trials >= TRIALS) {
                return;
            }
            Predicate<Constraints> suitable = firstSuitable(merge(chosen));
            if (suitable == null) {
                best = chosen;
                return;
            }
            if (left == 1) {
                return;
            }
            for (Element one : elements) {
                List<Element> more = plus(chosen, one);
                if (rulesOut(more, suitable)) {
                    branch(more);
                }
            }
            for (int i = 0; i < entangled.size(); i++) {
                List<Element> one = plus(chosen, entangled.get(i));
                if (rulesOut(one, suitable)) {
                    continue; // done above
                }
                for (int j = i + 1; j < entangled.size(); j++) {
                    List<Element> two = plus(one, entangled.get(j));
                    if (rulesOut(two, suitable)) {
                        branch(two);
                        continue;
                    }
                    for (int k = j + 1; k < entangled.size() && (best == null || two.size() + 1 < best.size()); k++) {
                        List<Element> three = plus(two, entangled.get(k));
                        if (rulesOut(three, suitable)) {
                            branch(three);
                        }
                    }
                }
            }
        }

        private static List<Element> plus(List<Element> chosen, Element one) {
            var more = new ArrayList<>(chosen);
            more.add(one);
            return more;
        }

        private static Constraints merge(List<Element> chosen) {
            return chosen.isEmpty()
                    ? Constraints.EVERYTHING
                    : Constraints.merge(
                            chosen.stream().map(Element::constraints).toList());
        }

        private boolean rulesOut(List<Element> chosen, Predicate<Constraints> heap) {
            trials++;
            Constraints merged = merge(chosen);
            return merged.contradiction(extent) != null || heap.test(merged);
        }

        /** A heap that still does; null if none. */
        private @Nullable Predicate<Constraints> firstSuitable(Constraints merged) {
            if (merged.contradiction(extent) != null) {
                return null;
            }
            for (Predicate<Constraints> heap : heaps) {
                if (!heap.test(merged)) {
                    return heap;
                }
            }
            return null;
        }

        private List<Element> withoutTheSuperfluous(List<Element> all) {
            List<Element> needed = new ArrayList<>(all);
            for (Element element : all) {
                var fewer = new ArrayList<>(needed);
                fewer.remove(element);
                if (firstSuitable(merge(fewer)) == null) {
                    needed = fewer;
                }
            }
            return needed;
        }
    }
}
