// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.node.v4l2.VideoQueue;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.DeviceMemory;
import dev.cenalloc.stream.Ring;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * The memory that a V4L2 driver allocates for one of its queues: of a camera, of an output, or of either side of a
 * converter. Owns nothing.
 */
final class QueueMemory implements DeviceMemory {
    private final VideoDevice device;
    private final FrameQueue frames;
    private final String name;

    /**
     * The memory of a queue.
     *
     * @param side tells it from the memory of the device's other queue; empty if there is none
     */
    QueueMemory(VideoDevice device, FrameQueue frames, String side) {
        this.name = "memory of " + device.name() + side;
        this.device = device;
        this.frames = frames;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Offer offer(Layout layout, int count) throws CenallocException {
        Objects.requireNonNull(layout, "layout");
        FrameQueue.checkCount(count);
        return device.offer(name, frames, layout, count);
    }

    /** Configures the queue for the agreement, if need be, and has it lend its memory. */
    @Override
    public Ring allocate(Agreement agreement, int count) throws CenallocException {
        Objects.requireNonNull(agreement, "agreement");
        FrameQueue.checkCount(count);
        device.requireOpen();
        if (!frames.isConfiguredFor(agreement)) {
            frames.configure(agreement);
        }
        return frames.lend(device.cenalloc(), agreement, count);
    }

    /**
     * The buffers that a driver allocated, exported.
     *
     * @param count of the frames
     * @param buffers of a frame
     * @return the buffers of each frame, which the caller closes
     */
    static List<List<SharedBuffer>> exported(Cenalloc cenalloc, VideoQueue queue, int count, int buffers)
            throws CenallocException {
        var all = new ArrayList<List<SharedBuffer>>();
        boolean complete = false;
        try {
            for (int i = 0; i < count; i++) {
                var frame = new ArrayList<SharedBuffer>();
                all.add(frame);
                for (int j = 0; j < buffers; j++) {
                    StackRoom.requireToOwn();
                    frame.add(cenalloc.adopt(queue.export(i, j)));
                }
            }
            complete = true;
            return all;
        } finally {
            if (!complete) {
                all.forEach(frame -> frame.forEach(SharedBuffer::close));
            }
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
