// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * There is no Wayland compositor (ENOENT, ECONNREFUSED), or the environment does not tell where. Start one, tell where
 * it listens, or show the frames without one on a {@code dev.cenalloc.kms.Display}.
 */
public final class NoCompositorException extends CenallocException {
    private static final long serialVersionUID = 1;

    NoCompositorException(int errno, String call, @Nullable Path socket, String what) {
        super(
                errno,
                call,
                socket,
                -1,
                what,
                "start a Wayland compositor, or set WAYLAND_DISPLAY and XDG_RUNTIME_DIR to those of one that runs; without"
                        + " one, show the frames on a dev.cenalloc.kms.Display");
    }
}
