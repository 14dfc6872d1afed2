package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Kernel;
import java.nio.file.Path;
import java.util.OptionalLong;

/**
 * The memory that all programs share. The kernel (6.12) meets a request for more of it than is available by killing processes,
 * and the requesting process is a likely victim. So such a request is refused here with ENOMEM, and the next heap is tried.
 * What is available may be gone a moment later, so this promises nothing. Thread-safe.
 */
final class OrdinaryMemory {
    /** Sizes up to this part of the machine's memory are not checked: reading what is available takes longer than to allocate. */
    private static final int UNCHECKED_PART = 256;

    private final Kernel kernel;
    private final Path path;
    private final boolean charged;
    private final long unchecked;

    /**
     * Checks the sizes of one heap.
     *
     * @param path the heap's node, for messages
     * @param charged whether the kernel charges the memory to the control group of the process; that of dma-heaps it does not
     *     (6.12)
     */
    OrdinaryMemory(Kernel kernel, Path path, boolean charged) {
        this.kernel = kernel;
        this.path = path;
        this.charged = charged;
        this.unchecked = kernel.meminfo("MemTotal").orElse(0) / UNCHECKED_PART;
    }

    /** @throws CenallocException ENOMEM if so much memory is not available */
    void check(long size) throws CenallocException {
        if (size <= unchecked) {
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
                    "the control group of this process may take only " + allowed.getAsLong() + " bytes of memory more");
        }
    }

    static CenallocException refusal(Path path, long size, String what) {
        return new CenallocException(Errno.ENOMEM, "allocate", path, size, what, "free buffers, or ask for less");
    }

    private static OptionalLong available(Kernel kernel) {
        OptionalLong available = kernel.meminfo("MemAvailable");
        if (available.isEmpty()) {
            return kernel.freeMemory();
        }
        // The free part of the contiguous pools is counted, but what stays where it is cannot lie in them.
        return OptionalLong.of(
                Math.max(0, available.getAsLong() - kernel.meminfo("CmaFree").orElse(0)));
    }
}
