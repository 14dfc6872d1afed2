// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.DmaBuf;
import dev.cenalloc.command.MainTest.Outcome;
import dev.cenalloc.command.Pipeline.Memory;
import dev.cenalloc.command.Pipeline.Request;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.NoCommonImageException;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * All the ways from a camera to a display: each shows frames, and what the display puts out is compared with them in
 * every pixel. The cameras show colour bars.
 */
@Tag("kernel")
@EnabledIfSystemProperty(
        named = "cenalloc.devices",
        matches = "required",
        disabledReason =
                "takes over camera and display, so it runs only where -Dcenalloc.devices=required says that it may")
class PipelinesDeviceTest {
    private static final int FRAMES = 30;
    private static final int BARS = 8;
    /** Of 640 pixels. */
    private static final int BAR_WIDTH = 80;
    /** Below what the cameras write over their picture, and the square that is drawn. */
    private static final int LINE = 400;

    /** White, yellow, cyan, green, magenta, red, blue, black: which of red, green and blue are lit. */
    private static final int[] LIT = {0xFFFFFF, 0xFFFF00, 0x00FFFF, 0x00FF00, 0xFF00FF, 0xFF0000, 0x0000FF, 0};

    private static Request request(String camera, PixelFormat format) {
        return Request.of(camera, "vkms").with(vga(format, 30));
    }

    private static ImageRequest vga(PixelFormat format, int rate) {
        return ImageRequest.ANY.format(format).size(640, 480).rate(rate);
    }

    /** Shows frames: a picture of what the display put out last, which was what it was given, each time. */
    private static BufferedImage run(Pipeline pipeline) throws IOException {
        pipeline.run(FRAMES);
        pipeline.checker().awaitIdle();
        assertEquals(FRAMES, pipeline.shown());
        assertTrue(pipeline.dropped() >= 0, () -> pipeline.dropped() + " dropped");
        assertTrue(pipeline.checker().frames() > 0, "frames were compared");
        assertEquals(0, pipeline.checker().different());
        return pipeline.checker().pictureOfCapture();
    }

    private static void assertBars(BufferedImage picture) {
        var checks = new ArrayList<Executable>();
        for (int bar = 0; bar < BARS; bar++) {
            int colour = picture.getRGB(bar * BAR_WIDTH + BAR_WIDTH / 2, LINE);
            for (int shift = 0; shift < 24; shift += 8) {
                int value = colour >> shift & 0xFF;
                boolean lit = (LIT[bar] >> shift & 1) == 1;
                String what = "bar " + bar + " is " + Integer.toHexString(colour);
                checks.add(() -> assertTrue(lit ? value > 0xA0 && value < 0xD0 : value < 0x20, what));
            }
        }
        assertAll(checks);
    }

    @ParameterizedTest
    @CsvSource({"vivid-000, XR24", "vivid-000, RG16", "vivid-002, XR24"})
    void theDisplayPutsOutWhatTheCameraWrites(String camera, PixelFormat format) throws Exception {
        try (Pipeline pipeline = Pipeline.open(request(camera, format))) {
            pipeline.start();
            assertBars(run(pipeline));
        }
    }

    /** The mode is larger, and the image in the middle of it. */
    @Test
    void anImageSmallerThanEachModeIsComparedWhereItIsShown() throws Exception {
        var small = ImageRequest.ANY.format(PixelFormat.XR24).size(320, 180).rate(30);
        try (Pipeline pipeline =
                Pipeline.open(request("vivid-000", PixelFormat.XR24).with(small))) {
            pipeline.start();
            BufferedImage screen = run(pipeline);
            assertTrue(screen.getWidth() > 320 && screen.getHeight() > 180, screen::toString);
            assertEquals(0xFF000000, screen.getRGB(0, 0), "beside the image");
        }
    }

