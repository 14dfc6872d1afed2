// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.CenallocException;
import java.nio.file.Path;

/**
 * The display's driver refused a mode, an image or its place: the hardware cannot do it (EINVAL, ERANGE, ENOSPC,
 * EOPNOTSUPP). Nothing has changed on the screen. Take another size, place or format.
 */
public final class DisplayRefusalException extends CenallocException {
    private static final long serialVersionUID = 1;

    DisplayRefusalException(int errno, Path path, String what) {
        super(
                errno,
                "DRM_IOCTL_MODE_ATOMIC",
                path,
                -1,
                "the display refuses " + what,
                "take another size, best that of a mode of the screen, another place or another format");
    }
}
