// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Counts the buffers of a heap, those that were adopted, or all of a {@link Cenalloc}. Thread-safe. */
final class BufferCount {
    /** Counts them too; null for the count of all. */
    private final @Nullable BufferCount total;

    private final Set<HeldBuffer> open = new LinkedHashSet<>();
    private long bytes;
    private long peakBytes;
    private long allocations;
    private long failures;

    /** Of all buffers. */
    BufferCount() {
        this(null);
    }

    /** Of some buffers. */
    BufferCount(@Nullable BufferCount total) {
        this.total = total;
    }

    /** Counts a buffer from now on. */
    void gave(HeldBuffer buffer) {
        synchronized (this) {
            open.add(buffer);
            bytes += buffer.size;
            peakBytes = Math.max(peakBytes, bytes);
        }
        if (total != null) {
            total.gave(buffer);
        }
    }

    /** Counts a buffer no more: its descriptor is closed. */
    void left(HeldBuffer buffer) {
        synchronized (this) {
            // An error may have come before it was counted.
            bytes -= open.remove(buffer) ? buffer.size : 0;
        }
        if (total != null) {
            total.left(buffer);
        }
    }

    /** Counts an attempt to get a buffer. */
    void tried(boolean succeeded) {
        synchronized (this) {
            allocations += succeeded ? 1 : 0;
            failures += succeeded ? 0 : 1;
        }
        if (total != null) {
            total.tried(succeeded);
        }
    }

    synchronized HeapUsage usage() {
        return new HeapUsage(open.size(), bytes, peakBytes, allocations, failures);
    }

    /** Those that are open, the oldest first. */
    synchronized List<HeldBuffer> open() {
        return List.copyOf(open);
    }
}
