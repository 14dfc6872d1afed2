// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.Fence;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.node.drm.Source;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.stream.RingFrame;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A display on a fake card: what it refuses, what it gives back, and what stays on the screen. */
@SuppressWarnings("NullAway") // messages are there
class DisplayTest extends DisplayFixture {
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
            assertEquals(4_000_000_000_000_008_000L, display.lastFlipNanos());
            display.awaitShown(SECOND); // nothing is on its way
        }
        display.close();
        assertTrue(card.showsConsole());
    }

    /** The frames of a pipeline, for example, have a ring each. */
    @Test
    void framesOfOtherRingsOfTheAgreementGoRoundToo() throws Exception {
        try (Ring first = ring(1);
                Ring second = Ring.allocate(cenalloc, first.agreement(), 1);
                Ring third = Ring.allocate(cenalloc, first.agreement(), 1);
                Ring foreign = ring(1)) {
            var frames = List.of(
                    TestFrame.of(first).getFirst(),
                    TestFrame.of(second).getFirst(),
                    TestFrame.of(third).getFirst());
            display.use(first);
            int before = card.framebuffers();
            for (int i = 0; i < 9; i++) {
                display.show(frames.get(i % 3).lendAgain());
                assertEquals(before + Math.min(i, 2), card.framebuffers(), "one each");
                assertEquals(i == 0 ? 1 : i, display.flips());
            }
            assertEquals(
                    List.of(3, 2, 2),
                    frames.stream().map(frame -> frame.returns).toList());
            var stranger = TestFrame.of(foreign).getFirst();
            refused(IllegalArgumentException.class, () -> display.show(stranger.lendAgain()));
            // Frames that always are of new rings do not pile up.
            for (int i = 0; i < 200; i++) {
                try (Ring ring = Ring.allocate(cenalloc, first.agreement(), 1)) {
                    display.show(TestFrame.of(ring).getFirst().lendAgain());
                }
                assertTrue(card.framebuffers() < 80);
            }
            display.awaitShown(SECOND);
            display.use(foreign);
            display.show(stranger);
            assertEquals(1, card.framebuffers());
        }
    }

    /** A frame that the program filled is free when it has left the screen. */
    @Test
    void framesThatTheRingLendsComeBackToIt() throws Exception {
        try (Ring ring = ring(3)) {
            display.use(ring);
            for (int i = 0; i < 9; i++) {
                RingFrame frame = ring.lend("painter", SECOND);
                frame.stamp(i, 1_000 + i);
                try (var pixels = frame.access(Direction.WRITE)) {
                    pixels.segment().fill((byte) i);
                }
                assertEquals("painter", frame.memory().holder().orElseThrow());
                display.show(frame);
                assertEquals(display.name(), frame.memory().holder().orElseThrow());
                assertEquals(i, frame.sequence());
                assertEquals(1_000 + i, frame.timestampNanos());
            }
            display.awaitShown(SECOND);
            assertEquals(2, ring.pool().free());
            RingFrame kept = ring.lend("painter", SECOND);
            kept.close();
            refused(IllegalStateException.class, kept::close);
            refused(IllegalStateException.class, () -> kept.handTo("painter"));
            ring.pool().grow(1);
            RingFrame first = ring.lend("painter", SECOND);
            RingFrame second = ring.lend("painter", SECOND);
            RingFrame newer = ring.lend("painter", SECOND);
            assertEquals(3, newer.index());
            display.show(newer); // the framebuffer is made now
            display.awaitShown(SECOND);
            assertEquals(1, ring.pool().free());
            first.close();
            second.close();
            display.show(ring.lend("painter", SECOND));
            display.awaitShown(SECOND);
            assertEquals(1, ring.pool().trim(1));
            // Other memory has the old number, and a framebuffer of its own.
            ring.pool().grow(1);
            var unused = List.of(ring.lend("painter", SECOND), ring.lend("painter", SECOND));
            RingFrame again = ring.lend("painter", SECOND);
            assertEquals(newer.index(), again.index());
            assertNotEquals(newer.memory(), again.memory());
            int framebuffers = card.framebuffers();
            display.show(again);
            assertEquals(framebuffers + 1, card.framebuffers());
            display.awaitShown(SECOND);
            for (RingFrame each : unused) {
                each.close();
            }
        }
    }

    @Test
    void undefinedAlphaIsShownOnlyIfItIsSaidToBeIgnored() throws Exception {
        int alpha = PixelFormat.AR24.drmFourcc().orElseThrow();
        card.fourccs = List.of(alpha, 0x12345678, alpha);
        display.close();
        display = Display.open(cenalloc, NODE);
        var camera = Port.of(
                Device.of("camera", Constraints.NONE, "test"),
                List.of(new ImageRange(PixelFormat.XR24, ImageRange.Sizes.of(640, 480))));
        var refused = assertThrows(
                NoCommonImageException.class,
                () -> Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(camera, display.port())));
        assertTrue(refused.reason().contains("(unknown here: xV4\\x12)"), refused::reason);
        Agreement agreement = Agreement.negotiate(
                cenalloc, ImageRequest.ANY, List.of(camera, display.port().ignoringAlpha()));
        assertEquals(PixelFormat.XR24, agreement.image().format());
        try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
            display.use(ring);
            assertEquals(alpha, card.lastFormat);
        }
        // An agreement of others says nothing of this display.
        Agreement others = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(camera));
        assertThrows(IllegalArgumentException.class, () -> display.configure(others));
        // The CPU can draw alpha.
        assertEquals(
                PixelFormat.AR24,
                Canvas.negotiate(cenalloc, display, ImageRequest.ANY).image().format());
    }

    /** Of 480 lines in memory, 472 are of the image: shown are those, whichever framebuffer the driver takes. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void linesThatAreNotOfTheImageAreNotShown(boolean takesNoGaps) throws Exception {
        card.fourccs = List.of(PixelFormat.NV12.drmFourcc().orElseThrow());
        card.takesNoGaps = takesNoGaps;
        display.close();
        display = Display.open(cenalloc, NODE);
        var decoder = Port.of(
                Device.of("decoder", Constraints.NONE.lineAlignment(16), "test"),
                List.of(new ImageRange(PixelFormat.NV12, ImageRange.Sizes.of(640, 472))));
        Agreement agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(decoder, display.port()));
        assertEquals(480, agreement.layouts().getFirst().storedLines());
        try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            assertEquals(takesNoGaps ? 480 : 472, card.lastLines);
            display.show(frames.get(0).lendAgain());
            display.awaitShown(SECOND);
            assertEquals(472L << 16, card.plane(false, "SRC_H"));
            assertEquals(472, card.plane(false, "CRTC_H"));
            assertEquals(0, card.plane(false, "SRC_Y"));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> display.place(new Area(0, 0, 640, 480), new Area(0, 0, 640, 480)));
        }
    }

    /** What lies before the image is in the framebuffer, and not shown. */
    @Test
    void memoryBeforeTheImageIsNotShown() throws Exception {
        card.fourccs = List.of(PixelFormat.NV12.drmFourcc().orElseThrow());
        display.close();
        display = Display.open(cenalloc, NODE);
        var decoder = Port.of(
                Device.of(
                        "decoder", Constraints.NONE.leftMargin(32).topMargin(8).gapless(), "test"),
                List.of(new ImageRange(PixelFormat.NV12, ImageRange.Sizes.of(640, 472))));
        Agreement agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(decoder, display.port()));
        assertEquals(32, agreement.layouts().getFirst().leftMargin());
        try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            assertEquals(480, card.lastLines);
            assertEquals(672, card.lastColumns);
            assertEquals(List.of(0L, 672L * 480), card.lastOffsets);
            display.show(frames.get(0).lendAgain());
            display.awaitShown(SECOND);
            assertEquals(32L << 16, card.plane(false, "SRC_X"));
            assertEquals(8L << 16, card.plane(false, "SRC_Y"));
            assertEquals(640L << 16, card.plane(false, "SRC_W"));
            assertEquals(472L << 16, card.plane(false, "SRC_H"));
            // A part of the image is counted from its first pixel.
            display.place(new Area(64, 32, 320, 240), new Area(0, 0, 320, 240));
            display.show(frames.get(1).lendAgain());
            display.awaitShown(SECOND);
            assertEquals(96L << 16, card.plane(false, "SRC_X"));
            assertEquals(40L << 16, card.plane(false, "SRC_Y"));
        }
    }

    /** Planes that are no parts of one image from byte 0 on are told by their offsets. */
    @Test
    void planesWithAGapBetweenThemAreShownFromTheirOffsets() throws Exception {
        card.fourccs = List.of(PixelFormat.NV12.drmFourcc().orElseThrow());
        display.close();
        display = Display.open(cenalloc, NODE);
        var other = Port.of(
                Device.of(
                        "other",
                        Constraints.NONE.topMargin(2).offsetAlignment(4096).pitchAlignment(4096),
                        "test"),
                List.of(new ImageRange(PixelFormat.NV12, ImageRange.Sizes.of(640, 471))));
        Agreement agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(other, display.port()));
        Layout moved = agreement.layouts().getFirst();
        var apart = new Layout(
                moved.image(),
                0,
                List.of(
                        moved.planes().getFirst(),
                        new Layout.Plane(moved.planes().getLast().offset() + 4096, 4096, 236)),
                moved.size() + 4096);
        assertTrue(moved.isGapless());
        assertFalse(apart.isGapless());
        assertEquals(List.of(apart), Source.of(List.of(apart)).layouts());
        assertEquals(2, Source.of(List.of(moved)).y());
    }

    /** While frames come sooner than the screen refreshes: a commit that is too soon is tried once only. */
    @Test
    void aFrameThatComesTooSoonCostsThreeSystemCalls() throws Exception {
        try (Ring ring = ring(3)) {
            List<TestFrame> frames = showTwo(ring);
            assertEquals(List.of("ioctl", "poll", "read", "ioctl"), callsOfShowing(frames.get(2)));
            assertEquals(List.of("poll", "read", "ioctl"), callsOfShowing(frames.get(0)));
            assertEquals(List.of("poll", "read", "ioctl"), callsOfShowing(frames.get(1)));
            card.isPrompt = true;
            assertEquals(List.of("poll", "read", "ioctl"), callsOfShowing(frames.get(2)), "it was there long ago");
            assertEquals(List.of("ioctl", "read"), callsOfShowing(frames.get(0)), "looks once whether it is true");
            assertEquals(List.of("ioctl"), callsOfShowing(frames.get(1)));
        }
    }

    /** The first sets the mode. */
    private List<TestFrame> showTwo(Ring ring) throws CenallocException {
        List<TestFrame> frames = TestFrame.of(ring);
        display.use(ring);
        display.show(frames.get(0).lendAgain());
        display.show(frames.get(1).lendAgain());
        return frames;
    }

    private List<String> callsOfShowing(TestFrame frame) throws CenallocException {
        frame.lendAgain();
        int before = kernel.calls.size();
        display.show(frame);
        return List.copyOf(kernel.calls.subList(before, kernel.calls.size()));
    }

    /** The kernel keeps 128 events, which are read before, together. */
    @Test
    void aFrameThatComesInTimeCostsOneSystemCall() throws Exception {
        card.isPrompt = true;
        try (Ring ring = ring(3)) {
            List<TestFrame> frames = showTwo(ring);
            assertEquals(List.of("ioctl", "read"), callsOfShowing(frames.get(2)), "looks once whether it is true");
            int more = 0;
            for (int i = 3; i < 303; i++) {
                List<String> calls = callsOfShowing(frames.get(i % 3));
                more += calls.size() - 1;
                assertEquals("ioctl", calls.getLast());
                assertEquals(i, display.flips());
                assertEquals((i + 1) / 3, frames.get(0).returns);
            }
            assertEquals(2 * 2, more, "poll and read, after a hundred each");
            int calls = kernel.calls.size();
            assertEquals(302, display.lastFlipSequence());
            assertEquals(5_000_302_000L, display.lastFlipNanos());
            assertEquals(303, display.flips(), "its event was there, too");
            assertTrue(display.awaitShown(SECOND));
            assertEquals(303, display.flips());
            assertEquals(List.of("read"), kernel.calls.subList(calls, kernel.calls.size()));
        }
    }

    /** Then a commit that is made tells nothing. */
    @Test
    void aDriverThatQueuesCommitsIsWaitedFor() throws Exception {
        card.isQueueing = true;
        try (Ring ring = ring(3)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            for (int i = 0; i < 3; i++) {
                display.show(frames.get(i).lendAgain());
            }
            for (int i = 3; i < 9; i++) {
                assertEquals(List.of("poll", "read", "ioctl"), callsOfShowing(frames.get(i % 3)));
            }
        }
    }

    /** A frame above belongs to another plane, of whose commit that of the primary one tells nothing. */
    @Test
    void planesInTurnAreWaitedFor() throws Exception {
        card.isPrompt = true;
        try (Ring ring = ring(3);
                Ring other = ring(3)) {
            var frames = TestFrame.of(ring);
            var above = TestFrame.of(other);
            display.use(ring);
            display.show(frames.get(0).lendAgain());
            Overlay overlay = display.overlay(display.planes().get(1));
            overlay.use(other);
            for (int i = 0; i < 4; i++) {
                overlay.show(above.get(i % 3).lendAgain());
                assertEquals(List.of("poll", "read", "ioctl"), callsOfShowing(frames.get((i + 1) % 3)));
                assertEquals(Math.max(0, i), returns(above));
                assertEquals(i, returns(frames));
            }
        }
    }

    private static int returns(List<TestFrame> frames) {
        return frames.stream().mapToInt(frame -> frame.returns).sum();
    }

    /** The commit was made, so the frame is the display's: the next call tells. */
    @ParameterizedTest
    @ValueSource(strings = {"show", "await", "use", "close"})
    void aFrameThatCannotGoBackIsToldByTheNextCall(String next) throws Exception {
        card.isPrompt = true;
        try (Ring ring = ring(3)) {
            List<TestFrame> frames = showTwo(ring);
            frames.get(0).failure = CenallocException.of(Errno.EIO, "VIDIOC_QBUF", 1);
            display.show(frames.get(2).lendAgain());
            TestFrame fourth = frames.get(0).lendAgain();
            assertEquals(
                    Errno.EIO,
                    assertThrows(CenallocException.class, () -> {
                                switch (next) {
                                    case "show" -> display.show(fourth);
                                    case "await" -> display.awaitShown(SECOND);
                                    case "use" -> display.use(ring);
                                    default -> display.close();
                                }
                            })
                            .errno());
            if (!next.equals("close")) {
                assertTrue(fourth.isLent(), "it stays the caller's");
                display.show(fourth);
                assertTrue(display.awaitShown(SECOND));
                assertEquals(1, frames.get(1).returns);
                assertEquals(1, frames.get(2).returns);
            }
        }
    }

    /** The canvas must not draw on what is about to be on the screen. */
    @Test
    void aDrawnFrameIsTheDisplaysThoughTheOneBeforeCannotGoBack() throws Exception {
        card.isPrompt = true;
        try (Canvas canvas = display.canvas(3)) {
            for (int i = 0; i < 2; i++) {
                canvas.next(SECOND).close();
            }
            Frame third = canvas.next(SECOND);
            var first = display.primary().onScreen();
            try (var open = first.access(Direction.WRITE)) {
                third.close();
                assertTrue(display.primary().has(third));
                open.segment().fill((byte) 1);
            }
            assertThrows(IllegalStateException.class, () -> display.awaitShown(SECOND), "it was in use");
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
        var gone = new FakeCard(kernel, true, true);
        gone.isGone = true;
        kernel.device("/dev/dri/card4", gone);
        refused(DeviceGoneException.class, () -> Display.open(cenalloc, Path.of("/dev/dri/card4")));
        kernel.refuse(NODE, Errno.EBUSY);
        assertEquals(
                Errno.EBUSY,
                refused(CenallocException.class, () -> Display.open(cenalloc, NODE))
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
            assertFalse(display.awaitShown(Duration.ofMillis(20)));
            var e = assertThrows(
                    NotShownException.class, () -> display.show(frames.get(2).lendAgain()));
            assertEquals(Errno.ETIMEDOUT, e.errno());
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
    void theAgreementMustBeTheDisplays() throws Exception {
        Agreement large = Canvas.negotiate(cenalloc, display, ImageRequest.ANY.size(1024, 768));
        assertEquals("1024x768 at 60 Hz", display.mode().toString());
        display.configure(Canvas.negotiate(cenalloc, display, SMALL));
        assertEquals("640x480 at 75 Hz", display.mode().toString());
        display.configure(large);
        assertEquals("1024x768 at 60 Hz", display.mode().toString());
    }

    // ---- misuse ----

    @Test
    void ringsThatItCannotShowAreRefused() throws Exception {
        for (Agreement agreement :
                List.of(declared(PixelFormat.NV12, 640, 480), declared(PixelFormat.XR24, 2000, 1000))) {
            try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
                var e = refused(IllegalArgumentException.class, () -> display.use(ring));
                assertTrue(e.getMessage().contains("negotiate with the display's port()"), e::toString);
                refused(IllegalArgumentException.class, () -> display.configure(agreement));
                assertEquals("1024x768 at 60 Hz", display.mode().toString());
            }
        }
        Ring closed = ring(2);
        closed.close();
        refused(IllegalStateException.class, () -> display.use(closed));
        refused(
                IllegalStateException.class,
                () -> display.show(TestFrame.of(closed).getFirst().lendAgain()));
    }

    /** Its framebuffers keep the memory, so a ring may be closed while its frames are shown. */
    @Test
    void aRingThatIsClosedWhileItIsShownKeepsItsFramebuffers() throws Exception {
        Ring ring = ring(2);
        display.use(ring);
        TestFrame frame = TestFrame.of(ring).getFirst().lendAgain();
        ring.close();
        display.show(frame);
        refused(IllegalStateException.class, () -> frame.access(Direction.WRITE));
        display.close();
        assertFalse(frame.isLent());
    }

    @Test
    void withoutControlOfTheDisplayNothingIsPlaced() throws Exception {
        try (Ring ring = ring(2)) {
            display.use(ring);
            card.isControlled = true;
            var e = refused(
                    NoMasterException.class, () -> display.place(new Area(0, 0, 10, 10), new Area(0, 0, 10, 10)));
            assertEquals(Errno.EACCES, e.errno());
        }
    }

    @Test
    void aDisplayThatIsGoneIsToldOfByEveryUse() throws Exception {
        try (Ring ring = ring(2)) {
            display.use(ring);
            card.isGone = true;
            for (Executable use : List.<Executable>of(
                    () -> display.use(ring),
                    () -> display.show(TestFrame.of(ring).getFirst().lendAgain()),
                    () -> display.place(new Area(0, 0, 10, 10), new Area(0, 0, 10, 10)),
                    () -> display.canvas(2),
                    () -> display.overlay(display.planes().getLast()))) {
                var e = refused(DeviceGoneException.class, use);
                assertEquals(NODE, e.path().orElseThrow());
            }
        }
    }

    /** The number of a fence, or of a buffer, must not be closed and used again between here and the kernel. */
    @Test
    void whatIsClosedDuringARequestIsStillThere() throws Exception {
        try (Ring ring = ring(2);
                Ring other = ring(2)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            display.show(frames.get(0).lendAgain());
            Fence ready = fence();
            int number = ready.fd();
            closeDuring(drm_h.DRM_IOCTL_MODE_ATOMIC(), ready::close, number);
            display.show(frames.get(1).lendAgain(), ready);
            assertEquals(number, card.inFence);
            assertThrows(IllegalStateException.class, ready::fd);
            DmaBuf buffer = other.buffers(0).getFirst();
            closeDuring(drm_h.DRM_IOCTL_PRIME_FD_TO_HANDLE(), other::close, buffer.fd());
            assertThrows(IllegalStateException.class, () -> display.use(other), "the next buffer is closed");
        }
    }

    private void closeDuring(long request, Runnable close, int number) {
        card.beforeRequest = made -> {
            if (made == request) {
                card.beforeRequest = _ -> {};
                close.run();
                assertTrue(kernel.isOpen(number), "closed before the kernel had it");
            }
        };
    }

    /** It is for one thread at a time, and not for one thread only. */
    @Test
    void anotherThreadGoesOnAndCloses() throws Exception {
        try (Canvas canvas = display.canvas(2)) {
            Frame frame = canvas.next(SECOND);
            var pixels = frame.access(Direction.WRITE);
            CompletableFuture.runAsync(() -> {
                        try {
                            pixels.segment().fill((byte) 1);
                            pixels.close();
                            frame.close();
                            canvas.next(SECOND).close();
                            display.close();
                        } catch (CenallocException e) {
                            throw new AssertionError(e);
                        }
                    })
                    .join();
            refused(IllegalStateException.class, () -> canvas.next(SECOND));
        }
    }
}
