// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import dev.cenalloc.image.Layout;
import dev.cenalloc.kms.Display;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Frame;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.time.Duration;

/** What a display makes of an image, as its writeback has it. Stateless. */
final class Pictures {
    private static final Duration SECONDS = Duration.ofSeconds(20);

    private Pictures() {}

    /** The image of a frame: the planes one after the other, without anything around them. */
    static ByteBuffer planes(Frame frame) throws Exception {
        ByteBuffer planes = ByteBuffer.allocate(
                frame.layouts().stream().mapToInt(Pictures::bytes).sum());
        try (var pixels = frame.access(Direction.READ)) {
            for (int i = 0; i < frame.layouts().size(); i++) {
                planes.put(frame.layouts().get(i).packed(pixels.segment(i)));
            }
        }
        return planes.flip();
    }

    private static int bytes(Layout layout) {
        int bytes = 0;
        for (int plane = 0; plane < layout.planes().size(); plane++) {
            bytes += (int) layout.rowBytes(plane) * layout.rows(plane);
        }
        return bytes;
    }

    /** What the display makes of planes when they lie in one buffer, without anything around them. */
    static int[] ofPlanes(Display display, ByteBuffer planes) throws Exception {
        try (var canvas = display.canvas(2)) {
            try (Frame frame = canvas.next(SECONDS);
                    var pixels = frame.access(Direction.WRITE)) {
                MemorySegment packed = MemorySegment.ofBuffer(planes);
                Layout.of(canvas.image()).copy(packed, frame.layout(), pixels.segment());
            }
            try (Frame picture = display.writeback().orElseThrow().capture(SECONDS)) {
                return colours(picture);
            }
        }
    }

    /** The colours of a picture in XR24, without the byte that has none. */
    static int[] colours(Frame picture) throws Exception {
        Layout layout = picture.layout();
        int width = layout.image().width();
        var colours = new int[width * layout.image().height()];
        try (var access = picture.access(Direction.READ)) {
            for (int i = 0; i < colours.length; i++) {
                MemorySegment row = layout.row(access.segment(), 0, i / width);
                colours[i] = row.getAtIndex(ValueLayout.JAVA_INT, i % width) & 0xFFFFFF;
            }
        }
        return colours;
    }
}
