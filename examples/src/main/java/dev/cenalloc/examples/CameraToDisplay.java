// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.device.Devices;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.kms.Display;
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
                var display = Display.open(cenalloc, Devices.display(cenalloc))) {
            var ports = List.of(camera.port(), display.port());
            var agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY.rate(30), ports);
            try (var ring = Ring.allocate(cenalloc, agreement, 5)) {
                System.out.println(ring.explain()); // which images, which memory, and why
                camera.configure(agreement);
                camera.use(ring);
                display.configure(agreement);
                display.use(ring);
                camera.start();
                for (long end = System.nanoTime() + nanos; System.nanoTime() < end; ) {
                    display.show(camera.next(SECOND)); // the frame before it goes back to the camera
                }
                System.out.println(display.flips() + " frames shown on " + display);
            }
        }
    }
}
