package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;

/**
 * The device was unplugged, or its driver unbound (ENODEV). Nothing that is open of it works any more: close it, and look for
 * devices again.
 */
public final class DeviceGoneException extends CenallocException {
    private static final long serialVersionUID = 1;

    /**
     * An exception for a device that is gone.
     *
     * @param call what failed, by the kernel's name for it
     * @param path the device node
     */
    public DeviceGoneException(String call, Path path) {
        super(Errno.ENODEV, call, path, -1, "the device is gone", "plug it in, find it and open it again");
    }
}
