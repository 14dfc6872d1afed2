// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.examples.Colours;
import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Frame;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/**
 * The CPU as one of the devices that share the buffers: draws a square over each frame, further to the right each time.
 * Owns nothing. For one thread at a time.
 */
final class Painter {
    static final int SIDE = 64;
    static final int ORANGE = 0xFF8000;
    private static final int STEP = 4;

    private final Layout layout;
    private final Colours colours;
    private final int room;
    private final int top;
    private int left;

    Painter(Layout layout) throws IOException {
        var image = layout.image();
        this.layout = layout;
        this.colours = Colours.of(image.format())
                .orElseThrow(
                        () -> new IOException("there is no drawing in " + image.format() + ": use another --format"));
        this.room = image.width() - SIDE;
        this.top = (image.height() - SIDE) / 2;
        if (room <= 0 || top < 0) {
            throw new IOException("the square that is drawn is " + SIDE + " pixels wide and high: use a larger --size");
        }
    }

    /** Draws over what is in a frame. Two system calls; allocates nothing. */
    void draw(Frame frame) throws IOException {
        Layout.Plane plane = layout.planes().getFirst();
        try (var pixels = frame.access(Direction.READ_WRITE)) {
            MemorySegment memory = pixels.segment();
            for (int y = top; y < top + SIDE; y++) {
                long line = plane.offset() + y * plane.pitch();
                for (int x = left; x < left + SIDE; x++) {
                    colours.set(memory, line + (long) x * colours.bytes(), ORANGE);
                }
            }
        }
        left = (left + STEP) % room;
    }
}
