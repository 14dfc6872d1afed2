// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Fence;
import dev.cenalloc.JavaProgram;
import dev.cenalloc.MappedAccess;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.node.drm.Card;
import dev.cenalloc.node.drm.KmsObject;
import dev.cenalloc.node.drm.Placement;
import dev.cenalloc.node.drm.Scanout;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** VKMS, a display whose output can be read back. */
@RequiresDevices
class DisplayDeviceTest {
    private static final Duration SECONDS = Duration.ofSeconds(20);

    private Cenalloc cenalloc;
    private Path node;

    @BeforeEach
    void find() throws Exception {
        cenalloc = Cenalloc.open();
        node = vkms();
    }

    @AfterEach
    void close() throws Exception {
        cenalloc.close();
    }

    private Path vkms() throws IOException {
        try (var nodes = Files.newDirectoryStream(Path.of("/dev/dri"), "card*")) {
            for (Path one : nodes) {
                try (var card = Card.open(Seam.kernel(cenalloc), one)) {
                    if (card.driver().equals("vkms")) {
                        return one;
                    }
                }
            }
        }
        throw new AssertionError("there is no VKMS among /dev/dri/card*");
    }

    /** What is on the screen, as another program sees it. */
    private String seen() throws CenallocException {
        try (var card = Card.open(Seam.kernel(cenalloc), node)) {
            Scanout scanout = card.scanouts().getFirst();
            var values = new TreeMap<String, Long>();
            KmsObject crtc = card.crtc(scanout.crtc());
            KmsObject plane = card.plane(scanout.plane());
            values.put("ACTIVE", crtc.value("ACTIVE"));
            values.put("connector", card.connector(scanout.connector()).value("CRTC_ID"));
            for (String property : Placement.PROPERTIES) {
                values.put(property, plane.value(property));
            }
            return values.toString();
        }
    }

    /** A picture in which no two neighbours are alike, of a colour that both formats can hold. */
    private static void draw(MemorySegment pixels, Layout layout, int t) {
        Layout.Plane plane = layout.planes().getFirst();
        for (int y = 0; y < layout.image().height(); y++) {
            for (int x = 0; x < layout.image().width(); x++) {
                int colour = colour(x, y, t);
                if (layout.image().format() == PixelFormat.XR24) {
                    pixels.set(ValueLayout.JAVA_INT, plane.offset() + y * plane.pitch() + 4L * x, colour);
                } else {
                    int packed = (colour >> 8 & 0xF800) | (colour >> 5 & 0x07E0) | (colour >> 3 & 0x1F);
                    pixels.set(ValueLayout.JAVA_SHORT, plane.offset() + y * plane.pitch() + 2L * x, (short) packed);
                }
            }
        }
    }

    private static int colour(int x, int y, int t) {
        return ((x * 7 + t * 13) & 0xFF) << 16 | ((y * 5 + t) & 0xFF) << 8 | ((x ^ y) * 3 + t & 0xFF);
    }

    /** Pixels that differ from what was drawn, in the bits that the format keeps. */
    private static long differences(Frame picture, Image drawn, int t) throws CenallocException {
        int mask = drawn.format() == PixelFormat.XR24 ? 0xFFFFFF : 0xF8FCF8;
        long different = 0;
        try (MappedAccess pixels = picture.access(Direction.READ)) {
            Layout.Plane plane = picture.layout().planes().getFirst();
            for (int y = 0; y < drawn.height(); y++) {
                for (int x = 0; x < drawn.width(); x++) {
                    int found = pixels.segment().get(ValueLayout.JAVA_INT, plane.offset() + y * plane.pitch() + 4L * x);
                    if (((found ^ colour(x, y, t)) & mask) != 0) {
                        different++;
                    }
                }
            }
        }
        return different;
    }

    private static void draw(Canvas canvas, int t) throws CenallocException {
        try (Frame frame = canvas.next(SECONDS);
                MappedAccess pixels = frame.access(Direction.WRITE)) {
            draw(pixels.segment(), frame.layout(), t);
        }
    }

    private static ImageRequest images(PixelFormat format) {
        return ImageRequest.ANY.format(format).size(640, 480);
    }

