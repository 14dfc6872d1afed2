// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.Constraints;
import java.util.List;
import java.util.Optional;

/**
 * An open device whose driver can be offered memory. Closed by the object that opened it; closing puts back what was
 * changed. For one thread.
 */
public interface Importer extends AutoCloseable {
    /** What the driver calls itself. */
    String driver();

    /** What explanations call the device. */
    String name();

    /** The images that it gives; empty if it is not for that. */
    Optional<List<ImageRange>> produces() throws CenallocException;

    /** The images that it takes; empty if it is not for that. */
    Optional<List<ImageRange>> consumes() throws CenallocException;

    /**
     * The formats that {@link #produces} or {@link #consumes} leaves out, since they have no name here.
     *
     * @param output whether it is about the images that it takes
     */
    default List<String> otherFormats(boolean output) throws CenallocException {
        return List.of();
    }

    /** What the driver said of the images of {@link #produces} or {@link #consumes} that cannot be, in words. */
    default List<String> doubts(boolean output) {
        return List.of();
    }

    /**
     * Gets ready for images.
     *
     * @return bytes in one buffer
     * @throws CenallocException EBUSY if it is in use; EINVAL if it has no such images
     */
    long prepare(Layout layout) throws CenallocException;

    /** What the driver wants of the layout of the images that it was prepared for. */
    Constraints needs();

    /** What the driver was found to want of every layout of such images, while buffers were offered. */
    default Constraints rules() {
        return Constraints.NONE;
    }

    /**
     * Offers buffers, all at the same time, and takes them back.
     *
     * @return the driver's refusal; empty if it took them
     * @throws CenallocException if the driver failed for another reason than the memory or the image
     */
    Optional<Refusal> offer(List<DmaBuf> buffers) throws CenallocException;

    /** What could not be tried with the buffers that were offered, and why; the empty string if all was. */
    String omitted();

    /** @throws CenallocException if something could not be put back */
    @Override
    void close() throws CenallocException;
}
