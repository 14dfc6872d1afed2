// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.device.DeviceInfo.Kind;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Faults;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.stream.Port;
import dev.cenalloc.text.Unwrapped;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which devices are found on the fake kernel, and what is said of the others. */
@SuppressWarnings("NullAway") // arguments are null on purpose, and messages are there
class DevicesTest {
    private static final long MEMORY = 16 << 20;
    /** {@code V4L2_CAP_META_CAPTURE}; this library has no use for it. */
    private static final int META_CAPTURE = 0x0080_0000;

    private final FakeKernel kernel = new FakeKernel().heap("reserved", MEMORY).heap("system", MEMORY);
    private final Cenalloc cenalloc = kernel.open();
    private final FakeCamera camera = FakeCamera.capturing(kernel, FakeCamera::anything);
    private final FakeCard card = new FakeCard(kernel, true, true);

    @AfterEach
    void close() {
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals(2 * MEMORY, kernel.free());
        assertEquals("{} {}", card.state());
    }

    private void metadata(String node) {
        kernel.device(node, new FakeVideoNode("uvcvideo", "usb-2", META_CAPTURE));
    }

    /** As many kinds of nodes as there are, the first of no use. */
    private void everything() {
        metadata("/dev/video0");
        kernel.device("/dev/video1", new FakeVideoNode("out", "platform:out", v4l2_h.V4L2_CAP_VIDEO_OUTPUT_MPLANE()));
        kernel.device("/dev/video2", FakeCamera.converting(kernel, FakeCamera::anything));
        kernel.device("/dev/video9", new FakeVideoNode("planes", "usb-1", v4l2_h.V4L2_CAP_VIDEO_CAPTURE_MPLANE()));
        kernel.device("/dev/video10", camera);
        kernel.device("/dev/video11", new FakeVideoNode("m2m", "platform:m2m", v4l2_h.V4L2_CAP_VIDEO_M2M_MPLANE()));
        kernel.device("/dev/vbi0", camera).device("/dev/video-tuner", camera);
        kernel.device("/dev/dri/card0", new FakeCard(kernel, false, true)).device("/dev/dri/card1", card);
        kernel.device("/dev/dri/renderD128", new FakeCard(kernel, true, false));
        kernel.link("/dev/v4l/by-path/platform-fake-video-index0", "/dev/video10");
        kernel.link("/dev/dri/by-path/platform-vkms-card", "/dev/dri/card1");
        kernel.link("/dev/v4l/by-path/dangling", "/dev/video77");
    }

    @Test
    void everyNodeIsListedByNumberAndOpenedOnce() throws Exception {
        everything();
        kernel.calls.clear();
        List<DeviceInfo> devices = Devices.list(cenalloc);
        assertEquals(
                List.of(
                        "other uvcvideo usb-2",
                        "output out platform:out",
                        "converter fake platform:fake",
                        "camera planes usb-1",
                        "camera fake platform:fake",
                        "converter m2m platform:m2m",
                        "display fake card0",
                        "display fake card1",
                        "render fake renderD128"),
                devices.stream().map(info -> info.kind() + " " + info.name()).toList());
        assertEquals(
                devices.size(), kernel.calls.stream().filter("open"::equals).count());
        assertEquals(
                List.of(Path.of("/dev/v4l/by-path/platform-fake-video-index0")),
                devices.get(4).stablePath().stream().toList());
        assertEquals(
                Path.of("/dev/dri/by-path/platform-vkms-card"),
                devices.get(7).stablePath().orElseThrow());
        assertTrue(devices.get(3).stablePath().isEmpty());
        assertEquals("planes", devices.get(3).driver());
        assertEquals("usb-1", devices.get(3).bus());
        assertEquals("camera planes usb-1 (/dev/video9)", devices.get(3).toString());
    }

