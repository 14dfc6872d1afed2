// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.ReceivedFrame;
import dev.cenalloc.share.Receiver;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import javax.imageio.ImageIO;

/** Receives the frames of {@link Share} until it ends, and writes every 30th as a PNG: {@code --out FILE.png}. */
final class SharePictures {
    private SharePictures() {}

    static void main(String[] arguments) throws Exception {
        var out = Path.of(Arguments.of(arguments, "--out", "share.png"));
        var written = new File(out + ".new");
        int pictures = 0;
        try (var cenalloc = Cenalloc.open();
                var receiver = new Receiver(Connection.connect(cenalloc, Share.ADDRESS))) {
            while (true) {
                try (ReceivedFrame frame = receiver.next(Duration.ofSeconds(1))) {
                    if (frame == null
                            || frame.sequence() % 30 != 0
                            || !frame.acquire().await(Duration.ofSeconds(1))) {
                        continue;
                    }
                    try (var pixels = frame.access(Direction.READ)) {
                        ImageIO.write(Pictures.of(pixels.segment(), pixels.layout()), "png", written);
                    }
                    Files.move(written.toPath(), out, StandardCopyOption.REPLACE_EXISTING);
                    pictures++;
                }
            }
        } catch (DisconnectedException e) {
            System.out.println(pictures + " pictures, the last of them in " + out);
        }
    }
}
