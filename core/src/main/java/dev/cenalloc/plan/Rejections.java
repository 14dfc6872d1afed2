// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.plan.Objection.Cause;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Finds out why heaps are not candidates of a plan. Stateless. */
final class Rejections {
    private Rejections() {}

    /** As {@link Plan#rejected}. */
    static List<HeapRejection> of(Plan plan) {
        List<Heap> candidates = plan.candidates();
        var rejected = new ArrayList<HeapRejection>();
        for (Heap heap : plan.heaps()) {
            if (!candidates.contains(heap)) {
                rejected.add(reject(plan, heap, candidates));
            }
        }
        return rejected;
    }

    private static HeapRejection reject(Plan plan, Heap heap, List<Heap> candidates) {
        if (plan.isContradictory()) {
            return rejection(heap, Cause.CONSTRAINT, "no memory satisfies these devices together");
        }
        Constraints merged = plan.constraints();
        long size = plan.size().orElseThrow();
        Optional<Field> field = Suitability.objection(merged, size, heap);
        if (field.isPresent()) {
            List<Statement> statements = statementsAgainst(plan, size, heap, field.get());
            String reason = Explanation.of(heap, size, field.get(), merged, statements);
            return new HeapRejection(heap, new Objection(Cause.CONSTRAINT, reason), statements);
        }
        if (Solver.isUnasked(merged, heap)) {
            return rejection(heap, Cause.NOT_NAMED, "used only when a device names it");
        }
        long most = heap.properties().maxSize().orElse(size);
        if (most < size) {
            return rejection(heap, Cause.REFUSED, "gives at most " + most + " bytes in one buffer, not " + size);
        }
        if (!heap.isAccessible()) {
            String node = heap.path().map(Object::toString).orElse(heap.name());
            return rejection(heap, Cause.NO_PERMISSION, "this process may not open " + node);
        }
        Optional<Objection> refusal = plan.refusal(heap);
        if (refusal.isPresent()) {
            return new HeapRejection(heap, refusal.get(), List.of());
        }
        String twin = candidates.stream()
                .filter(other -> other.pool().equals(heap.pool()))
                .map(Heap::name)
                .findFirst()
                .orElse("a candidate");
        return rejection(heap, Cause.SAME_POOL, "another name of the pool of " + twin);
    }

    private static HeapRejection rejection(Heap heap, Cause cause, String reason) {
        return new HeapRejection(heap, new Objection(cause, reason), List.of());
    }

    /** The statements that rule the heap out alone; if none does, the statements that set the merged value. */
    private static List<Statement> statementsAgainst(Plan plan, long size, Heap heap, Field field) {
        var alone = new ArrayList<Statement>();
        var together = new ArrayList<Statement>();
        for (Device device : plan.devices()) {
            Constraints said = device.constraints();
            if (said.limits(field)) {
                var statement = Statement.of(device, field);
                if (Suitability.objection(Substitutes.allow(said.only(field), plan.heaps()), size, heap)
                        .isPresent()) {
                    alone.add(statement);
                }
                together.add(statement);
            }
        }
        return alone.isEmpty() ? together : alone;
    }
}
