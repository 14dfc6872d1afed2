// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.node.Importer;
import dev.cenalloc.node.drm.DrmImporter;
import dev.cenalloc.node.v4l2.V4l2Importer;
import dev.cenalloc.node.v4l2.VideoNode;
import java.nio.file.Path;

/** Opens a node with the importer of its subsystem. Stateless. */
final class Importers {
    // Documentation/admin-guide/devices.txt. The number tells what a node is before it is opened: to open some, such as
    // a terminal, does something.
    static final int V4L2 = VideoNode.MAJOR;
    static final int DRM = 226;

    private Importers() {}

    /**
     * Opens a node.
     *
     * @param number its device number, which says what it is
     * @throws CenallocException ENOTTY if the node is of another subsystem; else the errno of the driver
     */
    static Importer open(Kernel kernel, Path node, long number) throws CenallocException {
        return switch (Kernel.major(number)) {
            case V4L2 -> V4l2Importer.open(kernel, node, number);
            case DRM -> DrmImporter.open(kernel, node, number);
            default ->
                throw new CenallocException(
                        Errno.ENOTTY,
                        "probe",
                        node,
                        -1,
                        "this is neither a V4L2 nor a DRM device",
                        "give a node such as /dev/video0 or /dev/dri/card0; state the constraints of others with"
                                + " Device.of");
        };
    }
}
