// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;

/** The pipeline has sent its last frame (EPIPE). Those that came before can still be used. */
public final class EndOfStreamException extends CenallocException {
    private static final long serialVersionUID = 1;

    EndOfStreamException() {
        super(Errno.EPIPE, "receive", null, -1, "the pipeline has ended the stream", "give the frames back and close");
    }
}
