package dev.cenalloc.plan;

/**
 * What is done with a buffer. For the CPU it decides the protection of a mapping and the cache work of an access. For a fence
 * it decides what is waited for: a reader waits for writers, a writer waits for all.
 */
public enum Direction {
    /** The CPU reads what devices wrote. */
    READ,
    /** The CPU writes what devices will read. A mapping for writing can be read too. */
    WRITE,
    /** Both. */
    READ_WRITE
}
