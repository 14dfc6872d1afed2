// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

/** A hint about the use of memory. It changes the order in which heaps are tried, never the set of heaps. */
public enum Usage {
    /** The CPU accesses much of the memory in each frame: cached memory is preferred. */
    CPU_HEAVY,
    /** The CPU rarely accesses the memory: uncached memory is preferred, since it needs no cache maintenance. */
    DEVICE_ONLY
}
