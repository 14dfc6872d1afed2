// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.FirstFailure;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.node.Importer;
import dev.cenalloc.node.Trial;
import dev.cenalloc.node.v4l2.V4l2Importer;
import dev.cenalloc.node.v4l2.V4l2Offer;
import dev.cenalloc.node.v4l2.VideoNode;
import dev.cenalloc.node.v4l2.VideoNode.Kind;
import dev.cenalloc.node.v4l2.VideoQueue.State;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.DeviceMemory;
import dev.cenalloc.stream.Port;
import java.lang.invoke.MethodHandles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * An open video node, its ports, and the queues that stream from it. Closed by the camera, converter or output that it
 * is. For one thread at a time.
 */
final class VideoDevice implements AutoCloseable {
    static {
        FirstFailure.prepare(
                MethodHandles.lookup(),
                Failures.class,
                DamagedStreamException.class,
                FormatChangedException.class,
                NoFrameException.class,
                NoSignalException.class,
                StreamEndedException.class);
    }

    private final Cenalloc cenalloc;
    private final VideoNode video;
    /** Of the queue that gives images, and of the one that takes them. */
    private final Trial given;

    private final Trial taken;
    private final List<FrameQueue> queues = new ArrayList<>();
    private boolean closed;

    private VideoDevice(Cenalloc cenalloc, VideoNode video) {
        this.cenalloc = cenalloc;
        this.video = video;
        this.given = trial(false);
        this.taken = trial(true);
    }

    /** A converter's two sides are tried apart, since they may take different images and memory. */
    private Trial trial(boolean output) {
        return new Trial(cenalloc, video.node().path(), video.number(), video.name(), side(output));
    }

    /** What tells a converter's sides apart; empty for other devices. The queue that takes images is the input. */
    private String side(boolean output) {
        return video.kind() != Kind.CONVERTER ? "" : output ? " (input)" : " (output)";
    }

    static VideoDevice open(Cenalloc cenalloc, Path node, Kind wanted) throws CenallocException {
        Kernel kernel = Seam.kernel(Objects.requireNonNull(cenalloc, "cenalloc"));
        VideoNode video = VideoNode.open(kernel, Objects.requireNonNull(node, "node"));
        boolean usable = false;
        try {
            if (video.kind() != wanted) {
                throw new CenallocException(
                        Errno.EINVAL,
                        "open video device",
                        node,
                        -1,
                        video.name() + " is " + video.kind() + "; wanted is " + wanted,
                        "give another node");
            }
            var device = new VideoDevice(cenalloc, video);
            usable = true;
            return device;
        } finally {
            if (!usable) {
                video.close();
            }
        }
    }

    Cenalloc cenalloc() {
        return cenalloc;
    }

    String name() {
        return video.name();
    }

    String driver() {
        return video.driver();
    }

    Path path() {
        return video.node().path();
    }

    void requireOpen() {
        if (closed) {
            throw new IllegalStateException(video.name() + " is closed");
        }
    }

    FrameQueue queue(boolean output) {
        var queue = new FrameQueue(video, video.queue(output));
        queues.add(queue);
        return queue;
    }

    /** The port of a queue, in memory of the heaps, or of another device, or of its own. */
    Port port(FrameQueue queue) throws CenallocException {
        boolean output = queue.isOutput();
        return port(output, (output ? taken : given).terms(() -> importer(output)))
                .withMemory(new QueueMemory(this, queue, side(output)));
    }

    /** The port of a queue, in memory of its own. */
    Port exports(FrameQueue queue) throws CenallocException {
        boolean output = queue.isOutput();
        return port(output, layout -> exporter(layout, output));
    }

    private Port port(boolean output, Port.Terms terms) throws CenallocException {
        requireOpen();
        return Port.of(name(), video.images(output).orElse(List.of()), terms)
                .withOtherFormats(video.otherFormats(output))
                .withDoubts(video.doubts(output));
    }

    private Device exporter(Layout layout, boolean output) throws CenallocException {
        try (Importer importer = importer(output)) {
            importer.prepare(layout);
            return Device.of(name(), importer.needs(), "the memory is its own");
        }
    }

    /**
     * For a trial of one queue, between streams: the queues take their buffers again when they are started. What a
     * converter's other queue allocated is left alone.
     */
    private Importer importer(boolean output) throws CenallocException {
        rest();
        return V4l2Importer.on(video, output);
    }

    /** Buffers of the driver's own memory, between streams. */
    DeviceMemory.Offer offer(String memory, FrameQueue queue, Layout layout, int count) throws CenallocException {
        rest();
        return V4l2Offer.of(cenalloc, video, queue.isOutput(), memory, layout, count);
    }

    private void rest() throws CenallocException {
        requireOpen();
        if (queues.stream()
                .map(FrameQueue::queue)
                .anyMatch(queue -> queue.state() == State.STREAMING || queue.isLending())) {
            throw CenallocException.ofRefusal(
                    Errno.EBUSY,
                    "probe",
                    path(),
                    -1,
                    video.name() + " streams, or lends its own memory, so that nothing can be tried with it",
                    "negotiate before");
        }
        queues.forEach(queue -> queue.queue().rest());
    }

    /** Waits for events of the node. */
    int await(int events, long nanos) throws CenallocException {
        return video.node().await(events, nanos);
    }

    /** Closes the node. Idempotent. */
    @Override
    public void close() {
        closed = true;
        video.close();
    }

    @Override
    public String toString() {
        return video.toString();
    }
}
