// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** The device node or heap does not exist (ENOENT). {@link #remedy()} says where to find the existing ones. */
public final class MissingDeviceException extends CenallocException {
    private static final long serialVersionUID = 1;

    /**
     * Makes an exception for a node that does not exist.
     *
     * @param errno ENOENT
     * @param call what failed, by the kernel's name for it
     * @param path the node; null if none is involved
     * @param requestedSize requested bytes; -1 if none are involved
     * @param remedy one thing that can be done, in words
     */
    public MissingDeviceException(int errno, String call, @Nullable Path path, long requestedSize, String remedy) {
        super(errno, call, path, requestedSize, "no such device", remedy);
    }
}
