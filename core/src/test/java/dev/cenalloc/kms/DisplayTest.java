package dev.cenalloc.kms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.Fence;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Ring;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A display on a fake card: what it refuses, what it gives back, and what stays on the screen. */
@SuppressWarnings("NullAway") // arguments are null on purpose, and messages are there
class DisplayTest {
    private static final Path NODE = Path.of("/dev/dri/card0");
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final ImageRequest SMALL =
            ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480);

    private final FakeKernel kernel = new FakeKernel().heap("system", 64 << 20);
    private final FakeCard card = new FakeCard(kernel, true, true);
    private String before;
    private Cenalloc cenalloc;
    private Display display;

    @BeforeEach
    void open() throws Exception {
        card.mayChange = true;
        kernel.device(NODE.toString(), card);
        before = card.screen();
        cenalloc = kernel.open();
        display = Display.open(cenalloc, NODE);
    }

    /** Whatever was done to the display, everything is given back. */
    @AfterEach
    void everythingIsGivenBack() throws Exception {
        display.close();
        display.close();
        cenalloc.close();
        assertEquals("{} {}", card.state());
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        assertEquals(64 << 20, kernel.free());
        if (!card.isGone) {
            assertEquals(before, card.screen());
        }
    }

    private Ring ring(int frames) throws CenallocException {
        return Ring.allocate(cenalloc, Canvas.negotiate(cenalloc, display, SMALL), frames);
    }

    @Test
    void framesGoRoundAndComeBackWhenTheyHaveLeftTheScreen() throws Exception {
        try (Ring ring = ring(3)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            assertTrue(card.showsConsole(), "nothing is shown yet");
            assertEquals(0, display.lastFlipNanos());
            for (int i = 0; i < 9; i++) {
                display.show(frames.get(i % 3).lendAgain());
                assertEquals(i == 0 ? 1 : i, display.flips());
            }
            // On the screen is the last but one; the last is on its way.
            assertEquals(
                    List.of(3, 2, 2),
                    frames.stream().map(frame -> frame.returns).toList());
            display.awaitShown(SECOND);
            assertEquals(
                    List.of(3, 3, 2),
                    frames.stream().map(frame -> frame.returns).toList());
            assertEquals(8, display.lastFlipSequence());
            assertEquals(5_000_008_000L, display.lastFlipNanos());
            display.awaitShown(SECOND); // nothing is on its way
        }
        display.close();
        assertTrue(card.showsConsole());
    }

    @Test
    void aFrameCostsThreeSystemCalls() throws Exception {
        try (Ring ring = ring(3)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            display.show(frames.get(0).lendAgain());
            display.show(frames.get(1).lendAgain());
            int calls = kernel.calls.size();
            display.show(frames.get(2).lendAgain());
            assertEquals(List.of("poll", "read", "ioctl"), kernel.calls.subList(calls, kernel.calls.size()));
        }
    }

    @Test
    void framesThatCannotBeShownStayTheCallers() throws Exception {
        try (Ring ring = ring(3);
                Ring other = ring(1)) {
            var frames = TestFrame.of(ring);
            TestFrame stranger = TestFrame.of(other).getFirst().lendAgain();
            assertThrows(IllegalStateException.class, () -> display.show(frames.get(0)), "no ring is in use");
            display.use(ring);
            assertThrows(IllegalArgumentException.class, () -> display.show(stranger));
            assertTrue(stranger.isLent());
            assertThrows(IllegalStateException.class, () -> display.show(frames.get(0)), "not lent");
            display.show(frames.get(0).lendAgain());
            assertThrows(IllegalStateException.class, () -> display.show(frames.get(0)), "on the screen");
            display.show(frames.get(1).lendAgain());
            assertThrows(IllegalStateException.class, () -> display.show(frames.get(1)), "about to be");
            assertEquals(2, card.commits);
            display.close();
            frames.get(2).lendAgain();
            var e = assertThrows(IllegalStateException.class, () -> display.show(frames.get(2)));
            assertEquals("the display fake card0 is closed", e.getMessage());
            assertTrue(frames.get(2).isLent());
            assertFalse(frames.get(0).isLent());
            assertFalse(frames.get(1).isLent());
        }
    }

    @Test
    void afterTheCloseNothingWorks() throws Exception {
        Ring ring = ring(2);
        display.use(ring);
        Plane overlay = display.planes().getLast();
        Overlay above = display.overlay(overlay);
        display.close();
        ring.close();
        assertThrows(IllegalStateException.class, () -> display.use(ring));
        assertThrows(IllegalStateException.class, () -> display.port());
        assertThrows(IllegalStateException.class, () -> display.canvas(2));
        assertThrows(IllegalStateException.class, () -> display.writeback());
        assertThrows(IllegalStateException.class, () -> display.overlay(overlay));
        assertThrows(IllegalStateException.class, () -> display.awaitShown(SECOND));
        assertThrows(IllegalStateException.class, () -> display.configure(ring.agreement()));
        assertThrows(IllegalStateException.class, () -> display.place(new Area(0, 0, 1, 1), new Area(0, 0, 1, 1)));
        assertThrows(IllegalStateException.class, () -> above.hide());
        above.close();
        assertEquals("Virtual-1", display.output().name());
    }

    @Test
    void whatIsNoDisplayIsRefused() throws Exception {
        kernel.device("/dev/dri/card1", new FakeCard(kernel, true, false));
        assertEquals(
                Errno.EOPNOTSUPP,
                assertThrows(CenallocException.class, () -> Display.open(cenalloc, Path.of("/dev/dri/card1")))
                        .errno());
        var dark = new FakeCard(kernel, true, true);
        dark.isConnected = false;
        kernel.device("/dev/dri/card2", dark);
        assertThrows(NoScreenException.class, () -> Display.open(cenalloc, Path.of("/dev/dri/card2")));
        assertThrows(MissingDeviceException.class, () -> Display.open(cenalloc, Path.of("/dev/dri/card3")));
        kernel.device("/dev/video0", new FakeKernel.Device() {
            @Override
            public long number() {
                return 81 << 8;
            }

            @Override
            public int ioctl(int fd, long request, java.lang.foreign.MemorySegment argument) {
                throw new AssertionError("it was opened");
            }

            @Override
            public void closed(int fd) {}
        });
        assertEquals(
                Errno.ENOTTY,
                assertThrows(CenallocException.class, () -> Display.open(cenalloc, Path.of("/dev/video0")))
                        .errno());
        kernel.refuse(NODE, Errno.EACCES);
        assertThrows(NoPermissionException.class, () -> Display.open(cenalloc, NODE));
    }

    @Test
    void imagesThatItHasNotAreRefused() throws Exception {
        assertThrows(
                NoCommonImageException.class,
                () -> Display.open(cenalloc, NODE, ImageRequest.ANY.format(PixelFormat.NV12)));
        assertThrows(
                NoCommonImageException.class, () -> Display.open(cenalloc, NODE, ImageRequest.ANY.size(4000, 4000)));
        assertThrows(IllegalArgumentException.class, () -> display.canvas(1));
        assertThrows(IllegalArgumentException.class, () -> display.canvas(65));
    }

    @Test
    void anotherProgramThatControlsTheDisplayKeepsIt() throws Exception {
        try (Ring ring = ring(2)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            card.isControlled = true;
            var e = assertThrows(
                    NoMasterException.class, () -> display.show(frames.get(0).lendAgain()));
            assertEquals(Errno.EACCES, e.errno());
            assertTrue(e.toString().contains("another program is DRM master"), e.toString());
            assertTrue(frames.get(0).isLent());
            assertEquals(before, card.screen());
            assertEquals(0, card.commits);
            card.isControlled = false;
            display.show(frames.get(0));
            assertNotEquals(before, card.screen());
        }
    }

    @Test
    void aDisplayThatIsPulledOutSaysSo() throws Exception {
        try (Ring ring = ring(3)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            display.show(frames.get(0).lendAgain());
            display.show(frames.get(1).lendAgain());
            card.isGone = true;
            frames.get(2).lendAgain();
            assertThrows(DeviceGoneException.class, () -> display.show(frames.get(2)));
            assertThrows(DeviceGoneException.class, () -> display.awaitShown(SECOND));
            assertTrue(frames.get(2).isLent());
            display.close();
            assertEquals(
                    List.of(1, 1, 0),
                    frames.stream().map(frame -> frame.returns).toList());
        }
    }

    @Test
    void aFrameThatDoesNotComeOnTheScreenIsATypedError() throws Exception {
        try (Ring ring = ring(3)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            display.show(frames.get(0).lendAgain());
            display.show(frames.get(1).lendAgain());
            card.isStuck = true;
            var e = assertThrows(NotShownException.class, () -> display.awaitShown(Duration.ofMillis(20)));
            assertEquals(Errno.ETIMEDOUT, e.errno());
            assertThrows(
                    NotShownException.class, () -> display.show(frames.get(2).lendAgain()));
            card.isStuck = false;
            display.show(frames.get(2));
            assertEquals(1, frames.get(0).returns);
        }
    }

    @Test
    void anErrorOfTheStreamIsToldAndTheLoopGoesOn() throws Exception {
        try (Ring ring = ring(3)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            display.show(frames.get(0).lendAgain());
            display.show(frames.get(1).lendAgain());
            frames.get(0).failure = CenallocException.of(Errno.ENOMEM, "VIDIOC_QBUF", 1);
            frames.get(2).lendAgain();
            assertEquals(
                    Errno.ENOMEM,
                    assertThrows(CenallocException.class, () -> display.show(frames.get(2)))
                            .errno());
            assertTrue(frames.get(2).isLent(), "it stays the caller's");
            display.show(frames.get(2));
            // Of a stream that has ended, nothing is given back.
            frames.get(1).end();
            display.awaitShown(SECOND);
            assertEquals(
                    List.of(1, 0, 0),
                    frames.stream().map(frame -> frame.returns).toList());
            frames.get(2).failure = CenallocException.of(Errno.ENOMEM, "VIDIOC_QBUF", 1);
            assertThrows(CenallocException.class, () -> display.close());
            assertTrue(card.showsConsole());
        }
    }

    @Test
    void aFrameThatTheCallerGaveBackAndGotAgainStaysTheCallers() throws Exception {
        try (Ring ring = ring(2)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            display.show(frames.get(0).lendAgain());
            frames.get(0).close(); // a mistake: it was the display's
            frames.get(0).lendAgain();
            display.show(frames.get(1).lendAgain());
            display.awaitShown(SECOND);
            assertTrue(frames.get(0).isLent());
            assertEquals(1, frames.get(0).returns);
        }
    }

    @Test
    void whenTheProgramEndsTheScreenIsRestored() throws Exception {
        try (Ring ring = ring(2)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            display.show(frames.get(0).lendAgain());
            assertFalse(card.showsConsole());
            ScreenRestorer.restoreAll();
            assertEquals(before, card.screen());
            int commits = card.commits;
            assertThrows(
                    IllegalStateException.class,
                    () -> display.show(frames.get(1).lendAgain()));
            ScreenRestorer.restoreAll();
            assertEquals(commits, card.commits);
        }
    }

    @Test
    void aRefusedModeChangesNothing() throws Exception {
        try (Ring ring = ring(2)) {
            TestFrame frame = TestFrame.of(ring).getFirst().lendAgain();
            display.use(ring);
            card.refusal = Errno.EINVAL;
            var e = assertThrows(DisplayRefusalException.class, () -> display.show(frame));
            card.refusal = 0;
            assertEquals(Errno.EINVAL, e.errno());
            assertTrue(e.toString().contains("refuses 640x480 at 75 Hz with XR24 640x480"), e.toString());
            assertEquals(before, card.screen());
            assertFalse(card.state().contains("master") || card.state().contains("blob"), card.state());
            assertTrue(frame.isLent());
            display.show(frame);
            assertFalse(card.showsConsole());
        }
    }

    @Test
    void aPlaceThatTheHardwareHasNotIsRefused() throws Exception {
        assertThrows(
                IllegalStateException.class,
                () -> display.place(new Area(0, 0, 10, 10), new Area(0, 0, 10, 10)),
                "no ring is in use");
        try (Ring ring = ring(2)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> display.place(new Area(600, 0, 100, 100), new Area(0, 0, 100, 100)));
            assertThrows(IllegalArgumentException.class, () -> new Area(0, 0, 0, 1));
            var e = assertThrows(
                    DisplayRefusalException.class,
                    () -> display.place(new Area(0, 0, 100, 100), new Area(0, 0, 200, 100)));
            assertEquals(Errno.ERANGE, e.errno());
            display.show(frames.get(0).lendAgain());
            assertEquals(640, card.plane(false, "CRTC_W"));
            display.place(new Area(10, 20, 100, 50), new Area(-5, 7, 100, 50));
            display.show(frames.get(1).lendAgain());
            assertEquals(-5, card.plane(false, "CRTC_X"));
            assertEquals(7, card.plane(false, "CRTC_Y"));
            assertEquals(100, card.plane(false, "CRTC_W"));
            assertEquals(20 << 16, card.plane(false, "SRC_Y"));
        }
    }

    @Test
    void anotherOutputCanBeChosen() throws Exception {
        display.close();
        card.hasTwo = true;
        display = Display.open(cenalloc, NODE);
        assertEquals("[Virtual-1, Virtual-2]", display.outputs().toString());
        display.select(display.outputs().get(1));
        assertEquals("Virtual-2", display.output().name());
        Output gone = new Output("HDMI-A-1", 0, 0, false, List.of(), List.of());
        assertThrows(IllegalArgumentException.class, () -> display.select(gone));
        try (Ring ring = ring(2)) {
            display.use(ring);
            assertThrows(
                    IllegalStateException.class,
                    () -> display.select(display.outputs().getFirst()));
        }
    }

    @Test
    void fencesGoInAndOut() throws Exception {
        try (Ring ring = ring(3);
                Fence ready = fence();
                Fence shown = fence()) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            display.show(frames.get(0).lendAgain(), ready, shown);
            assertEquals(-1, card.inFence, "the first waits for the fence before it sets the mode");
            assertTrue(shown.isSignalled(), "the first is waited for");
            display.show(frames.get(1).lendAgain(), null, shown);
            assertEquals(-1, card.inFence);
            assertFalse(shown.isSignalled());
            display.awaitShown(SECOND);
            assertTrue(shown.isSignalled());
            display.show(frames.get(2).lendAgain(), ready);
            assertEquals(ready.fd(), card.inFence);
            Fence closed = fence();
            closed.close();
            frames.get(0).lendAgain();
            assertThrows(IllegalStateException.class, () -> display.show(frames.get(0), closed));
            assertThrows(IllegalStateException.class, () -> display.show(frames.get(0), null, closed));
            assertTrue(frames.get(0).isLent());
        }
    }

    /** What may fail must fail before the commit: after it the frame is the display's. */
    @Test
    void aFenceInUseIsRefusedBeforeTheCommit() throws Exception {
        try (Ring ring = ring(3);
                Fence shown = fence()) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            for (TestFrame frame : frames.subList(0, 2)) { // one sets the mode, the other does not
                int commits = card.commits;
                var inUse = Seam.fenceDescriptor(shown);
                inUse.acquire();
                frame.lendAgain();
                var e = assertThrows(IllegalStateException.class, () -> display.show(frame, null, shown));
                assertTrue(e.toString().contains("in use by another thread"), e.toString());
                inUse.release();
                assertEquals(commits, card.commits);
                assertFalse(display.screen().isFlipping());
                display.show(frame, null, shown);
            }
        }
    }

    @Test
    void theFirstFrameWaitsForItsFenceNoLongerThanOthers() throws Exception {
        try (Ring ring = ring(2);
                Fence never = Seam.fence(Fence.class, kernel, kernel.fence(new FakeKernel.Work()))) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            frames.get(0).lendAgain();
            int commits = card.commits;
            assertThrows(NotShownException.class, () -> display.show(frames.get(0), never));
            assertEquals(commits, card.commits, "a commit would hold up the end of the program");
            assertTrue(frames.get(0).isLent());
            display.show(frames.get(0));
        }
    }

    @Test
    void anotherRingWhileAFlipIsUnderWayDoesNotBlankTheScreen() throws Exception {
        try (Ring one = ring(2);
                Ring other = ring(2)) {
            var frames = TestFrame.of(one);
            display.use(one);
            display.show(frames.get(0).lendAgain());
            display.show(frames.get(1).lendAgain());
            display.use(other);
            long shown = card.onScreen();
            display.awaitShown(SECOND);
            assertEquals(shown, card.onScreen());
            assertTrue(shown != 0, "the screen is not black");
            display.show(TestFrame.of(other).get(0).lendAgain());
            assertTrue(card.onScreen() != 0 && card.onScreen() != shown, "the mode was set anew");
            assertTrue(card.screen().contains("ACTIVE=1"), card::screen);
        }
    }

    /** A camera that stops and starts lends the frame that is on the screen again, with the same number perhaps. */
    @Test
    void aFrameOfAStreamThatBeganAnewIsAnother() throws Exception {
        try (Ring ring = ring(3)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            display.show(frames.get(0).lendAgain());
            display.show(frames.get(1).lendAgain());
            for (TestFrame frame : frames) {
                frame.end();
                frame.restart();
            }
            display.show(frames.get(1).lendAgain()); // it was about to come on the screen
            display.show(frames.get(0).lendAgain());
            display.awaitShown(SECOND);
            assertEquals(
                    List.of(0, 1, 0),
                    frames.stream().map(frame -> frame.returns).toList());
        }
    }

    /** On the screen as it was, and about to come on it as it is: closing gives it back all the same. */
    @Test
    void aFrameThatIsShownAgainAfterARestartIsGivenBackAtTheEnd() throws Exception {
        try (Ring ring = ring(2)) {
            TestFrame frame = TestFrame.of(ring).getFirst();
            display.use(ring);
            display.show(frame.lendAgain());
            frame.end();
            frame.restart();
            display.show(frame.lendAgain());
            display.close();
            assertFalse(frame.isLent());
            assertEquals(1, frame.returns);
        }
    }

    @Test
    void anOutputThatCannotBeSelectedChangesNothing() throws Exception {
        display.close();
        card.hasTwo = true;
        display = Display.open(cenalloc, NODE);
        String before = card.screen();
        Output first = display.output();
        Output last = display.outputs().getLast();
        int failed = 0;
        for (boolean selected = false; !selected; ) {
            kernel.failCall(failed, Errno.ENOMEM);
            try {
                display.select(last);
                selected = true;
            } catch (CenallocException e) {
                failed++;
                assertEquals(first.name(), display.output().name());
                assertSame(display.screen().crtc(), display.primary().crtc());
            }
        }
        assertTrue(failed > 4, failed + " calls");
        kernel.failCall(-1, 0);
        display.close();
        assertEquals(before, card.screen());
    }

    private Fence fence() {
        var done = new FakeKernel.Work();
        done.status = 1;
        return Seam.fence(Fence.class, kernel, kernel.fence(done));
    }

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

    @Test
    void theAgreementMustBeTheDisplays() throws Exception {
        Agreement large = Canvas.negotiate(cenalloc, display, ImageRequest.ANY.size(1024, 768));
        assertEquals("1024x768 at 60 Hz", display.mode().toString());
        display.configure(Canvas.negotiate(cenalloc, display, SMALL));
        assertEquals("640x480 at 75 Hz", display.mode().toString());
        display.configure(large);
        assertEquals("1024x768 at 60 Hz", display.mode().toString());
    }
}
