// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.device.Devices;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.v4l2.Camera;
import java.io.File;
import java.time.Duration;
import javax.imageio.ImageIO;

/** Takes 30 frames of a camera into our memory and writes the last one as a PNG: {@code --out FILE.png}. */
final class Grab {
    private static final Duration SECOND = Duration.ofSeconds(1);

    private Grab() {}

    static void main(String[] arguments) throws Exception {
        var file = new File(Arguments.of(arguments, "--out", "grab.png"));
        var request = ImageRequest.ANY.size(640, 480).rate(30);
        try (var cenalloc = Cenalloc.open();
                var camera = Camera.open(cenalloc, Devices.camera(cenalloc), request)) {
            camera.start();
            for (int i = 1; i < 30; i++) {
                camera.next(SECOND).close(); // given back unread
            }
            try (var frame = camera.next(SECOND)) {
                ImageIO.write(Pictures.of(frame), "png", file);
                System.out.println(
                        frame + " of " + camera.name() + ", " + frame.layout().image() + ", is in " + file);
            }
        }
    }
}
