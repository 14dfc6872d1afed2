// SPDX-License-Identifier: Apache-2.0
import dev.cenalloc.Cenalloc;
import dev.cenalloc.gstreamer.UnixFdFrame;
import dev.cenalloc.gstreamer.UnixFdSink;
import dev.cenalloc.gstreamer.UnixFdSource;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.share.Address;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;

/**
 * Takes the place of a GStreamer pipeline, until ci/compare/unixfd kills it: "send SOCKET CAMERA" or "receive SOCKET".
 */
final class Pipelines {
    private static final Duration LIMIT = Duration.ofSeconds(60);

    public static void main(String[] arguments) throws Exception {
        Address address = Address.of(Path.of(arguments[1]));
        try (var cenalloc = Cenalloc.open()) {
            if (arguments[0].equals("send")) {
                send(cenalloc, address, Path.of(arguments[2]));
            } else {
                receive(cenalloc, address);
            }
        }
    }

    private static void receive(Cenalloc cenalloc, Address address) throws Exception {
        rehearse(cenalloc, Address.of(Path.of(address + "-rehearsal")));
        try (var source = UnixFdSource.open(cenalloc, address)) {
            for (UnixFdFrame frame = source.next(LIMIT); frame != null; frame = source.next(LIMIT)) {
                frame.close();
            }
        }
    }

    /**
     * Passes some frames within this process before it connects, so that Java has loaded its classes. Else the first
     * frame takes so long that v4l2src has no buffers any more: it then copies to plain memory, and unixfdsink ends.
     */
    private static void rehearse(Cenalloc cenalloc, Address address) throws Exception {
        var layout = UnixFdSink.layout(new Image(PixelFormat.XR24, 640, 480));
        var agreement = Agreement.of(cenalloc, List.of(layout), FrameRate.of(30), List.of());
        try (var ring = Ring.allocate(cenalloc, agreement, 3);
                var sink = UnixFdSink.open(cenalloc, address, agreement);
                var source = UnixFdSource.open(cenalloc, address)) {
            sink.awaitPipeline(LIMIT);
            for (int i = 0; i < 3; i++) {
                sink.send(new Picture(ring, i));
                Objects.requireNonNull(source.next(LIMIT)).close();
                sink.collect(LIMIT);
            }
        }
    }

    private static final class Picture extends Frame {
        Picture(Ring ring, int index) {
            super(ring, index);
            lend();
        }

        @Override
        public long sequence() {
            return index();
        }

        @Override
        public long timestampNanos() {
            return 1;
        }

        @Override
        public boolean isDamaged() {
            return false;
        }

        @Override
        protected void giveBack() {}
    }

    private static void send(Cenalloc cenalloc, Address address, Path node) throws Exception {
        var request = ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480).rate(30);
        try (var camera = Camera.open(cenalloc, node)) {
            var agreement = Agreement.negotiate(cenalloc, request, List.of(camera.port()));
            camera.configure(agreement);
            try (var ring = Ring.allocate(cenalloc, agreement, 8);
                    var sink = UnixFdSink.open(cenalloc, address, agreement)) {
                camera.use(ring);
                sink.awaitPipeline(LIMIT);
                camera.start();
                while (true) {
                    if (sink.send(camera.next(LIMIT)) != 1) {
                        throw new IllegalStateException("the pipeline did not get a frame");
                    }
                }
            }
        }
    }
}
