// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.text.Printable;
import java.util.Objects;

/**
 * The reason why memory does not suit. Methods return an empty {@link java.util.Optional} if it suits. A value.
 *
 * @param cause the kind of reason
 * @param reason the reason, as text
 */
public record Objection(Cause cause, String reason) {
    /** Checks the arguments, and escapes control characters in the text. */
    public Objection {
        Objects.requireNonNull(cause, "cause");
        reason = Printable.of(Objects.requireNonNull(reason, "reason"));
    }

    /** The kinds of reasons. */
    public enum Cause {
        /** The memory does not satisfy a constraint of a device. */
        CONSTRAINT,
        /** The heap is used only when a device names it, and no device does. */
        NOT_NAMED,
        /** The heap is another name for the memory of a candidate. */
        SAME_POOL,
        /** This process may not open the heap's node. */
        NO_PERMISSION,
        /** The heap cannot allocate a buffer of that size, or its source refuses. */
        REFUSED
    }

    @Override
    public String toString() {
        return reason;
    }
}
