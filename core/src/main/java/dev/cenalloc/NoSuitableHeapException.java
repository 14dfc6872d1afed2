// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.plan.Plan;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * No heap of this machine suits the devices (ENODEV), though memory that suits them can exist. {@link #plan()} has the
 * reason for each heap. If one device alone refused the memory of all heaps in a trial, the message has the reasons.
 */
public final class NoSuitableHeapException extends CenallocException {
    private static final long serialVersionUID = 1;

    /** The remedy if a device needs contiguous memory and no heap has any. */
    public static final String NO_CONTIGUOUS_HEAP =
            "there is no heap of contiguous memory: reserve some at boot (cma=128M on the kernel's command line) and"
                    + " build the kernel with CONFIG_DMABUF_HEAPS_CMA";

    /** Not serialised. */
    private final transient @Nullable Plan plan;

    /**
     * Makes an exception for a plan without a candidate.
     *
     * @param plan the plan
     * @param remedy one thing that can be done, in words
     */
    public NoSuitableHeapException(Plan plan, String remedy) {
        super(
                reason(
                        Errno.ENODEV,
                        "allocate",
                        null,
                        Objects.requireNonNull(plan, "plan").requestedSize(),
                        "no heap suits: " + plan.explain()),
                Errno.ENODEV,
                "allocate",
                null,
                plan.requestedSize(),
                Objects.requireNonNull(remedy, "remedy"));
        this.plan = plan;
    }

    /**
     * Makes an exception for a device that refused the memory of every heap.
     *
     * @param call the call that failed, by the kernel's name for it
     * @param path the device's node
     * @param size the requested bytes
     * @param what what went wrong and why, in words
     * @param remedy one thing that can be done, in words
     */
    public NoSuitableHeapException(String call, Path path, long size, String what, String remedy) {
        super(Errno.ENODEV, call, Objects.requireNonNull(path, "path"), size, what, remedy);
        this.plan = null;
    }

    /** {@return the plan without a candidate; empty if a trial failed, and in a copy that was serialised} */
    public Optional<Plan> plan() {
        return Optional.ofNullable(plan);
    }
}
