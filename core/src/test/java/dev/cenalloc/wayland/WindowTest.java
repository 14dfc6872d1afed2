// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.stream.RingFrame;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A window of a compositor that keeps the protocol. */
class WindowTest extends WindowFixture {
    private int inode(Frame frame) {
        return kernel.inodeOf(Seam.descriptor(frame.buffers().getFirst()).number());
    }

    @ParameterizedTest
    @CsvSource({"3, 1000000", "4, 1000000", "5, 1000000", "9, 1000000", "3, 1", "4, 1", "4, 7"})
    void framesAreShownInOrderAndComeBackWhenTheyAreReleased(int version, int piece) throws Exception {
        compositor.dmabufVersion = version;
        kernel.socketPiece = piece;
        Window window = window();
        Ring ring = ring(agreement(window), 4);
        window.use(ring);
        assertEquals(4, compositor.buffers.size());
        int imports = compositor.imports;
        var shown = new ArrayList<Integer>();
        for (int i = 0; i < 20; i++) {
            RingFrame frame = lend(ring);
            shown.add(inode(frame));
            window.show(frame);
            assertTrue(frame.isLent());
            assertTrue(window.awaitShown(SECOND));
            assertEquals(1, window.held(), "only the last");
        }
        assertEquals(shown, compositor.onScreen);
        assertEquals(imports, compositor.imports, "imports are made once a buffer");
        assertEquals("test", compositor.title);
        assertEquals("dev.cenalloc", compositor.applicationId);
        window.close();
        window.close();
        assertTrue(compositor.pongs.isEmpty());
        assertEquals(4, ring.pool().free());
    }

    @Test
    void theLayoutIsTheOneThatWasAgreedOn() throws Exception {
        Window window = window();
        Ring ring = ring(agreement(window), 2);
        window.use(ring);
        for (ScriptedCompositor.Imported one : compositor.buffers.values()) {
            assertEquals(64, one.width);
            assertEquals(48, one.height);
            assertEquals(PixelFormat.XR24.drmFourcc().orElseThrow(), one.fourcc);
            assertEquals(ring.layouts().getFirst().planes().getFirst().pitch(), one.stride);
            assertEquals(Image.LINEAR, one.modifier);
        }
    }

    @Test
    void formatsWithSeveralPlanesPassEachOfThem() throws Exception {
        compositor.tranches = List.of(List.of(ScriptedCompositor.Format.of(PixelFormat.NV12, Image.LINEAR)));
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        assertEquals(PixelFormat.NV12, ring.agreement().image().format());
        window.use(ring);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
        assertEquals(1, compositor.onScreen.size());
    }

