// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.command.MainTest.Outcome;
import dev.cenalloc.device.Devices;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kms.Display;
import java.io.IOException;
import java.net.SocketException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * A camera in a window, on a real kernel with weston, vivid and VKMS. The compositor listens where this process's own
 * environment says, so that the command need not be a process, which would take long to start on an emulated processor.
 */
@Tag("kernel")
@EnabledIfSystemProperty(
        named = "cenalloc.devices",
        matches = "required",
        disabledReason = "needs vivid, VKMS and weston: runs only where -Dcenalloc.devices=required says they are")
class WindowDeviceTest {
    private static final Duration LIMIT = Duration.ofMinutes(5);
    private static final String FRAMES = "10";
    private static final List<String> PIPELINE = List.of(
            "pipeline",
            "--camera",
            "vivid-000",
            "--size",
            "320x180",
            "--fps",
            "30",
            "--frames",
            FRAMES,
            "--no-measure");

    /** Connects, and has the program inherit the connection. */
    private static final String INHERIT = """
            import os, socket, sys
            display = socket.socket(socket.AF_UNIX)
            display.connect(os.environ['XDG_RUNTIME_DIR'] + '/' + os.environ.pop('WAYLAND_DISPLAY'))
            display.set_inheritable(True)
            os.environ['WAYLAND_SOCKET'] = str(display.fileno())
            os.environ['XDG_RUNTIME_DIR'] = '/nowhere'
            os.execvp(sys.argv[1], sys.argv[1:])
            """;

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private static Path directory;

    /** Serves all tests that want the same renderer; null if none runs. */
    private static @Nullable Process weston;

    private static String rendererOfWeston = "";

    /** ci/device-tests sets it. */
    private static String environment(String variable) {
        return Objects.requireNonNull(System.getenv(variable), variable);
    }

    /** Of the compositor. */
    private static Path socket() {
        return Path.of(environment("XDG_RUNTIME_DIR"), environment("WAYLAND_DISPLAY"));
    }

    @AfterAll
    static void noCompositor() throws Exception {
        if (weston != null) {
            weston.destroyForcibly().waitFor();
            weston = null;
        }
        Files.deleteIfExists(socket());
    }

    /** Without the DRM nodes, with which it would end on an import, as they are of no GPU. */
    private static void compositor(String renderer) throws Exception {
        if (weston != null && weston.isAlive() && rendererOfWeston.equals(renderer)) {
            return;
        }
        noCompositor();
        Path log = directory.resolve("weston.log");
        weston = start(
                log,
                List.of(
                        "unshare",
                        "--mount",
                        "sh",
                        "-c",
                        "mount -t tmpfs tmpfs /dev/dri && exec weston --backend=headless --renderer=" + renderer
                                + " --width=320 --height=180 --no-config --shell=kiosk --idle-time=0 --socket="
                                + environment("WAYLAND_DISPLAY")));
        rendererOfWeston = renderer;
        try (var client = connected(weston, log)) {
            // wl_display.sync
            client.write(ByteBuffer.allocate(12)
                    .order(ByteOrder.nativeOrder())
                    .putInt(1)
                    .putInt(12 << 16)
                    .putInt(2)
                    .flip());
            assertTrue(client.read(ByteBuffer.allocate(12)) > 0, Files.readString(log));
        }
    }

    private static Process start(Path log, List<String> command) throws IOException {
        var builder = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
        builder.environment().put("LIBSEAT_BACKEND", "noop");
        return builder.start();
    }

    /** The socket is there before anybody listens, and before it is answered: for long, on a busy processor. */
    private static SocketChannel connected(Process weston, Path log) throws Exception {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (true) {
            try {
                return SocketChannel.open(UnixDomainSocketAddress.of(socket()));
            } catch (SocketException e) {
                assertTrue(weston.isAlive() && System.nanoTime() < deadline, Files.readString(log) + e);
                Thread.sleep(20);
            }
        }
    }

    private record Said(int status, String text) {}

