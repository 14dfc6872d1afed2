// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.node.Importer;
import dev.cenalloc.node.Refusal;
import dev.cenalloc.plan.Constraints;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A V4L2 node that captures, shows or converts video. Buffers are queued without streaming: the driver maps them for
 * the device then, and no frame moves. While another program has buffers there, the kernel refuses with EBUSY.
 */
public final class V4l2Importer implements Importer {
    /** A queue, and the format that it was prepared with. */
    private record Queue(BufferType type, VideoFormat format) {}

    /**
     * What a queue had.
     *
     * @param format null if it has it still
     * @param part of the images; empty if the driver does not tell
     */
    private record Before(BufferType type, @Nullable VideoFormat format, Optional<Selection> part) {
        /** Puts it back: the result, or {@code -errno}. */
        int tryRestore(DeviceNode node) {
            int result = format == null ? 0 : format.trySet(node);
            return result < 0 || part.isEmpty() ? result : part.get().tryRestore(node, type);
        }

        @Override
        public String toString() {
            return format == null ? part.orElseThrow().toString() : format.toString();
        }
    }

    private final VideoNode video;
    private final DeviceNode file;
    private final DriverLayout layouts;
    /** Whether the node is closed with this. */
    private final boolean owner;
    /** Those that memory is offered to, if they have the images. */
    private final List<BufferType> types;
    /** Those that have the images. */
    private final List<Queue> queues = new ArrayList<>();
    /** What has been changed. */
    private final List<Before> before = new ArrayList<>();

    /** The queues that the driver did not let go of, and whose memory it has there. */
    private final Map<BufferType, Integer> unreleased = new EnumMap<>(BufferType.class);

    private Constraints needs = Constraints.NONE;

    private V4l2Importer(VideoNode video, List<BufferType> types, boolean owner) {
        this.video = video;
        this.types = types;
        this.file = video.node();
        this.layouts = new DriverLayout(file);
        this.owner = owner;
    }

    /**
     * Opens a node.
     *
     * @param number its device number, one of V4L2
     * @throws CenallocException EINVAL if it has no video in buffers; else with the errno of open or the driver
     */
    public static Importer open(Kernel kernel, Path path, long number) throws CenallocException {
        VideoNode video = VideoNode.open(kernel, path, number);
        if (video.types().isEmpty()) {
            video.close();
            throw new CenallocException(
                    Errno.EINVAL,
                    "probe",
                    path,
                    -1,
                    video.name() + " has no video in buffers at this node",
                    "give its node that captures, shows or converts video");
        }
        return new V4l2Importer(video, video.types(), true);
    }

    /** Of a node that is open, without buffers at this moment. It stays open when the importer is closed. */
    public static V4l2Importer on(VideoNode video) {
        return new V4l2Importer(video, video.types(), false);
    }

    /**
     * As {@link #on(VideoNode)}, of one of the node's queues.
     *
     * @param output whether it is the one that takes images
     */
    public static V4l2Importer on(VideoNode video, boolean output) {
        return new V4l2Importer(video, video.type(output).stream().toList(), false);
    }

    @Override
    public String driver() {
        return video.driver();
    }

    @Override
    public String name() {
        return video.name();
    }

    @Override
    public Optional<List<ImageRange>> produces() throws CenallocException {
        return video.images(false);
    }

    @Override
    public Optional<List<ImageRange>> consumes() throws CenallocException {
        return video.images(true);
    }

    @Override
    public List<String> otherFormats(boolean output) throws CenallocException {
        return video.otherFormats(output);
    }

    @Override
    public List<String> doubts(boolean output) {
        return video.doubts(output);
    }

