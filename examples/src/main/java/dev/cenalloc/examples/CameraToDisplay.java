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
                var screen = Sinks.open(cenalloc, "camera")) { // a display, or a window on the desktop that controls it
            var ports = List.of(camera.port(), screen.port());
            var agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY.rate(30), ports);
            try (var ring = Ring.allocate(cenalloc, agreement, 5)) {
                System.out.println(ring.explain()); // which images, which memory, and why
                camera.configure(agreement);
                camera.use(ring);
                screen.use(ring);
                camera.start();
                int shown = 0;
                for (long end = System.nanoTime() + nanos;
                        System.nanoTime() < end && !screen.isCloseRequested();
                        shown++) {
                    screen.show(camera.next(SECOND)); // the frame before it goes back to the camera
                }
                System.out.println(shown + " frames shown on " + screen);
            }
        }
    }
}
