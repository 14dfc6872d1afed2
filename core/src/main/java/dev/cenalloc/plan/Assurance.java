// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

/** How far memory of a heap keeps a constraint. */
public enum Assurance {
    /** The choice of the heap or the layout guarantees it. */
    ENFORCED,
    /** It is checked on the memory after the allocation. If it does not hold, the first use fails. */
    CHECKED,
    /** It can neither be requested from this heap nor be checked. At most it changes the order of the heaps. */
    ADVISORY
}
