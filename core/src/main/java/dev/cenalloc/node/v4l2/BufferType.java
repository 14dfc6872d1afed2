// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import dev.cenalloc.bindings.v4l2.v4l2_h;
import java.util.ArrayList;
import java.util.List;

/** The kinds of queues of a video node: which way the images go, and whether one may lie in several buffers. */
enum BufferType {
    OUTPUT(v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT(), v4l2_h.V4L2_CAP_VIDEO_OUTPUT() | v4l2_h.V4L2_CAP_VIDEO_M2M()),
    OUTPUT_MPLANE(
            v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE(),
            v4l2_h.V4L2_CAP_VIDEO_OUTPUT_MPLANE() | v4l2_h.V4L2_CAP_VIDEO_M2M_MPLANE()),
    CAPTURE(v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE(), v4l2_h.V4L2_CAP_VIDEO_CAPTURE() | v4l2_h.V4L2_CAP_VIDEO_M2M()),
    CAPTURE_MPLANE(
            v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE(),
            v4l2_h.V4L2_CAP_VIDEO_CAPTURE_MPLANE() | v4l2_h.V4L2_CAP_VIDEO_M2M_MPLANE());

    private final int code;
    private final int capabilities;

    BufferType(int code, int capabilities) {
        this.code = code;
        this.capabilities = capabilities;
    }

    /** {@code V4L2_BUF_TYPE_*}. */
    int code() {
        return code;
    }

    /** Whether the device reads the images. */
    boolean isOutput() {
        return this == OUTPUT || this == OUTPUT_MPLANE;
    }

    boolean isMultiplanar() {
        return this == OUTPUT_MPLANE || this == CAPTURE_MPLANE;
    }

    /**
     * The queues of a node. Output before capture: what a converter can put out may depend on what is put in.
     *
     * @param capabilities {@code V4L2_CAP_*} of the node
     */
    static List<BufferType> of(int capabilities) {
        var types = new ArrayList<BufferType>();
        if ((capabilities & v4l2_h.V4L2_CAP_STREAMING()) != 0) {
            for (BufferType type : values()) {
                if ((capabilities & type.capabilities) != 0) {
                    types.add(type);
                }
            }
        }
        return types;
    }
}
