// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.Mapping;
import dev.cenalloc.command.MainTest.Outcome;
import dev.cenalloc.command.MainTest.Running;
import dev.cenalloc.device.Devices;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.plan.Direction;
import java.io.File;
import java.io.InputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * The whole of it, on a real kernel with vivid cameras and a VKMS display. Where it is expected, nothing is skipped. A
 * process of its own is what Ctrl-C ends.
 */
@Tag("kernel")
@EnabledIfSystemProperty(
        named = "cenalloc.devices",
        matches = "required",
        disabledReason =
                "takes over camera and display, so it runs only where -Dcenalloc.devices=required says that it may")
class PipelineDeviceTest {
    private static final String ANY_MEMORY = "vivid-000";
    private static final String CONTIGUOUS_MEMORY = "vivid-001";
    /** Frames a second of what is measured: a third of the screen's, so that each is on the screen before the next. */
    private static final int RATE = 20;

    private static final String[] HOLDING = {
        "pipeline", "--size", "320x180", "--fps", "30", "--frames", "5", "--no-check", "--no-measure", "--hold"
    };

    private static Outcome pipeline(String... arguments) {
        var all = new ArrayList<>(List.of("pipeline", "--size", "640x480", "--fps", "60"));
        all.addAll(List.of(arguments));
        return Outcome.of(all.toArray(String[]::new));
    }

    @Test
    void aCameraThatTakesAnyMemoryGetsTheSystemHeap(@TempDir Path directory) throws Exception {
        Path picture = directory.resolve("shot.png");
        Outcome outcome =
                pipeline("--camera", ANY_MEMORY, "--frames", "20", "--no-measure", "--screenshot", picture.toString());
        assertEquals(0, outcome.status(), outcome::toString);
        assertTrue(outcome.out().contains("heap                  system"), outcome.out());
        assertFalse(outcome.out().contains("Together:"), outcome.out());
        assertTrue(outcome.out().contains("pixels: 0 pixels differ"), outcome.out());
        var image = ImageIO.read(picture.toFile());
        assertEquals(640, image.getWidth());
        assertEquals(480, image.getHeight());
        // Colour bars: grey on the left, black on the right.
        int grey = image.getRGB(8, 400) & 0xFFFFFF;
        assertTrue(grey % 0x010101 == 0 && grey > 0xB00000 && grey < 0xD00000, () -> Integer.toHexString(grey));
        assertEquals(0xFF000000, image.getRGB(632, 400));
    }

    @Test
    void aTimeIsMeasuredInPlaceOfANumberOfFrames() {
        Outcome outcome = pipeline("--camera", ANY_MEMORY, "--seconds", "2", "--no-check");
        assertEquals(0, outcome.status(), outcome::toString);
        var shown = Pattern.compile("frames shown +(\\d+) in 2 seconds,").matcher(outcome.out());
        assertTrue(shown.find() && Integer.parseInt(shown.group(1)) > 0, outcome.out());
    }

    @Test
    void aCameraThatNeedsContiguousMemoryGetsItAndItIsSaidWhy() {
        Outcome outcome = pipeline("--camera", CONTIGUOUS_MEMORY, "--frames", "20", "--explain", "--no-measure");
        assertEquals(0, outcome.status(), outcome::toString);
        assertTrue(outcome.out().contains("heap                  reserved"), outcome.out());
        assertTrue(outcome.out().contains("refused system (VIDIOC_QBUF gave EFAULT)"), outcome.out());
        assertTrue(outcome.out().contains("Heap: reserved"), outcome.out());
        assertTrue(outcome.out().contains("pixels: 0 pixels differ"), outcome.out());
    }

    @Test
    void programsGetTheSameAsADocument() throws Exception {
        Outcome outcome = pipeline("--camera", ANY_MEMORY, "--frames", "20", "--json");
        assertEquals(0, outcome.status(), outcome::toString);
        JsonNode document = new ObjectMapper().readTree(outcome.out());
        assertEquals("system", document.get("memory").asText(), outcome.out());
        assertEquals("system", document.get("choice").get("heap").asText());
        assertEquals(20, document.get("shown").asInt());
        assertEquals(640, document.get("image").get("width").asInt());
        assertEquals(0, document.get("compared").get("different").asInt());
        assertTrue(document.get("compared").get("frames").asInt() > 0, outcome.out());
        assertTrue(document.get("framesPerSecond").asDouble() > 0, outcome.out());
        assertFalse(document.has("error") || document.has("errors"), outcome.out());

        Outcome refused = pipeline("--camera", CONTIGUOUS_MEMORY, "--heap", "system", "--format", "XR24", "--json");
        assertEquals(1, refused.status());
        JsonNode error = new ObjectMapper().readTree(refused.out()).get("error");
        assertEquals("EINVAL", error.get("name").asText(), refused.out());
        assertTrue(error.get("message").asText().contains("no memory suits the images in common"), refused.out());
    }

