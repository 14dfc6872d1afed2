package dev.cenalloc;

/**
 * What this process holds of a heap, by the count of one {@link Cenalloc}. A value.
 *
 * @param buffers how many buffers are open
 * @param bytes how many bytes they have
 */
public record HeapUsage(int buffers, long bytes) {}
