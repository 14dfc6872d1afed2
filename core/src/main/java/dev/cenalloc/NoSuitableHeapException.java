package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.plan.Plan;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The devices agree, and this machine has no heap that satisfies them (ENODEV). {@link #plan()} tells what became of each;
 * if one device alone refused the memory of all in a {@code Probe}, the message does.
 */
public final class NoSuitableHeapException extends CenallocException {
    private static final long serialVersionUID = 1;

    /** The remedy where contiguous memory is needed and no heap has it. */
    public static final String NO_CONTIGUOUS_HEAP =
            "there is no heap of contiguous memory: reserve some at boot (cma=128M on the kernel's command line) and"
                    + " build the kernel with CONFIG_DMABUF_HEAPS_CMA";

    /** Not serialised. */
    private final transient @Nullable Plan plan;

    /**
     * Of a plan without a candidate.
     *
     * @param plan the plan
     * @param remedy one thing that can be done, in words
     */
    public NoSuitableHeapException(Plan plan, String remedy) {
        super(Errno.ENODEV, "allocate", null, plan.requestedSize(), "no heap suits: " + plan.explain(), remedy);
        this.plan = plan;
    }

    /**
     * Of a device that refused the memory of every heap.
     *
     * @param call what was tried, by the kernel's name for it
     * @param path the device's node
     * @param size in bytes
     * @param what what was refused and why, in words
     * @param remedy one thing that can be done, in words
     */
    public NoSuitableHeapException(String call, Path path, long size, String what, String remedy) {
        super(Errno.ENODEV, call, path, size, what, remedy);
        this.plan = null;
    }

    /** {@return the plan that found no heap; empty if a {@code Probe} did, and in a copy that was serialised} */
    public Optional<Plan> plan() {
        return Optional.ofNullable(plan);
    }
}