    @Test
    void programsGetWhatIsProbed() throws Exception {
        Outcome outcome = Outcome.of("probe", "--size", "640x480", "--json");
        assertEquals(0, outcome.status(), outcome::toString);
        JsonNode devices = new ObjectMapper().readTree(outcome.out()).get("devices");
        JsonNode contiguous = null;
        for (JsonNode device : devices) {
            contiguous = device.get("name").asText().endsWith(CONTIGUOUS_MEMORY) ? device : contiguous;
        }
        assertTrue(contiguous != null && contiguous.get("gives").size() > 5, devices::toString);
        JsonNode constraints = contiguous.get("needs").get(0).get("constraints");
        assertTrue(constraints.get("require").get("contiguous").asBoolean(), contiguous::toString);

        Outcome gone = Outcome.of("probe", "/dev/video99", "--json");
        assertEquals(1, gone.status());
        JsonNode error = new ObjectMapper().readTree(gone.out()).get("errors").get(0);
        assertEquals("/dev/video99", error.get("subject").asText());
        assertEquals("ENOENT", error.get("name").asText());
    }

    @Test
    void aRateThatTheDevicesDoNotHaveIsSaid() {
        Outcome outcome = Outcome.of(
                "pipeline",
                "--camera",
                ANY_MEMORY,
                "--size",
                "640x480",
                "--fps",
                "1000",
                "--frames",
                "5",
                "--no-measure");
        assertEquals(0, outcome.status(), outcome::toString);
        assertTrue(outcome.err().contains(" frames a second were shown, and 1000 are asked for"), outcome::toString);
        assertTrue(outcome.out().contains("ok, but "), outcome::toString);
    }

    @Test
    void aHeapThatDoesNotSuitIsRefusedBeforeAnythingIsShown() {
        Outcome outcome = pipeline("--camera", CONTIGUOUS_MEMORY, "--heap", "system", "--format", "XR24");
        assertEquals(1, outcome.status(), outcome::toString);
        assertTrue(
                outcome.err().contains("no memory suits the images in common")
                        && outcome.err().contains(CONTIGUOUS_MEMORY),
                outcome.err());
    }

    @Test
    void anyHeapThatSuitsMayBeAskedFor() {
        Outcome outcome = pipeline("--camera", ANY_MEMORY, "--heap", "linux,cma", "--frames", "2", "--no-measure");
        assertEquals(0, outcome.status(), outcome::toString);
        assertTrue(outcome.out().contains("heap                  reserved"), outcome.out());
    }

    @Test
    void whatIsThereIsSaidWhenNothingFits() {
        Outcome camera = pipeline("--camera", "no-such");
        assertTrue(camera.err().contains("vivid platform:vivid-000"), camera.err());
        Outcome none = pipeline("--display", "no-such");
        assertTrue(none.err().contains("no-such") && none.err().contains("vkms"), none.err());
        Outcome size = Outcome.of("pipeline", "--size", "641x481");
        assertEquals(1, size.status());
        assertTrue(size.err().contains("641x481 is requested"), size.err());
    }

