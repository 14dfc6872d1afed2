package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.Plan;
import java.io.Serializable;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Every heap that satisfies the devices was tried and none had the memory (ENOMEM). Heaps that do not satisfy them are never
 * tried instead. What each heap said is suppressed in it, such as how much memory was available.
 */
public final class MemoryExhaustedException extends CenallocException {
    private static final long serialVersionUID = 1;

    private static final String REMEDY = "free buffers, or ask for less";
    private static final String MORE_CMA = ", or reserve more contiguous memory at boot (cma=256M)";

    /** What was tried, in order. */
    private final Attempt[] attempts;
    /** Free contiguous memory in bytes at the time, -1 if unknown. */
    private final long cmaFree;
    /** All contiguous memory in bytes, -1 if unknown. */
    private final long cmaTotal;

    /**
     * One failed allocation.
     *
     * @param heap the name of the heap
     * @param errno what it answered
     */
    public record Attempt(String heap, int errno) implements Serializable {
        /** {@return the name of the error number, such as {@code "ENOMEM"}} */
        public String errnoName() {
            return Errno.name(errno);
        }

        @Override
        public String toString() {
            return heap + ": " + errnoName();
        }
    }

    /** Not serialised. */
    private final transient @Nullable Plan plan;

    MemoryExhaustedException(Plan plan, List<Attempt> attempts, OptionalLong cmaFree, OptionalLong cmaTotal) {
        super(
                Errno.ENOMEM,
                "allocate",
                null,
                plan.requestedSize(),
                describe(plan, attempts, cmaFree, cmaTotal),
                isCma(plan) ? REMEDY + MORE_CMA : REMEDY);
        this.plan = plan;
        this.attempts = attempts.toArray(Attempt[]::new);
        this.cmaFree = cmaFree.orElse(-1);
        this.cmaTotal = cmaTotal.orElse(-1);
    }

    private static boolean isCma(Plan plan) {
        return plan.candidates().stream().anyMatch(heap -> heap.properties().contiguous() == Trait.YES);
    }

    private static String describe(Plan plan, List<Attempt> attempts, OptionalLong cmaFree, OptionalLong cmaTotal) {
        return "out of memory ("
                + attempts.stream().map(Attempt::toString).collect(Collectors.joining(", "))
                + (isCma(plan) && cmaFree.isPresent() && cmaTotal.isPresent()
                        ? "; contiguous memory (CMA) free: " + cmaFree.getAsLong() + " of " + cmaTotal.getAsLong()
                                + " bytes, perhaps in smaller pieces"
                        : "")
                + ")";
    }

    /** {@return what was tried, in order} */
    public List<Attempt> attempts() {
        return List.of(attempts);
    }

    /** {@return the plan whose candidates had no memory; empty in a copy that was serialised} */
    public Optional<Plan> plan() {
        return Optional.ofNullable(plan);
    }

    /** {@return free contiguous memory in bytes when the last attempt failed, where the kernel told} */
    public OptionalLong cmaFree() {
        return cmaFree < 0 ? OptionalLong.empty() : OptionalLong.of(cmaFree);
    }

    /** {@return all contiguous memory in bytes, used and free, where the kernel told} */
    public OptionalLong cmaTotal() {
        return cmaTotal < 0 ? OptionalLong.empty() : OptionalLong.of(cmaTotal);
    }
}
