// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.device.Devices;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Broadcast;
import dev.cenalloc.share.Listener;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Captures, and lends each frame to two other processes, {@link ShareSum} and {@link SharePictures}, which it starts:
 * {@code --seconds N}. More may connect, and any may die and come back.
 */
final class Share {
    static final Address ADDRESS = Address.ofAbstract("cenalloc-share");
    private static final Duration MINUTE = Duration.ofMinutes(1);
    private static final String NATIVE = "--enable-native-access=ALL-UNNAMED";

    private Share() {}

    static void main(String[] arguments) throws Exception {
        long nanos = Arguments.nanos(arguments);
        try (var cenalloc = Cenalloc.open();
                var camera = Camera.open(cenalloc, Devices.camera(cenalloc))) {
            var agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY.size(640, 480), List.of(camera.port()));
            var others = new ArrayList<Process>();
            try (var ring = Ring.allocate(cenalloc, agreement, 8);
                    var broadcast = Broadcast.open(Listener.open(cenalloc, ADDRESS), ring)) {
                others.add(start("ShareSum"));
                others.add(start("SharePictures"));
                camera.configure(agreement);
                camera.use(ring);
                broadcast.setPatience(MINUTE); // a receiver may be slow
                broadcast.awaitReceivers(2, MINUTE);
                System.out.println(ring + " from " + camera.name() + " to " + broadcast.receivers() + " receivers");
                camera.start();
                for (long end = System.nanoTime() + nanos; System.nanoTime() < end; ) {
                    broadcast.send(camera.next(MINUTE)); // the camera gets it back when all receivers have
                }
                System.out.println(broadcast.missed() + " frames were missed by a receiver");
            }
            others.forEach(other -> other.onExit().join());
        }
    }

    private static Process start(String example) throws Exception {
        var java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        var builder = new ProcessBuilder(java, NATIVE, "dev.cenalloc.examples." + example);
        builder.environment().put("CLASSPATH", System.getProperty("java.class.path"));
        return builder.inheritIO().start();
    }
}
