// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;

/**
 * A buffer came that is no image in dma-bufs: it lies in plain memory (ENOTTY), or its caps have another form than this
 * library knows (EINVAL). It was given back, and the connection goes on.
 */
public final class UnusableFrameException extends CenallocException {
    private static final long serialVersionUID = 1;

    private UnusableFrameException(int errno, String what, String remedy) {
        super(errno, "receive", null, -1, what, remedy);
    }

    static UnusableFrameException ofMemory(int type) {
        return new UnusableFrameException(
                Errno.ENOTTY,
                "the pipeline passes plain memory (type " + type + ") and no dma-buf",
                "let the element before unixfdsink make dma-bufs, such as v4l2src io-mode=dmabuf without a converter"
                        + " between");
    }

    static UnusableFrameException ofCaps(String caps, String why) {
        return new UnusableFrameException(
                Errno.EINVAL,
                "the pipeline passes something else than an image that can be used here: " + why + "; its caps are "
                        + (caps.length() > 300 ? caps.substring(0, 300) + "…" : caps),
                "put other caps before unixfdsink, such as video/x-raw,format=NV12");
    }
}
