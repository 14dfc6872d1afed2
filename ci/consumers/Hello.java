// SPDX-License-Identifier: Apache-2.0
package hello;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.ValueLayout;

class Hello {
    static void main() throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            for (var heap : cenalloc.heaps()) {
                var known = heap.properties();
                IO.println("heap " + heap.name() + ": contiguous " + known.contiguous() + ", scarce " + known.scarce()
                        + ", CPU can map " + known.cpuMappable());
            }
            if (cenalloc.heaps().stream().noneMatch(heap -> heap.isAccessible())) {
                IO.println("no usable heap here");
                return;
            }
            try (var buffer = cenalloc.create(1 << 20);
                    var mapping = buffer.map(Direction.READ_WRITE);
                    var _ = buffer.access(Direction.READ_WRITE)) {
                var memory = mapping.segment();
                memory.fill((byte) 42);
                IO.println("wrote " + memory.byteSize() + " bytes, read "
                        + memory.get(ValueLayout.JAVA_BYTE, memory.byteSize() - 1));
            }
        }
    }
}
