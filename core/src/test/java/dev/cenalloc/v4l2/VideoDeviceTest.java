// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.MappedAccess;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_control;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.node.v4l2.VideoNode;
import dev.cenalloc.node.v4l2.VideoNode.Kind;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Streams of real drivers. In the machine made for the tests: three vivid cameras, with outputs, and vim2m. */
@RequiresDevices
class VideoDeviceTest {
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final ImageRequest SMALL = ImageRequest.ANY.size(320, 180).rate(60);

    // Buttons of the vivid driver (vivid-ctrls.c of Linux 6.12): faults of the device.
    private static final int DISCONNECT = 0x00f0f041;
    private static final int DAMAGED_FRAME = 0x00f0f042;
    private static final int REFUSED_BUFFERS = 0x00f0f043;
    private static final int REFUSED_MEMORY = 0x00f0f044;
    private static final int REFUSED_START = 0x00f0f045;
    private static final int BROKEN_STREAM = 0x00f0f046;

    private Cenalloc cenalloc = Cenalloc.open();
    private long files;

    VideoDeviceTest() throws CenallocException {}

    private static long openFiles() throws IOException {
        try (var open = Files.list(Path.of("/proc/self/fd"))) {
            return open.count();
        }
    }

    @BeforeEach
    void count() throws Exception {
        // What is opened once for all.
        try (Camera camera = Camera.open(cenalloc, node("vivid-000", Kind.CAMERA), SMALL)) {
            camera.start();
            camera.next(PATIENCE).close();
        }
        files = openFiles();
    }

    @AfterEach
    void everythingIsGivenBack() throws Exception {
        assertEquals(files, openFiles());
        cenalloc.close();
        cenalloc = Cenalloc.open();
        try (Camera camera = Camera.open(cenalloc, node("vivid-000", Kind.CAMERA), SMALL)) {
            camera.start();
            camera.next(PATIENCE).close();
        }
        cenalloc.close();
    }

    private static Path node(String name, Kind kind) throws IOException {
        try (var nodes = Files.newDirectoryStream(Path.of("/dev"), "video*")) {
            for (Path path : nodes) {
                try (VideoNode video = VideoNode.open(LinuxKernel.instance(), path)) {
                    if (video.name().contains(name) && video.kind() == kind) {
                        return path;
                    }
                }
            }
        }
        throw new AssertionError("no " + kind + " called " + name);
    }

    private static void press(Path node, int button) throws CenallocException {
        DeviceNode other = DeviceNode.open(LinuxKernel.instance(), node);
        try (other;
                Arena arena = Arena.ofConfined()) {
            MemorySegment control = v4l2_control.allocate(arena);
            v4l2_control.id(control, button);
            other.ioctl("VIDIOC_S_CTRL", v4l2_h.VIDIOC_S_CTRL(), control);
        }
    }

    /** Frames follow each other in number and time, and there is a picture in them. */
    private static void assertStreams(Camera camera, int count) throws CenallocException {
        long number = -1;
        long time = 0;
        for (int i = 0; i < count; i++) {
            try (Frame frame = camera.next(PATIENCE)) {
                assertTrue(frame.sequence() > number, "number " + frame.sequence() + " after " + number);
                assertTrue(frame.timestampNanos() > time, "time goes on");
                // The driver's time may be a frame ahead; another clock would be years off.
                long ahead = Math.abs(frame.timestampNanos() - System.nanoTime());
                assertTrue(ahead < Duration.ofDays(1).toNanos(), "the clock is that of Java");
                number = frame.sequence();
                time = frame.timestampNanos();
                assertFalse(frame.isDamaged());
                try (MappedAccess pixels = frame.access(Direction.READ)) {
                    for (int j = 0; j < frame.buffers().size(); j++) {
                        assertPicture(pixels.segment(j).asSlice(camera.headerBytes(frame, j)));
                    }
                    if (frame.buffers().size() == 2) {
                        assertBars(
                                camera.image(),
                                pixels.segment(0).asSlice(camera.headerBytes(frame, 0)),
                                pixels.segment(1).asSlice(camera.headerBytes(frame, 1)));
                    }
                }
            }
        }
    }

