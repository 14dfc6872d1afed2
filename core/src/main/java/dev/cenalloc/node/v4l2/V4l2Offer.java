// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.node.Closing;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.stream.DeviceMemory;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Buffers that a V4L2 driver allocated (V4L2_MEMORY_MMAP) and exported, for the time of a trial. Closed by the object
 * that made it.
 */
public final class V4l2Offer implements DeviceMemory.Offer {
    private final V4l2Importer importer;
    private final BufferType type;
    private final String name;
    private final List<SharedBuffer> exported = new ArrayList<>();
    private final List<DmaBuf> buffers = new ArrayList<>();
    /** What stands for the memory of the first buffer; null before there is one. */
    private @Nullable Heap adopted;

    private boolean allocated;

    private V4l2Offer(V4l2Importer importer, BufferType type, String name) {
        this.importer = importer;
        this.type = type;
        this.name = name;
    }

    /**
     * Has the driver allocate for one of its queues.
     *
     * @param video the open node, without buffers at this moment
     * @param output whether for the queue that takes images
     * @param name of the memory
     * @throws CenallocException as {@link DeviceMemory#offer}
     */
    public static V4l2Offer of(
            Cenalloc cenalloc, VideoNode video, boolean output, String name, Layout layout, int count)
            throws CenallocException {
        BufferType type = video.type(output).orElseThrow();
        var offer = new V4l2Offer(V4l2Importer.on(video, output), type, name);
        boolean complete = false;
        try {
            offer.importer.prepare(layout);
            offer.allocate(cenalloc, video, layout.buffer(), count);
            complete = true;
            return offer;
        } finally {
            if (!complete) {
                offer.close();
            }
        }
    }

    private void allocate(Cenalloc cenalloc, VideoNode video, int buffer, int count) throws CenallocException {
        int granted = PreparedBuffers.request(video, type, v4l2_h.V4L2_MEMORY_MMAP(), count);
        allocated = true;
        for (int frame = 0; frame < granted; frame++) {
            StackRoom.requireToOwn();
            SharedBuffer one = cenalloc.adopt(PreparedBuffers.export(video, type, frame, buffer));
            exported.add(one);
            buffers.add(one.dmaBuf());
        }
        adopted = exported.getFirst().choice().orElseThrow().heap();
    }

    @Override
    public Heap heap() {
        Heap memory = Objects.requireNonNull(adopted);
        return Heap.of(name, memory.properties().withOnlyWhenNamed(false)).withPageSize(memory.pageSize());
    }

    @Override
    public Device device() {
        return Device.of(importer.name(), importer.needs(), "the memory is its own");
    }

    @Override
    public List<DmaBuf> buffers() {
        return List.copyOf(buffers);
    }

    @Override
    public void close() throws CenallocException {
        var closing = new ArrayList<AutoCloseable>(exported);
        if (allocated) {
            closing.add(() -> importer.takeBack(type));
        }
        closing.add(importer);
        Closing.all(closing);
    }
}
