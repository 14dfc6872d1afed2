package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import java.io.Serializable;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Collectors;

/**
 * Every heap that satisfies the devices was tried and none had the memory (ENOMEM). Heaps that do not satisfy them are never
 * tried instead.
 */
public final class MemoryExhaustedException extends CenallocException {
    private static final long serialVersionUID = 1;

    private static final String REMEDY =
            "free buffers, ask for less, or reserve more contiguous memory at boot (cma=256M)";

    /** What was tried, in order. */
    private final Attempt[] attempts;
    /** Free contiguous memory in bytes at the time, -1 if unknown. */
    private final long cmaFree;

    /**
     * One failed allocation.
     *
     * @param heap the name of the heap
     * @param errno what it answered
     */
    public record Attempt(String heap, int errno) implements Serializable {
        @Override
        public String toString() {
            return heap + ": " + Errno.name(errno);
        }
    }

    MemoryExhaustedException(long size, List<Attempt> attempts, OptionalLong cmaFree) {
        super(Errno.ENOMEM, "DMA_HEAP_IOCTL_ALLOC", null, size, describe(attempts, cmaFree), REMEDY);
        this.attempts = attempts.toArray(Attempt[]::new);
        this.cmaFree = cmaFree.orElse(-1);
    }

    private static String describe(List<Attempt> attempts, OptionalLong cmaFree) {
        return "out of memory ("
                + attempts.stream().map(Attempt::toString).collect(Collectors.joining(", "))
                + (cmaFree.isPresent() ? "; contiguous memory free: " + cmaFree.getAsLong() + " bytes" : "")
                + ")";
    }

    /** {@return what was tried, in order} */
    public List<Attempt> attempts() {
        return List.of(attempts);
    }

    /** {@return free contiguous memory in bytes when the last attempt failed, where the kernel told} */
    public OptionalLong cmaFree() {
        return cmaFree < 0 ? OptionalLong.empty() : OptionalLong.of(cmaFree);
    }
}
