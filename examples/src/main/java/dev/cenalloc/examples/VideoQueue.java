package dev.cenalloc.examples;

import dev.cenalloc.DmaBuf;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.v4l2.v4l2_buffer;
import dev.cenalloc.bindings.v4l2.v4l2_exportbuffer;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format_mplane;
import dev.cenalloc.bindings.v4l2.v4l2_plane;
import dev.cenalloc.bindings.v4l2.v4l2_plane_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_requestbuffers;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * One queue of a V4L2 node, single- or multi-planar, which fills buffers or, of type output, reads them. First
 * {@link #configure}; then {@link #use} (dma-bufs of ours) or {@link #request} and {@link #export} (memory of the driver); then
 * {@link #queue} and {@link #start}; from then on {@link #dequeue} and {@link #queue} by turns, which are one system call each and
 * allocate nothing. The frame of an image in several buffers has one dma-buf for each. Node and memory belong to a
 * {@link VideoNode}. For one thread at a time.
 */
final class VideoQueue {
    /** No buffer. */
    static final int NONE = -1;
    /** Frames in a row, after which there is no hope: a few seconds' worth. */
    static final int MOST_DAMAGED = 100;

    private final DeviceNode node;
    private final String name;
    private final int type;
    private final boolean multiPlanar;
    private final Arena arena;
    private final MemorySegment streamType;

    /** Of each buffer of a frame, once configured. */
    private List<Layout> layouts = List.of();
    /** The kernel's view of the frames, by index; filled in once. */
    private List<MemorySegment> frames = List.of();

    private MemorySegment dequeued = MemorySegment.NULL;
    /** How many of the last frames, in a row. */
    private int damaged;

    VideoQueue(DeviceNode node, String name, int type, Arena arena) {
        this.node = node;
        this.name = name;
        this.type = type;
        this.multiPlanar = type == v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE()
                || type == v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE();
        this.arena = arena;
        this.streamType = arena.allocateFrom(ValueLayout.JAVA_INT, type);
    }

    private boolean isOutput() {
        return type == v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT() || type == v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE();
    }

    int type() {
        return type;
    }

    // ---- what lies in the buffers ----

    /**
     * Sets the format. A driver may settle on something else than it was asked for, so its answer is checked: anything else
     * is an error.
     *
     * @param agreed where the image lies, for each of its buffers
     */
    void configure(List<Layout> agreed) throws IOException {
        Image image = agreed.getFirst().image();
        try (Arena call = Arena.ofConfined()) {
            MemorySegment format = v4l2_format.allocate(call);
            v4l2_format.type(format, type);
            MemorySegment single = v4l2_format.fmt.pix(v4l2_format.fmt(format));
            MemorySegment multi = v4l2_format.fmt.pix_mp(v4l2_format.fmt(format));
            int fourcc = image.format().v4l2Fourcc();
            // Of the planes that share a buffer, V4L2 speaks of the first; the others follow without a gap.
            if (multiPlanar) {
                v4l2_pix_format_mplane.width(multi, image.width());
                v4l2_pix_format_mplane.height(multi, image.height());
                v4l2_pix_format_mplane.pixelformat(multi, fourcc);
                v4l2_pix_format_mplane.field(multi, v4l2_h.V4L2_FIELD_NONE());
                v4l2_pix_format_mplane.num_planes(multi, (byte) agreed.size());
                for (int i = 0; i < agreed.size(); i++) {
                    v4l2_plane_pix_format.bytesperline(
                            v4l2_pix_format_mplane.plane_fmt(multi, i), pitch(agreed.get(i)));
                }
            } else {
                v4l2_pix_format.width(single, image.width());
                v4l2_pix_format.height(single, image.height());
                v4l2_pix_format.pixelformat(single, fourcc);
                v4l2_pix_format.field(single, v4l2_h.V4L2_FIELD_NONE());
                v4l2_pix_format.bytesperline(single, pitch(agreed.getFirst()));
            }
            int result = node.tryIoctl(v4l2_h.VIDIOC_S_FMT(), format);
            if (result == -Errno.EBUSY) {
                throw new IOException(
                        name + " is in use by another program (VIDIOC_S_FMT gave EBUSY): stop that first");
            }
            if (result < 0) {
                throw new IOException(name + " refuses " + image + ": VIDIOC_S_FMT gave " + Errno.name(-result));
            }
            checkImage(
                    image,
                    multiPlanar ? v4l2_pix_format_mplane.width(multi) : v4l2_pix_format.width(single),
                    multiPlanar ? v4l2_pix_format_mplane.height(multi) : v4l2_pix_format.height(single),
                    multiPlanar ? v4l2_pix_format_mplane.pixelformat(multi) : v4l2_pix_format.pixelformat(single),
                    multiPlanar ? v4l2_pix_format_mplane.num_planes(multi) : 1);
            for (int i = 0; i < agreed.size(); i++) {
                MemorySegment plane = v4l2_pix_format_mplane.plane_fmt(multi, i);
                checkLayout(
                        agreed.get(i),
                        multiPlanar ? v4l2_plane_pix_format.bytesperline(plane) : v4l2_pix_format.bytesperline(single),
                        multiPlanar ? v4l2_plane_pix_format.sizeimage(plane) : v4l2_pix_format.sizeimage(single));
            }
        }
        layouts = List.copyOf(agreed);
    }

    private static int pitch(Layout layout) {
        return (int) layout.planes().getFirst().pitch();
    }

    private void checkImage(Image image, int width, int height, int fourcc, int buffers) throws IOException {
        if (width != image.width()
                || height != image.height()
                || fourcc != image.format().v4l2Fourcc()
                || buffers != image.format().buffers()) {
            throw new IOException(name + " does not keep its word: it has " + named(fourcc) + " " + width + "x" + height
                    + " in " + buffers + " buffers, and " + image
                    + " was agreed on: ask for another --size or --format");
        }
    }

    private void checkLayout(Layout layout, int bytesPerLine, int sizeImage) throws IOException {
        long pitch = Integer.toUnsignedLong(bytesPerLine);
        long size = Integer.toUnsignedLong(sizeImage);
        if (pitch != pitch(layout) || size < layout.planes().getLast().end() || size > layout.size()) {
            throw new IOException(name + " does not keep its word: it has lines " + pitch + " bytes apart, in " + size
                    + " bytes, and agreed on was " + layout + ", in " + layout.size()
                    + " bytes: ask for another --size or --format");
        }
    }

    private static String named(int fourcc) {
        return PixelFormat.ofV4l2(fourcc).map(PixelFormat::name).orElseGet(() -> Fourcc.name(fourcc));
    }

    // ---- where the buffers are ----

    /** Will work on dma-bufs of ours: of each frame, one for each of its buffers. From now on a frame's index is its name. */
    void use(List<List<DmaBuf>> memory) throws IOException {
        request(memory.size(), v4l2_h.V4L2_MEMORY_DMABUF());
        var described = new ArrayList<MemorySegment>();
        for (List<DmaBuf> buffers : memory) {
            MemorySegment frame = describe(described.size(), v4l2_h.V4L2_MEMORY_DMABUF());
            for (int i = 0; i < buffers.size(); i++) {
                DmaBuf buffer = buffers.get(i);
                // The whole of the buffer, not what the image fills: drivers check as much as is said here.
                int length = (int) Math.min(buffer.size(), Integer.MAX_VALUE);
                int used = isOutput() ? (int) layouts.get(i).size() : 0;
                if (multiPlanar) {
                    MemorySegment plane = plane(frame, i);
                    v4l2_plane.m.fd(v4l2_plane.m(plane), buffer.fd());
                    v4l2_plane.length(plane, length);
                    v4l2_plane.bytesused(plane, used);
                } else {
                    v4l2_buffer.m.fd(v4l2_buffer.m(frame), buffer.fd());
                    v4l2_buffer.length(frame, length);
                    v4l2_buffer.bytesused(frame, used);
                }
            }
            described.add(frame);
        }
        frames = List.copyOf(described);
    }

    /** Will work on memory that the driver allocates now, and that {@link #export} gives out. */
    void request(int count) throws IOException {
        request(count, v4l2_h.V4L2_MEMORY_MMAP());
        var described = new ArrayList<MemorySegment>();
        for (int i = 0; i < count; i++) {
            described.add(describe(i, v4l2_h.V4L2_MEMORY_MMAP()));
        }
        frames = List.copyOf(described);
    }

    /** A dma-buf of the driver's memory: a descriptor that the caller closes. Only of images in one buffer. */
    int export(int index) throws IOException {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment export = v4l2_exportbuffer.allocate(call);
            v4l2_exportbuffer.type(export, type);
            v4l2_exportbuffer.index(export, index);
            v4l2_exportbuffer.flags(export, Linux.O_RDWR | Linux.O_CLOEXEC);
            int result = node.tryIoctl(v4l2_h.VIDIOC_EXPBUF(), export);
            if (result < 0) {
                throw new IOException(name + " does not give its memory to others: VIDIOC_EXPBUF gave "
                        + Errno.name(-result) + "; use memory from heaps");
            }
            return v4l2_exportbuffer.fd(export);
        }
    }

    private void request(int count, int memory) throws IOException {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment request = v4l2_requestbuffers.allocate(call);
            v4l2_requestbuffers.count(request, count);
            v4l2_requestbuffers.type(request, type);
            v4l2_requestbuffers.memory(request, memory);
            int result = node.tryIoctl(v4l2_h.VIDIOC_REQBUFS(), request);
            if (result == -Errno.EBUSY) {
                throw new IOException(
                        name + " is streaming for another program (VIDIOC_REQBUFS gave EBUSY): stop that first");
            }
            if (result < 0) {
                throw new IOException(name
                        + (memory == v4l2_h.V4L2_MEMORY_DMABUF() ? " takes no dma-bufs" : " has no buffers of its own")
                        + ": VIDIOC_REQBUFS gave " + Errno.name(-result));
            }
            // A driver may ask for more than it gets; fewer would leave some of ours without a number.
            if (v4l2_requestbuffers.count(request) < count) {
                throw new IOException(
                        name + " takes only " + v4l2_requestbuffers.count(request) + " buffers of " + count);
            }
        }
        dequeued = describe(0, memory);
    }

    private MemorySegment describe(int index, int memory) {
        // The planes lie behind the buffer that points to them, so that one segment reaches all.
        int planes = multiPlanar ? layouts.size() : 0;
        MemorySegment frame = arena.allocate(v4l2_buffer.sizeof() + planes * v4l2_plane.sizeof(), Long.BYTES);
        v4l2_buffer.index(frame, index);
        v4l2_buffer.type(frame, type);
        v4l2_buffer.memory(frame, memory);
        if (multiPlanar) {
            v4l2_buffer.m.planes(v4l2_buffer.m(frame), plane(frame, 0));
            v4l2_buffer.length(frame, planes);
        }
        return frame;
    }

    private static MemorySegment plane(MemorySegment frame, int index) {
        return v4l2_plane.asSlice(frame.asSlice(v4l2_buffer.sizeof()), index);
    }

    // ---- the stream ----

    /** How many frames there are. */
    int size() {
        return frames.size();
    }

    /** Starts the stream; some drivers want buffers queued before. */
    void start() throws IOException {
        node.ioctl("VIDIOC_STREAMON", v4l2_h.VIDIOC_STREAMON(), streamType);
    }

    /** Stops the stream; every buffer is ours again. */
    void stop() {
        node.tryIoctl(v4l2_h.VIDIOC_STREAMOFF(), streamType);
    }

    /** Gives the driver a frame's buffers, to fill or to read. */
    void queue(int index) throws IOException {
        node.frameIoctl("VIDIOC_QBUF", v4l2_h.VIDIOC_QBUF(), frames.get(index));
    }

    /**
     * Takes the frame that the driver has been done with for longest, or {@link #NONE}. Never blocks. A stream of which nothing
     * is any good is an error.
     */
    int dequeue() throws IOException {
        int result = node.tryFrameIoctl(v4l2_h.VIDIOC_DQBUF(), dequeued);
        if (result == -Errno.EAGAIN) {
            return NONE;
        }
        if (result < 0) {
            throw new IOException("VIDIOC_DQBUF on " + name + " gave " + Errno.name(-result)
                    + (result == -Errno.ENODEV ? ": it was unplugged" : ""));
        }
        damaged = isDamaged() ? damaged + 1 : 0;
        if (damaged > MOST_DAMAGED) {
            throw new IOException(name + " gives only damaged frames: see whether it has a signal");
        }
        return v4l2_buffer.index(dequeued);
    }

    /** Whether the driver says that the frame dequeued last is no good. */
    boolean isDamaged() {
        return (v4l2_buffer.flags(dequeued) & v4l2_h.V4L2_BUF_FLAG_ERROR()) != 0;
    }

    /** The driver's count of the frame dequeued last, unsigned; a gap is a frame that found no free buffer. */
    int sequence() {
        return v4l2_buffer.sequence(dequeued);
    }

    /** Bytes before the image in a buffer of the frame dequeued last, which only multi-planar drivers have. */
    long headerBytes(int buffer) {
        return multiPlanar ? Integer.toUnsignedLong(v4l2_plane.data_offset(plane(dequeued, buffer))) : 0;
    }
}
