// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.plan.Conflict;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * No memory on any machine suits these devices together (EINVAL, as in the RFC): one device needs what another
 * excludes. The buffer is unchanged. {@link #conflicts()} has the statements that conflict.
 */
public final class IncompatibleConstraintsException extends CenallocException {
    private static final long serialVersionUID = 1;

    /** The remedy for devices that conflict. */
    static final String LEAVE_ONE_OUT = "leave one of the devices out, or copy between two buffers";

    /** Not serialised. */
    private final transient @Nullable List<Conflict> conflicts;

    IncompatibleConstraintsException(long size, List<Conflict> conflicts) {
        super(
                Errno.EINVAL,
                "attach",
                null,
                size,
                "no memory satisfies these together: "
                        + conflicts.stream()
                                .map(Conflict::toString)
                                .collect(Collectors.joining("; and apart from that: "))
                        + (conflicts.stream().allMatch(Conflict::isExhaustive)
                                ? ""
                                : " (with the first alternative of each device; there are more combinations than were tried)"),
                LEAVE_ONE_OUT);
        this.conflicts = List.copyOf(conflicts);
    }

    /** {@return the independent conflicts, each as small as possible; empty in a copy that was serialised} */
    public List<Conflict> conflicts() {
        return conflicts == null ? List.of() : conflicts;
    }
}