    /** 75 % bars in Y, Cb and Cr of ITU-R BT.601, limited range. */
    private static final int[][] BT601 = {
        {180, 128, 128},
        {162, 44, 142},
        {131, 156, 44},
        {112, 72, 58},
        {84, 184, 198},
        {65, 100, 212},
        {35, 212, 114},
        {16, 128, 128}
    };

    /** The picture that vivid makes of NV16M: luma in one buffer, chroma in the other. */
    private static void assertBars(Image image, MemorySegment luma, MemorySegment chroma) {
        int width = image.width() / BT601.length;
        // Below the text that the driver writes.
        long line = (image.height() - 20L) * image.width();
        for (int bar = 0; bar < BT601.length; bar++) {
            long x = (bar * width + width / 2) & ~1L;
            int[] found = {
                Byte.toUnsignedInt(luma.get(ValueLayout.JAVA_BYTE, line + x)),
                Byte.toUnsignedInt(chroma.get(ValueLayout.JAVA_BYTE, line + x)),
                Byte.toUnsignedInt(chroma.get(ValueLayout.JAVA_BYTE, line + x + 1))
            };
            for (int i = 0; i < found.length; i++) {
                assertEquals(BT601[bar][i], found[i], 3, "component " + i + " of bar " + bar);
            }
        }
    }

    private static void assertPicture(MemorySegment pixels) {
        // The test picture has colour bars, so not all bytes are the same.
        byte first = pixels.get(ValueLayout.JAVA_BYTE, 0);
        assertTrue(
                pixels.asSlice(0, Math.min(pixels.byteSize(), 100_000))
                        .elements(ValueLayout.JAVA_BYTE)
                        .anyMatch(pixel -> pixel.get(ValueLayout.JAVA_BYTE, 0) != first),
                "there is a picture");
    }

    @ParameterizedTest
    @CsvSource({"vivid-000, YUYV", "vivid-000, NV12", "vivid-001, XR24", "vivid-002, YUYV", "vivid-002, NV16M"})
    void eachCameraFillsOurMemory(String name, PixelFormat format) throws Exception {
        try (Camera camera = Camera.open(
                cenalloc,
                node(name, Kind.CAMERA),
                ImageRequest.ANY.format(format).size(640, 360).rate(30))) {
            assertEquals(new Image(format, 640, 360), camera.image());
            assertEquals("vivid", camera.driver());
            if (name.equals("vivid-001")) {
                assertEquals(
                        Trait.YES, camera.ring().choice().heap().properties().contiguous(), camera.ring()::explain);
            }
            if (format == PixelFormat.NV16M) {
                camera.start();
                assertThrows(FormatChangedException.class, () -> camera.next(PATIENCE));
                camera.stop();
                camera.acceptHeaders(true);
            }
            for (int turn = 0; turn < 3; turn++) {
                camera.start();
                assertStreams(camera, 8);
                camera.stop();
            }
            assertEquals(format.buffers(), camera.ring().buffers(0).size());
        }
    }

    @ParameterizedTest
    @CsvSource({"vivid-000, YUYV", "vivid-001, XR24", "vivid-002, NV16M"})
    void eachCameraLendsItsOwn(String name, PixelFormat format) throws Exception {
        try (Camera camera = Camera.open(cenalloc, node(name, Kind.CAMERA))) {
            Agreement agreement = Agreement.negotiate(
                    cenalloc, ImageRequest.ANY.format(format).size(640, 360), List.of(camera.exports()));
            camera.configure(agreement);
            camera.acceptHeaders(true);
            try (Ring ring = camera.lend(agreement, 4)) {
                assertTrue(ring.buffers(0).getFirst().exporter().startsWith("videobuf2"), ring::explain);
                camera.start();
                assertStreams(camera, 8);
                camera.stop();
                camera.start();
                assertStreams(camera, 8);
            }
        }
    }

