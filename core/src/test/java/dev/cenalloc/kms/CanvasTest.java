// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Frame;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Frames that the CPU draws on, on a fake card. */
class CanvasTest extends DisplayFixture {
    @Test
    void aCanvasHandsOutWhatIsNotOnTheScreen() throws Exception {
        Canvas canvas = display.canvas(2);
        Frame first = canvas.next(SECOND);
        Frame second = canvas.next(SECOND);
        assertNotSame(first, second);
        assertThrows(IllegalStateException.class, () -> canvas.next(SECOND), "both are drawn on");
        first.close();
        var e = assertThrows(IllegalStateException.class, () -> first.close());
        assertTrue(e.toString().contains("handed to the display already"), e.toString());
        assertThrows(IllegalStateException.class, () -> canvas.next(SECOND), "one on the screen, one drawn on");
        second.close();
        card.isStuck = true;
        assertThrows(NotShownException.class, () -> canvas.next(SECOND));
        card.isStuck = false;
        assertSame(first, canvas.next(SECOND));
        var open = first.access(Direction.WRITE);
        assertThrows(IllegalStateException.class, () -> first.close(), "the CPU draws");
        open.close();
        card.isGone = true;
        assertThrows(DeviceGoneException.class, () -> first.close());
        card.isGone = false;
        assertSame(first, canvas.next(SECOND), "what was not shown can be drawn on again");
        canvas.close();
        canvas.close();
        assertThrows(IllegalStateException.class, () -> canvas.next(SECOND));
        assertThrows(IllegalStateException.class, () -> first.access(Direction.WRITE));
    }

    @Test
    void anotherCanvasTakesOver() throws Exception {
        try (Canvas first = display.canvas(2)) {
            first.next(SECOND).close();
            long shown = card.onScreen();
            try (Canvas second = display.canvas(2)) {
                assertEquals(shown, card.onScreen(), "the last picture stays");
                second.next(SECOND).close();
                assertNotEquals(shown, card.onScreen());
                second.next(SECOND).close();
                assertThrows(
                        IllegalArgumentException.class, () -> first.next(SECOND).close());
            }
        }
    }

    @Test
    void anOpenAccessPutsOffNoMoreThanTheMemoryOfItsFrame() throws Exception {
        Canvas canvas = display.canvas(3);
        canvas.next(SECOND).close();
        Frame frame = canvas.next(SECOND);
        long withRing = kernel.free();
        long bytes = (MEMORY - withRing) / 3;
        var pixels = frame.access(Direction.WRITE);
        for (int i = 0; i < 2; i++) {
            assertThrows(IllegalStateException.class, canvas::close);
            assertEquals(MEMORY - bytes, kernel.free(), "the other frames are released");
        }
        pixels.close();
        canvas.close();
        assertEquals(MEMORY, kernel.free());
        canvas.close();
    }

    @Test
    void aCanvasMayBeClosedAfterItsDisplay() throws Exception {
        Canvas canvas = display.canvas(2);
        Frame shown = canvas.next(SECOND);
        shown.close();
        Frame drawn = canvas.next(SECOND);
        var pixels = drawn.access(Direction.WRITE);
        display.close();
        assertEquals(before, card.screen());
        refused(IllegalStateException.class, () -> canvas.next(SECOND));
        assertThrows(IllegalStateException.class, canvas::close);
        pixels.close();
        refused(IllegalStateException.class, drawn::close);
        canvas.close();
        assertEquals(MEMORY, kernel.free());
    }

    @Test
    void framesOfAClosedCanvasAreNotShown() throws Exception {
        Canvas canvas = display.canvas(2);
        Frame shown = canvas.next(SECOND);
        shown.close();
        Frame drawn = canvas.next(SECOND);
        canvas.close();
        for (Frame frame : List.of(shown, drawn)) {
            refused(IllegalStateException.class, frame::close);
            refused(IllegalStateException.class, () -> frame.access(Direction.READ));
            refused(IllegalStateException.class, () -> display.show(frame));
        }
    }

    @Test
    void withoutADisplayToShowItOnNothingStays() throws Exception {
        String unchanged = state();
        card.isGone = true;
        assertThrows(CenallocException.class, () -> display.canvas(2));
        card.isGone = false;
        assertEquals(unchanged, state());
    }
}
