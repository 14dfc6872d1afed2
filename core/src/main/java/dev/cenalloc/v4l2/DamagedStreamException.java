// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;

/**
 * The stream is no good (EIO): the driver reports an error, or damaged frames only. Stop and start it, or see to the
 * signal.
 */
public final class DamagedStreamException extends CenallocException {
    private static final long serialVersionUID = 1;

    DamagedStreamException(String call, Path node, String what) {
        super(
                Errno.EIO,
                call,
                node,
                -1,
                what,
                "stop and start the stream; if that does not help, see whether the device has a good signal");
    }
}
