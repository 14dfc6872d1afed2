package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The devices agree, and this machine has no heap that satisfies them (ENODEV). {@link #plan()} tells what became of each;
 * if one device alone refused the memory of all in a {@link Probe}, the message does.
 */
public final class NoSuitableHeapException extends CenallocException {
    private static final long serialVersionUID = 1;

    /** Not serialised. */
    private final transient @Nullable Plan plan;

    NoSuitableHeapException(Plan plan, String remedy) {
        super(Errno.ENODEV, "allocate", null, plan.requestedSize(), "no heap suits: " + plan.explain(), remedy);
        this.plan = plan;
    }

    /** Of a device that refused each. */
    NoSuitableHeapException(String call, Path path, long size, String what, String remedy) {
        super(Errno.ENODEV, call, path, size, what, remedy);
        this.plan = null;
    }

    /** {@return the plan that found no heap; empty if a {@link Probe} did, and in a copy that was serialised} */
    public Optional<Plan> plan() {
        return Optional.ofNullable(plan);
    }
}
