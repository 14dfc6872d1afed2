// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.device.Devices;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.kms.Display;
import dev.cenalloc.plan.Direction;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;

/** Another process, which holds dma-bufs, or a display, until its standard input ends. */
final class BufferHolder {
    static final String NAME = "first\nsize:\t1";
    static final int FIRST = 1 << 20;
    static final int SECOND = 2 << 20;

    private BufferHolder() {}

    public static void main(String[] args) throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            if (args[0].equals("buffers")) {
                hold(cenalloc);
            } else {
                show(cenalloc, Devices.display(cenalloc, args[0]));
            }
        }
    }

    private static void hold(Cenalloc cenalloc) throws Exception {
        try (var first = cenalloc.allocate(cenalloc.heap("system"), FIRST);
                var second = cenalloc.allocate(cenalloc.heap("reserved"), SECOND);
                var again = first.duplicate();
                var mapping = first.map(Direction.READ_WRITE)) {
            first.name(NAME);
            mapping.segment().fill((byte) 1);
            ready(first.inode() + " " + second.inode() + " " + first.fd() + " " + again.fd() + " " + second.fd());
        }
    }

    private static void show(Cenalloc cenalloc, Path node) throws Exception {
        try (var display = Display.open(cenalloc, node, ImageRequest.ANY);
                var canvas = display.canvas(2)) {
            try (var frame = canvas.next(Duration.ofSeconds(5));
                    var pixels = frame.access(Direction.WRITE)) {
                pixels.segment().fill((byte) 0);
            }
            ready("shown");
        }
    }

    private static void ready(String words) throws IOException {
        System.out.println(words);
        while (System.in.read() >= 0) {
            // Its end is what counts.
        }
    }
}
