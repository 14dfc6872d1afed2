// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.LogCapture;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What a display puts out, as pictures, on a fake card. */
@SuppressWarnings("NullAway") // messages are there
class WritebackTest extends DisplayFixture {
    @Test
    void theOutputIsWrittenBack() throws Exception {
        assertThrows(IllegalStateException.class, () -> display.writeback(), "no ring is in use");
        try (Ring ring = ring(4)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            Writeback writeback = display.writeback().orElseThrow();
            assertEquals("XR24 640x480", writeback.image().toString());
            assertThrows(IllegalStateException.class, () -> writeback.capture(SECOND), "nothing is on the screen");
            frames.get(0).lendAgain();
            assertThrows(IllegalStateException.class, () -> writeback.show(frames.get(0)));
            display.show(frames.get(0));
            assertThrows(IllegalStateException.class, () -> writeback.await(SECOND));
            writeback.show(frames.get(1).lendAgain());
            assertFalse(writeback.isReady());
            display.awaitShown(SECOND);
            assertThrows(IllegalStateException.class, () -> writeback.capture(SECOND), "one is under way");
            Frame picture = writeback.await(SECOND);
            assertEquals(0, picture.sequence());
            assertThrows(IllegalStateException.class, () -> writeback.capture(SECOND), "the picture is lent");
            picture.access(Direction.READ).close();
            picture.close();
            assertTrue(writeback.isReady());
            assertEquals(
                    List.of(1, 0, 0, 0),
                    frames.stream().map(frame -> frame.returns).toList());

            card.losesCaptures = true;
            writeback.show(frames.get(2).lendAgain());
            assertThrows(NotShownException.class, () -> writeback.await(SECOND));
            display.show(frames.get(3).lendAgain());
            assertFalse(writeback.isReady());
            assertThrows(NotShownException.class, () -> writeback.capture(SECOND), "one was lost");
        }
    }

    @Test
    void theOutputIsWrittenBackInPlaceOfAVirtualScreen() throws Exception {
        card.writesInstead = true;
        try (Ring ring = ring(2)) {
            display.use(ring);
            TestFrame frame = TestFrame.of(ring).getFirst();
            display.show(frame.lendAgain());
            assertInstanceOf(Writeback.class, display.writeback().orElseThrow());
            assertTrue(frame.isLent(), "it stays on the screen");
            assertTrue(card.screen().contains("1002 CRTC_ID=1000"), card.screen());
            assertFalse(card.screen().contains("1001 CRTC_ID"), card.screen());
        }
    }

    // ---- what is left out ----

    private static int code(PixelFormat format) {
        return format.drmFourcc().orElseThrow();
    }

    @Test
    void formatsAndModesThatAreLeftOutAreTold() throws Exception {
        card.writebackFormats = new int[] {
            0x12345678, code(PixelFormat.RG16), code(PixelFormat.AB24), code(PixelFormat.XR24), 0x12345678
        };
        card.secondMode = new int[] {0, 480};
        try (var other = Display.open(cenalloc, NODE)) {
            assertEquals(
                    List.of("it lists the mode 0x480, which is left out"),
                    other.port().doubts(),
                    "the screen's, too");
        }
        try (Ring ring = ring(2)) {
            display.use(ring);
            String why = display.writeback().orElseThrow().explain();
            assertTrue(why.contains("XR24 640x480"), why);
            assertTrue(why.contains("left out: xV4\\x12 of fake card0, unknown here"), why);
            assertTrue(why.contains("doubt of fake card0: it lists the mode 0x480, which is left out"), why);
            assertTrue(why.contains("doubt of fake card0: its writeback lists no mode of 640x480, and pictures"), why);
            assertTrue(
                    why.endsWith(
                            "\n  left out: AB24, since the plane does not show that, and memory is tried by showing"
                                    + " it\n  left out: RG16, since pictures have one format, which is XR24 if it can be"),
                    why);
        }
    }

    @Test
    void nothingLeftOutIsNothingToTell() throws Exception {
        card.writebackFormats = new int[] {code(PixelFormat.XR24)};
        try (Ring ring = ring(2)) {
            display.use(ring);
            String why = display.writeback().orElseThrow().explain();
            assertFalse(why.contains("left out") || why.contains("doubt"), why);
        }
    }

