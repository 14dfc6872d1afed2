// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Frames that the CPU draws on and a {@link Display} shows. A frame that is drawn on is never on the screen, so the
 * picture is never torn. Closed by the caller, before or after the display; the last picture stays on the screen until
 * the display shows another or is closed. For the thread of the display.
 *
 * {@snippet :
 * try (var display = Display.open(cenalloc, node, ImageRequest.ANY.format(PixelFormat.XR24));
 *         var canvas = display.canvas(2)) {
 *     for (int t = 0; running; t++) {
 *         try (var frame = canvas.next(SECOND);
 *                 var pixels = frame.access(Direction.WRITE)) {
 *             draw(pixels.segment(), frame.layout(), t);
 *         } // shown at the next refresh
 *     }
 * }
 * }
 */
public final class Canvas implements AutoCloseable {
    private final Display display;
    private final Ring ring;
    private final List<Drawn> frames = new ArrayList<>();
    private long drawn;
    private boolean closed;

    private final class Drawn extends Frame {
        /** Whether the display has it, and not the caller. */
        private boolean shown;

        private long sequence;

        Drawn(int index) {
            super(ring, index);
        }

        /** Whether it was free, and is the caller's now. */
        boolean begins() {
            if (!tryLend()) {
                return false;
            }
            shown = false;
            sequence = drawn++;
            return true;
        }

        void end() {
            revoke();
        }

        @Override
        public long sequence() {
            return sequence;
        }

        @Override
        public long timestampNanos() {
            return 0;
        }

        @Override
        public boolean isDamaged() {
            return false;
        }

        /** From the caller it goes to the display, from the display it comes back. */
        @Override
        protected void giveBack() throws CenallocException {
            if (shown && !display.primary().isReturning(this)) {
                keepLent();
                throw new IllegalStateException(this + " was handed to the display already");
            }
            if (shown) {
                return;
            }
            shown = true;
            keepLent();
            boolean done = false;
            try {
                if (display.primary().ring() != ring) {
                    throw new IllegalArgumentException(
                            this + " is of a canvas that is not in use any more: another was opened");
                }
                display.show(this);
                done = true;
            } finally {
                if (!done) {
                    end();
                }
            }
        }
    }

    private Canvas(Display display, Ring ring) {
        this.display = display;
        this.ring = ring;
        for (int i = 0; i < ring.size(); i++) {
            frames.add(new Drawn(i));
        }
    }

    /** Negotiates with a display alone, whose order of formats counts. */
    static Agreement negotiate(Cenalloc cenalloc, Display display, ImageRequest request) throws CenallocException {
        Port shown = display.port();
        List<ImageRange> drawn = Stream.concat(
                        shown.images().stream().map(ImageRange::format), Arrays.stream(PixelFormat.values()))
                .distinct()
                .filter(format -> format.buffers() == 1)
                .map(format -> new ImageRange(format, ImageRange.Sizes.ANY))
                .toList();
        return Agreement.negotiate(cenalloc, request, List.of(Port.of(Device.cpu(Direction.WRITE), drawn), shown));
    }

    static Canvas open(Cenalloc cenalloc, Display display, Agreement agreement, int count) throws CenallocException {
        Ring ring = Ring.allocate(cenalloc, agreement, count);
        boolean usable = false;
        try {
            display.use(ring);
            usable = true;
            return new Canvas(display, ring);
        } finally {
            if (!usable) {
                ring.close();
            }
        }
    }

    /** {@return the images that are drawn} */
    public Image image() {
        return ring.agreement().image();
    }

    /**
     * {@return where an image lies in its memory}
     *
     * @throws IllegalStateException if it lies in several buffers
     */
    public Layout layout() {
        return ring.agreement().layout();
    }

    /** {@return the memory of the frames, closed by this} */
    public Ring ring() {
        return ring;
    }

    /**
     * {@return a frame that is neither on the screen nor about to be} It holds what was drawn on it some frames before.
     * Draw on it, and close it: then the display shows it at the next refresh, as {@link Display#show(Frame)}. If an
     * exception ends the drawing, closing shows what is drawn so far. Waits, if need be, until a frame has left the
     * screen; allocates nothing.
     *
     * @param timeout how long at most
     * @throws IllegalStateException if this is closed, or no frame can become free, since the caller has not closed
     *     enough
     * @throws NotShownException ETIMEDOUT: no frame has left the screen yet
     * @throws CenallocException as {@link Display#awaitShown}
     */
    public Frame next(Duration timeout) throws CenallocException {
        Objects.requireNonNull(timeout, "timeout");
        display.checkOpen();
        checkOpen();
        Drawn free = taken();
        if (free == null && display.screen().isFlipping()) {
            if (!display.awaitShown(timeout)) {
                throw display.notShown("no frame has left the screen after " + timeout);
            }
            free = taken();
        }
        if (free == null) {
            throw new IllegalStateException("all " + ring.size()
                    + " frames are drawn on or shown: close those that are drawn on, or open a canvas with more");
        }
        return free;
    }

    /** A frame that was free, and is the caller's now. */
    private @Nullable Drawn taken() {
        for (int i = 0; i < frames.size(); i++) {
            if (frames.get(i).begins()) {
                return frames.get(i);
            }
        }
        return null;
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the canvas is closed");
        }
    }

    /**
     * Releases the memory of the frames; what is on the screen stays there. Idempotent.
     *
     * @throws IllegalStateException if the CPU's access to a frame is open; the memory of the others is released. The
     *     caller closes the access and calls this again
     */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            frames.forEach(Drawn::end);
        }
        ring.close(); // again after it refused
    }

    @Override
    public String toString() {
        return "canvas of " + ring;
    }
}
