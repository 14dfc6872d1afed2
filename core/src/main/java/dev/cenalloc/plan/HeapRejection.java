// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import java.util.List;
import java.util.Objects;

/**
 * A heap that is not a candidate of a {@link Plan}, with the reason. A value.
 *
 * @param heap the heap
 * @param objection the reason
 * @param statements the statements of devices that rule the heap out; empty if no device does
 */
public record HeapRejection(Heap heap, Objection objection, List<Statement> statements) {
    /** Checks the arguments and copies the list. */
    public HeapRejection {
        Objects.requireNonNull(heap, "heap");
        Objects.requireNonNull(objection, "objection");
        statements = Arguments.copy(statements, "statements");
    }

    /** {@return the kind of reason} */
    public Objection.Cause cause() {
        return objection.cause();
    }

    /** {@return the reason, as text} */
    public String reason() {
        return objection.reason();
    }

    @Override
    public String toString() {
        return heap + " (" + objection.reason() + ")";
    }
}
