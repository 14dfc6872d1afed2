// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.MappedAccess;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.Traces;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.LayoutRules;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.kms.Display;
import dev.cenalloc.node.drm.Card;
import dev.cenalloc.node.v4l2.VideoNode;
import dev.cenalloc.node.v4l2.VideoNode.Kind;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** With pipelines of GStreamer as it is, on a real kernel with vivid cameras. */
@RequiresDevices
class GstLaunchDeviceTest {
    private static final Duration LIMIT = Duration.ofMinutes(1);
    private static final Image CAMERA = new Image(PixelFormat.XR24, 320, 180);

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    private Cenalloc cenalloc = Cenalloc.open();
    private final List<Process> pipelines = new ArrayList<>();
    private int files;

    GstLaunchDeviceTest() throws CenallocException {}

    @BeforeEach
    void count() throws Exception {
        // What the JDK opens once for all.
        Process version = new ProcessBuilder("gst-launch-1.0", "--version").start();
        pipelines.add(version);
        assertEquals(0, version.waitFor());
        closePipes();
        try (var buffer = cenalloc.create(1)) {
            buffer.dmaBuf();
        }
        cenalloc.close();
        files = Traces.openFiles();
        cenalloc = Cenalloc.open();
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        for (Process pipeline : pipelines) {
            pipeline.destroyForcibly().waitFor();
        }
        closePipes();
        cenalloc.close();
        assertEquals(files, Traces.openFiles());
        assertEquals(0, Traces.mappedDmaBufs());
    }

    /** The JDK closes them at any time after the process has ended. */
    private void closePipes() throws IOException {
        for (Process pipeline : pipelines) {
            pipeline.getOutputStream().close();
            pipeline.getInputStream().close();
            pipeline.getErrorStream().close();
        }
    }

    private Address address() {
        return Address.of(directory.resolve("socket"));
    }

    private Path file() {
        return directory.resolve("frames");
    }

