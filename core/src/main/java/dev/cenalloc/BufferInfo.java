// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.text.Count;
import dev.cenalloc.text.Printable;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * One open buffer, as {@link Cenalloc#buffers} lists it. A value.
 *
 * @param demand what it is to hold
 * @param name the program's name for it; else, with memory, the one that this library gave it, see {@link DmaBuf#name}
 * @param memory empty before the first use
 * @param constraints of the devices, merged
 * @param devices that are attached
 */
public record BufferInfo(
        Demand demand, String name, Optional<Memory> memory, Constraints constraints, List<Device> devices) {
    /** Refuses null; copies the list. */
    public BufferInfo {
        Objects.requireNonNull(demand, "demand");
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(memory, "memory");
        Objects.requireNonNull(constraints, "constraints");
        devices = List.copyOf(Objects.requireNonNull(devices, "devices"));
    }

    /**
     * The memory of a buffer. A value.
     *
     * @param inode identifies it, as {@link DmaBuf#inode}
     * @param size in bytes, whole pages
     * @param heap the name of the heap, or of the exporter of adopted memory
     * @param references how many the kernel counts, of all processes and devices; 0 if it does not tell
     * @param mappings of this process, through this library
     * @param since when it was allocated or adopted
     * @param allocated where that was, the program's own call first; empty without {@link DmaBuf#TRACE}
     */
    public record Memory(
            long inode,
            long size,
            String heap,
            int references,
            int mappings,
            Instant since,
            List<StackTraceElement> allocated) {
        /** Refuses null; copies the list. */
        public Memory {
            Objects.requireNonNull(heap, "heap");
            Objects.requireNonNull(since, "since");
            allocated = List.copyOf(Objects.requireNonNull(allocated, "allocated"));
        }

        @Override
        public String toString() {
            return "dma-buf " + inode + " of " + size + " bytes from heap " + Printable.of(heap)
                    + (references > 0 ? ", " + Count.of(references, "reference") : "")
                    + (mappings > 0 ? ", mapped " + (mappings == 1 ? "once" : mappings + " times") : "")
                    + ", since " + since.truncatedTo(ChronoUnit.SECONDS)
                    + (allocated.isEmpty() ? "" : ", allocated by " + allocated.getFirst());
        }
    }

    /** {@return size, name, memory and constraints in a line, then a line for each device} */
    @Override
    public String toString() {
        // RFC 1/4, as the kernel's bufinfo.
        var text = new StringBuilder(demand + (name.isEmpty() ? "" : " \"" + Printable.of(name) + '"')
                + memory.map(known -> ": " + known).orElse(", no memory yet") + ", constraints: " + constraints);
        devices.forEach(device -> text.append("\n  ").append(device));
        return text.toString();
    }
}
