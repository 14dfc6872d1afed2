// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

/**
 * The buffers of a heap, as counted by one {@link Cenalloc}; or those that it adopted, or all of them. A value.
 *
 * @param buffers the number of open buffers
 * @param bytes their size in bytes, whole pages
 * @param peakBytes the most that {@code bytes} has been
 * @param allocations how many buffers there have been in all
 * @param failures how many requests for a buffer failed, whether the kernel refused or this library
 */
public record HeapUsage(int buffers, long bytes, long peakBytes, long allocations, long failures) {}