    /** Starts a pipeline; {@code SOCKET} and {@code FILE} stand for this test's own. */
    private Process launch(String pipeline) throws IOException {
        var command = new ArrayList<>(List.of("gst-launch-1.0", "-q"));
        command.addAll(List.of(pipeline.replace("SOCKET", address().toString())
                .replace("FILE", file().toString())
                .split(" ")));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.INHERIT)
                .start();
        pipelines.add(process);
        return process;
    }

    private static void endsWell(Process pipeline) throws InterruptedException {
        assertTrue(pipeline.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS), "the pipeline ends");
        assertEquals(0, pipeline.exitValue());
    }

    private static Path camera() throws IOException {
        try (var nodes = Files.newDirectoryStream(Path.of("/dev"), "video*")) {
            for (Path path : nodes) {
                try (VideoNode video = VideoNode.open(LinuxKernel.instance(), path)) {
                    if (video.name().contains("vivid-000") && video.kind() == Kind.CAMERA) {
                        return path;
                    }
                }
            }
        }
        throw new AssertionError("no camera vivid-000");
    }

    private static String v4l2src() throws IOException {
        return "v4l2src device=" + camera() + " io-mode=dmabuf";
    }

    /** Without a buffer of its own, in which it would keep small frames. */
    private static final String TO_FILE =
            "unixfdsrc socket-path=SOCKET ! filesink location=FILE buffer-mode=unbuffered";

    private static final String BGRX = " ! video/x-raw,format=BGRx,width=320,height=180,framerate=10/1";

    /** Connects, as soon as the pipeline listens. */
    private UnixFdSource connect() throws Exception {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (true) {
            try {
                return UnixFdSource.open(cenalloc, address());
            } catch (CenallocException e) {
                assertTrue(e.errno() == Errno.ENOENT || e.errno() == Errno.ECONNREFUSED, e::toString);
                assertTrue(System.nanoTime() < deadline, e::toString);
                Thread.sleep(20);
            }
        }
    }

    private static UnixFdFrame next(UnixFdSource source) throws CenallocException {
        return Objects.requireNonNull(source.next(LIMIT), "a frame in time");
    }

    private static byte[] pixels(UnixFdFrame frame) throws CenallocException {
        try (var access = frame.access(Direction.READ)) {
            var bytes = new ByteArrayOutputStream();
            for (int i = 0; i < frame.layouts().size(); i++) {
                bytes.writeBytes(
                        frame.layouts().get(i).packed(access.segment(i)).array());
            }
            return bytes.toByteArray();
        }
    }

    /** What the pipeline itself writes to a file is what comes here, byte by byte. */
    @Test
    void aCamerasFramesArrive() throws Exception {
        int count = 30;
        Process pipeline = launch(v4l2src() + " num-buffers=" + count + BGRX + " ! tee name=t ! queue ! filesink"
                + " location=FILE t. ! queue ! unixfdsink socket-path=SOCKET wait-for-connection=true");
        var came = new ByteArrayOutputStream();
        Set<UnixFdFrame> known = new HashSet<>();
        long before = 0;
        try (UnixFdSource source = connect()) {
            for (int i = 0; i < count; i++) {
                try (UnixFdFrame frame = next(source)) {
                    assertEquals(CAMERA, frame.layout().image());
                    assertEquals(1, frame.buffers().size());
                    assertTrue(frame.timestampNanos() > before, "in order");
                    before = frame.timestampNanos();
                    known.add(frame);
                    came.writeBytes(pixels(frame));
                }
            }
            assertThrows(EndOfStreamException.class, () -> source.next(LIMIT));
            assertEquals(FrameRate.of(10), source.rate().orElseThrow());
        }
        endsWell(pipeline);
        assertTrue(known.size() < count, () -> known.size() + " frames: memory that comes again is known");
        byte[] written = Files.readAllBytes(file());
        assertEquals(count * 320 * 180 * 4, written.length);
        assertArrayEquals(written, came.toByteArray());
    }

    @Test
    void plainMemoryIsTold() throws Exception {
        launch("videotestsrc num-buffers=3 ! video/x-raw,format=NV12,width=64,height=48 ! unixfdsink"
                + " socket-path=SOCKET wait-for-connection=true");
        try (UnixFdSource source = connect()) {
            for (int i = 0; i < 3; i++) {
                var e = assertThrows(UnusableFrameException.class, () -> source.next(LIMIT));
                assertEquals(Errno.ENOTTY, e.errno());
            }
            assertThrows(EndOfStreamException.class, () -> source.next(LIMIT));
        }
    }

    /** Its virtual camera gives three memories of one dma-buf. */
    @Test
    void framesOfLibcameraArrive() throws Exception {
        launch("libcamerasrc ! video/x-raw,format=NV12,width=640,height=480,framerate=30/1 ! unixfdsink"
                + " socket-path=SOCKET wait-for-connection=true");
        try (UnixFdSource source = connect()) {
            for (int i = 0; i < 10; i++) {
                try (UnixFdFrame frame = next(source)) {
                    assertEquals(
                            new Image(PixelFormat.NV12, 640, 480),
                            frame.layout().image());
                    byte[] pixels = pixels(frame);
                    Set<Byte> luma = new HashSet<>();
                    for (int x = 0; x < 640; x++) {
                        luma.add(pixels[100 * 640 + x]);
                    }
                    assertTrue(luma.size() >= 5, () -> "bars of several colours, not " + luma);
                }
            }
        }
    }

    @Test
    void aPipelineThatIsKilledLeavesItsFramesAndAnotherTakesItsPlace() throws Exception {
        Process first = launch(v4l2src() + BGRX + " ! unixfdsink socket-path=SOCKET");
        UnixFdSource source = connect();
        UnixFdFrame kept = next(source);
        first.destroyForcibly().waitFor();
        assertThrows(DisconnectedException.class, () -> {
            while (true) {
                next(source).close();
            }
        });
        assertEquals(320 * 180 * 4, pixels(kept).length);
        kept.close();
        source.close();
        // It leaves its socket's file, at which the next would not start.
        Files.deleteIfExists(directory.resolve("socket"));
        launch(v4l2src() + BGRX + " ! unixfdsink socket-path=SOCKET");
        try (UnixFdSource other = connect()) {
            for (int i = 0; i < 5; i++) {
                next(other).close();
            }
        }
    }

    /** Without a copy from the camera of one process to the screen of another. */
    @Test
    void aDisplayShowsTheFramesOfAPipeline() throws Exception {
        launch(v4l2src() + " ! video/x-raw,format=BGRx,width=640,height=480,framerate=10/1 ! unixfdsink"
                + " socket-path=SOCKET");
        try (UnixFdSource source = connect();
                Display display = Display.open(cenalloc, vkms())) {
            Agreement images = null;
            for (int i = 0; i < 12; i++) {
                UnixFdFrame frame = next(source);
                if (frame.ring().agreement() != images) {
                    assertEquals(0, i, "one agreement for all frames");
                    display.use(frame.ring());
                    images = frame.ring().agreement();
                }
                display.show(frame);
            }
            display.awaitShown(LIMIT);
            assertEquals(12, display.flips());
        }
    }

    private static Path vkms() throws IOException {
        try (var nodes = Files.newDirectoryStream(Path.of("/dev/dri"), "card*")) {
            for (Path one : nodes) {
                try (var card = Card.open(LinuxKernel.instance(), one)) {
                    if (card.driver().equals("vkms")) {
                        return one;
                    }
                }
            }
        }
        throw new AssertionError("there is no VKMS among /dev/dri/card*");
    }

    @Test
    void aFrameOfAPipelineAllocatesNothing() throws Exception {
        launch(v4l2src() + BGRX + " ! unixfdsink socket-path=SOCKET");
        try (UnixFdSource source = connect()) {
            var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long least = Long.MAX_VALUE;
            for (int round = 0; round < 10; round++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < 20; i++) {
                    UnixFdFrame frame = source.next(LIMIT);
                    if (frame != null) {
                        MappedAccess access = frame.access(Direction.READ);
                        access.close();
                        frame.close();
                    }
                }
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
            assertEquals(0, least);
        }
    }

    // ---- frames for pipelines ----

    /** Fills a frame with bytes that tell its number, and the place of each. */
    private static void draw(Picture picture, int number) throws CenallocException {
        try (var access = picture.access(Direction.WRITE)) {
            // One buffer, or one for each plane.
            for (int i = 0; i < picture.layouts().size(); i++) {
                Layout layout = picture.layouts().get(i);
                for (int plane = 0; plane < layout.planes().size(); plane++) {
                    for (int row = 0; row < layout.rows(plane); row++) {
                        MemorySegment line = layout.row(access.segment(i), plane, row);
                        for (int x = 0; x < line.byteSize(); x++) {
                            line.set(ValueLayout.JAVA_BYTE, x, (byte)
                                    (31 * number + 7 * row + 3 * x + 50 * (i + plane)));
                        }
                    }
                }
            }
        }
    }

    /** Sends pictures one by one to one pipeline, and ends the stream. Each is back before it is drawn again. */
    private void send(Agreement images, int count, Process pipeline, UnixFdSink sink) throws Exception {
        try (Ring ring = Ring.allocate(cenalloc, images, 4)) {
            List<Picture> pictures = Picture.of(ring);
            assertTrue(sink.awaitPipeline(LIMIT));
            for (int i = 0; i < count; i++) {
                Picture picture = pictures.get(i % pictures.size()).lendAgain();
                picture.timestamp = 0;
                draw(picture, i);
                assertEquals(1, sink.send(picture));
                while (sink.away() > 1) {
                    assertTrue(sink.collect(LIMIT) > 0, "a frame comes back");
                }
            }
            assertTrue(sink.finish(LIMIT), "all frames come back");
            assertEquals(0, sink.missed());
            endsWell(pipeline);
        }
    }

    /** What a file sink has to write: the frames at GStreamer's strides. The padding is not compared. */
    private static void checkPlain(Image image, int count, byte[] written) {
        Strides strides = Strides.of(
                image.format().withPlanesTogether().orElse(image.format()), image.width(), image.height(), false);
        assertEquals(count * strides.size(), written.length);
        var planes = image.format().planes();
        for (int i = 0; i < count; i++) {
            for (int plane = 0; plane < planes.size(); plane++) {
                int rows = Math.ceilDiv(image.height(), planes.get(plane).vertical());
                int rowBytes = Math.ceilDiv(image.width(), planes.get(plane).width())
                        * planes.get(plane).bytes();
                for (int row = 0; row < rows; row++) {
                    int at = (int) (i * strides.size()
                            + strides.offsets().get(plane)
                            + row * strides.pitches().get(plane));
                    for (int x = 0; x < rowBytes; x++) {
                        assertEquals((byte) (31 * i + 7 * row + 3 * x + 50 * plane), written[at + x]);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "XR24, 35, 17",
        "RG24, 35, 17",
        "RG16, 35, 17",
        "R8, 35, 17",
        "YUYV, 34, 17",
        "NV12, 34, 18",
        "NV16, 36, 18",
        "NV24, 35, 17",
        "P010, 36, 18",
        "YUV420, 34, 18",
        "YVU420, 36, 18",
        "YUV422, 34, 18",
        "YUV444, 35, 17"
    })
    void framesReachAPipeline(PixelFormat format, int width, int height) throws Exception {
        var image = new Image(format, width, height);
        Agreement images = Agreement.of(cenalloc, List.of(UnixFdSink.layout(image)), FrameRate.of(30), List.of());
        try (var sink = UnixFdSink.open(cenalloc, address(), images)) {
            send(images, 9, launch(TO_FILE), sink);
        }
        checkPlain(image, 9, Files.readAllBytes(file()));
    }

    @Test
    void planesInBuffersOfTheirOwnReachAPipeline() throws Exception {
        var image = new Image(PixelFormat.NV12M, 36, 18);
        var layouts = new ArrayList<Layout>();
        for (int i = 0; i < 2; i++) {
            layouts.add(Layout.of(image, i, LayoutRules.NONE).orElseThrow());
        }
        Agreement images = Agreement.of(cenalloc, layouts, FrameRate.of(30), List.of());
        try (var sink = UnixFdSink.open(cenalloc, address(), images)) {
            send(images, 9, launch(TO_FILE), sink);
        }
        checkPlain(image, 9, Files.readAllBytes(file()));
    }

    /** The meta says so; GStreamer 1.26 does not know it when the first frame comes. */
    @ParameterizedTest
    @CsvSource({"XR24, xRGB", "NV12, I420"})
    void paddedFramesReachAPipeline(PixelFormat format, String converted) throws Exception {
        var image = new Image(format, 36, 18);
        var rules = new LayoutRules(256, 0, Long.MAX_VALUE, 4096);
        Layout padded = Layout.of(image, 0, rules).orElseThrow();
        Agreement images = Agreement.of(cenalloc, List.of(padded), FrameRate.of(30), List.of());
        try (var sink = UnixFdSink.open(cenalloc, address(), images)) {
            send(
                    images,
                    9,
                    launch("unixfdsrc socket-path=SOCKET ! videoconvert ! video/x-raw,format=" + converted
                            + " ! filesink location=FILE"),
                    sink);
        }
        byte[] written = Files.readAllBytes(file());
        int size = format == PixelFormat.XR24 ? 36 * 18 * 4 : 36 * 18 + 2 * 20 * 9;
        assertEquals(9 * size, written.length);
        for (int i = 1; i < 9; i++) {
            for (int row = 0; row < 18; row++) {
                for (int x = 0; x < 36; x++) {
                    int at = i * size;
                    if (format == PixelFormat.NV12) {
                        assertEquals((byte) (31 * i + 7 * row + 3 * x), written[at + row * 36 + x], "luma");
                    } else {
                        for (int byteOfPixel = 0; byteOfPixel < 3; byteOfPixel++) {
                            assertEquals(
                                    (byte) (31 * i + 7 * row + 3 * (4 * x + byteOfPixel)),
                                    written[at + (row * 36 + x) * 4 + 3 - byteOfPixel]);
                        }
                    }
                }
            }
            for (int row = 0; row < 9 && format == PixelFormat.NV12; row++) {
                for (int x = 0; x < 18; x++) {
                    int chroma = i * size + 36 * 18 + row * 20 + x;
                    assertEquals((byte) (31 * i + 7 * row + 3 * (2 * x) + 50), written[chroma], "Cb");
                    assertEquals((byte) (31 * i + 7 * row + 3 * (2 * x + 1) + 50), written[chroma + 20 * 9], "Cr");
                }
            }
        }
    }

    /** A camera here, a quick pipeline, and a slow one that is killed: the camera and the quick one go on. */
    @Test
    void aSlowPipelineAndItsDeathHarmNobody() throws Exception {
        int count = 60;
        try (Camera camera = Camera.open(cenalloc, camera())) {
            Agreement images = Agreement.negotiate(
                    cenalloc,
                    ImageRequest.ANY.format(PixelFormat.XR24).size(320, 180).rate(60),
                    List.of(camera.port()));
            camera.configure(images);
            try (Ring ring = Ring.allocate(cenalloc, images, 8);
                    var sink = UnixFdSink.open(cenalloc, address(), images)) {
                camera.use(ring);
                Process quick = launch("unixfdsrc socket-path=SOCKET ! fakesink sync=false");
                Process slow =
                        launch("unixfdsrc socket-path=SOCKET ! identity sleep-time=400000 ! fakesink sync=false");
                while (sink.pipelines() < 2) {
                    sink.collect(Duration.ofMillis(20));
                }
                camera.start();
                for (int i = 0; i < count; i++) {
                    assertTrue(sink.send(camera.next(LIMIT)) >= 0);
                    assertTrue(sink.away() <= 6);
                }
                assertTrue(sink.missed() > 0, "the slow one does not get all");
                slow.destroyForcibly().waitFor();
                while (sink.pipelines() > 1) {
                    sink.send(camera.next(LIMIT));
                }
                long missed = sink.missed();
                for (int i = 0; i < count; i++) {
                    sink.send(camera.next(LIMIT));
                }
                assertTrue(sink.missed() < missed + count, "the quick one goes on");
                assertTrue(sink.finish(LIMIT));
                assertEquals(0, sink.away());
                endsWell(quick);
                camera.stop();
            }
        }
    }
}
