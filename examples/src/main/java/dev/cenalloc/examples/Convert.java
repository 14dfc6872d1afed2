// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.device.Devices;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.kms.Display;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import dev.cenalloc.v4l2.Converter;
import java.time.Duration;
import java.util.List;

/** Shows a camera through a converter: three devices on one plan, no copy by the CPU. Option: {@code --seconds N}. */
final class Convert {
    private static final Duration SECOND = Duration.ofSeconds(1);

    private Convert() {}

    static void main(String[] arguments) throws Exception {
        long nanos = Arguments.nanos(arguments); // how long to run: --seconds
        try (var cenalloc = Cenalloc.open();
                var camera = Camera.open(cenalloc, Devices.camera(cenalloc));
                var converter = Converter.open(cenalloc, Devices.converter(cenalloc));
                var display = Display.open(cenalloc, Devices.display(cenalloc))) {
            var ports = List.of(camera.port(), converter.input(), converter.output(), display.port());
            var agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY.size(640, 480), ports);
            try (var taken = Ring.allocate(cenalloc, agreement, 4);
                    var converted = Ring.allocate(cenalloc, agreement, 4)) {
                System.out.println(converted.explain());
                camera.configure(agreement);
                camera.use(taken);
                converter.configure(agreement, agreement);
                converter.use(taken, converted);
                display.configure(agreement);
                display.use(converted);
                camera.start();
                converter.start();
                for (long end = System.nanoTime() + nanos; System.nanoTime() < end; ) {
                    converter.put(camera.next(SECOND)); // goes back to the camera when it was read
                    display.show(converter.next(SECOND));
                }
                System.out.println(display.flips() + " frames shown on " + display);
            }
        }
    }
}
