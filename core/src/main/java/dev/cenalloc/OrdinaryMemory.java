// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Kernel;
import java.nio.file.Path;
import java.util.OptionalLong;

/**
 * Checks requests for ordinary memory, which all programs share. If a request exceeds the available memory, the kernel
 * (6.12) kills processes, and the requesting process is a likely victim. So such a request is refused here with ENOMEM,
 * and the next heap is tried. Memory that is available now can be gone a moment later, so the check is no guarantee.
 * Thread-safe.
 */
final class OrdinaryMemory {
    /**
     * Sizes up to this fraction of the machine's memory are not checked: the check takes longer than the allocation.
     */
    private static final int UNCHECKED_PART = 256;

    /** Sizes up to this fraction of the memory that nothing uses are in no danger: one system call tells it. */
    private static final int SMALL_PART = 8;

    private final Kernel kernel;
    private final Path path;
    private final boolean charged;
    private final long unchecked;
    /** Pages of a dma-buf cannot lie in contiguous pools. */
    private final long pools;

    /**
     * Makes the check for one heap.
     *
     * @param path the heap's node, for messages
     * @param charged whether the kernel charges the memory to the control group of the process; memory of dma-heaps
     *     only with the module parameter {@code dma_heap.mem_accounting}, which 6.12 does not have
     */
    OrdinaryMemory(Kernel kernel, Path path, boolean charged) throws CenallocException {
        this.kernel = kernel;
        this.path = path;
        this.charged = charged;
        this.unchecked = MachineNumbers.meminfo(kernel, "MemTotal").orElse(0) / UNCHECKED_PART;
        this.pools = MachineNumbers.meminfo(kernel, "CmaTotal").orElse(0);
    }

    /** @throws CenallocException ENOMEM if the size exceeds the available memory */
    void check(long size) throws CenallocException {
        if (size <= unchecked || (!charged && isSmallPart(size))) {
            return;
        }
        OptionalLong available = available(kernel);
        if (available.isPresent() && size > available.getAsLong()) {
            throw refusal(
                    path, size, "this machine has only " + available.getAsLong() + " bytes of memory available now");
        }
        OptionalLong allowed = charged ? kernel.groupMemory() : OptionalLong.empty();
        if (allowed.isPresent() && size > allowed.getAsLong()) {
            throw refusal(
                    path,
                    size,
                    "the control group of this process may use only " + allowed.getAsLong() + " more bytes of memory");
        }
    }

    /** Whether it is a small part of what nothing uses, so that {@code /proc/meminfo} need not be read. */
    private boolean isSmallPart(long size) {
        OptionalLong free = kernel.freeMemory();
        return free.isPresent() && size <= (free.getAsLong() - pools) / SMALL_PART;
    }

    static CenallocException refusal(Path path, long size, String what) {
        return CenallocException.ofRefusal(Errno.ENOMEM, "allocate", path, size, what, "free buffers, or ask for less");
    }

    private static OptionalLong available(Kernel kernel) {
        OptionalLong available = MachineNumbers.meminfoNow(kernel, "MemAvailable");
        if (available.isEmpty()) {
            return kernel.freeMemory();
        }
        // MemAvailable counts the free part of contiguous pools, but pages of a dma-buf cannot move, so they cannot be
        // there.
        return OptionalLong.of(Math.max(
                0,
                available.getAsLong()
                        - MachineNumbers.meminfoNow(kernel, "CmaFree").orElse(0)));
    }
}
