// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.stream.Ring;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Planes above the frames of a display, on a fake card. */
class OverlayTest extends DisplayFixture {
    @Test
    void anOverlayLiesAboveTheFrames() throws Exception {
        Plane plane = display.planes().getLast();
        assertEquals(Plane.Kind.OVERLAY, plane.kind());
        assertThrows(
                IllegalArgumentException.class,
                () -> display.overlay(display.planes().getFirst()));
        Overlay overlay = display.overlay(plane);
        assertThrows(IllegalStateException.class, () -> display.overlay(plane));
        try (Ring ring = ring(2);
                Ring above = ring(3)) {
            var frames = TestFrame.of(above);
            overlay.use(above);
            frames.get(0).lendAgain();
            assertThrows(IllegalStateException.class, () -> overlay.show(frames.get(0)), "the display shows nothing");
            display.use(ring);
            display.show(TestFrame.of(ring).getFirst().lendAgain());
            overlay.place(new Area(0, 0, 64, 32), new Area(10, 10, 64, 32));
            overlay.show(frames.get(0));
            overlay.show(frames.get(1).lendAgain());
            assertEquals(64, card.plane(true, "CRTC_W"));
            assertThrows(IllegalStateException.class, () -> overlay.show(frames.get(1)));
            overlay.hide();
            overlay.hide();
            assertEquals(0, card.plane(true, "FB_ID"));
            assertEquals(
                    List.of(1, 1, 0),
                    frames.stream().map(frame -> frame.returns).toList());
            overlay.show(frames.get(2).lendAgain());
            overlay.close();
            overlay.close();
            assertEquals(1, frames.get(2).returns);
            assertThrows(
                    IllegalStateException.class,
                    () -> overlay.show(frames.get(0).lendAgain()));
            Overlay again = display.overlay(plane);
            again.use(above);
            again.show(frames.get(0));
        }
    }

    private Overlay overlay() throws CenallocException {
        return display.overlay(display.planes().getLast());
    }

    @Test
    void imagesThatThePlaneHasNotAreRefused() throws Exception {
        Overlay overlay = overlay();
        try (Ring other = Ring.allocate(cenalloc, declared(PixelFormat.NV12, 64, 64), 2)) {
            refused(IllegalArgumentException.class, () -> overlay.use(other));
        }
        Ring closed = ring(2);
        closed.close();
        refused(IllegalStateException.class, () -> overlay.use(closed));
        refused(IllegalStateException.class, () -> overlay.place(new Area(0, 0, 1, 1), new Area(0, 0, 1, 1)));
        refused(
                IllegalStateException.class,
                () -> overlay.show(TestFrame.of(closed).getFirst().lendAgain()));
        try (Ring ring = ring(2)) {
            overlay.use(ring);
            refused(
                    IllegalArgumentException.class,
                    () -> overlay.place(new Area(0, 0, 641, 1), new Area(0, 0, 641, 1)));
            refused(DisplayRefusalException.class, () -> overlay.place(new Area(0, 0, 10, 10), new Area(0, 0, 20, 20)));
            card.isControlled = true;
            refused(NoMasterException.class, () -> overlay.place(new Area(0, 0, 10, 10), new Area(0, 0, 10, 10)));
        }
    }

    @Test
    void onlyLentFramesOfTheRingInUseAreShown() throws Exception {
        try (Ring ring = ring(2);
                Ring above = ring(2)) {
            Overlay overlay = overlay();
            display.use(ring);
            display.show(TestFrame.of(ring).getFirst().lendAgain());
            overlay.use(above);
            var frames = TestFrame.of(above);
            refused(IllegalStateException.class, () -> overlay.show(frames.get(0)));
            frames.get(0).lendAgain().close();
            refused(IllegalStateException.class, () -> overlay.show(frames.get(0)));
            TestFrame stranger = TestFrame.of(ring).getLast().lendAgain();
            refused(IllegalArgumentException.class, () -> overlay.show(stranger));
            overlay.close();
            frames.get(1).lendAgain();
            for (Executable use : List.<Executable>of(
                    () -> overlay.show(frames.get(1)),
                    () -> overlay.use(above),
                    overlay::port,
                    overlay::hide,
                    () -> overlay.place(new Area(0, 0, 1, 1), new Area(0, 0, 1, 1)))) {
                refused(IllegalStateException.class, use);
            }
            assertTrue(frames.get(1).isLent(), "it stays the caller's");
        }
    }

    @Test
    void anUnpluggedDisplayIsTold() throws Exception {
        try (Ring ring = ring(2);
                Ring above = ring(3)) {
            Overlay overlay = overlay();
            display.use(ring);
            display.show(TestFrame.of(ring).getFirst().lendAgain());
            overlay.use(above);
            var frames = TestFrame.of(above);
            overlay.show(frames.get(0).lendAgain());
            card.isGone = true;
            frames.get(1).lendAgain();
            assertThrows(DeviceGoneException.class, () -> overlay.show(frames.get(1)));
            assertThrows(DeviceGoneException.class, overlay::hide);
            assertThrows(DeviceGoneException.class, overlay::close);
            overlay.close();
            assertTrue(frames.get(1).isLent());
            assertFalse(frames.get(0).isLent(), "it was given back");
        }
    }
}
