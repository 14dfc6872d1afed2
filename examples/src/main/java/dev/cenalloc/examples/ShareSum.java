// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.ReceivedFrame;
import dev.cenalloc.share.Receiver;
import java.time.Duration;
import java.util.HexFormat;
import java.util.zip.CRC32;

/** Receives the frames of {@link Share} until it ends, and prints a checksum of each. No byte is copied. */
final class ShareSum {
    private ShareSum() {}

    static void main() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var receiver = new Receiver(Connection.connect(cenalloc, Share.ADDRESS))) {
            while (true) {
                // Closing a frame gives it back.
                try (ReceivedFrame frame = receiver.next(Duration.ofSeconds(1))) {
                    if (frame == null || !frame.acquire().await(Duration.ofSeconds(1))) {
                        continue; // the camera is late
                    }
                    var sum = new CRC32();
                    try (var pixels = frame.access(Direction.READ)) {
                        sum.update(pixels.segment().asByteBuffer());
                    }
                    System.out.println(
                            "frame " + frame.sequence() + ": " + HexFormat.of().toHexDigits(sum.getValue(), 8));
                }
            }
        } catch (DisconnectedException e) {
            System.out.println("the camera's process has gone");
        }
    }
}
