// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

/**
 * The direction of an access to a buffer. For the CPU it determines the protection of a mapping and the cache
 * maintenance of an access. For a fence it determines what to wait for: a reader waits for writers, a writer waits for
 * readers and writers.
 */
public enum Direction {
    /** Reading, such as by the CPU after devices wrote. */
    READ,
    /** Writing, such as by the CPU before devices read. A mapping for writing can also be read. */
    WRITE,
    /** Reading and writing. */
    READ_WRITE
}
