// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.timeval;
import dev.cenalloc.bindings.v4l2.v4l2_buffer;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_plane;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.text.Count;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One queue of a V4L2 node, which fills buffers or, of an output, reads them. Its {@link State} tells what may be done
 * next. In a stream, {@link #dequeue} and {@link #queue} are one system call each and allocate nothing. The node
 * belongs to the {@link VideoNode}; {@link #drop} gives up the rest. For one thread at a time.
 */
public final class VideoQueue {
    /** How far it is. */
    public enum State {
        /** No format is set: {@link #configure}. */
        BLANK,
        /** Has a format, and no buffers: {@link #use} or {@link #lend}. */
        CONFIGURED,
        /** Has a format and buffers: {@link #start}. */
        READY,
        /** Buffers are filled or read. */
        STREAMING
    }

    // V4L2_BUF_FLAG_TIMESTAMP_COPY of videodev2.h: the time that came with what was converted.
    private static final int TIMESTAMP_COPY = 0x4000;

    private static final long SECONDS = v4l2_buffer.timestamp$offset() + timeval.tv_sec$offset();
    private static final long MICROS = v4l2_buffer.timestamp$offset() + timeval.tv_usec$offset();

    private final VideoNode video;
    private final DeviceNode node;
    private final BufferType type;
    private final MemorySegment streamType;

    private State state = State.BLANK;
    /** What the driver said, once configured. */
    private @Nullable VideoFormat format;
    /** Of each buffer of a frame, once configured. */
    private List<Layout> layouts = List.of();
    /** The rate that was asked for; null if none was. */
    private @Nullable FrameRate askedRate;
    /** The rate that came out; the one asked for if the driver does not tell. */
    private @Nullable FrameRate rate;

    private @Nullable PreparedBuffers buffers;
    private int memory = v4l2_h.V4L2_MEMORY_DMABUF();
    /** Whether the driver is ready for the buffers. */
    private boolean requested;

    private MemorySegment dequeued = MemorySegment.NULL;
    private MemorySegment[] dequeuedPlanes = {};

    VideoQueue(VideoNode video, BufferType type) {
        this.video = video;
        this.node = video.node();
        this.type = type;
        this.streamType = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_INT, type.code());
    }

    public State state() {
        return state;
    }

    /** Whether its images are read by the device. */
    public boolean isOutput() {
        return type.isOutput();
    }

    int code() {
        return type.code();
    }

    // ---- the format ----

    /**
     * Sets the format, without a rate. Gives up buffers that it had. A driver may settle on something else than it was
     * asked for; then the queue is blank afterwards.
     *
     * @param agreed where the image lies, for each of its buffers
     * @return what the driver settled on instead, in words; empty if it keeps to what was agreed on
     * @throws CenallocException EINVAL if it has no such images; else with the errno of the driver
     */
    public Optional<String> configure(List<Layout> agreed) throws CenallocException {
        Image image = agreed.getFirst().image();
        Layout first = agreed.getFirst();
        if (image.modifier() != Image.LINEAR
                || !agreed.stream()
                        .allMatch(layout -> layout.whole().isPresent()
                                && layout.hasProportionalPitches()
                                && layout.leftMargin() == first.leftMargin()
                                && layout.topMargin() == first.topMargin())) {
            throw CenallocException.ofRefusal(
                    Errno.EINVAL,
                    "configure",
                    node.path(),
                    -1,
                    "V4L2 cannot be told of modifiers, of gaps between planes, or of pitch or margins of each plane: "
                            + agreed,
                    "negotiate with the ports of this device, and stream what was agreed on");
        }
        video.require(image.format(), "VIDIOC_S_FMT");
        release();
        state = State.BLANK;
        layouts = List.of();
        askedRate = null;
        rate = null;
        return set(image, agreed);
    }

    /** Sets the format; the state changes only if the driver keeps to it. */
    private Optional<String> set(Image image, List<Layout> agreed) throws CenallocException {
        List<Layout> whole =
                agreed.stream().map(layout -> layout.whole().orElseThrow()).toList();
        var asked = VideoFormat.request(
                type,
                whole.getFirst().image(),
                whole.stream().mapToInt(VideoFormat::lines).max().orElseThrow(),
                agreed.stream()
                        .mapToLong(layout -> layout.planes().getFirst().pitch())
                        .toArray());
        int result = asked.trySet(node);
        if (result == -Errno.EINVAL) {
            throw new CenallocException(
                    Errno.EINVAL,
                    "VIDIOC_S_FMT",
                    node.path(),
                    -1,
                    video.name() + " refuses " + image,
                    "request another format or size");
        }
        if (result < 0) {
            throw node.failure(-result, "VIDIOC_S_FMT");
        }
        Optional<String> changed = changed(asked, whole);
        if (changed.isEmpty()) {
            changed = Selection.objection(
                    Selection.settled(node, type, agreed.getFirst()), type, asked, agreed.getFirst());
        }
        if (changed.isEmpty()) {
            format = asked;
            layouts = List.copyOf(agreed);
            state = state == State.BLANK ? State.CONFIGURED : state;
        }
        return changed;
    }

    private static Optional<String> changed(VideoFormat now, List<Layout> agreed) {
        Image image = agreed.getFirst().image();
        if (!now.holds(image) || now.buffers() != agreed.size()) {
            return Optional.of("it has " + now + " in " + Count.of(now.buffers(), "buffer") + ", and " + image + " in "
                    + agreed.size() + " was agreed on");
        }
        if (now.isOfFields()) {
            return Optional.of("it has single fields, and whole frames of " + image + " were agreed on");
        }
        for (int i = 0; i < agreed.size(); i++) {
            Layout layout = agreed.get(i);
            if (layout.planes().size() > 1
                    && now.height() != VideoFormat.lines(layout)
                    && now.height() != layout.storedLines()) {
                return Optional.of(
                        "it has " + now.height() + " lines before the next plane, and agreed on was " + layout);
            }
            // Of the planes that share a buffer, V4L2 speaks of the first; the others follow without a gap.
            if (now.pitch(i) != layout.planes().getFirst().pitch()
                    || now.size(i) < end(layout)
                    || now.size(i) > layout.size()) {
                return Optional.of("it has lines " + now.pitch(i) + " bytes apart, in " + now.size(i)
                        + " bytes, and agreed on was " + layout + ", in " + layout.size() + " bytes");
            }
        }
        return Optional.empty();
    }

    /** Where the image ends; the lines below it are none of the driver's. */
    private static long end(Layout layout) {
        Layout.Plane last = layout.planes().getLast();
        return last.offset() + last.pitch() * layout.rows(layout.planes().size() - 1);
    }

    /** Where the image lies in each of its buffers, as configured. */
    public List<Layout> layouts() {
        return layouts;
    }

    private VideoFormat format() {
        if (format == null || state == State.BLANK) {
            throw new IllegalStateException("the queue is not configured");
        }
        return format;
    }

    /** Bytes that the driver wants in a buffer of a frame, as configured. */
    public long size(int buffer) {
        return format().size(buffer);
    }

    /**
     * Sets the rate. Drivers such as UVC's forget it when a format is set, as a trial does. So it is set again each
     * time before buffers are requested: from then on no format can be set, and the rate stays.
     *
     * @throws CenallocException with the errno of the driver; {@link #rate} is the one asked for
     */
    public void setRate(FrameRate asked) throws CenallocException {
        askedRate = asked;
        rate = asked;
        rate = StreamParameters.setRate(video, this, asked).orElse(asked);
    }

    /** The rate that came out; if the driver does not tell, the one asked for. Only after {@link #setRate}. */
    public FrameRate rate() {
        return Objects.requireNonNull(rate);
    }

    // ---- the buffers ----

    /**
     * Will work on dma-bufs of ours, and keeps them until {@link #release}. From now on a frame's index is its name.
     *
     * @param frames of each frame its buffers
     * @throws IllegalStateException if one of the buffers is closed; nothing has changed
     * @throws CenallocException EINVAL if the driver takes no dma-bufs, or not as many; else with the errno of the
     *     driver
     */
    public void use(List<List<DmaBuf>> frames) throws CenallocException {
        PreparedBuffers prepared = PreparedBuffers.of(type, format(), frames);
        boolean granted = false;
        try {
            release();
            memory = v4l2_h.V4L2_MEMORY_DMABUF();
            request(frames.size());
            granted = true;
        } finally {
            if (!granted) {
                prepared.close();
            }
        }
        ready(prepared);
    }

    /**
     * Will work on memory that the driver allocates now, and that {@link #export} gives out.
     *
     * @return how many frames it allocated: as many as asked for, or more
     * @throws CenallocException EINVAL if it has no memory of its own, or not as much; else with the errno of the
     *     driver
     */
    public int lend(int count) throws CenallocException {
        VideoFormat current = format();
        release();
        memory = v4l2_h.V4L2_MEMORY_MMAP();
        int granted = request(count);
        ready(PreparedBuffers.ofDriver(type, current, granted));
        return granted;
    }

    private void ready(PreparedBuffers prepared) {
        buffers = prepared;
        dequeued = PreparedBuffers.empty(type, memory, 0, layouts.size());
        dequeuedPlanes = new MemorySegment[type.isMultiplanar() ? layouts.size() : 0];
        for (int i = 0; i < dequeuedPlanes.length; i++) {
            dequeuedPlanes[i] = PreparedBuffers.plane(dequeued, i);
        }
        state = State.READY;
    }

    /** Has the driver get ready for buffers, or changes nothing. */
    private int request(int count) throws CenallocException {
        keepFormat();
        if (askedRate != null) {
            setRate(askedRate);
        }
        boolean isOurs = memory == v4l2_h.V4L2_MEMORY_DMABUF();
        int granted = PreparedBuffers.request(video, type, memory, count);
        requested = true;
        // Without a number for each of ours, or with one that waits for a buffer that we have not, no stream runs.
        if (granted < count || (isOurs && granted > count)) {
            int _ = forgetRequest();
            throw granted < count
                    ? refused(" takes only " + Count.of(granted, "frame") + " of " + count, "use fewer frames")
                    : refused(" wants " + Count.of(granted, "frame") + " at least, not " + count, "use more frames");
        }
        return granted;
    }

    /**
     * Has the driver keep to the format that was agreed on. It may have another by now: a trial puts back that of its
     * own queue, and the other queue of a converter may depend on that one.
     */
    private void keepFormat() throws CenallocException {
        List<Layout> whole =
                layouts.stream().map(layout -> layout.whole().orElseThrow()).toList();
        if (changed(VideoFormat.current(node, type), whole).isEmpty()) {
            return;
        }
        Optional<String> changed = set(layouts.getFirst().image(), layouts);
        if (changed.isPresent()) {
            throw new CenallocException(
                    Errno.EINVAL,
                    "answer to VIDIOC_S_FMT",
                    node.path(),
                    -1,
                    video.name() + " does not keep to what was agreed on: " + changed.get(),
                    "negotiate first, then configure, then allocate");
        }
    }

    private CenallocException refused(String what, String remedy) {
        return new CenallocException(
                Errno.EINVAL, "answer to VIDIOC_REQBUFS", node.path(), -1, video.name() + what, remedy);
    }

    /**
     * Takes everything back from the driver: the result, or {@code -errno}. If it fails to let go, it is asked again.
     */
    private int forgetRequest() {
        if (!requested) {
            return 0;
        }
        int result = PreparedBuffers.release(node, type, memory);
        requested = result < 0;
        return result;
    }

    /**
     * A dma-buf of the driver's memory.
     *
     * @param frame from 0
     * @param buffer of the frame's buffers, from 0
     * @return a descriptor that the caller closes
     * @throws CenallocException EINVAL if the driver does not export it; else with its errno
     */
    public int export(int frame, int buffer) throws CenallocException {
        return PreparedBuffers.export(video, type, frame, buffer);
    }

    /** Whether the buffers are the driver's own. */
    public boolean isLending() {
        return buffers != null && memory == v4l2_h.V4L2_MEMORY_MMAP();
    }

    /**
     * Has the driver let go of the buffers between two streams, so that it can be asked for other images; {@link
     * #resume} has it take them again. Not while {@link #isLending}.
     */
    public void rest() {
        int _ = forgetRequest();
    }

    /**
     * Gives up the buffers. Idempotent.
     *
     * @throws CenallocException with the errno of the driver; it has the buffers still
     */
    public void release() throws CenallocException {
        int result = forgetRequest();
        if (result < 0) {
            throw node.failure(-result, "VIDIOC_REQBUFS");
        }
        drop();
    }

    /** Gives up the buffers, after the node was closed, or the driver has let go of them. Idempotent. */
    public void drop() {
        if (buffers != null) {
            buffers.close();
            buffers = null;
        }
        if (state != State.BLANK) {
            state = State.CONFIGURED;
        }
    }

    // ---- the stream ----

    /** How many frames there are. */
    public int frames() {
        return buffers == null ? 0 : buffers.size();
    }

    /**
     * Undoes {@link #rest}.
     *
     * @return as {@link #configure}
     * @throws CenallocException as {@link #configure} and {@link #use}
     */
    public Optional<String> resume() throws CenallocException {
        if (requested) {
            return Optional.empty();
        }
        // What was asked meanwhile may have changed the format, or the part of it that is filled.
        Optional<String> changed = set(layouts.getFirst().image(), layouts);
        if (changed.isEmpty()) {
            int _ = request(frames());
        }
        return changed;
    }

    /** Starts the stream; some drivers want buffers queued before. The result, or {@code -errno}. */
    public int start() {
        int result = node.tryIoctl(v4l2_h.VIDIOC_STREAMON(), streamType);
        if (result >= 0) {
            state = State.STREAMING;
        }
        return result;
    }

    /** Stops the stream, also one that failed to start: every buffer is ours again. The result, or {@code -errno}. */
    public int stop() {
        if (state != State.STREAMING) {
            return 0;
        }
        return takeBack();
    }

    /** Takes back all buffers that are queued, whether the stream has started or not. The result, or {@code -errno}. */
    public int takeBack() {
        if (state == State.STREAMING) {
            state = State.READY;
        }
        return node.tryIoctl(v4l2_h.VIDIOC_STREAMOFF(), streamType);
    }

    /** Gives the driver a frame's buffers, to fill or to read. The result, or {@code -errno}. */
    public int queue(int index) {
        return buffers == null ? -Errno.EINVAL : node.tryFrameIoctl(v4l2_h.VIDIOC_QBUF(), buffers.frame(index));
    }

    /** As {@link #queue}, with the time that belongs to the image. */
    public int queue(int index, long timestampNanos) {
        if (buffers == null) {
            return -Errno.EINVAL;
        }
        MemorySegment frame = buffers.frame(index);
        frame.set(ValueLayout.JAVA_LONG, SECONDS, timestampNanos / 1_000_000_000);
        frame.set(ValueLayout.JAVA_LONG, MICROS, timestampNanos % 1_000_000_000 / 1_000);
        return node.tryFrameIoctl(v4l2_h.VIDIOC_QBUF(), frame);
    }

    /**
     * Takes the frame that the driver has been done with for longest: its index, or {@code -errno}; EAGAIN if there is
     * none.
     */
    public int dequeue() {
        int result = node.tryFrameIoctl(v4l2_h.VIDIOC_DQBUF(), dequeued);
        return result < 0 ? result : v4l2_buffer.index(dequeued);
    }

    /** Whether the driver says that the frame dequeued last is damaged. */
    public boolean isDamaged() {
        return (v4l2_buffer.flags(dequeued) & v4l2_h.V4L2_BUF_FLAG_ERROR()) != 0;
    }

    /** Whether what was dequeued last is no frame, but the end of the stream. */
    public boolean isEnd() {
        long used =
                dequeuedPlanes.length == 0 ? v4l2_buffer.bytesused(dequeued) : v4l2_plane.bytesused(dequeuedPlanes[0]);
        return (v4l2_buffer.flags(dequeued) & v4l2_h.V4L2_BUF_FLAG_LAST()) != 0 && used == 0;
    }

    /**
     * The driver's count of the frame dequeued last, in 32 bits, unsigned; a gap is a frame that found no free buffer.
     */
    public int sequence() {
        return v4l2_buffer.sequence(dequeued);
    }

    /**
     * When the frame dequeued last was made, in nanoseconds of the monotonic clock; 0 if the driver uses another clock.
     */
    public long timestampNanos() {
        int clock = v4l2_buffer.flags(dequeued) & v4l2_h.V4L2_BUF_FLAG_TIMESTAMP_MASK();
        return clock == v4l2_h.V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC() || clock == TIMESTAMP_COPY
                ? dequeued.get(ValueLayout.JAVA_LONG, SECONDS) * 1_000_000_000
                        + dequeued.get(ValueLayout.JAVA_LONG, MICROS) * 1_000
                : 0;
    }

    /** Bytes before the image in a buffer of the frame dequeued last, which only multi-planar drivers have. */
    public long headerBytes(int buffer) {
        return buffer < dequeuedPlanes.length
                ? Integer.toUnsignedLong(v4l2_plane.data_offset(dequeuedPlanes[buffer]))
                : 0;
    }
}
