// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.NoSuitableHeapException;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.v4l2.v4l2_buffer;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_requestbuffers;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.node.drm.Scanout;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Port;
import dev.cenalloc.text.Unwrapped;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What real drivers say, with nothing declared. In the machine made for the tests: three vivid cameras, vim2m, three
 * cards.
 */
@RequiresDevices
class ProbeDeviceTest {
    private static final Layout FRAME = layout(PixelFormat.XR24, 640, 480);
    private static final Layout ICON = layout(PixelFormat.XR24, 320, 180);

    private static Layout layout(PixelFormat format, int width, int height) {
        return Demand.ofImage(new Image(format, width, height), 0)
                .layout(Constraints.NONE)
                .orElseThrow();
    }

    private final Cenalloc cenalloc;

    ProbeDeviceTest() throws Exception {
        cenalloc = Cenalloc.open();
    }

    @AfterEach
    void close() {
        cenalloc.close();
    }

    /** By the name that its driver gives it. */
    private Probe find(String name) throws Exception {
        return find(cenalloc, name, false);
    }

    /** @param isOutput which node of a camera that has two: the one that takes images */
    static Probe find(Cenalloc cenalloc, String name, boolean isOutput) throws Exception {
        var seen = new ArrayList<String>();
        for (String directory : List.of("/dev", "/dev/dri")) {
            try (var nodes = Files.list(Path.of(directory))) {
                for (Path node : nodes.filter(
                                path -> path.getFileName().toString().matches("(video|card|renderD)\\d+"))
                        .toList()) {
                    Probe probe = Probe.of(cenalloc, node);
                    boolean isNamed = probe.name().startsWith(name)
                            || (probe.driver() + " " + node.getFileName()).startsWith(name);
                    // Two of the cameras have a node that takes images, too.
                    if (isNamed
                            && (!probe.driver().equals("vivid")
                                    || probe.produces().isPresent() != isOutput)) {
                        return probe;
                    }
                    seen.add(probe.toString());
                }
            }
        }
        throw new AssertionError("no device " + name + " among " + seen);
    }

    /** The answer, after which the process has as many files as before, and the camera its format. */
    private Device ask(Probe probe, Layout layout) throws Exception {
        for (Heap heap : cenalloc.heaps()) {
            cenalloc.allocate(heap, 1).close(); // their nodes stay open
        }
        int before = openFiles();
        long start = System.nanoTime();
        Device device = probe.device(layout);
        long uncached = System.nanoTime() - start;
        start = System.nanoTime();
        Device again = probe.device(layout);
        long cached = System.nanoTime() - start;
        System.out.printf("%s%n  took %d us, again %d us%n", device, uncached / 1000, cached / 1000);
        assertEquals(before, openFiles());
        assertEquals(Origin.TRIAL_IMPORT, device.origin());
        assertSame(device, again);
        return device;
    }

    private static int openFiles() throws Exception {
        try (var files = Files.list(Path.of("/proc/self/fd"))) {
            return (int) files.count();
        }
    }

    @Test
    void twoCamerasTellWhatTheyNeed() throws Exception {
        Device first = ask(find("vivid platform:vivid-000"), FRAME);
        assertEquals(Constraints.NONE, first.declared().orElseThrow(), first::toString);
        Device second = ask(find("vivid platform:vivid-001"), FRAME);
        assertEquals(Constraints.NONE.contiguous(), second.declared().orElseThrow(), second::toString);
        assertTrue(second.detail().contains("refused system (VIDIOC_QBUF gave EFAULT)"), second.detail());
        assertTrue(second.detail().contains("took reserved"), second.detail());
        Plan plan = cenalloc.plan(FRAME.size(), List.of(first, second));
        assertEquals("reserved", plan.candidates().getFirst().name());
    }

    @Test
    void aSmallImageDoesNotPassByLuck() throws Exception {
        Device second = ask(find("vivid platform:vivid-001"), ICON);
        assertEquals(Constraints.NONE.contiguous(), second.declared().orElseThrow(), second::toString);
    }

    @Test
    void aConverterTakesAnyMemoryAtBothEnds() throws Exception {
        Layout layout = layout(PixelFormat.RG16, 640, 480);
        Device converter = ask(find("vim2m"), layout);
        // It has no other pitch than the least.
        assertEquals(Constraints.NONE.maxPitch(1280), converter.declared().orElseThrow(), converter::toString);
    }

