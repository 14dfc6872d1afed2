// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.MappedAccess;
import dev.cenalloc.device.Devices;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kms.Display;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.ValueLayout;
import java.time.Duration;

/** Shows a moving picture that the CPU draws, at the display's rate and never torn: {@code --seconds N}. */
final class Show {
    private static final Duration SECOND = Duration.ofSeconds(1);

    private Show() {}

    static void main(String[] arguments) throws Exception {
        long nanos = Arguments.nanos(arguments); // how long to run: --seconds
        var request = ImageRequest.ANY.format(PixelFormat.XR24);
        try (var cenalloc = Cenalloc.open();
                var display = Display.open(cenalloc, Devices.display(cenalloc), request);
                var canvas = display.canvas(2)) {
            int shown = 0;
            for (long end = System.nanoTime() + nanos; System.nanoTime() < end; ) {
                try (var frame = canvas.next(SECOND); // neither on the screen nor about to be
                        var pixels = frame.access(Direction.WRITE)) {
                    draw(pixels, shown++);
                } // shown at the next flip
            }
            System.out.println(shown + " frames on " + display);
        }
    }

    /** A bar that moves to the right over a grey ramp. */
    private static void draw(MappedAccess pixels, int time) {
        var image = pixels.layout().image();
        for (int y = 0; y < image.height(); y++) {
            var line = pixels.layout().row(pixels.segment(), 0, y);
            for (int x = 0; x < image.width(); x++) {
                boolean isBar = Math.floorMod(x - 4 * time, image.width()) < 32;
                line.setAtIndex(ValueLayout.JAVA_INT, x, isBar ? 0xFF8000 : (y & 0xFF) * 0x010101);
            }
        }
    }
}
