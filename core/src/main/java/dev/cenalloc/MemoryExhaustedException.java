// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.text.Printable;
import java.io.Serializable;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * No heap of the plan had enough memory (ENOMEM). Each was tried; a heap that does not suit the devices is never tried
 * instead. The suppressed exceptions are the answers of the heaps, such as how much memory was available.
 */
public final class MemoryExhaustedException extends CenallocException {
    private static final long serialVersionUID = 1;

    private static final String REMEDY = "free buffers, or ask for less";
    private static final long MIB = 1 << 20;

    /** The failed allocations, in order. */
    private final Attempt[] attempts;
    /** Free contiguous memory in bytes at the time, -1 if unknown. */
    private final long cmaFree;
    /** All contiguous memory in bytes, -1 if unknown. */
    private final long cmaTotal;

    /**
     * What {@code /proc/meminfo} says of memory, in bytes.
     *
     * @param total all memory of the machine
     * @param cmaFree the free part of the default contiguous pool
     * @param cmaTotal the default contiguous pool, used and free
     * @param own of each heap that was tried, the bytes of its pool that this library has open
     */
    record Memory(OptionalLong total, OptionalLong cmaFree, OptionalLong cmaTotal, Map<Heap, Long> own) {
        /** All memory that a heap has. */
        private OptionalLong total(Heap heap) {
            if (heap.pool().equals(HeapProperties.DEFAULT_CMA)) {
                return cmaTotal;
            }
            // Of ordinary memory; what a pool of its own has, the kernel does not tell.
            return heap.properties().scarce() == Trait.NO ? total : OptionalLong.empty();
        }

        /** The heap of whose memory this library itself holds most. */
        private Optional<Map.Entry<Heap, Long>> mostlyOwn() {
            return own.entrySet().stream()
                    .filter(entry -> entry.getValue() > 0
                            && entry.getValue() >= total(entry.getKey()).orElse(Long.MAX_VALUE) / 2)
                    .findFirst();
        }
    }

    /**
     * One failed allocation.
     *
     * @param heap the name of the heap
     * @param errno the error number of its answer
     * @param isFromKernel whether the kernel answered; if not, this library or the source of the heap refused, before
     *     any system call
     * @param state what was known of the heap's memory then, in words: the buffers of this library, and for contiguous
     *     memory what the kernel counts as free; empty if nothing was known
     */
    public record Attempt(String heap, int errno, boolean isFromKernel, String state) implements Serializable {
        /** Refuses null. */
        public Attempt {
            Objects.requireNonNull(heap, "heap");
            Objects.requireNonNull(state, "state");
        }

        /** {@return the name of the error number, such as {@code "ENOMEM"}} */
        public String errnoName() {
            return Errno.name(errno);
        }

        /** With what was known of the memory. */
        String withState() {
            return this + (state.isEmpty() ? "" : ", " + Printable.of(state));
        }

        @Override
        public String toString() {
            return Printable.of(heap) + ": " + (isFromKernel ? "" : "refused by cenalloc, ") + errnoName();
        }
    }

    /** Not serialised. */
    private final transient @Nullable Plan plan;

    MemoryExhaustedException(Plan plan, List<Attempt> attempts, Memory memory) {
        super(Errno.ENOMEM, "allocate", null, plan.requestedSize(), describe(attempts), remedy(plan, memory));
        this.plan = plan;
        this.attempts = attempts.toArray(Attempt[]::new);
        this.cmaFree = memory.cmaFree.orElse(-1);
        this.cmaTotal = memory.cmaTotal.orElse(-1);
    }

    /** Whether memory of the default contiguous pool was tried. */
    private static boolean isCma(Plan plan) {
        return plan.candidates().stream().anyMatch(heap -> heap.pool().equals(HeapProperties.DEFAULT_CMA));
    }

    private static String describe(List<Attempt> attempts) {
        return "out of memory (" + attempts.stream().map(Attempt::withState).collect(Collectors.joining("; ")) + ")";
    }

    private static String remedy(Plan plan, Memory memory) {
        long size = plan.requestedSize();
        long total = memory.total.orElse(Long.MAX_VALUE);
        if (size > total) {
            return "ask for less: this machine has only " + total + " bytes of memory";
        }
        Map.Entry<Heap, Long> own = memory.mostlyOwn().orElse(null);
        if (own != null) {
            return "close buffers: this program itself has " + own.getValue() + " of "
                    + memory.total(own.getKey()).orElseThrow() + " bytes of " + own.getKey()
                    + " open; Cenalloc.dump() lists them";
        }
        if (!isCma(plan)) {
            return REMEDY;
        }
        long pool = largerPool(size, memory.cmaTotal.orElse(0));
        // Movable memory of other programs uses the pool too, but the kernel cannot give all memory to it.
        return pool > total / 2
                ? REMEDY
                : REMEDY + ", or reserve more contiguous memory at boot (cma=" + pool / MIB + "M)";
    }

    /** The next power of two, at least 16 MiB, that holds the present pool and this buffer. */
    private static long largerPool(long size, long present) {
        long needed = Math.max(16 * MIB, size + present);
        return needed > 1L << 61 ? Long.MAX_VALUE : Long.highestOneBit(needed - 1) << 1;
    }

    /** {@return the failed allocations, in order} */
    public List<Attempt> attempts() {
        return List.of(attempts);
    }

    /** {@return the plan whose candidates had no memory; empty in a copy that was serialised} */
    public Optional<Plan> plan() {
        return Optional.ofNullable(plan);
    }

    /** {@return free contiguous memory in bytes when the last attempt failed, if the kernel tells} */
    public OptionalLong cmaFree() {
        return cmaFree < 0 ? OptionalLong.empty() : OptionalLong.of(cmaFree);
    }

    /** {@return all contiguous memory in bytes, used and free, if the kernel tells} */
    public OptionalLong cmaTotal() {
        return cmaTotal < 0 ? OptionalLong.empty() : OptionalLong.of(cmaTotal);
    }
}
