package dev.cenalloc.examples;

import dev.cenalloc.DmaBuf;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Layout;
import dev.cenalloc.device.Probe;
import dev.cenalloc.bindings.v4l2.v4l2_captureparm;
import dev.cenalloc.bindings.v4l2.v4l2_fract;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_streamparm;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A V4L2 capture device, single- or multi-planar, that fills dma-bufs of ours, or lends us its own. Closed by whoever opened
 * it. For one thread at a time.
 */
final class Camera implements Source, AutoCloseable {
    private final VideoNode video;
    private final VideoQueue queue;
    private int sequence;
    private long dropped;
    private boolean lending;
    private boolean streaming;

    private Camera(VideoNode video) {
        this.video = video;
        this.queue = video.capture();
    }

    static Camera open(Probe probe, DeviceNode.Opener nodes) throws IOException {
        return new Camera(VideoNode.open(probe, nodes));
    }

    /** Sets format and rate. The rate may come out as another. */
    void configure(Layout layout, FrameRate rate) throws IOException {
        configure(List.of(layout), rate);
    }

    /** As {@link #configure(Layout, FrameRate)}, of an image in several buffers: where it lies in each. */
    void configure(List<Layout> layouts, FrameRate rate) throws IOException {
        queue.configure(layouts);
        try (Arena call = Arena.ofConfined()) {
            MemorySegment parameters = v4l2_streamparm.allocate(call);
            v4l2_streamparm.type(parameters, queue.type());
            MemorySegment interval =
                    v4l2_captureparm.timeperframe(v4l2_streamparm.parm.capture(v4l2_streamparm.parm(parameters)));
            v4l2_fract.numerator(interval, (int) rate.seconds());
            v4l2_fract.denominator(interval, (int) rate.frames());
            // Optional in V4L2: a camera of fixed rate refuses it, and the table tells the rate that came out.
            video.node().tryIoctl(v4l2_h.VIDIOC_S_PARM(), parameters);
        }
    }

    @Override
    public String name() {
        return video.name();
    }

    /** Two to fill, by turns. */
    @Override
    public int depth() {
        return 2;
    }

    @Override
    public void use(List<DmaBuf> memory) throws IOException {
        if (!lending) {
            useApart(memory.stream().map(List::of).toList());
        }
    }

    /** As {@link #use}, for an image in several buffers: of each frame, one dma-buf for each. */
    void useApart(List<List<DmaBuf>> memory) throws IOException {
        queue.use(memory);
    }

    /** Has the driver allocate so many buffers, to use instead of any of ours; {@link #export} gives them out. */
    void lend(int count) throws IOException {
        queue.request(count);
        lending = true;
    }

    /** A dma-buf of one of the driver's buffers: a descriptor that the caller closes. */
    int export(int index) throws IOException {
        return queue.export(index);
    }

    @Override
    public void start() throws IOException {
        start(queue.size());
    }

    /** Starts with only the first few buffers; the others are elsewhere. */
    void start(int count) throws IOException {
        for (int i = 0; i < count; i++) {
            queue.queue(i);
        }
        queue.start();
        streaming = true;
        sequence = -1; // the count begins with 0
    }

    @Override
    public int next() throws IOException {
        boolean filled = video.node().await("the camera gave no frame");
        int index = queue.dequeue();
        if (index == VideoQueue.NONE) {
            if (!filled) {
                throw new IOException(name() + " reports an error with its stream: open it anew");
            }
            return VideoQueue.NONE;
        }
        if (queue.isDamaged()) {
            queue.queue(index); // the gap in the sequence counts it as dropped
            return VideoQueue.NONE;
        }
        // A driver that begins its count anew has dropped nothing.
        dropped += Math.max(0, queue.sequence() - sequence - 1);
        sequence = queue.sequence();
        return index;
    }

    @Override
    public void giveBack(int index) throws IOException {
        queue.queue(index);
    }

    /** Frames that the camera took and had no buffer for, since the start. */
    long dropped() {
        return dropped;
    }

    /** Bytes before the image in a buffer of the last frame. */
    long headerBytes(int buffer) {
        return queue.headerBytes(buffer);
    }

    @Override
    public void close() {
        if (streaming) {
            streaming = false;
            queue.stop();
        }
        video.close();
    }
}
