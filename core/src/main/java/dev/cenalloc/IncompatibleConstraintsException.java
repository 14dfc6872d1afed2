package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Devices that cannot share any memory (EINVAL, as in the RFC): what the one needs the other excludes, on any machine. The
 * buffer is as it was before the attempt. {@link #conflict()} tells who is to blame.
 */
public final class IncompatibleConstraintsException extends CenallocException {
    private static final long serialVersionUID = 1;

    /** Not serialised. */
    private final transient @Nullable Conflict conflict;

    IncompatibleConstraintsException(long size, Conflict conflict, boolean endedEarly) {
        super(
                Errno.EINVAL,
                "attach",
                null,
                size,
                "these cannot share any memory: " + conflict
                        + (endedEarly
                                ? " (with what each prefers; of their alternatives, " + Plan.COMBINATIONS
                                        + " combinations were tried)"
                                : ""),
                "leave one of the devices out, or copy between two buffers");
        this.conflict = conflict;
    }

    /** {@return the smallest set of statements that clash; empty in a copy that was serialised} */
    public Optional<Conflict> conflict() {
        return Optional.ofNullable(conflict);
    }
}
