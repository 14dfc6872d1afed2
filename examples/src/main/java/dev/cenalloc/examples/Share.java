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
 * {@code --seconds N}. They may die and come back, and more of them may connect.
 */
final class Share {
    static final Address ADDRESS = Address.ofAbstract("cenalloc-share");
    private static final Duration SECOND = Duration.ofSeconds(1);

    private Share() {}

    static void main(String[] arguments) throws Exception {
        long nanos = Arguments.nanos(arguments);
        try (var cenalloc = Cenalloc.open();
                var camera = Camera.open(cenalloc, Devices.camera(cenalloc))) {
            var request = ImageRequest.ANY.size(640, 480).rate(30);
            var agreement = Agreement.negotiate(cenalloc, request, List.of(camera.port()));
            var others = new ArrayList<Process>();
            try (var ring = Ring.allocate(cenalloc, agreement, 8);
                    var broadcast = Broadcast.open(Listener.open(cenalloc, ADDRESS), ring)) {
                others.add(start("ShareSum"));
                others.add(start("SharePictures"));
                camera.configure(agreement);
                camera.use(ring);
                broadcast.setPatience(Duration.ofMinutes(1)); // a receiver may be slow
                broadcast.awaitReceivers(2, Duration.ofMinutes(1));
                System.out.println(ring + " from " + camera.name() + " to " + broadcast.receivers() + " receivers");
                camera.start();
                int frames = 0;
                for (long end = System.nanoTime() + nanos; System.nanoTime() < end; frames++) {
                    broadcast.send(camera.next(SECOND)); // the camera gets it back when all receivers have
                }
                System.out.println(frames + " frames; " + broadcast.missed() + " missed by a receiver");
            }
            for (Process other : others) {
                other.waitFor();
            }
        }
    }

    private static Process start(String example) throws Exception {
        var java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        var path = System.getProperty("java.class.path");
        var name = "dev.cenalloc.examples." + example;
        var builder = new ProcessBuilder(java, "--enable-native-access=ALL-UNNAMED", "-cp", path, name);
        return builder.inheritIO().start();
    }
}
