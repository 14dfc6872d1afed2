// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.command.JavaProgram;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * Each example, on a real kernel with vivid cameras, vim2m and a VKMS display. Two are processes, as a user has them;
 * the others run in this Java, since another one takes long to start on an emulated processor.
 */
@Tag("kernel")
@EnabledIfSystemProperty(
        named = "cenalloc.devices",
        matches = "required",
        disabledReason =
                "takes over camera and display, so it runs only where -Dcenalloc.devices=required says that it may")
class ExamplesDeviceTest {
    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    private interface Example {
        void run(String... arguments) throws Exception;
    }

    /** What an example printed to standard output. Nothing may come on standard error. */
    private static String run(Example example, String... arguments) throws Exception {
        var out = new ByteArrayOutputStream();
        var err = new ByteArrayOutputStream();
        PrintStream output = System.out;
        PrintStream errors = System.err;
        try (var printed = new PrintStream(out, true, UTF_8);
                var complained = new PrintStream(err, true, UTF_8)) {
            System.setOut(printed);
            System.setErr(complained);
            example.run(arguments);
        } finally {
            System.setOut(output);
            System.setErr(errors);
        }
        assertEquals("", err.toString(UTF_8));
        return out.toString(UTF_8);
    }

    /** The same, of a process in the test's directory. */
    private String runProcess(String example, String... arguments) throws Exception {
        List<String> command = JavaProgram.command("dev.cenalloc.examples." + example, arguments);
        Path out = directory.resolve("out");
        Path err = directory.resolve("err");
        Process process = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .start();
        try {
            assertTrue(process.waitFor(5, TimeUnit.MINUTES), example + " did not end");
        } finally {
            process.destroyForcibly();
        }
        assertEquals("", Files.readString(err), example);
        assertEquals(0, process.exitValue(), example);
        return Files.readString(out);
    }

    /** How many the kernel has, of whatever process. */
    private static String dmaBufs() throws IOException {
        return Files.readString(Path.of("/sys/kernel/debug/dma_buf/bufinfo")).replaceAll("(?s).*\\nTotal", "Total");
    }

    private static void assertContains(String out, String... words) {
        for (String word : words) {
            assertTrue(out.contains(word), () -> "\"" + word + "\" in: " + out);
        }
    }

    @Test
    void hello() throws Exception {
        String out = run(_ -> Hello.main());
        assertContains(out, "reserved: contiguous", "system: scattered", "read 42 from dma-buf", "of 8388608 bytes");
    }

    @Test
    void explain() throws Exception {
        String out = run(_ -> Explain.main());
        assertContains(out, "camera needs contiguous memory", "npu needs memory of the heap system");
        assertContains(out, "camera needs a pitch of at most 1984 bytes", "gpu needs a pitch of at least 2048 bytes");
        String mended = out.substring(out.indexOf("With another camera"));
        assertContains(mended, "a pitch of 2048 bytes", "system");
    }

    @Test
    void grab() throws Exception {
        Path file = directory.resolve("picture.png");
        String out = run(Grab::main, "--out", file.toString());
        assertContains(out, "vivid", "640x480", file.toString());
        BufferedImage picture = ImageIO.read(file.toFile());
        assertEquals(640, picture.getWidth());
        assertEquals(480, picture.getHeight());
        // Colour bars: grey on the left, black on the right.
        int grey = picture.getRGB(8, 400) & 0xFFFFFF;
        assertTrue(grey % 0x010101 == 0 && grey > 0xB00000 && grey < 0xD00000, () -> Integer.toHexString(grey));
        assertEquals(0xFF000000, picture.getRGB(632, 400));
    }

    @Test
    void show() throws Exception {
        String out = run(Show::main, "--seconds", "5");
        assertContains(out, "vkms");
        var frames = Pattern.compile("(\\d+) frames on").matcher(out);
        assertTrue(frames.find() && Integer.parseInt(frames.group(1)) > 3, out);
    }

    @Test
    void cameraToDisplay() throws Exception {
        String out = runProcess("CameraToDisplay", "--seconds", "3");
        assertContains(out, "from vivid platform:vivid-000 to vkms", "Chosen: system.");
        assertFrames(out);
    }

