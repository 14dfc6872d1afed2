// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.device.Devices;
import dev.cenalloc.device.Sinks;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import java.time.Duration;
import java.util.List;

/** Shows a camera on a display without a copy: found, negotiated, shared. Option: {@code --seconds N}. */
final class CameraToDisplay {
    private static final Duration SECOND = Duration.ofSeconds(1);

    private CameraToDisplay() {}

    static void main(String[] arguments) throws Exception {
        long nanos = Arguments.nanos(arguments); // how long to run: --seconds
        try (var cenalloc = Cenalloc.open();
                var camera = Camera.open(cenalloc, Devices.camera(cenalloc));
                var sink = Sinks.open(cenalloc, "camera")) { // a display, or a window of the desktop on it
            var ports = List.of(camera.port(), sink.port());
            var agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY.rate(30), ports);
            try (var ring = Ring.allocate(cenalloc, agreement, 5)) {
                System.out.println(ring.explain()); // which images, which memory, and why
                camera.configure(agreement);
                camera.use(ring);
                sink.use(ring);
                camera.start();
                int n = 0;
                for (long end = System.nanoTime() + nanos; System.nanoTime() < end && !sink.isCloseRequested(); n++) {
                    sink.show(camera.next(SECOND)); // the frame before it goes back to the camera
                }
                System.out.println(n + " frames shown on " + sink);
            }
        }
    }
}