    @Test
    void aRingOfManyFramesIsImportedInSeveralMessages() throws Exception {
        Window window = window();
        Ring ring = ring(agreement(window), 64);
        window.use(ring);
        assertEquals(64, compositor.buffers.size());
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "2, 2", "3, 2", "4, 2", "5, 3", "8, 6"})
    void aCompositorThatNeverReleasesLeavesTwoFramesToTheStream(int frames, int most) throws Exception {
        compositor.releases = false;
        Window window = window();
        Ring ring = ring(agreement(window), frames);
        window.use(ring);
        for (int i = 0; i < most; i++) {
            window.show(lend(ring));
            assertTrue(window.awaitShown(SECOND));
        }
        assertEquals(most, window.held());
        assertEquals(frames - most, ring.pool().free());
        if (frames > most) {
            RingFrame next = lend(ring);
            var e = assertThrows(CenallocException.class, () -> window.show(next));
            assertEquals(Errno.ETIMEDOUT, e.errno());
            assertTrue(String.valueOf(e.getMessage()).contains("has " + most + " frames"), e::getMessage);
            assertTrue(next.isLent(), "it stays the caller's");
            compositor.releaseOthers();
            window.show(next);
            assertTrue(window.awaitShown(SECOND));
            assertEquals(2, window.held(), "the last two");
        }
        window.close();
        assertEquals(frames, ring.pool().free());
    }

    @Test
    void aLateReleaseGivesBackLate() throws Exception {
        compositor.releases = false;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        RingFrame first = lend(ring);
        window.show(first);
        RingFrame second = lend(ring);
        window.show(second);
        assertTrue(window.awaitShown(SECOND));
        settle(window);
        assertTrue(first.isLent() && second.isLent());
        assertFalse(window.handleEvents(NOW), "nothing comes by itself");
        compositor.releaseOthers();
        assertTrue(first.isLent(), "not before the event is handled");
        assertTrue(window.handleEvents(NOW));
        assertFalse(first.isLent());
        assertTrue(second.isLent());
    }

    @Test
    void aSecondReleaseIsOfNothing() throws Exception {
        compositor.releaseTimes = 3;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        for (int i = 0; i < 10; i++) {
            window.show(lend(ring));
            assertTrue(window.awaitShown(SECOND));
            assertEquals(1, window.held());
            assertEquals(2, ring.pool().free());
        }
    }

    @Test
    void aWindowThatIsHiddenTakesFramesAllTheSame() throws Exception {
        compositor.draws = false;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        for (int i = 0; i < 10; i++) {
            window.show(lend(ring));
            compositor.pump();
            assertFalse(window.awaitShown(NOW));
        }
        assertEquals(10, compositor.onScreen.size());
        compositor.draw(); // one callback
        compositor.present();
        settle(window);
        assertEquals(9, window.discarded());
        assertTrue(window.awaitShown(NOW));
        window.show(lend(ring));
        compositor.pump();
        assertFalse(window.awaitShown(NOW), "asks again");
    }

    @Test
    void framesOfOtherRingsOfTheAgreementAreImportedWhenTheyCome() throws Exception {
        Window window = window();
        Ring ring = ring(agreement(window), 2);
        window.use(ring);
        for (int i = 0; i < 150; i++) {
            Ring other = ring(ring.agreement(), 1);
            window.show(lend(other));
            assertTrue(window.awaitShown(SECOND));
        }
        assertEquals(150, compositor.onScreen.size());
        assertTrue(compositor.buffers.size() <= 2 + 64 + 1, () -> compositor.buffers.size() + " buffers");
    }

    @Test
    void anotherRingTakesThePlaceOfTheFirst() throws Exception {
        Window window = window();
        Ring first = ring(agreement(window), 3);
        window.use(first);
        RingFrame last = lend(first);
        window.show(last);
        assertTrue(window.awaitShown(SECOND));
        Ring second = ring(first.agreement(), 2);
        window.use(second);
        compositor.pump();
        assertTrue(last.isLent(), "it is on the screen");
        assertEquals(3, compositor.buffers.size(), "the one on the screen, and two");
        window.show(lend(second));
        assertTrue(window.awaitShown(SECOND));
        assertFalse(last.isLent());
        settle(window);
        assertEquals(2, compositor.buffers.size());
        assertEquals(3, compositor.destroyedBuffers - (compositor.imports - 5));
    }

    @Test
    void aFrameOfAStreamThatHasEndedIsGivenBackToNobody() throws Exception {
        compositor.releases = false;
        Window window = window();
        Ring ring = ring(agreement(window), 2);
        window.use(ring);
        var frame = new Loan(ring, 0);
        window.show(frame.lendAgain());
        assertTrue(window.awaitShown(SECOND));
        frame.end();
        // Its stream begins anew, while the compositor still has the memory: which is another buffer there.
        int imports = compositor.imports;
        window.show(frame.lendAgain());
        assertTrue(window.awaitShown(SECOND));
        assertEquals(imports + 1, compositor.imports);
        compositor.releaseOthers();
        settle(window);
        assertEquals(0, frame.returns, "the release was of the loan before");
        assertTrue(frame.isLent());
        window.close();
        assertEquals(1, frame.returns);
    }

    @Test
    void whatAStreamFailsWithIsToldOnceAndTheNextFrameStaysTheCallers() throws Exception {
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        var first = new Loan(ring, 0);
        var second = new Loan(ring, 1);
        var third = new Loan(ring, 2);
        first.failure = CenallocException.of(Errno.ENODEV, "VIDIOC_QBUF", 0);
        window.show(first.lendAgain());
        window.show(second.lendAgain());
        third.lendAgain();
        var e = assertThrows(CenallocException.class, () -> window.show(third));
        assertEquals("VIDIOC_QBUF", e.call());
        assertEquals(1, window.held());
        window.show(third);
        assertTrue(window.awaitShown(SECOND));
        assertEquals(1, second.returns);
    }

    // ---- the window itself ----

    @Test
    void aPingIsAnswered() throws Exception {
        Window window = window();
        compositor.ping(4711);
        settle(window);
        assertEquals(List.of(4711), compositor.pongs);
    }

    @Test
    void theWindowTellsThatItIsToBeClosed() throws Exception {
        Window window = window();
        assertFalse(window.isCloseRequested());
        compositor.requestClose();
        assertTrue(window.handleEvents(NOW));
        assertTrue(window.isCloseRequested());
    }

    @Test
    void theTitleAndTheScreenChange() throws Exception {
        Window window = window();
        window.setTitle("Überwachung");
        compositor.pump();
        assertEquals("Überwachung", compositor.title);
        window.setTitle("");
        compositor.pump();
        assertEquals("", compositor.title);
        window.setFullscreen(true);
        compositor.pump();
        assertEquals("on 0", compositor.fullscreen);
        window.setFullscreen(false);
        compositor.pump();
        assertEquals("off", compositor.fullscreen);
        assertThrows(IllegalArgumentException.class, () -> window.setTitle("a\0b"));
        assertThrows(IllegalArgumentException.class, () -> window.setTitle("x".repeat(1001)));
        window.setTitle("x".repeat(1000));
        compositor.pump();
        assertEquals(1000, compositor.title.length());
    }

    /** Width, height and state of the configuration; the size that the image of 64x48 is scaled to. */
    @ParameterizedTest
    @CsvSource({
        "0, 0, 4, 64x48",
        "128, 96, 4, 128x96",
        "128, 0, 4, 128x96",
        "0, 24, 4, 32x24",
        "200, 96, 2, 128x96",
        "128, 500, 3, 128x96",
        "200, 96, 1, 200x96",
        "31, 77, 5, 31x77",
        "1, 1, 4, 1x1",
        "1, 1000, 4, 1x1",
        "2147483647, 2147483647, 4, 2147483647x1610612735",
        "2147483647, 2147483647, 1, 2147483647x2147483647"
    })
    void theImageIsScaledIntoTheWindow(int width, int height, int state, String expected) throws Exception {
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
        assertEquals("64x48", compositor.destination);
        int serial = compositor.configure(width, height, 4, state);
        int commits = compositor.commits;
        settle(window);
        assertEquals(expected, compositor.destination);
        assertEquals(serial, compositor.acknowledged.getLast());
        assertEquals(commits + 1, compositor.commits, "at once, and not with the next frame");
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
        assertEquals(expected, compositor.destination);
        assertTrue(window.toString().contains(expected), window::toString);
    }

    @Test
    void theFirstSizeCountsFromTheFirstFrameOn() throws Exception {
        compositor.firstWidth = 640;
        compositor.firstHeight = 480;
        Window window = window();
        Ring ring = ring(agreement(window), 2);
        window.use(ring);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
        assertEquals("640x480", compositor.destination);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 4, 6})
    void withoutAViewporterTheImageHasItsOwnSize(int version) throws Exception {
        compositor.hasViewporter = false;
        compositor.compositorVersion = version;
        Window window = window();
        Ring ring = ring(agreement(window), 2);
        window.use(ring);
        compositor.configure(500, 500);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
        assertEquals("", compositor.destination);
        assertEquals(1, compositor.onScreen.size());
    }

    @Test
    void aSecondWindowIsBesideTheFirst() throws Exception {
        var path = java.nio.file.Path.of("/run/other");
        try (var other = new ScriptedCompositor(kernel, path)) {
            kernel.whileWaiting = () -> {
                compositor.pump();
                other.pump();
            };
            Window first = window();
            Window second = opened(Window.open(cenalloc, path, "other"));
            Ring ring = ring(agreement(first), 2);
            first.use(ring);
            second.use(ring);
            RingFrame frame = lend(ring);
            first.show(frame);
            assertTrue(first.awaitShown(SECOND));
            RingFrame another = lend(ring);
            second.show(another);
            assertTrue(second.awaitShown(SECOND));
            assertEquals(1, compositor.onScreen.size());
            assertEquals(1, other.onScreen.size());
            second.close();
        }
    }

    // ---- misuse ----

    @Test
    void misuseIsRefusedInWords() throws Exception {
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        RingFrame frame = lend(ring);
        assertThrows(IllegalStateException.class, () -> window.show(frame), "no ring");
        window.use(ring);
        window.show(frame);
        var twice = assertThrows(IllegalStateException.class, () -> window.show(frame));
        assertTrue(String.valueOf(twice.getMessage()).contains("already"), twice::getMessage);
        RingFrame closed = lend(ring);
        closed.close();
        assertThrows(IllegalStateException.class, () -> window.show(closed));
        Ring other = ring(stated(new Image(PixelFormat.XR24, 16, 16)), 1);
        RingFrame stranger = lend(other);
        assertThrows(IllegalArgumentException.class, () -> window.show(stranger));
        stranger.close();
        Ring unknown = ring(stated(new Image(PixelFormat.RG16, 16, 16)), 1);
        var e = assertThrows(IllegalArgumentException.class, () -> window.use(unknown));
        assertTrue(String.valueOf(e.getMessage()).contains("port()"), e::getMessage);
        unknown.close();
        Ring gone = ring(stated(new Image(PixelFormat.XR24, 16, 16)), 1);
        gone.close();
        assertThrows(IllegalStateException.class, () -> window.use(gone));
        assertTrue(window.awaitShown(SECOND), "nothing of this did harm");
        window.close();
        RingFrame late = lend(ring);
        assertThrows(IllegalStateException.class, () -> window.show(late));
        late.close();
        assertThrows(IllegalStateException.class, () -> window.use(ring));
        assertThrows(IllegalStateException.class, window::port);
        assertThrows(IllegalStateException.class, () -> window.awaitShown(NOW));
        assertThrows(IllegalStateException.class, () -> window.handleEvents(NOW));
        assertThrows(IllegalStateException.class, () -> window.setTitle("x"));
        assertThrows(IllegalStateException.class, () -> window.setFullscreen(true));
        assertTrue(window.toString().startsWith("closed"), window::toString);
    }
}