    @Override
    public long prepare(Layout layout) throws CenallocException {
        Image image = layout.image();
        video.require(image.format(), "VIDIOC_TRY_FMT");
        Layout whole = layout.whole().orElse(null);
        if (whole == null) {
            throw CenallocException.ofRefusal(
                    Errno.EINVAL,
                    "probe",
                    file.path(),
                    -1,
                    "V4L2 cannot be told of gaps before or between the planes of " + layout,
                    layout.planes().size() == 1
                            ? "have the image begin at the first byte of its buffer"
                            : "take the format with each plane in a buffer of its own");
        }
        if (!layout.hasProportionalPitches()) {
            throw CenallocException.ofRefusal(
                    Errno.EINVAL,
                    "probe",
                    file.path(),
                    -1,
                    "V4L2 can be told the pitch of the first plane only of " + layout,
                    "take the format with each plane in a buffer of its own");
        }
        var instead = new ArrayList<String>();
        var objections = new ArrayList<String>();
        for (BufferType type : types) {
            Optional<VideoFormat> prepared = prepare(type, layout, whole, instead, objections);
            prepared.ifPresent(format -> queues.add(new Queue(type, format)));
        }
        if (queues.isEmpty()) {
            int lines = VideoFormat.lines(whole);
            boolean isPadded = lines > whole.image().height();
            boolean isPart = !whole.equals(layout);
            throw new CenallocException(
                    Errno.EINVAL,
                    "answer to VIDIOC_TRY_FMT",
                    file.path(),
                    -1,
                    name() + " has no images of " + image + (isPart ? " as a part of " + whole.image() : "")
                            + (isPadded ? " with room for " + lines + " lines before the next plane" : "")
                            + (objections.isEmpty() ? "" : ": " + String.join("; ", objections)),
                    isPadded
                            ? "take the format with each plane in a buffer of its own, or images of " + lines + " lines"
                            : objections.isEmpty()
                                    ? "the nearest that it has: " + String.join(", ", instead)
                                    : "take another size or format");
        }
        return Math.max(
                layout.size(),
                queues.stream().mapToLong(queue -> queue.format().size()).max().orElseThrow());
    }

    /**
     * Prepares a queue for a layout.
     *
     * @param all the layout of all that is in memory, which is what V4L2 calls the format
     * @param instead takes what it has instead, if it has no such images
     * @param objections takes why it is not enough to have more lines or columns, if that is so
     */
    private Optional<VideoFormat> prepare(
            BufferType type, Layout layout, Layout all, List<String> instead, List<String> objections)
            throws CenallocException {
        Image image = all.image();
        int lines = VideoFormat.lines(all);
        VideoFormat old = VideoFormat.current(file, type);
        // Changes nothing yet, so a device that has no such images is left alone.
        VideoFormat queue = layouts.answer(
                type, image, lines, layout.buffer(), layout.planes().getFirst().pitch());
        Optional<Selection> part = Selection.of(file, type);
        if (!queue.holds(image) || queue.height() < lines || (part.isEmpty() && !queue.has(image))) {
            boolean contradicts = !queue.has(image) && V4l2Images.lists(file, type, image);
            instead.add(queue + (contradicts ? ", though it lists " + image : ""));
            if (queue.holds(image) && !queue.has(image)) {
                objections.add(Selection.untold(queue, image));
            }
            return Optional.empty();
        }
        Image whole = queue.whole(image.format());
        layouts.checkRoom(queue, whole, layout.buffer());
        Constraints own = layouts.rules(type, all);
        boolean isKept = queue.pitch(layout.buffer())
                        == layout.planes().getFirst().pitch()
                && (layout.planes().size() == 1 || queue.height() == lines || queue.height() == all.storedLines());
        Layout laidOut = isKept ? all : layouts.laidOut(image, layout.buffer(), own);
        long room = queue.size(layout.buffer());
        boolean isOther = !old.isSameAs(queue);
        before.add(new Before(type, isOther ? old : null, part));
        if (isOther) {
            int result = queue.trySet(file);
            if (result < 0) {
                before.removeLast();
                throw file.failure(-result, "VIDIOC_S_FMT");
            }
        }
        if (isOther) {
            if (!queue.has(whole)) {
                throw layouts.strange("the driver tells that it has " + whole + ", and sets " + queue);
            }
            layouts.checkRoom(queue, whole, layout.buffer());
        }
        Optional<Selection> settled = Selection.settled(file, type, layout);
        Optional<Constraints> margins = settled.flatMap(now -> now.margins(queue, layout));
        Optional<String> objection = Selection.objection(settled, type, queue, layout);
        if (objection.isPresent() && margins.isEmpty()) {
            objections.add(objection.get());
            return Optional.empty();
        }
        needs = needs.and(own).and(margins.orElse(Constraints.NONE));
        if (room > laidOut.end()) {
            needs = needs.and(Constraints.NONE.minSize(room));
        }
        return Optional.of(queue);
    }

