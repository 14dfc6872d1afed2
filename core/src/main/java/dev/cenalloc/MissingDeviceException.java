package dev.cenalloc;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The device node does not exist (ENOENT).
 */
public final class MissingDeviceException extends CenallocException {
    private static final long serialVersionUID = 1;

    MissingDeviceException(int errno, String call, @Nullable Path path, long requestedSize, String remedy) {
        super(errno, call, path, requestedSize, "no such device", remedy);
    }
}
