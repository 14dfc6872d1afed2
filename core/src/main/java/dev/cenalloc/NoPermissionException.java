// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** This process may not use the device node or memory (EACCES, EPERM). {@link #remedy()} says how to get access. */
public final class NoPermissionException extends CenallocException {
    private static final long serialVersionUID = 1;

    NoPermissionException(int errno, String call, @Nullable Path path, long requestedSize, String remedy) {
        super(errno, call, path, requestedSize, "access denied", remedy);
    }
}
