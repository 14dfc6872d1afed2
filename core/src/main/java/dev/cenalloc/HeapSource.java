package dev.cenalloc;

import dev.cenalloc.plan.Constraints;
import java.util.Optional;

/**
 * Where a heap's memory comes from: what a program implements to {@linkplain Cenalloc#register register} a heap of its own. Its
 * methods are called by any number of threads at a time, and must be safe for that.
 */
public interface HeapSource {
    /**
     * Allocates. May block.
     *
     * @param size in bytes, positive; more may be given, not less
     * @return a descriptor of a new dma-buf, close-on-exec, that belongs to the caller; the library checks that it is one
     * @throws CenallocException if there is none; {@link CenallocException#of} makes one. After ENOMEM, the next heap is tried
     */
    int allocate(long size) throws CenallocException;

    /**
     * {@return why this heap has nothing for these constraints, in words; empty, as here, if it has} Asked when a plan is
     * made, and when a device is attached to a buffer of this heap. It is asked only of heaps that suit as far as their
     * properties tell, so it can only refuse.
     *
     * @param constraints those of all devices, merged
     * @param size in bytes
     */
    default Optional<String> refusal(Constraints constraints, long size) {
        return Optional.empty();
    }

    /**
     * Gives back what the source holds. Called once, when the heap is unregistered or its {@link Cenalloc} is closed and no
     * call of {@link #allocate} is under way any more.
     */
    default void close() {}
}