    /** Then nothing is read back, and no memory is there for it. */
    @Test
    void whatIsNotToBeComparedIsNotReadBack(@TempDir Path directory) throws Exception {
        int before = dmaBufs();
        try (Pipeline pipeline =
                Pipeline.open(request("vivid-000", PixelFormat.XR24).unchecked())) {
            pipeline.start();
            pipeline.run(FRAMES);
            assertFalse(pipeline.readsBack());
            assertEquals(0, pipeline.checker().frames());
            assertEquals(pipeline.ring().size(), dmaBufs() - before);
            assertBars(pipeline.checker().picture(pipeline.last()));
        }
        Path picture = directory.resolve("shot.png");
        Outcome outcome = Outcome.of(
                "pipeline",
                "--size",
                "640x480",
                "--frames",
                "2",
                "--no-check",
                "--no-measure",
                "--screenshot",
                picture.toString());
        assertEquals(0, outcome.status(), outcome::toString);
        assertTrue(outcome.out().contains("not checked, as asked by --no-check"), outcome.out());
        assertTrue(outcome.out().contains("picture, of what the camera wrote: " + picture), outcome.out());
        assertBars(ImageIO.read(picture.toFile()));
    }

    /** Of this process. */
    private static int dmaBufs() throws IOException {
        int count = 0;
        try (var files = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path file : files) {
                if (Files.readSymbolicLink(file).toString().startsWith("/dmabuf:")) {
                    count++;
                }
            }
        }
        return count;
    }

    /** Three devices on one plan; camera and converter have a ring each. */
    @Test
    void aConverterBetweenIsOnTheSamePlan() throws Exception {
        var request = request("vivid-000", PixelFormat.RG16).through("vim2m");
        try (Pipeline pipeline = Pipeline.open(request)) {
            List<String> names = pipeline.ring().agreement().devices().stream()
                    .map(Device::name)
                    .toList();
            assertEquals(3, names.size(), names::toString);
            assertTrue(names.get(0).startsWith("vivid") && names.get(1).startsWith("vim2m"), names::toString);
            assertTrue(names.get(2).startsWith("vkms"), names::toString);
            assertEquals("system", pipeline.choice().heap().name());
            pipeline.start();
            assertBars(pipeline.checker().picture(pipeline.last()));
            assertBars(run(pipeline));
            // Per frame: poll, dequeue, queue at each of the two sources; read and written buffer; commit. The screen
            // refreshes more often than frames come, so nobody waits for it.
            Map<String, Long> calls = count(pipeline);
            assertEquals(7.0, perFrame(calls, "ioctl"), 0.3, calls::toString);
            // Its name depends on the architecture.
            assertEquals(2.0, perFrame(calls, "poll") + perFrame(calls, "ppoll"), 0.3, calls::toString);
        }
    }

    private static Map<String, Long> count(Pipeline pipeline) throws IOException {
        pipeline.check(false);
        try (SystemCalls calls =
                SystemCalls.ofThread(SystemCalls.currentThread()).orElseThrow()) {
            pipeline.run(FRAMES);
            return calls.counts();
        }
    }

    private static double perFrame(Map<String, Long> calls, String name) {
        return (double) calls.getOrDefault(name, 0L) / FRAMES;
    }

    @ParameterizedTest
    @CsvSource({"XR24, FF8000", "RG16, FF8200"})
    void whatTheCpuDrawsIsOnTheDisplay(PixelFormat format, String orange) throws Exception {
        var request = request("vivid-000", format).drawing();
        try (Pipeline pipeline = Pipeline.open(request)) {
            assertTrue(pipeline.explain().contains("CPU: memory that the CPU can "), pipeline.explain());
            pipeline.start();
            BufferedImage picture = run(pipeline);
            assertBars(picture);
            int first = square(picture, Integer.parseInt(orange, 16));
            int second = square(run(pipeline), Integer.parseInt(orange, 16));
            assertTrue(second > first, "it has moved from " + first + " to " + second);
        }
    }

    /** Checks that the square is there and whole: its left edge. */
    private static int square(BufferedImage picture, int orange) {
        int left = Integer.MAX_VALUE;
        int top = Integer.MAX_VALUE;
        int right = -1;
        int bottom = -1;
        int pixels = 0;
        for (int y = 0; y < picture.getHeight(); y++) {
            for (int x = 0; x < picture.getWidth(); x++) {
                if ((picture.getRGB(x, y) & 0xFFFFFF) == orange) {
                    left = Math.min(left, x);
                    top = Math.min(top, y);
                    right = Math.max(right, x);
                    bottom = Math.max(bottom, y);
                    pixels++;
                }
            }
        }
        assertEquals(Painter.SIDE * Painter.SIDE, pixels);
        assertEquals(Painter.SIDE, right - left + 1);
        assertEquals(Painter.SIDE, bottom - top + 1);
        return left;
    }

    /** A bracket is two system calls, and no Java objects. */
    @Test
    void drawingCostsTwoCallsAFrame() throws Exception {
        var request = request("vivid-000", PixelFormat.XR24).drawing();
        try (Pipeline pipeline = Pipeline.open(request)) {
            pipeline.check(false);
            pipeline.start();
            Measurement costs = Measurement.of(pipeline, 150);
            assertEquals(5.0, costs.perFrame("ioctl"), 0.05, costs::toString);
            assertEquals(6.0, besideEvents(costs), 0.05, costs::toString);
            // Less than half of the smallest object a frame: none, but for what the virtual machine does once.
            assertTrue(costs.javaBytes() < 8 * 150, () -> costs.javaBytes() + " bytes allocated");
        }
    }

    /** Without the waits of the virtual machine, and without those for events of the display and their reading. */
    private static double besideEvents(Measurement costs) {
        assertTrue(costs.perFrame("read") < 0.2, costs::toString);
        return costs.systemCallsPerFrame() - costs.perFrame("futex") - 2 * costs.perFrame("read");
    }

    @ParameterizedTest
    @CsvSource({"vivid-000, videobuf2_vmalloc", "vivid-001, videobuf2_dma_contig", "vivid-002, videobuf2_vmalloc"})
    void theCamerasOwnMemoryIsShown(String camera, String exporter) throws Exception {
        var request = request(camera, PixelFormat.XR24).in(Memory.CAMERA);
        try (Pipeline pipeline = Pipeline.open(request)) {
            for (int i = 0; i < pipeline.ring().size(); i++) {
                DmaBuf buffer = pipeline.ring().buffers(i).getFirst();
                assertEquals(exporter, buffer.exporter());
                String info = Files.readString(Path.of("/proc/self/fdinfo", "" + buffer.fd()));
                assertTrue(info.matches("(?s).*flags:\\s+02\\d{6}\\b.*"), () -> "close-on-exec: " + info);
            }
            pipeline.start();
            assertBars(run(pipeline));
            Map<String, Long> calls = count(pipeline);
            assertEquals(3.0, perFrame(calls, "ioctl"), 0.2, calls::toString);
        }
    }

    @Test
    void theCamerasOwnMemoryGoesThroughAConverterToo() throws Exception {
        var request = request("vivid-001", PixelFormat.RG16).through("vim2m").in(Memory.CAMERA);
        try (Pipeline pipeline = Pipeline.open(request.drawing())) {
            pipeline.start();
            square(run(pipeline), 0xFF8200);
        }
    }

    @Test
    void everythingIsGivenBack() throws Exception {
        var converted = request("vivid-000", PixelFormat.RG16).through("vim2m");
        show(converted.drawing()); // opens what stays open: class files, the heaps' directory
        long files = openFiles();
        show(converted.drawing());
        assertEquals(files, openFiles());
        assertEquals(List.of(), buffers());
        show(request("vivid-001", PixelFormat.RG16).through("vim2m").in(Memory.CAMERA));
        assertEquals(files, openFiles());
        assertEquals(List.of(), buffers());
        var refused = request("vivid-002", PixelFormat.NV12).through("vim2m").in(Memory.CAMERA);
        assertThrows(IOException.class, () -> Pipeline.open(refused));
        assertEquals(files, openFiles());
        assertEquals(List.of(), buffers());
    }

    private static void show(Request request) throws IOException {
        try (Pipeline pipeline = Pipeline.open(request)) {
            pipeline.start();
            pipeline.run(5);
        }
    }

    private static long openFiles() throws IOException {
        try (var files = Files.list(Path.of("/proc/self/fd"))) {
            return files.count();
        }
    }

    /** Those of a pipeline, in the kernel's list. What a driver lets go of in its own thread goes a little later. */
    private static List<String> buffers() throws Exception {
        long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        List<String> left;
        do {
            left = Files.readAllLines(Path.of("/sys/kernel/debug/dma_buf/bufinfo")).stream()
                    .filter(line -> line.contains("frame "))
                    .toList();
            Thread.sleep(50);
        } while (!left.isEmpty() && System.nanoTime() < limit);
        return left;
    }

    @Test
    void fencesTellWhenFramesAreReadyAndShown() throws Exception {
        var request = request("vivid-000", PixelFormat.XR24).fenced();
        try (Pipeline pipeline = Pipeline.open(request)) {
            pipeline.start();
            assertBars(run(pipeline));
        }
        try (Pipeline pipeline = Pipeline.open(request)) {
            pipeline.check(false);
            pipeline.start();
            Measurement costs = Measurement.of(pipeline, 150);
            System.out.println("with fences: " + costs);
            // The camera's two, the commit, and the export of a fence; and the closing of both fences.
            assertEquals(4.0, costs.perFrame("ioctl"), 0.05, costs::toString);
            assertEquals(2.0, costs.perFrame("close"), 0.05, costs::toString);
            assertEquals(7.0, besideEvents(costs), 0.05, costs::toString);
            assertTrue(costs.javaBytes() < 8 * 150, () -> costs.javaBytes() + " bytes allocated");
        }
    }

    @Test
    void theDevicesDecideWhatNobodyAsksFor() {
        Outcome outcome = Outcome.of(
                "pipeline",
                "--camera",
                "vivid-001",
                "--through",
                "vim2m",
                "--frames",
                "5",
                "--explain",
                "--no-measure");
        assertEquals(0, outcome.status(), outcome::toString);
        assertTrue(outcome.out().contains("RG16 640x480 at"), outcome.out());
        assertTrue(outcome.out().contains("format: the only one in common"), outcome.out());
        assertTrue(outcome.out().contains("Heap: reserved"), outcome.out());
    }

    /** What a profile says counts more than what is tried. */
    @Test
    void whatIsWrittenDownNeedsNoTrial(@TempDir Path directory) throws Exception {
        Path file = directory.resolve("board.json");
        Outcome probed = Outcome.of("probe", "--size", "640x480", "--profile", file.toString());
        assertEquals(0, probed.status(), probed::toString);
        assertTrue(probed.out().contains("profiles: test-drivers (driver "), probed.out());
        assertTrue(probed.out().contains("vivid platform:vivid-001: contiguous memory"), probed.out());
        assertTrue(probed.out().contains("; profile test-drivers)"), probed.out());
        String profile = Files.readString(file);
        assertTrue(profile.contains("\"vivid platform:vivid-001\":{\"require\":{\"contiguous\":true"), profile);
        Outcome shown = Outcome.of(
                "pipeline",
                "--camera",
                "vivid-001",
                "--size",
                "640x480",
                "--fps",
                "20",
                "--frames",
                "10",
                "--no-measure",
                "--profile",
                file.toString());
        assertEquals(0, shown.status(), shown::toString);
        assertTrue(shown.out().contains("contiguous memory (profile " + file), shown.out());
        assertTrue(shown.out().contains("heap                  reserved"), shown.out());
        Files.writeString(file, profile.replace("true", "perhaps"));
        Outcome wrong = Outcome.of("pipeline", "--profile", file.toString());
        assertEquals(1, wrong.status(), wrong::toString);
        assertTrue(wrong.err().contains("perhaps"), wrong.err());
    }

    @Test
    void aFormatThatTheDisplayDoesNotHaveIsRefused() {
        Outcome outcome = Outcome.of("pipeline", "--camera", "vivid-000", "--display", "vkms", "--format", "nv12");
        assertEquals(1, outcome.status(), outcome::toString);
        assertTrue(
                outcome.err().contains("no format in common: NV12 is requested; vkms takes AR24, XR24, RG16"),
                outcome.err());
        assertFalse(outcome.out().contains("frames shown"), outcome.out());
    }

    @Test
    void aFormatThatTheConverterDoesNotHaveIsRefused() {
        Outcome outcome = Outcome.of(
                "pipeline", "--camera", "vivid-000", "--through", "vim2m", "--display", "vkms", "--format", "XR24");
        assertEquals(1, outcome.status(), outcome::toString);
        assertTrue(outcome.err().contains("XR24 is requested; vim2m platform:vim2m takes RG16, RG24"), outcome.err());
    }

    @Test
    void aSizeThatTheConverterDoesNotHaveIsRefused() {
        var request = request("vivid-000", PixelFormat.RG16).through("vim2m").with(ImageRequest.ANY.size(1280, 720));
        var e = assertThrows(NoCommonImageException.class, () -> Pipeline.open(request));
        assertTrue(
                e.toString().contains("no size in common: 1280x720 is requested; vim2m platform:vim2m"), e.toString());
    }
}