    @Test
    void anotherSizeWithoutClosing() throws Exception {
        try (Camera camera = Camera.open(cenalloc, node("vivid-000", Kind.CAMERA), SMALL)) {
            camera.start();
            assertStreams(camera, 4);
            camera.stop();
            for (int[] size : new int[][] {{640, 480}, {1280, 720}, {320, 180}}) {
                Agreement agreement =
                        Agreement.negotiate(cenalloc, ImageRequest.ANY.size(size[0], size[1]), List.of(camera.port()));
                camera.configure(agreement);
                try (Ring ring = Ring.allocate(cenalloc, agreement, 3)) {
                    camera.use(ring);
                    camera.start();
                    assertStreams(camera, 4);
                    camera.stop();
                }
                assertEquals(size[0], camera.image().width());
                try (Ring own = camera.lend(agreement, 3)) {
                    camera.start();
                    assertStreams(camera, 4);
                    camera.stop();
                    assertEquals(3, own.size());
                }
            }
        }
    }

    @Test
    void aBusyCameraIsTold() throws Exception {
        Path node = node("vivid-000", Kind.CAMERA);
        try (Camera camera = Camera.open(cenalloc, node, SMALL)) {
            camera.start();
            var busy = assertThrows(
                    CenallocException.class, () -> Camera.open(cenalloc, node, ImageRequest.ANY.size(640, 480)));
            assertEquals(Errno.EBUSY, busy.errno(), busy::toString);
            assertStreams(camera, 4);
        }
    }

    @Test
    void whatIsNoCameraIsTold() throws Exception {
        Path converter = node("vim2m", Kind.CONVERTER);
        Path output = node("vivid-000", Kind.OUTPUT);
        for (Path node : List.of(converter, output)) {
            var e = assertThrows(CenallocException.class, () -> Camera.open(cenalloc, node));
            assertEquals(Errno.EINVAL, e.errno());
        }
        for (String other : List.of("/dev/null", "/dev/dri/card0")) {
            var e = assertThrows(CenallocException.class, () -> Camera.open(cenalloc, Path.of(other)));
            assertEquals(Errno.ENOTTY, e.errno());
        }
    }

    // ---- faults of the device ----

    @ParameterizedTest
    @ValueSource(strings = {"vivid-000", "vivid-002"})
    void anUnpluggedCameraIsTold(String name) throws Exception {
        Path node = node(name, Kind.CAMERA);
        try (Camera camera = Camera.open(cenalloc, node, SMALL)) {
            camera.start();
            Frame frame = camera.next(PATIENCE);
            press(node, DISCONNECT);
            var gone = assertThrows(DeviceGoneException.class, () -> {
                for (int i = 0; i < 8; i++) {
                    camera.next(PATIENCE).close();
                }
            });
            assertEquals(Errno.ENODEV, gone.errno());
            assertEquals(node, gone.path().orElseThrow());
            assertThrows(DeviceGoneException.class, frame::close);
            assertThrows(DeviceGoneException.class, camera::stop);
        }
    }

