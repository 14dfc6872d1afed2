// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;

/** The device gave its last frame (EPIPE), as a decoder does when it was told to finish. Stop the stream. */
public final class StreamEndedException extends CenallocException {
    private static final long serialVersionUID = 1;

    StreamEndedException(String call, Path node) {
        super(Errno.EPIPE, call, node, -1, "the stream has ended", "stop it, and start it for more frames");
    }
}
