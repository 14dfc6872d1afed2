// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * This machine has no device of the requested kind, or none that the name fits (ENODEV). The message says why
 * the devices of this machine do not fit; if a name was given, only those of that kind or name, if there are any.
 */
public final class NoSuchDeviceException extends CenallocException {
    private static final long serialVersionUID = 1;

    /** The kind that was looked for. */
    private final DeviceInfo.Kind kind;
    /** The name that was looked for; null if any would do. */
    private final @Nullable String which;
    /** Not serialised. */
    private final transient @Nullable List<DeviceInfo> seen;

    NoSuchDeviceException(
            DeviceInfo.Kind kind,
            @Nullable String which,
            @Nullable Path path,
            List<DeviceInfo> seen,
            String what,
            String remedy) {
        super(Errno.ENODEV, "find " + kind, path, -1, what, remedy);
        this.kind = kind;
        this.which = which;
        this.seen = List.copyOf(seen);
    }

    /** {@return the kind that was looked for} */
    public DeviceInfo.Kind kind() {
        return kind;
    }

    /** {@return the name that was looked for; empty if any device of the kind would do} */
    public Optional<String> which() {
        return Optional.ofNullable(which);
    }

    /** {@return the devices that were looked at; empty in a copy that was serialised} */
    public List<DeviceInfo> seen() {
        return seen == null ? List.of() : seen;
    }
}
