package dev.cenalloc.plan;

/** How far a constraint is kept for memory of a certain heap. */
public enum Assurance {
    /** The choice of the heap or the layout guarantees it. */
    ENFORCED,
    /** It is verified on the storage, after the allocation; if it does not hold, the first use fails. */
    CHECKED,
    /** It cannot be had from this heap nor be verified; it counts in the order of the heaps at most. */
    ADVISORY
}
