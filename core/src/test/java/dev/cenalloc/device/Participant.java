// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.image.Layout;
import dev.cenalloc.json.DeviceProfile;
import dev.cenalloc.json.MachineProfile;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.node.Importer;
import dev.cenalloc.node.drm.Card;
import dev.cenalloc.node.drm.DrmImporter;
import dev.cenalloc.node.drm.DumbBuffer;
import dev.cenalloc.node.v4l2.V4l2Importer;
import dev.cenalloc.node.v4l2.V4l2Offer;
import dev.cenalloc.node.v4l2.VideoNode;
import dev.cenalloc.node.v4l2.VideoQueue;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * An open device of this machine: what the shipped profile says of it, and what its driver does. Closed by the test
 * that opened it.
 */
abstract sealed class Participant implements AutoCloseable {
    private final DeviceInfo info;
    private final Device profile;
    private final HeapProperties memory;

    private Participant(MachineProfile machine, DeviceInfo info) {
        this.info = info;
        this.profile = machine.device(info.name(), info.driver(), info.node())
                .orElseGet(() -> Device.undeclared(info.name(), "no profile knows it"));
        this.memory = machine.recognise(info.name(), info.driver()).stream()
                .map(DeviceProfile::memory)
                .flatMap(Optional::stream)
                .map(Heap::properties)
                .findFirst()
                .orElse(HeapProperties.UNKNOWN);
    }

    static Participant open(Cenalloc cenalloc, MachineProfile machine, DeviceInfo info) throws CenallocException {
        return info.node().startsWith("/dev/dri") ? new OfDrm(machine, info) : new OfV4l2(cenalloc, machine, info);
    }

    /** The same device may have several nodes. */
    String name() {
        return info.name() + " (" + info.node().getFileName() + ")";
    }

    String driver() {
        return info.driver();
    }

    /** What the profile says, and nothing else. */
    Device profile() {
        return profile;
    }

    /** The device for plans. */
    Device planned(Constraints layout) {
        return profile.declared().isEmpty()
                ? profile.named(name())
                : Device.of(name(), profile.constraints().and(layout), profile.origin(), profile.detail());
    }

    /** Its own memory, as the profile describes it. */
    Heap ownHeap() {
        return Heap.of("memory of " + name(), memory);
    }

    /** How the driver wants an image, without being offered memory; empty if it has no such images. */
    Optional<Constraints> wants(Layout least) throws CenallocException {
        try (Importer importer = importer()) {
            importer.prepare(least);
            return Optional.of(importer.needs());
        } catch (CenallocException e) {
            if (e.errno() != Errno.EINVAL) {
                throw e;
            }
            return Optional.empty();
        }
    }

    abstract Importer importer();

    /** Offers a buffer for an image with a layout. If the driver takes it, it has it until {@link #giveBack}. */
    abstract boolean takes(Layout layout, DmaBuf buffer) throws CenallocException;

    abstract void giveBack() throws CenallocException;

    /**
     * Memory of its own for an image, which the caller closes; null if it has none.
     *
     * @param able whether it has such images itself
     */
    abstract @Nullable Memory memory(Layout layout, boolean able) throws Exception;

    @Override
    public abstract void close() throws CenallocException;

    @Override
    public String toString() {
        return profile.named(name()) + "; its own memory: " + memory;
    }

    /** Buffers are queued, and the stream is started. */
    private static final class OfV4l2 extends Participant {
        /** Of vivid's inputs, the one whose sizes are not from a list: see {@code LayoutDeviceTest}. */
        private static final int ANY_SIZE = 3;

        /** vivid does not start with fewer. */
        private static final int BUFFERS = 2;

        private final Cenalloc cenalloc;
        private final VideoNode video;
        private final List<VideoQueue> holding = new ArrayList<>();
        private final int inputBefore;
        private @Nullable DmaBuf filler;

        OfV4l2(Cenalloc cenalloc, MachineProfile machine, DeviceInfo info) throws CenallocException {
            super(machine, info);
            this.cenalloc = cenalloc;
            this.video = VideoNode.open(LinuxKernel.instance(), info.node());
            this.inputBefore = isVividCamera() ? input(v4l2_h.VIDIOC_G_INPUT(), 0) : 0;
            if (isVividCamera()) {
                input(v4l2_h.VIDIOC_S_INPUT(), ANY_SIZE);
            }
        }

        private boolean isVividCamera() {
            return driver().equals("vivid") && video.kind() == VideoNode.Kind.CAMERA;
        }

        private int input(long request, int number) throws CenallocException {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment input = arena.allocateFrom(ValueLayout.JAVA_INT, number);
                video.node().ioctl("VIDIOC_*_INPUT", request, input);
                return input.get(ValueLayout.JAVA_INT, 0);
            }
        }

        @Override
        Importer importer() {
            return V4l2Importer.on(video);
        }

