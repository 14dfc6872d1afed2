package dev.cenalloc.examples;

import dev.cenalloc.DmaBuf;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_buffer;
import dev.cenalloc.bindings.v4l2.v4l2_capability;
import dev.cenalloc.bindings.v4l2.v4l2_captureparm;
import dev.cenalloc.bindings.v4l2.v4l2_fmtdesc;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_fract;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_requestbuffers;
import dev.cenalloc.bindings.v4l2.v4l2_streamparm;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A V4L2 capture device that fills dma-bufs of ours ({@code V4L2_MEMORY_DMABUF}), closed by whoever opened it. For one
 * thread. Once started, {@link #dequeue} and {@link #queue} are one system call each and allocate nothing.
 */
final class Camera implements AutoCloseable {
    private static final int CAPTURE = v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE();

    private final DeviceNode node;
    private final String name;
    private final Arena arena = Arena.ofShared();
    /** The kernel's view of the buffers, by index; filled in once. */
    private List<MemorySegment> queued = List.of();

    private final MemorySegment dequeued = v4l2_buffer.allocate(arena);
    private boolean streaming;

    private Camera(DeviceNode node, String name) {
        this.node = node;
        this.name = name;
    }

    /**
     * Opens the first camera that fits.
     *
     * @param which a driver ({@code vivid}), part of a bus address ({@code vivid-001}), a node ({@code /dev/video2}), or
     *     {@code auto} for any
     */
    static Camera open(String which) throws IOException {
        var seen = new ArrayList<String>();
        for (Path path : DeviceNode.list("/dev", "video")) {
            DeviceNode node;
            try {
                node = DeviceNode.open(path);
            } catch (IOException e) {
                seen.add(String.valueOf(e.getMessage()));
                continue;
            }
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment caps = v4l2_capability.allocate(arena);
                if (node.tryIoctl(v4l2_h.VIDIOC_QUERYCAP(), caps) == 0) {
                    String driver = v4l2_capability.driver(caps).getString(0);
                    String bus = v4l2_capability.bus_info(caps).getString(0);
                    String description = driver + " at " + bus + " (" + path + ")";
                    int needed = v4l2_h.V4L2_CAP_VIDEO_CAPTURE() | v4l2_h.V4L2_CAP_STREAMING();
                    boolean wanted = which.equals("auto")
                            || which.equals(driver)
                            || which.equals(path.toString())
                            || bus.contains(which);
                    if ((v4l2_capability.device_caps(caps) & needed) != needed) {
                        seen.add(description + " does not capture video in single planes");
                    } else if (!offersXr24(node)) {
                        seen.add(description + " has no format XR24");
                    } else if (!wanted) {
                        seen.add(description);
                    } else {
                        return new Camera(node, driver + " " + bus);
                    }
                }
            }
            node.close();
        }
        throw new IOException(
                "no camera '" + which + "'; there is: " + (seen.isEmpty() ? "none" : String.join(", ", seen)));
    }

    private static boolean offersXr24(DeviceNode node) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment format = v4l2_fmtdesc.allocate(arena);
            v4l2_fmtdesc.type(format, CAPTURE);
            for (int i = 0; ; i++) {
                v4l2_fmtdesc.index(format, i);
                if (node.tryIoctl(v4l2_h.VIDIOC_ENUM_FMT(), format) < 0) {
                    return false;
                }
                if (v4l2_fmtdesc.pixelformat(format) == Frame.XR24) {
                    return true;
                }
            }
        }
    }

    String name() {
        return name;
    }

    Path path() {
        return node.path();
    }

    int fd() {
        return node.fd();
    }

    /** Sets size and rate. A driver may only come near; what it settled on must be the size, the rate may differ. */
    Frame configure(int width, int height, int framesPerSecond) throws IOException {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment format = v4l2_format.allocate(call);
            v4l2_format.type(format, CAPTURE);
            MemorySegment pixels = v4l2_format.fmt.pix(v4l2_format.fmt(format));
            v4l2_pix_format.width(pixels, width);
            v4l2_pix_format.height(pixels, height);
            v4l2_pix_format.pixelformat(pixels, Frame.XR24);
            v4l2_pix_format.field(pixels, v4l2_h.V4L2_FIELD_NONE());
            if (node.tryIoctl(v4l2_h.VIDIOC_S_FMT(), format) == -Errno.EBUSY) {
                throw new IOException(name + " is in use by another program: stop that first");
            }
            if (v4l2_pix_format.width(pixels) != width
                    || v4l2_pix_format.height(pixels) != height
                    || v4l2_pix_format.pixelformat(pixels) != Frame.XR24) {
                throw new IOException(name + " does not give " + width + "x" + height + " XR24 but "
                        + v4l2_pix_format.width(pixels) + "x" + v4l2_pix_format.height(pixels) + " "
                        + Frame.fourccName(v4l2_pix_format.pixelformat(pixels)) + ": ask for another --size");
            }
            MemorySegment parameters = v4l2_streamparm.allocate(call);
            v4l2_streamparm.type(parameters, CAPTURE);
            MemorySegment interval =
                    v4l2_captureparm.timeperframe(v4l2_streamparm.parm.capture(v4l2_streamparm.parm(parameters)));
            v4l2_fract.numerator(interval, 1);
            v4l2_fract.denominator(interval, framesPerSecond);
            // Optional in V4L2: a camera of fixed rate refuses it, and the table tells the rate that came out.
            node.tryIoctl(v4l2_h.VIDIOC_S_PARM(), parameters);
            return new Frame(width, height, v4l2_pix_format.bytesperline(pixels), v4l2_pix_format.sizeimage(pixels));
        }
    }

    /** Queues all the buffers and starts to stream. From now on the index of a buffer in this list is its name. */
    void start(List<DmaBuf> buffers) throws IOException {
        request(buffers.size());
        var described = new ArrayList<MemorySegment>();
        for (DmaBuf buffer : buffers) {
            described.add(describe(described.size(), buffer));
        }
        queued = List.copyOf(described);
        v4l2_buffer.type(dequeued, CAPTURE);
        v4l2_buffer.memory(dequeued, v4l2_h.V4L2_MEMORY_DMABUF());
        for (int i = 0; i < buffers.size(); i++) {
            queue(i);
        }
        node.ioctl("VIDIOC_STREAMON", v4l2_h.VIDIOC_STREAMON(), type());
        streaming = true;
    }

    /** Gives the camera a buffer to fill. */
    void queue(int index) throws IOException {
        node.frameIoctl("VIDIOC_QBUF", v4l2_h.VIDIOC_QBUF(), queued.get(index));
    }

    /** Takes the oldest filled buffer, or -1 if none is filled yet or that one is damaged. Never blocks. */
    int dequeue() throws IOException {
        int result = node.tryFrameIoctl(v4l2_h.VIDIOC_DQBUF(), dequeued);
        if (result == -Errno.EAGAIN) {
            return -1;
        }
        if (result < 0) {
            throw new IOException("VIDIOC_DQBUF on " + name + " gave " + Errno.name(-result));
        }
        if ((v4l2_buffer.flags(dequeued) & v4l2_h.V4L2_BUF_FLAG_ERROR()) != 0) {
            queue(v4l2_buffer.index(dequeued)); // damaged: the gap in the sequence counts it as dropped
            return -1;
        }
        return v4l2_buffer.index(dequeued);
    }

    /** The camera's count of the frame dequeued last, unsigned; a gap is a frame that found no free buffer. */
    int sequence() {
        return v4l2_buffer.sequence(dequeued);
    }

    /** Stops the stream; every buffer is ours again. */
    private void stop() {
        node.tryIoctl(v4l2_h.VIDIOC_STREAMOFF(), type());
    }

    private void request(int count) throws IOException {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment request = v4l2_requestbuffers.allocate(call);
            v4l2_requestbuffers.count(request, count);
            v4l2_requestbuffers.type(request, CAPTURE);
            v4l2_requestbuffers.memory(request, v4l2_h.V4L2_MEMORY_DMABUF());
            int result = node.tryIoctl(v4l2_h.VIDIOC_REQBUFS(), request);
            if (result == -Errno.EBUSY) {
                throw new IOException(name + " is streaming for another program: stop that first");
            }
            if (result < 0) {
                throw new IOException(name + " takes no dma-bufs: VIDIOC_REQBUFS gave " + Errno.name(-result));
            }
            // A driver may ask for more than it gets; fewer would leave some of ours without a number.
            if (v4l2_requestbuffers.count(request) < count) {
                throw new IOException(
                        name + " takes only " + v4l2_requestbuffers.count(request) + " buffers of " + count);
            }
        }
    }

    private MemorySegment describe(int index, DmaBuf buffer) {
        MemorySegment described = v4l2_buffer.allocate(arena);
        v4l2_buffer.index(described, index);
        v4l2_buffer.type(described, CAPTURE);
        v4l2_buffer.memory(described, v4l2_h.V4L2_MEMORY_DMABUF());
        v4l2_buffer.m.fd(v4l2_buffer.m(described), buffer.fd());
        v4l2_buffer.length(described, (int) buffer.size());
        return described;
    }

    private MemorySegment type() {
        MemorySegment type = arena.allocate(ValueLayout.JAVA_INT);
        type.set(ValueLayout.JAVA_INT, 0, CAPTURE);
        return type;
    }

    @Override
    public void close() {
        if (streaming) {
            streaming = false;
            stop();
        }
        node.close();
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
