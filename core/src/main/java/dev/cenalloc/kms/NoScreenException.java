// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;

/** A display has no screen connected (ENODEV). Connect one, and open the display again. */
public final class NoScreenException extends CenallocException {
    private static final long serialVersionUID = 1;

    NoScreenException(Path path) {
        super(
                Errno.ENODEV,
                "DRM_IOCTL_MODE_GETCONNECTOR",
                path,
                -1,
                "no screen is connected",
                "connect one, or take another card");
    }
}