    @Test
    void whatIsNoVideoInBuffersIsListedAsUnusableWithTheReason() throws Exception {
        metadata("/dev/video0");
        DeviceInfo info = Devices.list(cenalloc).getFirst();
        assertEquals(Kind.OTHER, info.kind());
        assertFalse(info.isUsable());
        assertEquals("it has no video in buffers", info.reason().orElseThrow());
        assertEquals("uvcvideo", info.driver());
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.EACCES, Errno.EBUSY, Errno.ENODEV})
    void aNodeThatCannotBeOpenedHidesNoOther(int errno) throws Exception {
        everything();
        kernel.refuse(Path.of("/dev/video9"), errno);
        List<DeviceInfo> devices = Devices.list(cenalloc);
        assertEquals(9, devices.size());
        DeviceInfo refused = devices.get(3);
        assertFalse(refused.isUsable());
        assertEquals("video9", refused.name());
        assertTrue(refused.reason().orElseThrow().contains("open gave " + Errno.name(errno)), refused::toString);
        assertEquals(Path.of("/dev/video10"), Devices.camera(cenalloc));
    }

    @Test
    void withoutDevicesTheListIsEmpty() throws Exception {
        assertEquals(List.of(), Devices.list(cenalloc));
        for (Kind kind : List.of(Kind.CAMERA, Kind.CONVERTER, Kind.OUTPUT, Kind.DISPLAY)) {
            var e = assertThrows(NoSuchDeviceException.class, () -> find(kind, null));
            assertEquals(Errno.ENODEV, e.errno());
            assertEquals(kind, e.kind());
            String node = kind == Kind.DISPLAY ? "no DRM node" : "no V4L2 node";
            assertTrue(e.getMessage().startsWith("no " + kind + " can be used. Found: " + node + " ("), e::toString);
            assertFalse(e.remedy().isEmpty());
        }
    }

    private Path find(Kind kind, String which) throws CenallocException {
        return switch (kind) {
            case CAMERA -> which == null ? Devices.camera(cenalloc) : Devices.camera(cenalloc, which);
            case CONVERTER -> which == null ? Devices.converter(cenalloc) : Devices.converter(cenalloc, which);
            case OUTPUT -> which == null ? Devices.output(cenalloc) : Devices.output(cenalloc, which);
            default -> which == null ? Devices.display(cenalloc) : Devices.display(cenalloc, which);
        };
    }

    @Test
    void theFirstThatFitsIsFound() throws Exception {
        everything();
        assertEquals(Path.of("/dev/video9"), Devices.camera(cenalloc));
        assertEquals(Path.of("/dev/video2"), Devices.converter(cenalloc));
        assertEquals(Path.of("/dev/video1"), Devices.output(cenalloc));
        assertEquals(Path.of("/dev/dri/card1"), Devices.display(cenalloc));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "fake",
                "platform:fake",
                "fake platform:fake",
                "/dev/video10",
                "/dev/v4l/by-path/platform-fake-video-index0"
            })
    void aCameraIsFoundByDriverBusNameNodeAndLink(String which) throws Exception {
        everything();
        assertEquals(Path.of("/dev/video10"), Devices.camera(cenalloc, which));
    }

    @Test
    void outputsAndConvertersAreNoCameras() {
        everything();
        var e = assertThrows(NoSuchDeviceException.class, () -> Devices.camera(cenalloc, "nosuch"));
        assertEquals("nosuch", e.which().orElseThrow());
        assertEquals(6, e.seen().size());
        String message = Unwrapped.of(e.getMessage());
        assertTrue(
                message.startsWith(
                        "no camera 'nosuch' can be used. Found: planes usb-1 (/dev/video9), a camera of another"
                                + " name; "),
                message);
        assertFalse(message.contains("an output") || message.contains("a converter"), message);
        assertTrue(message.contains(" (find camera: ENODEV). To do: give one of these names"), message);
        assertEquals(1, message.split("To do").length - 1, message);
        e = assertThrows(NoSuchDeviceException.class, () -> Devices.camera(cenalloc, "m2m"));
        assertTrue(e.getMessage().contains("m2m platform:m2m (/dev/video11), a converter"), e::toString);
        assertTrue(e.getMessage().contains("a camera of another name"), e::toString);
    }

    @Test
    void aPathIsLookedAtAlone() {
        everything();
        kernel.device("/dev/tty", new FakeVideoNode(5 << 8, "tty", "", 0));
        kernel.calls.clear();
        var e = assertThrows(NoSuchDeviceException.class, () -> Devices.camera(cenalloc, "/dev/video2"));
        assertTrue(e.getMessage().startsWith("fake platform:fake (/dev/video2) is a converter "), e::toString);
        assertEquals(Path.of("/dev/video2"), e.path().orElseThrow());
        assertEquals(1, kernel.calls.stream().filter("open"::equals).count());
        assertThrows(NoSuchDeviceException.class, () -> Devices.camera(cenalloc, "/dev/dri/card1"));
        assertThrows(NoSuchDeviceException.class, () -> Devices.camera(cenalloc, "/dev/tty"));
        var unnamable = assertThrows(MissingDeviceException.class, () -> Devices.camera(cenalloc, "/dev/vi\0deo0"));
        assertTrue(unnamable.getMessage().contains("find camera /dev/vi\\u0000deo0: ENOENT"), unnamable::toString);
        var missing = assertThrows(MissingDeviceException.class, () -> Devices.camera(cenalloc, "/dev/video77"));
        assertTrue(missing.remedy().contains("Devices.list()"), missing::remedy);
        kernel.refuse(Path.of("/dev/video10"), Errno.EACCES);
        assertThrows(NoPermissionException.class, () -> Devices.camera(cenalloc, "/dev/video10"));
        var metadata = assertThrows(NoSuchDeviceException.class, () -> Devices.camera(cenalloc, "/dev/video0"));
        assertTrue(
                metadata.getMessage()
                        .startsWith("uvcvideo usb-2 (/dev/video0) is a device of another kind: it has no video in"),
                metadata::toString);
    }

    @Test
    void withoutPermissionTheRemedySaysHowToGetIt() {
        kernel.device("/dev/video0", camera);
        kernel.refuse(Path.of("/dev/video0"), Errno.EACCES);
        var e = assertThrows(NoSuchDeviceException.class, () -> Devices.camera(cenalloc));
        assertTrue(e.getMessage().contains("video0 (/dev/video0), access denied: open gave EACCES"), e::toString);
        assertTrue(e.remedy().contains("KERNEL==\"video0\""), e::remedy);
    }

    @Test
    void theAdviceForSeveralForbiddenNodesIsGivenOnce() {
        for (int i = 0; i < 6; i++) {
            kernel.device("/dev/video" + i, camera);
            kernel.refuse(Path.of("/dev/video" + i), Errno.EACCES);
        }
        var e = assertThrows(NoSuchDeviceException.class, () -> Devices.camera(cenalloc));
        String message = String.valueOf(e.getMessage());
        assertEquals(6, message.split("open gave EACCES", -1).length - 1, message);
        assertEquals(1, message.split("udev", -1).length - 1, message);
        assertEquals(1, message.split("To do:", -1).length - 1, message);
    }

    @Test
    void aDirectoryThatMayNotBeListedIsToldOf() {
        kernel.refuse(Path.of("/dev"), Errno.EACCES);
        var e = assertThrows(NoPermissionException.class, () -> Devices.list(cenalloc));
        assertEquals("opendir", e.call());
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.EMFILE, Errno.ENFILE, Errno.ENOMEM, Errno.ENOTDIR, Errno.ELOOP, Errno.EIO})
    void aDirectoryThatCannotBeListedIsToldOf(int errno) {
        kernel.refuse(Path.of("/dev"), errno);
        var e = assertThrows(CenallocException.class, () -> Devices.list(cenalloc));
        assertEquals("opendir", e.call());
        assertEquals(errno, e.errno());
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.EACCES, Errno.ENOMEM, Errno.ELOOP, Errno.ENOTDIR})
    void aPathThatCannotBeFollowedIsToldOf(int errno) {
        kernel.device("/dev/video0", camera);
        kernel.failCall(0, errno);
        var e = assertThrows(CenallocException.class, () -> Devices.camera(cenalloc, "/dev/video0"));
        assertEquals("stat", e.call());
        assertEquals(errno, e.errno());
    }

    // ---- displays ----

    @Test
    void aDisplayMustHaveAScreenAndTakeMemory() {
        kernel.device("/dev/dri/card0", new FakeCard(kernel, false, true)).device("/dev/dri/card1", card);
        kernel.device("/dev/dri/card2", new FakeCard(kernel, true, false));
        card.isConnected = false;
        var e = assertThrows(NoSuchDeviceException.class, () -> Devices.display(cenalloc));
        String message = e.getMessage();
        assertTrue(
                message.contains("fake card0 (/dev/dri/card0), a display that takes no memory of any heap:"
                        + " DRM_IOCTL_PRIME_FD_TO_HANDLE gave EINVAL for system, reserved"),
                message);
        assertTrue(message.contains("fake card1 (/dev/dri/card1), a display without a connected screen"), message);
        assertTrue(message.contains("fake card2 (/dev/dri/card2), a render device"), message);
    }

    @Test
    void aDisplayThatIsNamedIsTakenWithoutATrial() throws Exception {
        kernel.device("/dev/dri/card0", new FakeCard(kernel, false, true)).device("/dev/dri/card1", card);
        kernel.calls.clear();
        assertEquals(Path.of("/dev/dri/card0"), Devices.display(cenalloc, "card0"));
        assertEquals(Path.of("/dev/dri/card0"), Devices.display(cenalloc, "/dev/dri/card0"));
        assertFalse(kernel.calls.contains("alloc"));
        card.isConnected = false;
        assertThrows(NoSuchDeviceException.class, () -> Devices.display(cenalloc, "/dev/dri/card1"));
    }

    @Test
    void aScreenThatRefusesTheIconMayShowLargerImages() throws Exception {
        card.verdict = Errno.EINVAL;
        kernel.device("/dev/dri/card1", card);
        assertEquals(Path.of("/dev/dri/card1"), Devices.display(cenalloc));
        assertEquals(1, card.tests);
    }

    @Test
    void withoutMemoryToOfferAConnectedScreenIsEnough() throws Exception {
        kernel.device("/dev/dri/card1", card);
        kernel.heaps.replaceAll((_, _) -> 0L);
        assertEquals(Path.of("/dev/dri/card1"), Devices.display(cenalloc));
        kernel.heaps.replaceAll((_, _) -> MEMORY);
    }

    // ---- formats of several buffers only ----

    /** Such a device once ended in a stack trace. */
    @ParameterizedTest
    @ValueSource(ints = {0x1000, 0x4000})
    void aDeviceWithOnlyNv12mTellsItsImages(int capability) throws Exception {
        kernel.device("/dev/video3", new FakeVideoNode("planes", "usb-1", capability));
        Port port = Probe.of(cenalloc, Path.of("/dev/video3")).produces().orElseThrow();
        assertEquals(PixelFormat.NV12M, port.images().getFirst().format());
        assertEquals(1, port.images().size());
        assertEquals(
                capability == 0x1000 ? Kind.CAMERA : Kind.CONVERTER,
                Devices.list(cenalloc).getFirst().kind());
    }

    // ---- arguments and faults ----

    @Test
    void aBlankNameIsRefused() {
        for (Kind kind : List.of(Kind.CAMERA, Kind.CONVERTER, Kind.OUTPUT, Kind.DISPLAY)) {
            assertThrows(IllegalArgumentException.class, () -> find(kind, " "));
        }
    }

    enum Question {
        LIST,
        CAMERA,
        CONVERTER,
        DISPLAY,
        PATH
    }

    /** Every call fails in turn. The list never fails for that, and everything is given back. */
    @ParameterizedTest
    @EnumSource
    void everyFaultOfEveryCallGivesEverythingBack(Question question) throws Exception {
        everything();
        kernel.calls.clear();
        ask(question);
        int calls = kernel.calls.size();
        var outcomes = new TreeSet<String>();
        var failed = new ArrayList<String>();
        for (int call = 0; call < calls; call++) {
            for (int errno : Faults.ERRNOS) {
                String before = camera.state();
                kernel.failCall(call, errno);
                try {
                    ask(question);
                    outcomes.add("answered");
                } catch (CenallocException e) {
                    outcomes.add("told");
                    failed.add(call + " " + e);
                    assertTrue(question != Question.LIST, e::toString);
                    // The only display, or the only one that fits, may be the one that failed.
                    boolean isPath = question == Question.PATH;
                    assertTrue(e.errno() == (isPath ? errno : Errno.ENODEV) || (isPath && call == 0), e::toString);
                }
                kernel.failNoCall();
                assertEquals(before, camera.state());
                assertEquals("{} {}", card.state());
                assertEquals(2 * MEMORY, kernel.free());
            }
        }
        assertEquals(
                switch (question) {
                    case DISPLAY, PATH -> List.of("answered", "told");
                    default -> List.of("answered");
                },
                List.copyOf(outcomes),
                failed::toString);
    }

    private void ask(Question question) throws CenallocException {
        switch (question) {
            case LIST -> assertTrue(Devices.list(cenalloc).size() >= 8);
            case CAMERA -> assertInstanceOf(Path.class, Devices.camera(cenalloc));
            case CONVERTER -> assertInstanceOf(Path.class, Devices.converter(cenalloc));
            case DISPLAY -> assertInstanceOf(Path.class, Devices.display(cenalloc));
            case PATH -> Devices.camera(cenalloc, "/dev/v4l/by-path/platform-fake-video-index0");
        }
    }
}
