// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.plan.Heap;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/**
 * What one {@link Cenalloc} has counted: see {@link Cenalloc#statistics}. A value.
 *
 * @param total all its buffers
 * @param adopted those with memory from elsewhere, {@link Cenalloc#adopt(int)}
 * @param heaps those of each heap, in the order of {@link Cenalloc#heaps}
 */
public record Statistics(HeapUsage total, HeapUsage adopted, Map<Heap, HeapUsage> heaps) {
    /** Refuses null; copies the map. */
    public Statistics {
        Objects.requireNonNull(total, "total");
        Objects.requireNonNull(adopted, "adopted");
        heaps = Collections.unmodifiableMap(new LinkedHashMap<>(Objects.requireNonNull(heaps, "heaps")));
    }
}
