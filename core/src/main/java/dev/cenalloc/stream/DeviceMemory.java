// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import java.util.List;

/**
 * Memory that a device allocates itself and exports: buffers of a V4L2 driver (VIDIOC_EXPBUF), dumb buffers of a
 * display. A negotiation uses it if no heap suits all devices. The ports of cameras, converters, video outputs and
 * displays have it, a converter's two ports one each; a program may implement it for a device of its own, and call
 * {@link Port#withMemory}. For one thread at a time.
 */
public interface DeviceMemory {
    /** {@return what explanations call it, such as {@code "memory of vivid platform:vivid-000"}} */
    String name();

    /**
     * Allocates some buffers, to be offered to the other devices. Blocks for as long as the driver does.
     *
     * @param layout where the image lies in a buffer
     * @param count how many buffers; the driver may allocate more
     * @return the buffers, which the caller closes before it offers others
     * @throws IllegalArgumentException as {@link #allocate}
     * @throws CenallocException EINVAL, ENOTTY: the device has no memory of its own, or does not export it; EBUSY: it
     *     is in use; ENOMEM; else the errno of the driver. Nothing stays allocated
     */
    Offer offer(Layout layout, int count) throws CenallocException;

    /**
     * Allocates the buffers of an agreement.
     *
     * @param agreement whose {@link Agreement#memory()} this is
     * @param count how many frames; the driver may allocate more
     * @return the frames, which the caller closes
     * @throws IllegalArgumentException if the count is not from 1 to 32 of a V4L2 device, from 1 to 64 of a display
     * @throws CenallocException as {@link #offer}; nothing stays allocated
     */
    Ring allocate(Agreement agreement, int count) throws CenallocException;

    /** Buffers of a device's own memory, for as long as they are offered to others. */
    interface Offer extends AutoCloseable {
        /** {@return the memory as a heap, with what is known of it} */
        Heap heap();

        /** {@return the device itself, with how it lays the image out} */
        Device device();

        /** {@return the buffers, each for one image} */
        List<DmaBuf> buffers();

        /**
         * Gives the buffers back. Idempotent.
         *
         * @throws CenallocException with the errno of the driver, if something could not be put back
         */
        @Override
        void close() throws CenallocException;
    }
}
