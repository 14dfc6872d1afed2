// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.CenallocException;
import java.nio.file.Path;

/**
 * The camera has no signal to take images from: ENOLINK, ENODATA or ENOLCK of the driver, or ETIMEDOUT if no frame came
 * and the driver says that its input has no signal. The stream may be started again when there is one.
 */
public final class NoSignalException extends CenallocException {
    private static final long serialVersionUID = 1;

    NoSignalException(int errno, String call, Path node, String what) {
        super(
                errno,
                call,
                node,
                -1,
                what,
                "connect and switch on what the camera receives, or select another input (v4l2-ctl --set-input)");
    }
}