    @ParameterizedTest
    @EnumSource(
            value = PixelFormat.class,
            names = {"XR24", "RG16"})
    void whatTheDisplayPutsOutIsWhatWasDrawn(PixelFormat format) throws Exception {
        String before = seen();
        try (var display = Display.open(cenalloc, node, images(format));
                var canvas = display.canvas(2)) {
            Writeback writeback = display.writeback().orElseThrow();
            for (int t = 0; t < 4; t++) {
                draw(canvas, t);
                try (Frame picture = writeback.capture(SECONDS)) {
                    assertEquals(0, differences(picture, canvas.image(), t), "pixels of picture " + t);
                    assertEquals(t, picture.sequence());
                }
            }
            assertNotEquals(before, seen());
        }
        assertEquals(before, seen());
    }

    @Test
    void exactlyTheFrameThatIsShownIsCaptured() throws Exception {
        try (var display = Display.open(cenalloc, node)) {
            Agreement agreement = Canvas.negotiate(cenalloc, display, images(PixelFormat.XR24));
            try (Ring ring = Ring.allocate(cenalloc, agreement, 3)) {
                var frames = TestFrame.of(ring);
                for (int i = 0; i < 3; i++) {
                    frames.get(i).lendAgain();
                    try (MappedAccess pixels = frames.get(i).access(Direction.WRITE)) {
                        draw(pixels.segment(), frames.get(i).layout(), 10 + i);
                    }
                }
                display.use(ring);
                display.show(frames.get(0));
                // Opened while a frame is on the screen: the output is switched over.
                Writeback writeback = display.writeback().orElseThrow();
                assertEquals(writeback, display.writeback().orElseThrow());
                for (int i = 1; i < 3; i++) {
                    try (Frame picture = writeback.capture(frames.get(i), SECONDS)) {
                        assertEquals(0, differences(picture, agreement.image(), 10 + i));
                        assertFalse(writeback.isReady(), "the picture is lent");
                        assertThrows(IllegalStateException.class, () -> writeback.capture(SECONDS));
                    }
                }
                assertEquals(
                        List.of(1, 0, 0),
                        frames.stream().map(frame -> frame.returns).toList());
                assertThrows(IllegalStateException.class, () -> writeback.await(SECONDS));
            }
        }
    }

    @Test
    void theFrameOnTheScreenIsNotHandedOut() throws Exception {
        try (var display = Display.open(cenalloc, node, images(PixelFormat.XR24));
                var canvas = display.canvas(2)) {
            Frame before = null;
            long sequence = 0;
            for (int t = 0; t < 60; t++) {
                Frame frame = canvas.next(SECONDS);
                assertNotSame(before, frame);
                try (frame;
                        MappedAccess pixels = frame.access(Direction.WRITE)) {
                    pixels.segment().fill((byte) t);
                }
                display.awaitShown(SECONDS);
                assertEquals(t + 1, display.flips());
                if (t > 1) {
                    assertTrue(
                            display.lastFlipSequence() > sequence, display.lastFlipSequence() + " after " + sequence);
                }
                sequence = display.lastFlipSequence();
                before = frame;
            }
            long age = System.nanoTime() - display.lastFlipNanos();
            assertTrue(age > 0 && age < TimeUnit.MINUTES.toNanos(1), "the same clock: " + age);
        }
    }

    @Test
    void framesWaitAndTellByFences() throws Exception {
        try (var display = Display.open(cenalloc, node, images(PixelFormat.XR24))) {
            Agreement agreement = Canvas.negotiate(cenalloc, display, images(PixelFormat.XR24));
            try (Ring ring = Ring.allocate(cenalloc, agreement, 3)) {
                var frames = TestFrame.of(ring);
                display.use(ring);
                for (int i = 0; i < 7; i++) {
                    TestFrame frame = frames.get(i % 3);
                    frame.lendAgain();
                    try (Fence ready = frame.buffers().getFirst().exportFence(Direction.READ);
                            Fence shown = frame.buffers().getFirst().exportFence(Direction.READ)) {
                        display.show(frame, ready, shown);
                        assertTrue(shown.await(SECONDS));
                    }
                }
                Fence closed = ring.buffers(0).getFirst().exportFence(Direction.READ);
                closed.close();
                display.awaitShown(SECONDS);
                TestFrame next = frames.get(7 % 3);
                next.lendAgain();
                assertThrows(IllegalStateException.class, () -> display.show(next, null, closed));
                assertThrows(IllegalStateException.class, () -> display.show(next, closed));
                assertTrue(next.isLent(), "it stays the caller's");
                display.show(next);
                assertEquals(7, display.flips());
            }
        }
    }

