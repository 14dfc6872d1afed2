package dev.cenalloc.plan;

/** A hint at how memory will be used. It changes the order in which heaps are tried, never which heaps. */
public enum Usage {
    /** The CPU touches much of it in each frame: memory that the CPU caches is better. */
    CPU_HEAVY,
    /** The CPU hardly touches it: memory that it does not cache saves cache work. */
    DEVICE_ONLY
}
