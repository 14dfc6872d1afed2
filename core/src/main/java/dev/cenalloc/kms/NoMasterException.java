// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.CenallocException;
import java.nio.file.Path;

/**
 * Another program, perhaps a desktop, controls the display: it is the card's DRM master (EACCES, EPERM). Nothing has
 * changed on the screen. Stop that program, or switch to a text console, and try again; or show the frames in a window
 * of a desktop, with {@code dev.cenalloc.wayland.Window}.
 */
public final class NoMasterException extends CenallocException {
    private static final long serialVersionUID = 1;

    NoMasterException(int errno, String call, Path path) {
        super(
                errno,
                call,
                path,
                -1,
                "another program is DRM master, which controls the display",
                "stop the desktop, or switch to a text console; or show the frames in a window of that desktop"
                        + " (dev.cenalloc.wayland.Window; cenalloc pipeline --display wayland)");
    }
}