    @Test
    void convert() throws Exception {
        String out = run(Convert::main, "--seconds", "3");
        assertContains(out, "vivid platform:vivid-000", "vim2m platform:vim2m", "vkms", "Chosen: system.");
        assertFrames(out);
    }

    /** Three processes. */
    @Test
    void share() throws Exception {
        String out = runProcess("Share", "--seconds", "5");
        assertContains(
                out, "8 frames of", "from vivid", "to 2 receivers", " were missed by", "the camera's process has gone");
        assertTrue(Pattern.compile("frame \\d+: \\w{8}").matcher(out).find(), out);
        var pictures = Pattern.compile("(\\d+) pictures, the last of them in share.png")
                .matcher(out);
        assertTrue(pictures.find() && Integer.parseInt(pictures.group(1)) > 0, out);
        assertEquals(640, ImageIO.read(directory.resolve("share.png").toFile()).getWidth());
    }

    /** What went to the pipeline behind it is what came from the one before it, and the mark. */
    @Test
    void mark() throws Exception {
        String buffers = dmaBufs();
        var mark = new FutureTask<>(() -> {
            Mark.main(new String[] {"--sockets", directory.toString()});
            return true;
        });
        var processes = new ArrayList<Process>();
        try {
            processes.add(
                    pipeline("libcamerasrc ! video/x-raw,format=NV12,width=640,height=480,framerate=30/1 ! identity"
                            + " eos-after=21 ! tee name=t ! filesink location=DIRECTORY/before buffer-mode=unbuffered"
                            + " sync=false async=false t. ! unixfdsink socket-path=DIRECTORY/camera"
                            + " wait-for-connection=true"));
            await(directory.resolve("camera"));
            Thread.ofPlatform().daemon().name("mark").start(mark);
            await(directory.resolve("marked"));
            processes.add(pipeline("unixfdsrc socket-path=DIRECTORY/marked ! filesink location=DIRECTORY/after"
                    + " buffer-mode=unbuffered"));
            assertTrue(mark.get(5, TimeUnit.MINUTES));
            for (Process process : processes) {
                assertTrue(process.waitFor(5, TimeUnit.MINUTES), process::toString);
                assertEquals(0, process.exitValue(), process::toString);
            }
        } finally {
            processes.forEach(Process::destroyForcibly);
        }
        byte[] expected = Files.readAllBytes(directory.resolve("before"));
        int frameBytes = 640 * 480 * 3 / 2;
        assertTrue(expected.length >= 20 * frameBytes, () -> expected.length + " bytes");
        for (int start = 0; start < expected.length; start += frameBytes) {
            for (int row = 120; row < 240; row++) {
                int line = start + row * 640;
                Arrays.fill(expected, line + 160, line + 320, (byte) 235);
            }
        }
        assertArrayEquals(expected, Files.readAllBytes(directory.resolve("after")));
        assertEquals(buffers, dmaBufs());
    }

    private Process pipeline(String elements) throws Exception {
        var command = new ArrayList<>(List.of("gst-launch-1.0", "-q"));
        command.addAll(
                List.of(elements.replace("DIRECTORY", directory.toString()).split(" ")));
        return new ProcessBuilder(command).inheritIO().start();
    }

    /** Until a process listens. */
    private static void await(Path socket) throws Exception {
        for (int i = 0; !isListening(socket); i++) {
            assertTrue(i < 600, () -> "nobody listens at " + socket + " after a minute");
            Thread.sleep(100);
        }
    }

    private static boolean isListening(Path socket) throws IOException {
        String accepts = " 00010000 "; // __SO_ACCEPTCON
        return Files.readAllLines(Path.of("/proc/net/unix")).stream()
                .anyMatch(line -> line.endsWith(" " + socket) && line.contains(accepts));
    }

    private static void assertFrames(String out) {
        var frames = Pattern.compile("(\\d+) frames shown").matcher(out);
        assertTrue(frames.find() && Integer.parseInt(frames.group(1)) > 10, out);
    }
}
