// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.cenalloc.Cenalloc;
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
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** Programs that show a camera, each a process of its own, on a real kernel with weston, vivid and VKMS. */
@Tag("kernel")
@EnabledIfSystemProperty(
        named = "cenalloc.devices",
        matches = "required",
        disabledReason = "needs vivid, VKMS and weston: runs only where -Dcenalloc.devices=required says they are")
class WindowDeviceTest {
    private static final Duration LIMIT = Duration.ofMinutes(5);
    private static final String SOCKET = "wayland-test";
    private static final String[] PIPELINE = {
        "dev.cenalloc.command.Main",
        "pipeline",
        "--camera",
        "vivid-000",
        "--size",
        "320x180",
        "--fps",
        "30",
        "--frames",
        "20",
        "--no-measure"
    };

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
    private Path directory;

    private final List<Process> programs = new ArrayList<>();

    @AfterEach
    void end() throws Exception {
        for (Process program : programs) {
            program.destroyForcibly().waitFor();
        }
    }

    private Process start(Path log, List<String> command) throws IOException {
        var builder = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
        builder.environment().put("XDG_RUNTIME_DIR", directory.toString());
        builder.environment().put("WAYLAND_DISPLAY", SOCKET);
        builder.environment().put("LIBSEAT_BACKEND", "noop");
        Process program = builder.start();
        programs.add(program);
        return program;
    }

    /** The socket is there before anybody listens, and before it is answered: for long, on a busy processor. */
    private SocketChannel connected(Process weston, Path log) throws Exception {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (true) {
            try {
                return SocketChannel.open(UnixDomainSocketAddress.of(directory.resolve(SOCKET)));
            } catch (SocketException e) {
                assertTrue(weston.isAlive() && System.nanoTime() < deadline, Files.readString(log) + e);
                Thread.sleep(20);
            }
        }
    }

    /** Without the DRM nodes, with which it would end on an import, as they are of no GPU. */
    private void weston(String renderer) throws Exception {
        Path log = directory.resolve("weston.log");
        Process weston = start(
                log,
                List.of(
                        "unshare",
                        "--mount",
                        "sh",
                        "-c",
                        "mount -t tmpfs tmpfs /dev/dri && exec weston --backend=headless --renderer=" + renderer
                                + " --width=320 --height=180 --no-config --shell=kiosk --idle-time=0 --socket="
                                + SOCKET));
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

    private record Said(int status, String text) {}

    private Said run(List<String> before, String... program) throws Exception {
        Path log = directory.resolve("program.log");
        var command = new ArrayList<>(before);
        command.addAll(JavaProgram.command(program[0], Arrays.copyOfRange(program, 1, program.length)));
        Process process = start(log, command);
        assertTrue(process.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS), "it ends");
        return new Said(process.exitValue(), Files.readString(log));
    }

    private static String[] and(String... more) {
        var all = new ArrayList<>(List.of(PIPELINE));
        all.addAll(List.of(more));
        return all.toArray(String[]::new);
    }

    @Test
    void aWindowThatIsAskedForIsShown() throws Exception {
        weston("gl");
        Said said = run(List.of(), and("--display", "wayland", "--explain"));
        assertEquals(0, said.status, said::text);
        assertTrue(said.text.contains("-> Wayland compositor, "), said::text);
        assertTrue(said.text.contains("in the window \"cenalloc pipeline\""), said::text);
        assertTrue(said.text.contains("fills is the one that is given to the compositor"), said::text);
        assertTrue(said.text.contains("not checked: a window cannot be read back"), said::text);
        assertTrue(said.text.contains("20 of 20"), said::text);
    }

    /** It draws without OpenGL, and offers no dma-bufs. */
    @Test
    void copiesAreToldAndCounted() throws Exception {
        weston("pixman");
        Said said = run(List.of(), and("--display", "wayland", "--explain"));
        assertEquals(0, said.status, said::text);
        String words = said.text.replaceAll("\\s+", " ");
        assertTrue(words.contains("copies by us 20, a frame each, into shared memory"), words);
        assertTrue(words.contains("the CPU copies each frame into shared memory (wl_shm)"), words);
        assertTrue(words.contains("each frame was copied by the CPU"), words);
    }

    /** The display is this program's meanwhile. */
    @Test
    void programsChooseTheWindowWhereAnotherProgramIsMaster() throws Exception {
        weston("gl");
        try (var cenalloc = Cenalloc.open();
                var display = Display.open(
                        cenalloc, Devices.display(cenalloc, "vkms"), ImageRequest.ANY.format(PixelFormat.XR24));
                var canvas = display.canvas(2)) {
            canvas.next(Duration.ofSeconds(5)).close();
            Said said = run(List.of(), and("--json"));
            assertEquals(0, said.status, said::text);
            // After what the log says on standard error.
            JsonNode document = new ObjectMapper().readTree(said.text.substring(said.text.indexOf('{')));
            assertEquals(
                    "Wayland compositor", document.get("window").get("name").asText(), said::text);
            assertFalse(document.has("display") || document.has("mode"), said::text);
            assertEquals(0, document.get("copied").asInt(), said::text);

            Said example = run(List.of(), "dev.cenalloc.examples.CameraToDisplay", "--seconds", "2");
            assertEquals(0, example.status, example::text);
            assertTrue(example.text.contains("frames shown on window \"camera\""), example::text);

            Said named = run(List.of(), and("--display", "vkms"));
            assertEquals(1, named.status, named::text);
            String words = named.text.replaceAll("\\s+", " ");
            assertTrue(words.contains("another program is DRM master"), words);
            assertTrue(words.contains("--display wayland"), words);
        }
        Said free = run(List.of(), PIPELINE);
        assertTrue(free.text.contains("vkms"), free::text);
    }

    @Test
    void aConnectionIsInherited() throws Exception {
        weston("gl");
        Said said = run(List.of("python3", "-c", INHERIT), and("--display", "wayland"));
        assertEquals(0, said.status, said::text);
        assertTrue(said.text.contains("20 of 20"), said::text);
    }

    @Test
    void withoutACompositorItIsSaidWhatToDo() throws Exception {
        Said said = run(List.of(), and("--display", "wayland"));
        assertEquals(1, said.status, said::text);
        String words = said.text.replaceAll("\\s+", " ");
        assertTrue(words.contains("no Wayland compositor listens there"), words);
        assertTrue(words.contains("WAYLAND_DISPLAY"), words);
    }
}
