package dev.cenalloc.command;

import dev.cenalloc.plan.Direction;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.image.Layout;
import dev.cenalloc.Mapping;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The CPU as one of those who share the buffers: draws a square over each frame, further to the right each time. Closed by
 * whoever made it, before the buffers. For one thread at a time.
 */
final class Painter implements AutoCloseable {
    static final int SIDE = 64;
    static final int ORANGE = 0xFF8000;
    private static final int STEP = 4;

    private final List<DmaBuf> buffers;
    private final List<Mapping> mappings = new ArrayList<>();
    private final Layout.Plane plane;
    private final Colours colours;
    private final int room;
    private final int top;
    private final Undo mapped;
    private int left;

    Painter(List<DmaBuf> buffers, Layout layout) throws IOException {
        var image = layout.image();
        this.buffers = List.copyOf(buffers);
        this.plane = layout.planes().getFirst();
        this.colours = Colours.of(image.format())
                .orElseThrow(
                        () -> new IOException("there is no drawing in " + image.format() + ": use another --format"));
        this.room = image.width() - SIDE;
        this.top = (image.height() - SIDE) / 2;
        if (room <= 0 || top < 0) {
            throw new IOException("the square that is drawn is " + SIDE + " pixels wide and high: use a larger --size");
        }
        try (var opened = new Undo()) {
            for (DmaBuf buffer : buffers) {
                // Once: mapping costs far more than what is drawn.
                mappings.add(opened.add(buffer.map(Direction.READ_WRITE)));
            }
            this.mapped = opened.keep();
        }
    }

    /** Draws over what is in a buffer. Two system calls; allocates nothing. */
    void draw(int index) throws IOException {
        MemorySegment pixels = mappings.get(index).segment();
        try (var _ = buffers.get(index).access(Direction.READ_WRITE)) {
            for (int y = top; y < top + SIDE; y++) {
                long line = plane.offset() + y * plane.pitch();
                for (int x = left; x < left + SIDE; x++) {
                    colours.set(pixels, line + (long) x * colours.bytes(), ORANGE);
                }
            }
        }
        left = (left + STEP) % room;
    }

    @Override
    public void close() throws IOException {
        mapped.close();
    }
}
