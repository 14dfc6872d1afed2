package dev.cenalloc;

/**
 * The open buffers of a heap, as counted by one {@link Cenalloc}. A value.
 *
 * @param buffers the number of open buffers
 * @param bytes their size in bytes, whole pages
 */
public record HeapUsage(int buffers, long bytes) {}
