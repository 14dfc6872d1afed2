// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.plan.Constraints;
import java.util.Optional;

/**
 * Allocates the memory of a heap: a program implements it to {@linkplain Cenalloc#register register} a heap of its own.
 * The {@link Cenalloc} closes it. The library calls its methods from any number of threads at a time.
 */
public interface HeapSource {
    /**
     * Allocates. May block.
     *
     * @param size in bytes, positive; the buffer may be larger, and not smaller
     * @return a descriptor of a new dma-buf, close-on-exec, which the caller owns and closes: the source must not close
     *     it, nor return it again. The library checks that it is a dma-buf
     * @throws CenallocException if it fails; {@link CenallocException#of} makes one. After ENOMEM, the next heap is
     *     tried
     */
    int allocate(long size) throws CenallocException;

    /**
     * {@return the reason why this heap has no memory for these constraints, in words; empty, as here, if it has}
     * Called when a plan is made, and when a device is attached to a buffer of this heap, and only if the heap's
     * properties suit. So it can refuse more than the properties do, and not less.
     *
     * @param constraints the constraints of all devices, merged
     * @param size in bytes
     */
    default Optional<String> refusal(Constraints constraints, long size) {
        return Optional.empty();
    }

    /**
     * Releases the resources of the source. Called once, when the heap is unregistered or its {@link Cenalloc} is
     * closed, and no call of {@link #allocate} is under way.
     */
    default void close() {}
}
