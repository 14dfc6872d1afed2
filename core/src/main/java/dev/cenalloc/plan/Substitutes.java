package dev.cenalloc.plan;

import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Heaps that can replace other heaps: a device that allows one of those allows its substitute too. Stateless. */
final class Substitutes {
    private Substitutes() {}

    /** The constraints, with each heap allowed that can replace one that is; followed from heap to heap. */
    static Constraints allow(Constraints constraints, List<Heap> known) {
        Set<String> named = constraints.allowedHeaps().orElse(null);
        if (named == null) {
            return constraints;
        }
        Set<String> all = named;
        int before;
        do {
            before = all.size();
            for (Heap heap : known) {
                if (!heap.substitutes().isEmpty()
                        && !all.contains(heap.pool())
                        && !Collections.disjoint(heap.substitutes(), all)) {
                    var more = new HashSet<>(all);
                    more.add(heap.pool());
                    all = more;
                }
            }
        } while (all.size() > before);
        return all.size() == named.size() ? constraints : constraints.withHeaps(all);
    }
}
