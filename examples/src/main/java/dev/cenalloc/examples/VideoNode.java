package dev.cenalloc.examples;

import dev.cenalloc.device.Probe;
import dev.cenalloc.bindings.v4l2.v4l2_capability;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * An open V4L2 node with its queues: a camera has one that gives frames, a converter another one that takes them. Closed by
 * whoever opened it. For one thread at a time.
 */
final class VideoNode implements AutoCloseable {
    private final DeviceNode node;
    private final String name;
    private final boolean multiPlanar;
    private final Arena arena = Arena.ofShared();

    private VideoNode(DeviceNode node, String name) throws IOException {
        this.node = node;
        this.name = name;
        try (Arena call = Arena.ofConfined()) {
            MemorySegment said = v4l2_capability.allocate(call);
            node.ioctl("VIDIOC_QUERYCAP", v4l2_h.VIDIOC_QUERYCAP(), said);
            // A driver has the interface for images in several buffers, or the other.
            int multiPlanarKinds = v4l2_h.V4L2_CAP_VIDEO_CAPTURE_MPLANE() | v4l2_h.V4L2_CAP_VIDEO_M2M_MPLANE();
            this.multiPlanar = (v4l2_capability.device_caps(said) & multiPlanarKinds) != 0;
        }
    }

    static VideoNode open(Probe probe, DeviceNode.Opener nodes) throws IOException {
        try (var opened = new Undo()) {
            var video = new VideoNode(opened.add(nodes.open(probe.node())), probe.name());
            opened.keep();
            return video;
        }
    }

    /** The queue that gives frames. */
    VideoQueue capture() {
        return new VideoQueue(
                node,
                name() + " (" + node.path() + ")",
                multiPlanar ? v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE() : v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE(),
                arena);
    }

    /** The queue of a converter that takes frames. */
    VideoQueue output() {
        return new VideoQueue(
                node,
                name() + " (" + node.path() + ")",
                multiPlanar ? v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE() : v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT(),
                arena);
    }

    String name() {
        return name;
    }

    DeviceNode node() {
        return node;
    }

    /** Closes the node, which ends its streams and lets go of every buffer. */
    @Override
    public void close() {
        node.close();
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
