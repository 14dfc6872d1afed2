// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.gstreamer.EndOfStreamException;
import dev.cenalloc.gstreamer.UnixFdFrame;
import dev.cenalloc.gstreamer.UnixFdSink;
import dev.cenalloc.gstreamer.UnixFdSource;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Address;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;

/**
 * Draws a mark into the frames of a GStreamer pipeline, and gives them to another one, in the same memory: {@code
 * --sockets DIRECTORY}. Start the first pipeline before this program, the second after it:
 * <pre>{@code
 * gst-launch-1.0 -e libcamerasrc ! video/x-raw,format=NV12 ! unixfdsink socket-path=/tmp/camera
 * gst-launch-1.0 unixfdsrc socket-path=/tmp/marked ! videoconvert ! autovideosink
 * }</pre>
 */
final class Mark {
    private static final Duration MINUTE = Duration.ofMinutes(1);

    private Mark() {}

    static void main(String[] arguments) throws Exception {
        var sockets = Path.of(Arguments.of(arguments, "--sockets", "/tmp"));
        try (var cenalloc = Cenalloc.open();
                var source = UnixFdSource.open(cenalloc, Address.of(sockets.resolve("camera")))) {
            var frame = Objects.requireNonNull(source.next(MINUTE), "no frame came within a minute");
            var images = frame.ring().agreement();
            try (var sink = UnixFdSink.open(cenalloc, Address.of(sockets.resolve("marked")), images)) {
                sink.setMostAway(2); // the camera needs its other buffers
                sink.awaitPipeline(MINUTE);
                try {
                    for (; frame != null; frame = source.next(MINUTE)) {
                        draw(frame);
                        if (sink.away() == 2) {
                            sink.collect(MINUTE); // waits, so that no frame is left out
                        }
                        sink.send(frame); // the camera gets it back when the other pipeline has used it
                    }
                } catch (EndOfStreamException e) {
                    sink.finish(MINUTE);
                }
            }
        }
    }

    private static void draw(UnixFdFrame frame) throws Exception {
        try (var pixels = frame.access(Direction.READ_WRITE)) {
            int rows = pixels.layout().rows(0); // of the first plane: the luma, if there is one
            for (int row = rows / 4; row < rows / 2; row++) {
                var line = pixels.layout().row(pixels.segment(), 0, row);
                line.asSlice(line.byteSize() / 4, line.byteSize() / 4).fill((byte) 235);
            }
        }
    }
}