    /** Each plane in a buffer of its own, by the multi-planar interface. */
    @Test
    void aMultiplanarCameraIsAskedAboutEachBuffer() throws Exception {
        Probe camera = find("vivid platform:vivid-002");
        Image image = new Image(PixelFormat.NV16M, 640, 480);
        Device luma =
                ask(camera, Demand.ofImage(image, 0).layout(Constraints.NONE).orElseThrow());
        Device chroma =
                ask(camera, Demand.ofImage(image, 1).layout(Constraints.NONE).orElseThrow());
        // vivid puts 128 bytes before the pixels of the first plane (PLANE0_DATA_OFFSET).
        assertEquals(Constraints.NONE.minSize(640 * 480 + 128), luma.declared().orElseThrow(), luma::toString);
        assertEquals(Constraints.NONE, chroma.declared().orElseThrow(), chroma::toString);
        assertEquals(Constraints.NONE, ask(camera, FRAME).declared().orElseThrow(), "one plane, by the same interface");
        assertTrue(camera.produces().orElseThrow().images().stream()
                .anyMatch(range -> range.format() == PixelFormat.NV16M));
    }

    @ParameterizedTest
    @ValueSource(strings = {"vivid platform:vivid-000", "vivid platform:vivid-002"})
    void anOutputTakesImages(String name) throws Exception {
        Probe output = find(cenalloc, name, true);
        assertTrue(output.produces().isEmpty());
        Port port = output.consumes().orElseThrow();
        Agreement agreement = Agreement.negotiate(
                cenalloc, ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480), List.of(port));
        System.out.println(agreement);
        Device device = ask(output, agreement.layout());
        assertEquals(Constraints.NONE, device.declared().orElseThrow(), device::toString);
    }

    @Test
    void whatADriverMakesOfPitchesIsFoundOut() throws Exception {
        Image image = new Image(PixelFormat.XR24, 640, 480);
        Layout padded = Demand.ofImage(image, 0)
                .layout(Constraints.NONE.pitchAlignment(4096))
                .orElseThrow();
        Device camera = ask(find("vivid platform:vivid-000"), padded);
        assertEquals(Constraints.NONE, camera.declared().orElseThrow(), "any pitch will do");
    }

    @Test
    void devicesTellTheirImages() throws Exception {
        var camera = find("vivid platform:vivid-000").produces().orElseThrow();
        assertTrue(
                camera.images().stream()
                        .anyMatch(range -> range.format() == PixelFormat.XR24
                                && range.sizes().contains(640, 480)
                                && range.rates().stream().anyMatch(rates -> rates.contains(FrameRate.of(30)))),
                camera::toString);
        Probe converter = find("vim2m");
        assertTrue(
                converter.consumes().orElseThrow().images().stream()
                        .anyMatch(range -> range.format() == PixelFormat.RG16
                                && range.sizes().contains(640, 480)
                                && !range.sizes().contains(641, 480)),
                () -> "takes");
        assertTrue(converter.produces().orElseThrow().images().stream()
                .anyMatch(range -> range.format() == PixelFormat.RG16));
        Probe card = find("vkms card");
        var display = card.consumes().orElseThrow();
        for (PixelFormat format : List.of(PixelFormat.XR24, PixelFormat.RG16)) {
            assertTrue(
                    display.images().stream()
                            .anyMatch(range -> range.format() == format && range.modifier() == Image.LINEAR),
                    display::toString);
        }
        Scanout scanout = card.scanouts().getFirst();
        assertTrue(scanout.isVirtual());
        assertEquals(
                "640x480 at 60 Hz",
                scanout.mode(new Image(PixelFormat.XR24, 640, 480), FrameRate.of(30))
                        .orElseThrow()
                        .toString());
        var preferred = scanout.mode(new Image(PixelFormat.XR24, 1000, 700), FrameRate.of(30))
                .orElseThrow();
        assertEquals("1024x768 at 60 Hz", preferred.toString());
        for (String name : List.of("vgem card", "vgem renderD")) {
            assertEquals(List.of(), find(name).scanouts(), name);
            assertTrue(find(name).consumes().isEmpty(), name);
        }
        System.out.println(camera + System.lineSeparator() + display);
    }

    /** Nothing is shown, and nobody else is kept from the display. */
    @Test
    void theDisplayIsAskedWhetherItWouldShowTheImage() throws Exception {
        Probe card = find("vkms card");
        int holder = Linux.open(card.node().toString(), Linux.O_RDWR | Linux.O_CLOEXEC);
        assertTrue(holder >= 0);
        try {
            Device untested = card.device(FRAME);
            assertTrue(
                    untested.detail().endsWith("not tried on the screen, which another program controls"),
                    untested.detail());
            assertEquals(0, Linux.ioctl(holder, drm_h.DRM_IOCTL_DROP_MASTER(), MemorySegment.NULL));
            Device tested = ask(card, FRAME);
            assertTrue(tested.detail().contains("took system"), tested.detail());
            assertTrue(!tested.detail().contains("not tried on the screen"), tested.detail());
            assertEquals(0, Linux.ioctl(holder, drm_h.DRM_IOCTL_SET_MASTER(), MemorySegment.NULL));
        } finally {
            Linux.close(holder);
        }
        var e = assertThrows(CenallocException.class, () -> card.device(layout(PixelFormat.NV12, 640, 480)));
        assertTrue(e.remedy().contains("XR24"), e.remedy());
    }

    @Test
    void cardsThatImportTakeAnyMemory() throws Exception {
        for (String name : List.of("vgem card", "vgem renderD", "vkms card")) {
            Device card = ask(find(name), FRAME);
            assertEquals(Constraints.NONE, card.declared().orElseThrow(), card::toString);
        }
    }

    @Test
    @Tag("bochs")
    void aCardWithMemoryOfItsOwnSaysSo() throws Exception {
        Probe bochs = find("bochs");
        var e = assertThrows(NoSuitableHeapException.class, () -> bochs.device(FRAME));
        assertTrue(Unwrapped.of(e).contains("system (DRM_IOCTL_PRIME_FD_TO_HANDLE gave EINVAL)"), e.toString());
        assertTrue(Unwrapped.of(e).contains("reserved (DRM_IOCTL_PRIME_FD_TO_HANDLE gave EINVAL)"), e.toString());
        assertTrue(e.remedy().contains("memory of its own"), e.remedy());
    }

    @Test
    void theFormatIsPutBack() throws Exception {
        Probe probe = find("vivid platform:vivid-000");
        try (var camera = new Camera(probe.node())) {
            camera.format(800, 600);
            String before = camera.format();
            ask(probe, FRAME);
            assertEquals(before, camera.format());
            assertThrows(CenallocException.class, () -> probe.device(layout(PixelFormat.XR24, 641, 481)));
            assertEquals(before, camera.format());
        }
    }

    @Test
    void aCameraThatStreamsIsNotDisturbed() throws Exception {
        Probe probe = find("vivid platform:vivid-000");
        try (var camera = new Camera(probe.node())) {
            camera.format(640, 480);
            try (var memory = cenalloc.create(FRAME.size())) {
                camera.start(memory.dmaBuf());
                int first = camera.frame();
                for (Layout layout : List.of(FRAME, ICON)) {
                    String before = camera.format();
                    Device device = probe.device(layout);
                    assertEquals(Origin.UNKNOWN, device.origin());
                    assertTrue(device.detail().contains("gave EBUSY"), device.detail());
                    assertEquals(before, camera.format());
                }
                int second = camera.frame();
                // On a busy machine, vivid gives two frames the same number now and then.
                for (int i = 0; i < 10 && second == first; i++) {
                    second = camera.frame();
                }
                assertNotEquals(first, second);
                camera.stop();
            }
        }
        assertEquals(Origin.TRIAL_IMPORT, probe.device(FRAME).origin(), "once it is free");
    }

    @Test
    void otherNodesAreRefusedByName() throws Exception {
        for (String node : List.of("/dev/tty", "/dev/null", "/etc/passwd", "/dev/dma_heap/system", "/dev")) {
            var e = assertThrows(CenallocException.class, () -> Probe.of(cenalloc, Path.of(node)), node);
            assertEquals(Errno.ENOTTY, e.errno(), node);
            assertTrue(e.toString().contains("neither a V4L2 nor a DRM device"), e.toString());
        }
        assertThrows(MissingDeviceException.class, () -> Probe.of(cenalloc, Path.of("/dev/video99")));
    }

    /** On a file system without devices even root may not open one. */
    @Test
    void aNodeWithoutPermissionIsAccessDenied(@TempDir Path directory) throws Exception {
        Path camera = find("vivid").node();
        sh("mount -t tmpfs -o nodev tmpfs " + directory);
        try {
            Path copy = directory.resolve("video");
            sh("cp -a " + camera + " " + copy);
            var e = assertThrows(NoPermissionException.class, () -> Probe.of(cenalloc, copy));
            assertEquals(Errno.EACCES, e.errno());
            assertTrue(e.remedy().contains("udev"), e.remedy());
        } finally {
            sh("umount " + directory);
        }
    }

    private static void sh(String command) throws Exception {
        assertEquals(
                0,
                new ProcessBuilder("/bin/sh", "-c", command).inheritIO().start().waitFor(),
                command);
    }

    /** Another program's use of a camera. */
    private static final class Camera implements AutoCloseable {
        private static final int CAPTURE = v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE();

        private final Arena arena = Arena.ofConfined();
        private final int fd;
        private final MemorySegment buffer = v4l2_buffer.allocate(arena);
        private final MemorySegment type = arena.allocateFrom(ValueLayout.JAVA_INT, CAPTURE);

        Camera(Path node) {
            fd = Linux.open(node.toString(), Linux.O_RDWR | Linux.O_CLOEXEC);
            assertTrue(fd >= 0);
        }

        private void ioctl(long request, MemorySegment argument) {
            assertEquals(0, Linux.ioctl(fd, request, argument));
        }

        void format(int width, int height) {
            MemorySegment format = v4l2_format.allocate(arena);
            v4l2_format.type(format, CAPTURE);
            MemorySegment pixels = v4l2_format.fmt.pix(v4l2_format.fmt(format));
            v4l2_pix_format.width(pixels, width);
            v4l2_pix_format.height(pixels, height);
            v4l2_pix_format.pixelformat(pixels, PixelFormat.XR24.v4l2Fourcc().orElseThrow());
            ioctl(v4l2_h.VIDIOC_S_FMT(), format);
        }

        /** All of it. */
        String format() {
            MemorySegment format = v4l2_format.allocate(arena);
            v4l2_format.type(format, CAPTURE);
            ioctl(v4l2_h.VIDIOC_G_FMT(), format);
            return HexFormat.of().formatHex(format.toArray(ValueLayout.JAVA_BYTE));
        }

        void start(DmaBuf memory) {
            // At least two: vivid does not begin with one.
            MemorySegment request = v4l2_requestbuffers.allocate(arena);
            v4l2_requestbuffers.count(request, 2);
            v4l2_requestbuffers.type(request, CAPTURE);
            v4l2_requestbuffers.memory(request, v4l2_h.V4L2_MEMORY_DMABUF());
            ioctl(v4l2_h.VIDIOC_REQBUFS(), request);
            v4l2_buffer.type(buffer, CAPTURE);
            v4l2_buffer.memory(buffer, v4l2_h.V4L2_MEMORY_DMABUF());
            v4l2_buffer.m.fd(v4l2_buffer.m(buffer), memory.fd());
            v4l2_buffer.length(buffer, (int) memory.size());
            for (int i = 0; i < 2; i++) {
                v4l2_buffer.index(buffer, i);
                ioctl(v4l2_h.VIDIOC_QBUF(), buffer);
            }
            ioctl(v4l2_h.VIDIOC_STREAMON(), type);
        }

        /** Waits for a frame: its number. */
        int frame() {
            ioctl(v4l2_h.VIDIOC_DQBUF(), buffer);
            int sequence = v4l2_buffer.sequence(buffer);
            ioctl(v4l2_h.VIDIOC_QBUF(), buffer);
            return sequence;
        }

        void stop() {
            ioctl(v4l2_h.VIDIOC_STREAMOFF(), type);
        }

        @Override
        public void close() {
            Linux.close(fd);
            arena.close();
        }
    }
}