        @Override
        boolean takes(Layout layout, DmaBuf buffer) throws CenallocException {
            for (boolean output : new boolean[] {false, true}) {
                if (!has(layout, output)) {
                    continue;
                }
                VideoQueue queue = video.queue(output);
                List<Layout> layouts = withOthers(layout);
                if (queue.configure(layouts).isPresent()) {
                    return false;
                }
                holding.add(queue);
                var frame = new ArrayList<DmaBuf>();
                for (Layout one : layouts) {
                    frame.add(one.buffer() == layout.buffer() ? buffer : filler());
                }
                queue.use(Collections.nCopies(BUFFERS, frame));
                for (int i = 0; i < BUFFERS; i++) {
                    if (queue.queue(i) < 0) {
                        return false;
                    }
                }
                if (queue.start() < 0) {
                    return false;
                }
            }
            return !holding.isEmpty();
        }

        /** A layout among those of the other buffers of the image, as the driver wants them. */
        private List<Layout> withOthers(Layout layout) throws CenallocException {
            var all = new ArrayList<Layout>();
            for (int i = 0; i < layout.image().format().buffers(); i++) {
                Demand other = Demand.ofImage(layout.image(), i);
                all.add(
                        i == layout.buffer()
                                ? layout
                                : other.layout(wants(other.layout(Constraints.NONE)
                                                        .orElseThrow())
                                                .orElseThrow())
                                        .orElseThrow());
            }
            return all;
        }

        /** Memory for the other buffers of an image, which every driver here takes that has such images. */
        private DmaBuf filler() throws CenallocException {
            DmaBuf known = filler;
            if (known == null) {
                Heap system = cenalloc.heaps().stream()
                        .filter(heap -> heap.name().equals("system"))
                        .findFirst()
                        .orElseThrow();
                known = cenalloc.allocate(system, Memory.LARGE);
                filler = known;
            }
            return known;
        }

        private boolean has(Layout layout, boolean output) throws CenallocException {
            return switch (video.kind()) {
                case CAMERA -> !output;
                case OUTPUT -> output;
                case CONVERTER -> video.formats(output).contains(layout.image().format());
                case OTHER -> false;
            };
        }

        @Override
        void giveBack() throws CenallocException {
            for (VideoQueue queue : holding) {
                int _ = queue.takeBack();
                queue.release();
            }
            holding.clear();
        }

        @Override
        @Nullable
        Memory memory(Layout layout, boolean able) throws Exception {
            if (!able || (video.kind() == VideoNode.Kind.CONVERTER && !has(layout, false))) {
                return null;
            }
            boolean output = video.kind() == VideoNode.Kind.OUTPUT;
            return Memory.lent(
                    this, V4l2Offer.of(cenalloc, video, output, ownHeap().name(), layout, Memory.CHOICE));
        }

        @Override
        public void close() throws CenallocException {
            try {
                giveBack();
                if (isVividCamera()) {
                    input(v4l2_h.VIDIOC_S_INPUT(), inputBefore);
                }
            } finally {
                video.close();
                if (filler != null) {
                    filler.close();
                }
            }
        }
    }

    /** Buffers are imported, become framebuffers, and a test asks whether they would be shown. */
    private static final class OfDrm extends Participant {
        private final Card card;
        private final DrmImporter importer;
        /** Large enough for any image; null if it has none that it exports. */
        private final @Nullable DmaBuf own;

        OfDrm(MachineProfile machine, DeviceInfo info) throws CenallocException {
            super(machine, info);
            long number = LinuxKernel.instance().deviceNumber(info.node());
            this.importer = DrmImporter.open(LinuxKernel.instance(), info.node(), number);
            this.card = Card.open(LinuxKernel.instance(), info.node());
            this.own = export();
        }

        private @Nullable DmaBuf export() {
            try {
                return DmaBuf.adopt(DumbBuffer.export(card, Memory.LARGE));
            } catch (CenallocException e) {
                System.out.println(name() + " has no memory that it exports: " + e.call() + " gave " + e.errnoName());
                return null;
            }
        }

        /** Without closing the node. */
        @Override
        Importer importer() {
            return importer;
        }

        @Override
        Optional<Constraints> wants(Layout least) throws CenallocException {
            try {
                importer.prepare(least);
                return Optional.of(importer.needs());
            } catch (CenallocException e) {
                if (e.errno() != Errno.EINVAL) {
                    throw e;
                }
                return Optional.empty();
            }
        }

        @Override
        boolean takes(Layout layout, DmaBuf buffer) throws CenallocException {
            importer.prepare(layout);
            // With another pitch than this one is not taken.
            return importer.offer(List.of(buffer)).isEmpty() && importer.rules().equals(Constraints.NONE);
        }

        @Override
        void giveBack() {}

        @Override
        @Nullable
        Memory memory(Layout layout, boolean able) throws Exception {
            return own == null ? null : Memory.kept(this, own);
        }

        @Override
        public void close() {
            if (own != null) {
                own.close();
            }
            importer.close();
            card.close();
        }
    }
}
