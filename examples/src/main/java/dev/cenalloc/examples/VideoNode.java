package dev.cenalloc.examples;

import dev.cenalloc.PixelFormat;
import dev.cenalloc.bindings.v4l2.v4l2_capability;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;

/**
 * An open V4L2 node with its queues: a camera has one that gives frames, a converter another one that takes them. Closed by
 * whoever opened it. For one thread at a time.
 */
final class VideoNode implements AutoCloseable {
    /** What a node is for, told by its capabilities, of which a driver has the one or the other of two. */
    enum Kind {
        CAMERA("camera", v4l2_h.V4L2_CAP_VIDEO_CAPTURE(), v4l2_h.V4L2_CAP_VIDEO_CAPTURE_MPLANE()),
        CONVERTER("converter", v4l2_h.V4L2_CAP_VIDEO_M2M(), v4l2_h.V4L2_CAP_VIDEO_M2M_MPLANE());

        private final String noun;
        private final int singlePlanar;
        private final int multiPlanar;

        Kind(String noun, int singlePlanar, int multiPlanar) {
            this.noun = noun;
            this.singlePlanar = singlePlanar;
            this.multiPlanar = multiPlanar;
        }
    }

    private final DeviceNode node;
    private final String driver;
    private final String bus;
    private final int capabilities;
    private final boolean multiPlanar;
    private final Arena arena = Arena.ofShared();

    private VideoNode(DeviceNode node, Kind kind) throws IOException {
        this.node = node;
        try (Arena call = Arena.ofConfined()) {
            MemorySegment said = v4l2_capability.allocate(call);
            node.ioctl("VIDIOC_QUERYCAP", v4l2_h.VIDIOC_QUERYCAP(), said);
            this.driver = v4l2_capability.driver(said).getString(0);
            this.bus = v4l2_capability.bus_info(said).getString(0);
            this.capabilities = v4l2_capability.device_caps(said);
        }
        this.multiPlanar = (capabilities & kind.multiPlanar) != 0;
    }

    /**
     * Opens the first node that fits.
     *
     * @param which a driver ({@code vivid}), part of a bus address ({@code vivid-001}), a node ({@code /dev/video2}), or
     *     {@code auto} for any
     * @param format what it must have
     */
    static VideoNode open(Kind kind, String which, DeviceNode.Opener nodes, PixelFormat format) throws IOException {
        var seen = new ArrayList<String>();
        for (Path path : DeviceNode.list("/dev", "video")) {
            try (var opened = new Undo()) {
                DeviceNode node = opened.add(nodes.open(path));
                var video = opened.add(new VideoNode(node, kind));
                String unfit = video.unfit(kind, format);
                if (unfit.isEmpty() && video.is(which)) {
                    opened.keep();
                    return video;
                }
                seen.add(video.driver + " at " + video.bus + " (" + path + ")" + unfit);
            } catch (IOException e) {
                seen.add(String.valueOf(e.getMessage()));
            }
        }
        throw new IOException("no " + kind.noun + " '" + which + "'; there is: "
                + (seen.isEmpty() ? "none" : String.join(", ", seen)));
    }

    private boolean is(String which) {
        return which.equals("auto")
                || which.equals(driver)
                || which.equals(node.path().toString())
                || bus.contains(which);
    }

    private String unfit(Kind kind, PixelFormat format) {
        if ((capabilities & (kind.singlePlanar | kind.multiPlanar)) == 0
                || (capabilities & v4l2_h.V4L2_CAP_STREAMING()) == 0) {
            return " is no " + kind.noun;
        }
        var formats = capture().formats();
        return formats.contains(format) ? "" : " has no format " + format + " but " + formats;
    }

    /** The queue that gives frames. */
    VideoQueue capture() {
        return new VideoQueue(
                node,
                name(),
                multiPlanar ? v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE() : v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE(),
                arena);
    }

    /** The queue of a converter that takes frames. */
    VideoQueue output() {
        return new VideoQueue(
                node,
                name(),
                multiPlanar ? v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE() : v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT(),
                arena);
    }

    String name() {
        return driver + " " + bus;
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
