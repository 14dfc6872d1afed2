// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.node.Closing;
import dev.cenalloc.node.drm.DumbBuffer;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.DeviceMemory;
import dev.cenalloc.stream.Ring;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** The dumb buffers of a display. Owns nothing. */
final class DisplayMemory implements DeviceMemory {
    /** Made for pictures that the CPU draws; whether it is contiguous depends on the driver. */
    private static final HeapProperties PROPERTIES =
            HeapProperties.UNKNOWN.withCpuMappable(Trait.YES).withOnlyWhenNamed(false);

    /** As many as a ring holds. */
    private static final int MOST_FRAMES = 64;

    private final Display display;

    DisplayMemory(Display display) {
        this.display = display;
    }

    @Override
    public String name() {
        return "memory of " + display.name();
    }

    @Override
    public Offer offer(Layout layout, int count) throws CenallocException {
        Objects.requireNonNull(layout, "layout");
        checkCount(count);
        display.checkOpen();
        var offer = new DumbOffer(
                allocate(List.of(layout), count).stream().map(List::getFirst).toList());
        boolean complete = false;
        try {
            offer.handOut();
            offer.device = display.trial().offered(layout, display::importer, offer);
            complete = true;
            return offer;
        } finally {
            if (!complete) {
                offer.close();
            }
        }
    }

    @Override
    public Ring allocate(Agreement agreement, int count) throws CenallocException {
        Objects.requireNonNull(agreement, "agreement");
        checkCount(count);
        display.checkOpen();
        return Ring.of(agreement, allocate(agreement.layouts(), count));
    }

    private static void checkCount(int count) {
        if (count < 1 || count > MOST_FRAMES) {
            throw new IllegalArgumentException("count must be from 1 to " + MOST_FRAMES + ", not " + count);
        }
    }

    private List<List<SharedBuffer>> allocate(List<Layout> layouts, int count) throws CenallocException {
        Cenalloc cenalloc = display.cenalloc();
        var frames = new ArrayList<List<SharedBuffer>>();
        boolean complete = false;
        try {
            for (int i = 0; i < count; i++) {
                var frame = new ArrayList<SharedBuffer>();
                frames.add(frame);
                for (Layout layout : layouts) {
                    StackRoom.requireToOwn();
                    frame.add(cenalloc.adopt(DumbBuffer.export(display.card(), layout.size()), PROPERTIES));
                }
            }
            complete = true;
            return frames;
        } finally {
            if (!complete) {
                frames.forEach(frame -> frame.forEach(SharedBuffer::close));
            }
        }
    }

    @Override
    public String toString() {
        return name();
    }

    /** Dumb buffers for the time of a trial. */
    private final class DumbOffer implements Offer {
        private final List<SharedBuffer> shared;
        private final List<DmaBuf> buffers = new ArrayList<>();
        private Device device;

        DumbOffer(List<SharedBuffer> shared) {
            this.shared = shared;
            this.device = Device.undeclared(display.name());
        }

        void handOut() throws CenallocException {
            for (SharedBuffer buffer : shared) {
                buffers.add(buffer.dmaBuf());
            }
        }

        @Override
        public Heap heap() {
            return Heap.of(name(), PROPERTIES);
        }

        @Override
        public Device device() {
            return device;
        }

        @Override
        public List<DmaBuf> buffers() {
            return List.copyOf(buffers);
        }

        @Override
        public void close() throws CenallocException {
            Closing.all(shared);
        }
    }
}
