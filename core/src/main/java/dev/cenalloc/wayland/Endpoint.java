// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Connection;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * A connected compositor, and where. Closed by the {@link Channel} that is made of it.
 *
 * <p>Source: {@code wl_display_connect} of {@code src/wayland-client.c} of Wayland 1.23.
 *
 * @param path the socket
 */
record Endpoint(Path path, Connection connection) {
    /** A socket that was inherited is used once; the C library removes the variable, which Java cannot. */
    private static final AtomicBoolean INHERITED_IS_USED = new AtomicBoolean();

    /** The compositor of the environment. */
    static Endpoint of(Cenalloc cenalloc, Map<String, String> environment) throws CenallocException {
        String inherited = value(environment, "WAYLAND_SOCKET");
        if (inherited != null && !INHERITED_IS_USED.getAndSet(true)) {
            return inherited(cenalloc, inherited);
        }
        String display = value(environment, "WAYLAND_DISPLAY");
        String name = display == null ? "wayland-0" : display;
        try {
            Path path = Path.of(name);
            if (path.isAbsolute()) {
                return of(cenalloc, path);
            }
            String directory = value(environment, "XDG_RUNTIME_DIR");
            if (directory == null || !Path.of(directory).isAbsolute()) {
                throw new NoCompositorException(
                        Errno.ENOENT,
                        "connect",
                        null,
                        directory == null
                                ? "XDG_RUNTIME_DIR is not set, in which a compositor has its socket"
                                : "XDG_RUNTIME_DIR is no absolute path: " + directory);
            }
            return of(cenalloc, Path.of(directory).resolve(path));
        } catch (InvalidPathException e) {
            throw new NoCompositorException(
                    Errno.ENOENT, "connect", null, "WAYLAND_DISPLAY or XDG_RUNTIME_DIR is no path: " + e.getInput());
        }
    }

    private static @Nullable String value(Map<String, String> environment, String name) {
        String value = environment.get(name);
        return value == null || value.isEmpty() ? null : value;
    }

    private static Endpoint inherited(Cenalloc cenalloc, String number) throws CenallocException {
        int fd;
        try {
            fd = Integer.parseUnsignedInt(number);
        } catch (NumberFormatException _) {
            fd = -1;
        }
        if (fd < 0) {
            throw new NoCompositorException(
                    Errno.EBADF, "connect", null, "WAYLAND_SOCKET is no descriptor, but: " + number);
        }
        return new Endpoint(Path.of("/proc/self/fd/" + fd), Connection.adopt(cenalloc, fd));
    }

    /** The compositor that listens at a path. */
    static Endpoint of(Cenalloc cenalloc, Path path) throws CenallocException {
        Address address;
        try {
            address = Address.of(path);
        } catch (IllegalArgumentException e) {
            throw new NoCompositorException(Errno.ENAMETOOLONG, "connect", path, String.valueOf(e.getMessage()));
        }
        try {
            return new Endpoint(path, Connection.connect(cenalloc, address));
        } catch (CenallocException e) {
            if (e.errno() == Errno.ENOENT || e.errno() == Errno.ENOTDIR || e.errno() == Errno.ECONNREFUSED) {
                throw new NoCompositorException(e.errno(), e.call(), path, "no Wayland compositor listens there");
            }
            throw e;
        }
    }
}
