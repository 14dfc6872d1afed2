package dev.cenalloc.examples;

import dev.cenalloc.DmaBuf;
import dev.cenalloc.image.Layout;
import dev.cenalloc.device.Probe;
import java.io.IOException;
import java.util.List;

/**
 * A V4L2 mem-to-mem device behind a camera: takes the camera's frames and gives its own. Camera and both queues of the
 * converter share the buffers, each under the same index everywhere. A buffer goes round: the camera fills it, the converter
 * reads it, then writes to it, and it is shown. Closed by whoever opened it, before the camera. For one thread at a time.
 */
final class Converter implements Source, AutoCloseable {
    /** To write to by turns. */
    private static final int TO_WRITE = 2;
    /** Being read while the one before is shown. */
    private static final int TO_READ = 1;

    private final Camera camera;
    private final VideoNode video;
    private final VideoQueue output;
    private final VideoQueue capture;
    private boolean streaming;
    /** One frame is converted while the one before is shown. */
    private boolean ahead;

    private Converter(Camera camera, VideoNode video) {
        this.camera = camera;
        this.video = video;
        this.output = video.output();
        this.capture = video.capture();
    }

    /**
     * Opens a converter behind a camera.
     *
     * @param layout how the camera's frames lie in memory, and those of the converter
     */
    static Converter open(Probe probe, DeviceNode.Opener nodes, Camera camera, Layout layout) throws IOException {
        try (var opened = new Undo()) {
            var converter = new Converter(camera, opened.add(VideoNode.open(probe, nodes)));
            converter.output.configure(List.of(layout));
            converter.capture.configure(List.of(layout));
            opened.keep();
            return converter;
        }
    }

    @Override
    public String name() {
        return camera.name() + " -> " + video.name();
    }

    @Override
    public int depth() {
        return camera.depth() + TO_READ + TO_WRITE;
    }

    @Override
    public void use(List<DmaBuf> memory) throws IOException {
        camera.use(memory);
        List<List<DmaBuf>> frames = memory.stream().map(List::of).toList();
        output.use(frames);
        capture.use(frames);
    }

    @Override
    public void start() throws IOException {
        int toCamera = capture.size() - TO_WRITE;
        camera.start(toCamera);
        for (int i = toCamera; i < capture.size(); i++) {
            capture.queue(i);
        }
        streaming = true;
        output.start();
        capture.start();
    }

    @Override
    public int next() throws IOException {
        int frame = camera.next();
        if (frame == VideoQueue.NONE) {
            return VideoQueue.NONE;
        }
        output.queue(frame);
        if (!ahead) {
            ahead = true;
            return VideoQueue.NONE;
        }
        boolean converted = video.node().await("the converter gave no frame");
        int read = output.dequeue();
        if (read != VideoQueue.NONE) {
            capture.queue(read);
        }
        int written = capture.dequeue();
        if (written == VideoQueue.NONE && read == VideoQueue.NONE && !converted) {
            throw new IOException(video.name() + " reports an error with its stream: open it anew");
        }
        if (written != VideoQueue.NONE && capture.isDamaged()) {
            capture.queue(written);
            return VideoQueue.NONE;
        }
        return written;
    }

    @Override
    public void giveBack(int index) throws IOException {
        camera.giveBack(index);
    }

    @Override
    public void close() {
        if (streaming) {
            streaming = false;
            output.stop();
            capture.stop();
        }
        video.close();
    }
}