    @Test
    void faultsThatVividInjectsAreTold() throws Exception {
        Path node = node("vivid-000", Kind.CAMERA);
        try (Camera camera = Camera.open(cenalloc, node, SMALL)) {
            Agreement agreement = camera.ring().agreement();
            camera.start();
            press(node, DAMAGED_FRAME);
            assertStreams(camera, 4);
            press(node, BROKEN_STREAM);
            var broken = assertThrows(DamagedStreamException.class, () -> {
                for (int i = 0; i < 8; i++) {
                    camera.next(PATIENCE).close();
                }
            });
            assertEquals(Errno.EIO, broken.errno());
            camera.stop();
            press(node, REFUSED_START);
            var start = assertThrows(CenallocException.class, camera::start);
            assertEquals(Errno.EINVAL, start.errno(), start::toString);
            // A request of the frame loop that fails is made once more, to learn why; this fault does not last.
            press(node, REFUSED_MEMORY);
            camera.start();
            assertStreams(camera, 4);
            camera.stop();
            try (Ring ring = Ring.allocate(cenalloc, agreement, 3)) {
                press(node, REFUSED_BUFFERS);
                var buffers = assertThrows(CenallocException.class, () -> camera.use(ring));
                assertEquals("VIDIOC_REQBUFS", buffers.call());
                camera.use(ring);
                camera.start();
                assertStreams(camera, 4);
            }
        }
    }

    // ---- converters and outputs ----

    @Test
    void aConverterReadsTheCamerasFrames() throws Exception {
        try (Camera camera = Camera.open(cenalloc, node("vivid-000", Kind.CAMERA));
                Converter converter = Converter.open(cenalloc, node("vim2m", Kind.CONVERTER))) {
            Agreement taken = Agreement.negotiate(
                    cenalloc, ImageRequest.ANY.size(640, 480), List.of(camera.port(), converter.input()));
            Agreement given =
                    Agreement.negotiate(cenalloc, ImageRequest.ANY.size(640, 480), List.of(converter.output()));
            try (Ring from = Ring.allocate(cenalloc, taken, 4);
                    Ring to = Ring.allocate(cenalloc, given, 3)) {
                camera.configure(taken);
                camera.use(from);
                converter.configure(taken, given);
                converter.use(from, to);
                for (int turn = 0; turn < 2; turn++) {
                    camera.start();
                    converter.start();
                    for (int i = 0; i < 12; i++) {
                        Frame frame = camera.next(PATIENCE);
                        long time = frame.timestampNanos();
                        converter.put(frame);
                        try (Frame converted = converter.next(PATIENCE);
                                MappedAccess pixels = converted.access(Direction.READ)) {
                            assertSame(to, converted.ring());
                            // A timeval has microseconds.
                            assertEquals(time / 1_000, converted.timestampNanos() / 1_000);
                            assertPicture(pixels.segment());
                        }
                    }
                    converter.stop();
                    camera.stop();
                }
            }
        }
    }

    @Test
    void anOutputShowsWhatIsDrawn() throws Exception {
        try (VideoOutput output = VideoOutput.open(cenalloc, node("vivid-000", Kind.OUTPUT))) {
            Agreement agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(output.port()));
            output.configure(agreement);
            try (Ring ring = Ring.allocate(cenalloc, agreement, 3)) {
                output.use(ring);
                for (int turn = 0; turn < 2; turn++) {
                    output.start();
                    long time = 0;
                    for (int i = 0; i < 6; i++) {
                        try (Frame frame = output.next(PATIENCE);
                                MappedAccess pixels = frame.access(Direction.WRITE)) {
                            pixels.segment().fill((byte) i);
                            assertEquals(i < 3, frame.timestampNanos() == 0);
                            assertTrue(i < 4 || frame.timestampNanos() > time, "shown one after the other");
                            time = frame.timestampNanos();
                        }
                    }
                    assertNotEquals(0, time);
                    output.stop();
                }
            }
        }
    }

    // ---- the frame loop ----

    @Test
    void aFrameLoopAllocatesNothing() throws Exception {
        try (Camera camera = Camera.open(cenalloc, node("vivid-002", Kind.CAMERA), SMALL)) {
            camera.start();
            var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long least = Long.MAX_VALUE;
            // What a frame allocates shows in every round; what the virtual machine does now and then does not.
            for (int round = 0; round < 12; round++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < 25; i++) {
                    camera.next(PATIENCE).close();
                }
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
            assertEquals(0, least);
        }
    }
}
