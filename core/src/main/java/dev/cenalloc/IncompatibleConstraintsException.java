package dev.cenalloc;

import dev.cenalloc.bindings.Errno;

/**
 * Devices that cannot share any memory (EINVAL, as in the RFC): what the one allows the other excludes. The buffer is as it
 * was before the attempt.
 */
public final class IncompatibleConstraintsException extends CenallocException {
    private static final long serialVersionUID = 1;

    IncompatibleConstraintsException(long size, String conflict) {
        super(
                Errno.EINVAL,
                "attach",
                null,
                size,
                conflict,
                "leave one of the devices out, or copy between two buffers");
    }
}
