// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kms.Display;
import dev.cenalloc.kms.NoMasterException;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.FrameSink;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.wayland.NoCompositorException;
import dev.cenalloc.wayland.ScriptedCompositor;
import dev.cenalloc.wayland.Window;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What shows frames: a display where this program may control one, a window where there is a compositor. */
class SinksTest {
    private static final long MEMORY = 16 << 20;
    private static final Duration SECOND = Duration.ofSeconds(1);

    private final FakeKernel kernel = new FakeKernel().heap("system", MEMORY);
    private final Cenalloc cenalloc = kernel.open();
    private final FakeCard card = new FakeCard(kernel, true, true);

    @AfterEach
    void everythingIsGivenBack() {
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals(MEMORY, kernel.free());
        assertEquals("{} {}", card.state());
    }

    private FrameSink open() throws CenallocException {
        return Sinks.open(cenalloc, () -> Window.open(cenalloc, ScriptedCompositor.SOCKET, "test"));
    }

    /** Negotiates and shows some frames, as a program does that does not know what it has. */
    private void showFrames(FrameSink sink) throws Exception {
        var drawn = Port.of(
                Device.cpu(Direction.WRITE), List.of(new ImageRange(PixelFormat.XR24, ImageRange.Sizes.of(640, 480))));
        Agreement agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(drawn, sink.port()));
        try (Ring ring = Ring.allocate(cenalloc, agreement, 4)) {
            sink.use(ring);
            for (int i = 0; i < 6; i++) {
                sink.show(ring.lend("test", SECOND));
                assertTrue(sink.awaitShown(SECOND));
            }
            assertEquals(0, sink.copied());
            sink.close();
            assertEquals(4, ring.pool().free(), "all came back");
        }
    }

    @Test
    void aDisplayThatIsFreeIsTaken() throws Exception {
        kernel.device("/dev/dri/card0", new FakeCard(kernel, false, true)).device("/dev/dri/card1", card);
        card.mayChange = true;
        try (var _ = new ScriptedCompositor(kernel);
                FrameSink sink = open()) {
            assertEquals(
                    Path.of("/dev/dri/card1"),
                    assertInstanceOf(Display.class, sink).node());
            assertInstanceOf(Display.class, sink).checkControl();
            showFrames(sink);
        }
    }

    @Test
    void whereAnotherProgramControlsTheDisplayThereIsAWindow() throws Exception {
        kernel.device("/dev/dri/card0", card);
        card.isControlled = true;
        try (var _ = new ScriptedCompositor(kernel);
                FrameSink sink = open()) {
            assertInstanceOf(Window.class, sink);
            showFrames(sink);
        }
    }

    @Test
    void ofTwoDisplaysTheFreeOneIsTaken() throws Exception {
        var busy = new FakeCard(kernel, true, true);
        busy.isControlled = true;
        kernel.device("/dev/dri/card0", busy).device("/dev/dri/card1", card);
        try (FrameSink sink = open()) {
            assertEquals(
                    Path.of("/dev/dri/card1"),
                    assertInstanceOf(Display.class, sink).node());
        }
    }

    @Test
    void withNeitherTheMessageSaysWhatCanBeDone() {
        var e = assertThrows(NoSuchDeviceException.class, this::open);
        assertEquals(Errno.ENODEV, e.errno());
        String message = String.valueOf(e.getMessage()).replaceAll("\\s+", " ");
        assertTrue(message.contains("no display can be used. Found: no DRM node"), message);
        assertTrue(message.contains("no window can be opened: no Wayland compositor listens there"), message);
        assertTrue(e.remedy().contains("modprobe vkms"), e::remedy);
        assertTrue(e.remedy().contains("weston --backend=headless"), e::remedy);
        assertEquals(2, e.getSuppressed().length);
        assertInstanceOf(NoCompositorException.class, e.getSuppressed()[1]);
    }

    @Test
    void aDesktopWithoutWaylandIsNamed() {
        kernel.device("/dev/dri/card0", card);
        card.isControlled = true;
        var e = assertThrows(NoSuchDeviceException.class, this::open);
        String message = String.valueOf(e.getMessage()).replaceAll("\\s+", " ");
        assertTrue(message.contains("(/dev/dri/card0), a display that another program controls"), message);
        assertEquals(1, e.seen().size());
    }

    @Test
    void aCompositorThatRefusesIsTheReason() {
        kernel.device("/dev/dri/card0", card);
        card.isControlled = true;
        var refusal = assertThrows(
                NoPermissionException.class,
                () -> Sinks.open(cenalloc, () -> {
                    throw CenallocException.ofCall(Errno.EACCES, "connect", ScriptedCompositor.SOCKET, -1);
                }));
        assertInstanceOf(NoSuchDeviceException.class, refusal.getSuppressed()[0]);
    }

    @Test
    void aTitleIsCheckedFirst() {
        kernel.device("/dev/dri/card0", card);
        kernel.calls.clear();
        assertThrows(IllegalArgumentException.class, () -> Sinks.open(cenalloc, "x".repeat(1001)));
        assertThrows(IllegalArgumentException.class, () -> Sinks.open(cenalloc, "a\0b"));
        assertTrue(kernel.calls.isEmpty(), kernel.calls::toString);
    }

    @Test
    void controlIsCheckedWithoutTakingIt() throws Exception {
        kernel.device("/dev/dri/card0", card);
        try (var display = Display.open(cenalloc, Path.of("/dev/dri/card0"))) {
            display.checkControl();
            assertEquals("{} {}", card.state(), "it is no master");
            card.isControlled = true;
            var e = assertThrows(NoMasterException.class, display::checkControl);
            assertEquals(Errno.EBUSY, e.errno());
            assertTrue(e.remedy().contains("wayland.Window"), e::remedy);
        }
    }
}
