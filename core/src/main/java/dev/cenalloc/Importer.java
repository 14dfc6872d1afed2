package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * An open device whose driver can be offered memory. Closed by {@link Probe}; closing puts back what was changed. For one
 * thread.
 */
interface Importer extends AutoCloseable {
    // Documentation/admin-guide/devices.txt. By its number a node is known before it is opened: to open some, such as a
    // terminal, does something.
    int V4L2 = 81;
    int DRM = 226;

    /**
     * Opens a node.
     *
     * @param number its device number, which says what it is
     * @throws CenallocException if it is not one that can be offered memory
     */
    static Importer open(Kernel kernel, Path node, long number) throws CenallocException {
        return switch (LinuxKernel.major(number)) {
            case V4L2 -> V4l2Importer.openVideo(kernel, node);
            case DRM -> DrmImporter.openCard(kernel, node, number);
            default ->
                throw new CenallocException(
                        Errno.ENOTTY,
                        "stat",
                        node,
                        -1,
                        "neither a V4L2 nor a DRM device",
                        "give a node such as /dev/video0 or /dev/dri/card0; of others, say what they need with Device.of");
        };
    }

    /** What the driver calls itself. */
    String driver();

    /** What explanations call the device. */
    String name();

    /** The images that it gives; empty if it is not for that. */
    Optional<List<ImageRange>> produces() throws CenallocException;

    /** The images that it takes; empty if it is not for that. */
    Optional<List<ImageRange>> consumes() throws CenallocException;

    /** The ways to its screens. */
    List<Scanout> scanouts() throws CenallocException;

    /**
     * Gets ready for images.
     *
     * @return bytes in one buffer
     * @throws CenallocException EBUSY if it is in use; EINVAL if it has no such images
     */
    long prepare(Layout layout) throws CenallocException;

    /** What the driver wants of the layout of the images that it was prepared for. */
    Constraints needs();

    /**
     * Offers buffers, all at the same time, and takes them back.
     *
     * @return the empty string if the driver took them, else its refusal, such as {@code "VIDIOC_QBUF gave EFAULT"}
     * @throws CenallocException for what does not tell about the memory
     */
    String offer(List<DmaBuf> buffers) throws CenallocException;

    /** What could not be tried with the buffers that were offered, and why; the empty string if all was. */
    String omitted();

    /** @throws CenallocException if something could not be put back */
    @Override
    void close() throws CenallocException;
}
