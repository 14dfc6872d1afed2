// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;

/** No frame came within the timeout (ETIMEDOUT). The stream goes on: the caller can wait again. */
public final class NoFrameException extends CenallocException {
    private static final long serialVersionUID = 1;

    NoFrameException(Path node, String what, String remedy) {
        super(Errno.ETIMEDOUT, "poll", node, -1, what, remedy);
    }
}
