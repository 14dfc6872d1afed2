// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import java.lang.foreign.ValueLayout;

/** Lists the heaps of this machine, allocates 8 MiB from the best one, maps it, writes and reads. */
final class Hello {
    private Hello() {}

    static void main() throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            for (Heap heap : cenalloc.heaps()) {
                System.out.println(heap + ": " + heap.properties());
            }
            try (var buffer = cenalloc.create(8 << 20); // no memory yet
                    var mapping = buffer.map(Direction.READ_WRITE); // the first use: allocated now
                    var _ = buffer.access(Direction.READ_WRITE)) { // bracket each access
                mapping.segment().set(ValueLayout.JAVA_INT, 0, 42);
                System.out.println(
                        "read " + mapping.segment().get(ValueLayout.JAVA_INT, 0) + " from " + buffer.dmaBuf());
            }
        }
    }
}