    private static Said runProcess(List<String> command) throws Exception {
        Path log = directory.resolve("program.log");
        Process process = start(log, command);
        try {
            assertTrue(process.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS), "it ends");
            return new Said(process.exitValue(), Files.readString(log));
        } finally {
            process.destroyForcibly();
        }
    }

    private static Said run(String... more) {
        Outcome outcome = Outcome.of(and(more));
        return new Said(outcome.status(), outcome.out() + outcome.err());
    }

    private static String[] and(String... more) {
        return Stream.concat(PIPELINE.stream(), Stream.of(more)).toArray(String[]::new);
    }

    @Test
    void aWindowThatIsAskedForIsShown() throws Exception {
        compositor("gl");
        Said said = run("--display", "wayland", "--explain");
        assertEquals(0, said.status, said::text);
        assertTrue(said.text.contains("-> Wayland compositor, "), said::text);
        assertTrue(said.text.contains("in the window \"cenalloc pipeline\""), said::text);
        assertTrue(said.text.contains("fills is the one that is given to the compositor"), said::text);
        assertTrue(said.text.contains("not checked: a window cannot be read back"), said::text);
        assertTrue(said.text.contains(FRAMES + " of " + FRAMES), said::text);
    }

    /** It draws without OpenGL, and offers no dma-bufs. */
    @Test
    void copiesAreToldAndCounted() throws Exception {
        compositor("pixman");
        Said said = run("--display", "wayland", "--explain");
        assertEquals(0, said.status, said::text);
        String words = said.text.replaceAll("\\s+", " ");
        assertTrue(words.contains("copies by us " + FRAMES + ", a frame each, into shared memory"), words);
        assertTrue(words.contains("the CPU copies each frame into shared memory (wl_shm)"), words);
        assertTrue(words.contains("each frame was copied by the CPU"), words);
    }

    /** The display is this program's meanwhile. */
    @Test
    void programsChooseTheWindowWhereAnotherProgramIsMaster() throws Exception {
        compositor("gl");
        try (var cenalloc = Cenalloc.open();
                var display = Display.open(
                        cenalloc, Devices.display(cenalloc, "vkms"), ImageRequest.ANY.format(PixelFormat.XR24));
                var canvas = display.canvas(2)) {
            canvas.next(Duration.ofSeconds(5)).close();
            Outcome said = Outcome.of(and("--json"));
            assertEquals(0, said.status(), said::toString);
            JsonNode document = new ObjectMapper().readTree(said.out());
            assertEquals(
                    "Wayland compositor", document.get("window").get("name").asText(), said::toString);
            assertFalse(document.has("display") || document.has("mode"), said::toString);
            assertEquals(0, document.get("copied").asInt(), said::toString);

            Said example = runProcess(JavaProgram.command("dev.cenalloc.examples.CameraToDisplay", "--seconds", "2"));
            assertEquals(0, example.status, example::text);
            assertTrue(example.text.contains("frames shown on window \"camera\""), example::text);

            Said named = run("--display", "vkms");
            assertEquals(1, named.status, named::text);
            String words = named.text.replaceAll("\\s+", " ");
            assertTrue(words.contains("another program is DRM master"), words);
            assertTrue(words.contains("--display wayland"), words);
        }
        Said free = run();
        assertEquals(0, free.status, free::text);
        assertTrue(free.text.contains("vkms"), free::text);
    }

    @Test
    void aConnectionIsInherited() throws Exception {
        compositor("gl");
        var command = new ArrayList<>(List.of("python3", "-c", INHERIT));
        command.addAll(JavaProgram.cenalloc(and("--display", "wayland")));
        Said said = runProcess(command);
        assertEquals(0, said.status, said::text);
        assertTrue(said.text.contains(FRAMES + " of " + FRAMES), said::text);
    }

    @Test
    void withoutACompositorItIsSaidWhatToDo() throws Exception {
        noCompositor();
        Said said = run("--display", "wayland");
        assertEquals(1, said.status, said::text);
        String words = said.text.replaceAll("\\s+", " ");
        assertTrue(words.contains("no Wayland compositor listens there"), words);
        assertTrue(words.contains("WAYLAND_DISPLAY"), words);
    }
}