    @Test
    void aWritebackOfOtherFormatsThanTheScreensIsTold() throws Exception {
        try (Ring ring = ring(2);
                var log = new LogCapture()) {
            display.use(ring);
            card.writebackFormats = new int[] {0x12345678, code(PixelFormat.AB24)};
            assertTrue(display.writeback().isEmpty());
            assertTrue(
                    log.text()
                            .contains("fake card0 is not written back: its plane shows none of the formats of its"
                                    + " writeback, which are AB24, xV4\\x12 (unknown here)"),
                    log::text);
        }
    }

    @Test
    void aWritebackThatRefusesTheModeIsTold() throws Exception {
        try (Ring ring = ring(2);
                var log = new LogCapture()) {
            display.use(ring);
            card.refusesWriteback = true;
            String unchanged = state();
            assertTrue(display.writeback().isEmpty());
            assertEquals(unchanged, state());
            assertTrue(
                    log.text()
                            .contains("the driver refuses XR24 in the mode 640x480 at 75 Hz; its writeback lists"
                                    + " 1024x768, 640x480"),
                    log::text);
            card.refusesWriteback = false;
            assertTrue(display.writeback().isPresent());
        }
    }

    private Frame capture(Writeback writeback, TestFrame frame) throws CenallocException {
        writeback.show(frame.lendAgain());
        display.awaitShown(SECOND); // time passes for the fake
        return writeback.await(SECOND);
    }

    @Test
    void anOpenAccessToThePicturePutsOffNoMoreThanItsMemory() throws Exception {
        Ring ring = ring(2);
        var frames = TestFrame.of(ring);
        display.use(ring);
        display.show(frames.get(0).lendAgain());
        Writeback writeback = display.writeback().orElseThrow();
        Frame picture = capture(writeback, frames.get(1));
        var pixels = picture.access(Direction.READ);
        ring.close();
        for (int i = 0; i < 2; i++) {
            assertThrows(IllegalStateException.class, display::close);
            assertEquals(1, kernel.openMappings(), "the picture's");
            assertEquals(MEMORY - 640 * 480 * 4, kernel.free());
            assertEquals("{} {}", card.state());
            assertEquals(before, card.screen());
            assertFalse(frames.get(0).isLent(), "it was given back");
        }
        assertTrue(pixels.segment().byteSize() >= 640 * 480 * 4, "still mapped");
        pixels.close();
        display.close();
        assertEquals(MEMORY, kernel.free());
        assertEquals(0, kernel.openMappings());
    }

    @Test
    void aPictureIsGivenBackOnceAndBeforeTheDisplayIsClosed() throws Exception {
        try (Ring ring = ring(2)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            display.show(frames.get(0).lendAgain());
            Writeback writeback = display.writeback().orElseThrow();
            Frame picture = capture(writeback, frames.get(1));
            picture.close();
            refused(IllegalStateException.class, picture::close);
            refused(IllegalStateException.class, () -> picture.access(Direction.READ));
            assertSame(picture, capture(writeback, frames.get(0)));
            display.close();
            frames.get(1).lendAgain();
            for (Executable use : List.<Executable>of(
                    picture::close,
                    () -> picture.access(Direction.READ),
                    () -> writeback.capture(SECOND),
                    () -> writeback.capture(frames.get(1), SECOND),
                    () -> writeback.show(frames.get(1)),
                    () -> writeback.await(SECOND))) {
                refused(IllegalStateException.class, use);
            }
            assertFalse(writeback.isReady());
            assertTrue(frames.get(1).isLent(), "it stays the caller's");
        }
    }

    @Test
    void withoutControlOfTheDisplayNothingStays() throws Exception {
        try (Ring ring = ring(2)) {
            display.use(ring);
            card.isControlled = true;
            refused(NoMasterException.class, display::writeback);
            card.isControlled = false;
            card.isGone = true;
            refused(DeviceGoneException.class, display::writeback);
            card.isGone = false;
            assertTrue(display.writeback().isPresent());
        }
    }

    @Test
    void anUnpluggedDisplayIsTold() throws Exception {
        try (Ring ring = ring(2)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            display.show(frames.get(0).lendAgain());
            Writeback writeback = display.writeback().orElseThrow();
            card.isGone = true;
            frames.get(1).lendAgain();
            assertThrows(DeviceGoneException.class, () -> writeback.capture(SECOND));
            assertThrows(DeviceGoneException.class, () -> writeback.show(frames.get(1)));
            assertTrue(frames.get(1).isLent(), "it stays the caller's");
        }
    }
}