    @Override
    public Constraints needs() {
        return needs;
    }

    @Override
    public String omitted() {
        return "";
    }

    @Override
    public Optional<Refusal> offer(List<DmaBuf> buffers) throws CenallocException {
        for (Queue queue : queues) {
            Optional<Refusal> refusal = offer(queue, buffers);
            if (refusal.isPresent()) {
                return refusal;
            }
        }
        return Optional.empty();
    }

    private Optional<Refusal> offer(Queue queue, List<DmaBuf> buffers) throws CenallocException {
        // The same buffer stands for every plane: it is large enough for each, and drivers map them one by one.
        int planes = queue.format().buffers();
        List<List<DmaBuf>> frames = buffers.stream()
                .map(buffer -> Collections.nCopies(planes, buffer))
                .toList();
        try (var prepared = PreparedBuffers.of(queue.type(), queue.format(), frames)) {
            int granted = PreparedBuffers.request(video, queue.type(), v4l2_h.V4L2_MEMORY_DMABUF(), frames.size());
            try {
                for (int i = 0; i < Math.min(granted, frames.size()); i++) {
                    int result = file.tryIoctl(v4l2_h.VIDIOC_QBUF(), prepared.frame(i));
                    Optional<Refusal> refusal = file.refusal(result, "VIDIOC_QBUF");
                    if (refusal.isPresent()) {
                        return refusal;
                    }
                }
                return Optional.empty();
            } finally {
                if (PreparedBuffers.release(file, queue.type(), v4l2_h.V4L2_MEMORY_DMABUF()) < 0) {
                    unreleased.put(queue.type(), v4l2_h.V4L2_MEMORY_DMABUF());
                }
            }
        }
    }

    /** Takes back what the driver allocated for a queue. */
    void takeBack(BufferType type) {
        if (PreparedBuffers.release(file, type, v4l2_h.V4L2_MEMORY_MMAP()) < 0) {
            unreleased.put(type, v4l2_h.V4L2_MEMORY_MMAP());
        }
    }

    @Override
    public void close() throws CenallocException {
        List<Before> left = before;
        try {
            // A driver that fails to let go of buffers does so at the second time, or when the node is closed.
            unreleased.forEach((type, memory) -> PreparedBuffers.release(file, type, memory));
            left = before.stream().filter(queue -> queue.tryRestore(file) < 0).toList();
        } catch (OutOfMemoryError | StackOverflowError e) {
            // Nobody would call this again; all of it is tried once more.
        } finally {
            if (owner) {
                video.close();
            }
        }
        if (!left.isEmpty()) {
            restore(left);
        }
    }

    /** A driver that failed to let go of a buffer refuses a new format, but not once the node has been closed. */
    private void restore(List<Before> left) throws CenallocException {
        try {
            DeviceNode again = owner ? DeviceNode.open(file.kernel(), file.path()) : file;
            try {
                for (Before queue : left) {
                    int result = queue.tryRestore(again);
                    if (result < 0) {
                        throw again.failure(-result, "VIDIOC_S_FMT");
                    }
                }
            } finally {
                if (owner) {
                    again.close();
                }
            }
        } catch (CenallocException e) {
            var told = new CenallocException(
                    e.errno(),
                    e.call(),
                    file.path(),
                    -1,
                    "what the driver had before the trial, " + left.getFirst() + ", could not be put back",
                    "set it, for example with v4l2-ctl --set-fmt-video");
            told.initCause(e);
            throw told;
        }
    }
}
