package dev.cenalloc.plan;

/**
 * Why memory does not suit. Where there is no objection, an empty {@link java.util.Optional} is returned. A value.
 *
 * @param cause the kind of reason
 * @param reason why, in words
 */
public record Objection(Cause cause, String reason) {
    /** The kinds of reasons. */
    public enum Cause {
        /** The memory does not keep a constraint of a device. */
        CONSTRAINT,
        /** The heap is used only when a device names it, and none does. */
        NOT_NAMED,
        /** The heap is another name of a candidate's memory. */
        SAME_POOL,
        /** This process may not open the heap's node. */
        NO_PERMISSION,
        /** The heap cannot give a buffer of that size, or its source refuses. */
        REFUSED
    }

    @Override
    public String toString() {
        return reason;
    }
}