    @Test
    void anExceptionLeavesTheScreenAsItWas() throws Exception {
        String before = seen();
        assertThrows(ArithmeticException.class, () -> {
            try (var display = Display.open(cenalloc, node, images(PixelFormat.XR24));
                    var canvas = display.canvas(2)) {
                draw(canvas, 1);
                draw(canvas, 2);
                assertNotEquals(before, seen());
                throw new ArithmeticException();
            }
        });
        assertEquals(before, seen());
    }

    @Test
    void theEndOfTheProgramLeavesTheScreenAsItWas() throws Exception {
        String before = seen();
        var display = Display.open(cenalloc, node, images(PixelFormat.XR24));
        var canvas = display.canvas(2);
        draw(canvas, 1);
        draw(canvas, 2);
        ScreenRestorer.restoreAll(); // what the hook of the virtual machine does
        assertEquals(before, seen());
        var e = assertThrows(IllegalStateException.class, () -> draw(canvas, 3));
        assertTrue(e.toString().contains("ending"), e.toString());
        canvas.close();
        display.close();
        assertEquals(before, seen());
    }

    /** The program that is killed: shows a picture until then. */
    static final class ShowUntilKilled {
        public static void main(String[] arguments) throws Exception {
            try (var cenalloc = Cenalloc.open();
                    var display = Display.open(cenalloc, Path.of(arguments[0]), images(PixelFormat.RG16));
                    var canvas = display.canvas(2)) {
                canvas.next(SECONDS).close();
                canvas.next(SECONDS).close();
                display.awaitShown(SECONDS);
                System.out.println("shown");
                Thread.sleep(600_000);
            }
        }
    }

    @Test
    void aProgramThatIsKilledLeavesThePictureOfTheProgramBefore() throws Exception {
        try (var display = Display.open(cenalloc, node, images(PixelFormat.XR24));
                var canvas = display.canvas(2)) {
            draw(canvas, 1);
            String mine = seen();
            display.screen().card().releaseMaster();
            try (var other = Display.open(cenalloc, node, images(PixelFormat.RG16));
                    var theirs = other.canvas(2)) {
                draw(theirs, 2);
                assertNotEquals(mine, seen());
            }
            assertEquals(mine, seen(), "closed");

            Process program = new ProcessBuilder(JavaProgram.command(ShowUntilKilled.class, node.toString()))
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            try (var output = program.inputReader()) {
                assertEquals("shown", output.readLine());
                assertNotEquals(mine, seen());
                program.destroy(); // SIGTERM, as Ctrl-C is SIGINT
                assertTrue(program.waitFor(5, TimeUnit.MINUTES));
            } finally {
                program.destroyForcibly();
            }
            assertEquals(mine, seen(), "killed");
            assertEquals(0, display.screen().card().acquireMaster());
        }
    }

    @Test
    void anotherProgramKeepsTheDisplay() throws Exception {
        String before = seen();
        try (var other = Card.open(Seam.kernel(cenalloc), node);
                var display = Display.open(cenalloc, node, images(PixelFormat.XR24));
                var canvas = display.canvas(2)) {
            assertEquals(0, other.acquireMaster());
            var e = assertThrows(NoMasterException.class, () -> draw(canvas, 1));
            assertTrue(e.toString().contains("stop the desktop"), e.toString());
            assertEquals(before, seen());
            assertEquals(0, display.flips());
            other.releaseMaster();
            draw(canvas, 2);
            assertNotEquals(0, other.acquireMaster(), "it is ours now");
        }
        assertEquals(before, seen());
    }

    @Test
    void aSecondRingTakesOver() throws Exception {
        try (var display = Display.open(cenalloc, node)) {
            Writeback writeback;
            display.configure(Canvas.negotiate(
                    cenalloc, display, ImageRequest.ANY.format(PixelFormat.XR24).size(800, 600)));
            try (var large = display.canvas(2)) {
                draw(large, 1);
                draw(large, 2);
            }
            Agreement agreement = Canvas.negotiate(cenalloc, display, images(PixelFormat.RG16));
            display.configure(agreement);
            assertEquals(640, display.mode().width());
            try (var small = display.canvas(3)) {
                draw(small, 3);
                writeback = display.writeback().orElseThrow();
                draw(small, 4);
                try (Frame picture = writeback.capture(SECONDS)) {
                    assertEquals(0, differences(picture, small.image(), 4));
                }
            }
        }
    }

