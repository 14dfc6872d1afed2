package dev.cenalloc;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The device node does not exist (ENOENT).
 */
public final class MissingDeviceException extends CenallocException {
    private static final long serialVersionUID = 1;

    /**
     * An exception for a node that is not there.
     *
     * @param errno ENOENT
     * @param call what failed, by the kernel's name for it
     * @param path the node, or null
     * @param requestedSize bytes asked for, or -1
     * @param remedy one thing that can be done, in words
     */
    public MissingDeviceException(int errno, String call, @Nullable Path path, long requestedSize, String remedy) {
        super(errno, call, path, requestedSize, "no such device", remedy);
    }
}
