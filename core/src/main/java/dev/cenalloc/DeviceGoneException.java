// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;
import java.util.Objects;

/**
 * A device is gone (ENODEV): it was unplugged, or its driver was unbound, while its node was open or about to be
 * opened. Nothing that is open on it works any more. The caller closes it and finds the device anew.
 */
public final class DeviceGoneException extends CenallocException {
    private static final long serialVersionUID = 1;

    /**
     * Makes an exception for a device that is gone.
     *
     * @param call the call that found out, by the kernel's name for it
     * @param path the node
     */
    public DeviceGoneException(String call, Path path) {
        super(
                Errno.ENODEV,
                Objects.requireNonNull(call, "call"),
                Objects.requireNonNull(path, "path"),
                -1,
                "the device was unplugged, or its driver was unbound",
                "close it, and find the device anew");
    }
}
