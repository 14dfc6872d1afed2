// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;

/**
 * The display did not do in time what it was asked for (ETIMEDOUT): show a frame, or capture one. It may still do it.
 * Wait once more, or close the display.
 */
public final class NotShownException extends CenallocException {
    private static final long serialVersionUID = 1;

    NotShownException(Path path, String what) {
        super(
                Errno.ETIMEDOUT,
                "poll",
                path,
                -1,
                what,
                "wait longer; if a fence was given with the frame, see that it is signalled");
    }
}