    @Test
    void aDifferenceOnTheScreenIsNoticed() throws Exception {
        var request = Pipeline.Request.of(ANY_MEMORY, "vkms");
        try (Pipeline pipeline = Pipeline.open(request)) {
            pipeline.start();
            List<Mapping> mappings = new ArrayList<>();
            for (int i = 0; i < pipeline.ring().size(); i++) {
                mappings.add(pipeline.ring().buffers(i).getFirst().map(Direction.WRITE));
            }
            var frames = new Thread(() -> {
                try {
                    pipeline.run(10_000);
                } catch (java.io.IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            });
            frames.start();
            // Scribbling over frames between the display and the comparison.
            long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            byte colour = 0;
            while (pipeline.checker().different() == 0 && System.nanoTime() < limit) {
                colour++;
                for (Mapping mapping : mappings) {
                    mapping.segment().asSlice(0, 4000).fill(colour);
                }
            }
            pipeline.stop();
            frames.join();
            pipeline.checker().awaitIdle();
            mappings.forEach(Mapping::close);
            assertTrue(pipeline.checker().different() > 0);
        }
    }

    @Test
    void theDisplayIsPutBackAndNothingIsLost() throws Exception {
        Outcome first = pipeline("--frames", "2");
        assertEquals(0, first.status(), first::toString);
        String before = screen();
        int files = openFiles();
        long buffers = buffers();
        for (String arguments : List.of("--frames 5 --no-check", "--camera vivid-001 --frames 5 --no-measure")) {
            Outcome outcome = pipeline(arguments.split(" "));
            assertEquals(0, outcome.status(), outcome::toString);
        }
        for (String arguments : List.of("--heap carveout --format XR24", "--display no")) {
            Outcome outcome = pipeline(arguments.split(" "));
            assertEquals(1, outcome.status(), outcome::toString);
        }
        assertEquals(before, screen());
        assertEquals(files, openFiles());
        assertEquals(buffers, buffers());
    }

    @Test
    void untilCtrlCFramesAreShownThenTheDisplayIsPutBackAndTheResultTold() throws Exception {
        String before = screen();
        Process process = java("pipeline", "--size", "320x180", "--fps", "30", "--no-measure");
        try (var output = process.inputReader()) {
            assertTrue(output.readLine().contains("vkms"));
            // The first frame is shown at the start, the others change the framebuffer.
            Set<String> seen = new HashSet<>(Set.of(before));
            for (int i = 0; i < 400 && seen.size() < 4; i++) {
                Thread.sleep(50);
                seen.add(screen());
            }
            assertEquals(4, seen.size(), "the pipeline is on the screen");
            interrupt(process);
            List<String> told = output.lines().toList();
            assertTrue(process.waitFor(5, TimeUnit.MINUTES));
            assertEquals(Status.INTERRUPTED, process.exitValue());
            assertTrue(
                    told.stream().anyMatch(line -> line.matches("  frames shown +[1-9]\\d* until Ctrl-C")),
                    told::toString);
            assertTrue(told.getLast().startsWith("ok"), told::toString);
        } finally {
            process.destroyForcibly();
        }
        assertEquals(before, screen());
    }

    @Test
    void theLastFrameStaysOnTheScreenUntilStandardInputEnds() throws Exception {
        String before = screen();
        InputStream standard = System.in;
        var input = new PipedOutputStream();
        System.setIn(new PipedInputStream(input));
        try {
            Running holding = Running.of(HOLDING);
            try (input) {
                for (int i = 0; i < 1200 && !holding.out().contains("\nholding"); i++) {
                    Thread.sleep(50);
                }
                assertFalse(screen().equals(before), "the frame is on the screen");
                assertTrue(holding.isAlive());
            }
            Outcome outcome = holding.end(Duration.ofMinutes(5));
            assertEquals(0, outcome.status(), outcome::toString);
            assertTrue(outcome.out().contains("\nholding"), outcome.out());
        } finally {
            System.setIn(standard);
        }
        assertEquals(before, screen());
    }

    @Test
    void interruptingEndsTheHoldingOfTheLastFrame() throws Exception {
        String before = screen();
        Process process = java(HOLDING);
        try (var output = process.inputReader()) {
            String line;
            do {
                line = output.readLine();
                assertNotNull(line, "it did not hold the frame");
            } while (!line.startsWith("holding"));
            assertFalse(screen().equals(before), "the frame is on the screen");
            assertTrue(process.isAlive());
            interrupt(process);
            assertTrue(process.waitFor(5, TimeUnit.MINUTES));
            assertEquals(Status.INTERRUPTED, process.exitValue());
        } finally {
            process.destroyForcibly();
        }
        assertEquals(before, screen());
    }

    /** Ctrl-C. */
    private static void interrupt(Process process) throws Exception {
        assertEquals(
                0,
                new ProcessBuilder("/bin/sh", "-c", "kill -INT " + process.pid())
                        .start()
                        .waitFor());
    }

    private static Process java(String... args) throws Exception {
        return new ProcessBuilder(JavaProgram.cenalloc(args))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }

    /** What the display shows: which framebuffer is on which plane, by the kernel's own account. */
    static String screen() throws Exception {
        var state = new StringBuilder();
        for (Path card : List.of(
                Path.of("/sys/kernel/debug/dri/0"),
                Path.of("/sys/kernel/debug/dri/1"),
                Path.of("/sys/kernel/debug/dri/2"))) {
            if (Files.exists(card.resolve("state"))
                    && Files.readString(card.resolve("name")).startsWith("vkms")) {
                for (String line : Files.readAllLines(card.resolve("state"))) {
                    if (line.matches("\\s+(fb|crtc|enable|active|mode|crtc-pos|src-pos)=.*|\\w+\\[.*")
                            || line.matches("\\s+mode: .*")) {
                        state.append(line).append('\n');
                    }
                }
            }
        }
        assertTrue(state.toString().contains("fb="));
        return state.toString();
    }

    static int openFiles() throws Exception {
        try (var files = Files.list(Path.of("/proc/self/fd"))) {
            return (int) files.count();
        }
    }

    private static long buffers() throws Exception {
        return Files.readAllLines(Path.of("/sys/kernel/debug/dma_buf/bufinfo")).stream()
                .filter(line -> line.contains("frame "))
                .count();
    }

    /** The frame loop asks of the kernel what a C program asks, allocates nothing and maps nothing, for 400 frames. */
    @Test
    void aFrameCostsWhatItCostsInC() throws Exception {
        Measurement costs;
        var request = Pipeline.Request.of(ANY_MEMORY, "vkms")
                .with(ImageRequest.ANY.size(640, 480).rate(RATE));
        try (Pipeline pipeline = Pipeline.open(request)) {
            pipeline.check(false);
            pipeline.start();
            costs = Measurement.of(pipeline, 400);
            System.out.printf(
                    "400 frames, %.1f a second, %d dropped%n", pipeline.framesPerSecond(), pipeline.dropped());
        }
        Map<String, Double> inC = systemCallsOfC();
        double sumInC = inC.values().stream().mapToDouble(Double::doubleValue).sum();
        System.out.printf(
                "system calls a frame: Java %s, C %.2f %s; Java bytes in 400 frames: %d%n",
                costs, sumInC, inC, costs.javaBytes());
        assertAll(
                // Less than a quarter of the smallest object a frame: none, but for what the virtual machine does once.
                () -> assertTrue(costs.javaBytes() < 4 * 400, () -> costs.javaBytes() + " bytes allocated"),
                // Wait for a frame, take it, show it, give back the one before.
                () -> assertEquals(4.0, besideEvents(sumInC, inC.getOrDefault("read", 0.0)), 0.05, "C: " + inC),
                () -> assertEquals(
                        4.0,
                        besideEvents(costs.systemCallsPerFrame() - costs.perFrame("futex"), costs.perFrame("read")),
                        0.05,
                        costs::toString),
                () -> assertEquals(0, costs.perFrame("munmap"), costs::toString),
                // None but these three, and commits that came too soon, after each of which events are read.
                () -> assertEquals(3.0, costs.perFrame("ioctl"), costs.perFrame("read") + 0.01, costs::toString));
    }

    /** Without the waits for events of the display and their reading: after a hundred frames, and when one was late. */
    private static double besideEvents(double all, double read) {
        assertTrue(read < 0.2, () -> read + " reads a frame");
        return all - 2 * read;
    }

    /** By the difference of two runs, so that only the loop counts. */
    private static Map<String, Double> systemCallsOfC() throws Exception {
        int few = 20;
        int many = 220;
        Map<String, Long> less = countC(few);
        Map<String, Long> more = countC(many);
        var perFrame = new HashMap<String, Double>();
        more.forEach((name, count) -> {
            long difference = count - less.getOrDefault(name, 0L);
            if (difference != 0) {
                perFrame.put(name, (double) difference / (many - few));
            }
        });
        return perFrame;
    }

    private static Map<String, Long> countC(int frames) throws Exception {
        String program = System.getProperty("cenalloc.pipeline.c");
        assertTrue(new File(program).canExecute(), program);
        String camera;
        String card;
        try (Cenalloc cenalloc = Cenalloc.open()) {
            camera = Devices.camera(cenalloc, ANY_MEMORY).toString();
            card = Devices.display(cenalloc, "vkms").toString();
        }
        // The shell waits to be counted, then becomes the program.
        Process process = new ProcessBuilder(
                        "/bin/sh",
                        "-c",
                        "echo ready; read go; exec \"$@\"",
                        "sh",
                        program,
                        camera,
                        card,
                        "" + frames,
                        "" + RATE)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (var output = process.inputReader()) {
            assertEquals("ready", output.readLine());
            return countFromNowOn(process);
        } finally {
            process.destroyForcibly();
        }
    }

    private static Map<String, Long> countFromNowOn(Process process) throws Exception {
        try (SystemCalls calls = SystemCalls.ofThread(process.pid()).orElseThrow()) {
            try (var go = process.outputWriter()) {
                go.write("go\n");
            }
            assertTrue(process.waitFor(5, TimeUnit.MINUTES));
            assertEquals(0, process.exitValue());
            return calls.counts();
        }
    }
}