    @Test
    void whatTheWritebackHasBeyondItsPicturesIsTold() throws Exception {
        try (var display = Display.open(cenalloc, node, images(PixelFormat.XR24));
                var canvas = display.canvas(2)) {
            draw(canvas, 8);
            String why = display.writeback().orElseThrow().explain();
            System.out.println(why);
            // vkms_wb_formats of Linux 6.12 has them.
            assertTrue(why.contains("left out: XR48, AR48 of vkms, unknown here"), why);
            assertTrue(
                    why.endsWith("left out: AR24, RG16, since pictures have one format, which is XR24 if it can be"),
                    why);
            assertFalse(why.contains("doubt"), why);
        }
    }

    @Test
    void partOfAnImageIsShownElsewhere() throws Exception {
        try (var display = Display.open(cenalloc, node, images(PixelFormat.XR24));
                var canvas = display.canvas(2)) {
            // VKMS 6.12 cannot scale, and its primary plane covers the screen.
            var e = assertThrows(
                    DisplayRefusalException.class,
                    () -> display.place(new Area(0, 0, 320, 240), new Area(0, 0, 640, 480)));
            assertTrue(e.toString().contains("320x240"), e.toString());
            draw(canvas, 5);
            try (Frame picture = display.writeback().orElseThrow().capture(SECONDS)) {
                assertEquals(0, differences(picture, canvas.image(), 5), "as before");
            }
        }
    }

    @Test
    void anOverlayIsSeenAboveTheFrames() throws Exception {
        String before = seen();
        try (var display = Display.open(cenalloc, node, images(PixelFormat.XR24));
                var canvas = display.canvas(2)) {
            Plane plane = display.planes().stream()
                    .filter(candidate -> candidate.kind() == Plane.Kind.OVERLAY)
                    .findFirst()
                    .orElseGet(() -> abort("VKMS has no overlay: boot with vkms.enable_overlay=1"));
            draw(canvas, 6);
            draw(canvas, 7);
            display.awaitShown(SECONDS);
            Overlay overlay = display.overlay(plane);
            assertThrows(IllegalStateException.class, () -> display.overlay(plane));
            Agreement agreement = Agreement.negotiate(
                    cenalloc,
                    ImageRequest.ANY.format(PixelFormat.XR24).size(64, 32),
                    List.of(
                            overlay.port(),
                            Port.of(Device.cpu(Direction.WRITE), overlay.port().images())));
            try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
                var frames = TestFrame.of(ring);
                overlay.use(ring);
                overlay.place(new Area(0, 0, 64, 32), new Area(100, 50, 64, 32));
                for (TestFrame frame : frames) {
                    frame.lendAgain();
                    try (MappedAccess pixels = frame.access(Direction.WRITE)) {
                        pixels.segment().fill((byte) 0x55);
                    }
                    overlay.show(frame);
                }
                display.awaitShown(SECONDS);
                assertEquals(1, frames.getFirst().returns);
                Writeback writeback = display.writeback().orElseThrow();
                try (Frame picture = writeback.capture(SECONDS);
                        MappedAccess pixels = picture.access(Direction.READ)) {
                    long pitch = picture.layout().planes().getFirst().pitch();
                    long wrong = 0;
                    for (int y = 0; y < 480; y++) {
                        for (int x = 0; x < 640; x++) {
                            boolean above = x >= 100 && x < 164 && y >= 50 && y < 82;
                            int found = pixels.segment().get(ValueLayout.JAVA_INT, y * pitch + 4L * x) & 0xFFFFFF;
                            wrong += found == (above ? 0x555555 : colour(x, y, 7)) ? 0 : 1;
                        }
                    }
                    assertEquals(0, wrong, "pixels");
                }
                overlay.hide();
                assertEquals(1, frames.get(1).returns);
                try (Frame picture = writeback.capture(SECONDS)) {
                    assertEquals(0, differences(picture, canvas.image(), 7));
                }
                overlay.show(frames.getFirst().lendAgain());
                overlay.close();
                assertEquals(2, frames.getFirst().returns);
            }
        }
        assertEquals(before, seen());
    }

    @Test
    void aDisplayTellsWhatItIs() throws Exception {
        try (var display = Display.open(cenalloc, node)) {
            assertEquals("vkms", display.driver());
            assertEquals(node, display.node());
            assertEquals("Virtual-1", display.output().name());
            assertTrue(display.output().isVirtual());
            assertEquals(Plane.Kind.PRIMARY, display.planes().getFirst().kind());
            assertTrue(display.modes().contains(display.mode()));
            display.select(display.outputs().getFirst());
        }
    }
}
