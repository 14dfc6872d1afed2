package dev.cenalloc.plan;

import java.util.List;

/**
 * A heap that is not a candidate of a {@link Plan}. A value.
 *
 * @param heap the heap
 * @param objection why it is not
 * @param statements the statements of devices that rule it out; empty if no device does
 */
public record HeapRejection(Heap heap, Objection objection, List<Statement> statements) {
    /** Copies the list. */
    public HeapRejection {
        statements = List.copyOf(statements);
    }

    /** {@return the kind of reason} */
    public Objection.Cause cause() {
        return objection.cause();
    }

    /** {@return why, in words} */
    public String reason() {
        return objection.reason();
    }

    @Override
    public String toString() {
        return heap.name() + " (" + objection.reason() + ")";
    }
}
