// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Heaps that replace other heaps: a device that allows a heap also allows its substitutes, and its pool under another
 * name. Stateless.
 */
final class Substitutes {
    private Substitutes() {}

    /** The constraints, with the substitutes of the allowed heaps allowed too, and the substitutes of those. */
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
                boolean isOtherName = !heap.pool().equals(heap.name()) && all.contains(heap.name());
                if (!all.contains(heap.pool()) && (isOtherName || !Collections.disjoint(heap.substitutes(), all))) {
                    var more = new HashSet<>(all);
                    more.add(heap.pool());
                    all = more;
                }
            }
        } while (all.size() > before);
        return all.size() == named.size() ? constraints : constraints.withHeaps(all);
    }
}
