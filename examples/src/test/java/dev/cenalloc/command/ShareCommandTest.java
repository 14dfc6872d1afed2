// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.cenalloc.command.MainTest.Outcome;
import java.io.StringWriter;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What needs neither a camera nor memory: arguments, and processes that are no senders. */
class ShareCommandTest {
    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    private String socket() {
        return directory.resolve("socket").toString();
    }

    private ServerSocketChannel listener() throws Exception {
        var listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(socket()));
        return listener;
    }

    /** Runs what another process would do, and fails if that does. */
    private static FutureTask<Void> other(Callable<Void> work) {
        var task = new FutureTask<>(work);
        Thread.ofPlatform().daemon().start(task);
        return task;
    }

    @Test
    void wrongArgumentsAreStatusTwo() throws Exception {
        String tooLong = directory.resolve("x".repeat(108)).toString();
        Path file = Files.createFile(directory.resolve("file"));
        for (String arguments : List.of(
                "share | Missing required subcommand",
                "share send | Missing required parameter: 'SOCKET'",
                "share receive | Missing required parameter: 'SOCKET'",
                "share send " + tooLong + " | path must have 1 to 107 bytes for a Unix socket, not " + tooLong.length(),
                "share receive @" + "x".repeat(108) + " | name must have 1 to 107 bytes for a Unix socket, not 108",
                "share receive @ | name must have 1 to 107 bytes",
                "share send /no/such/socket | there is no directory /no/such",
                "share receive /no/such/socket | there is no directory /no/such",
                "share send " + directory + " | " + directory + " is there, and is no socket",
                "share receive " + file + " | " + file + " is there, and is no socket",
                "share send @x --frames 0 | --frames needs at least 1",
                "share receive @x --frames -3 | --frames needs at least 1",
                "share receive @x --frames some | '--frames'",
                "share receive @x --write /no/such | --write: there is no directory /no/such",
                "share receive @x --write " + file + " | --write: there is no directory " + file,
                "share send @x --size 640 | a size is WIDTHxHEIGHT",
                "share receive @x --size 640x480 | --size")) {
            String[] parts = arguments.split(" \\| ", -1);
            Outcome outcome = Outcome.of(parts[0].split(" "));
            assertEquals(2, outcome.status(), outcome::toString);
            assertTrue(outcome.err().contains(parts[1]), outcome.err());
            assertEquals(3, outcome.err().lines().count(), outcome.err());
            assertEquals("", outcome.out());
        }
    }

    /** Root may write to most, but not to what is mounted read-only, nor to all of /proc. */
    @Test
    void directoriesWithoutPermissionAreRefused() throws Exception {
        Path locked = Files.createDirectory(
                directory.resolve("locked"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("r-x------")));
        Path denied = Stream.of(locked, Path.of("/proc/self"), Path.of("/"))
                .filter(one -> !Files.isWritable(one))
                .findFirst()
                .orElse(null);
        assumeTrue(denied != null, "this user may write everywhere");
        Outcome send = Outcome.of("share", "send", denied.resolve("socket").toString());
        assertEquals(2, send.status(), send::toString);
        assertTrue(send.err().contains("no permission to write in " + denied), send.err());
        Outcome receive = Outcome.of("share", "receive", "@x", "--write", denied.toString());
        assertEquals(2, receive.status(), receive::toString);
        assertTrue(receive.err().contains("--write: no permission to write in " + denied), receive.err());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "--gstreamer"})
    void aSocketInUseIsRefusedBeforeTheWorkBegins(String protocol) throws Exception {
        try (var _ = listener()) {
            Outcome outcome = Outcome.of("share send SOCKET --camera no-such-camera %s"
                    .formatted(protocol)
                    .replace("SOCKET", socket())
                    .strip()
                    .split(" "));
            assertEquals(1, outcome.status());
            assertTrue(outcome.err().contains("EADDRINUSE") && outcome.err().contains(socket()), outcome.err());
        }
        // What a process has left behind is no obstacle.
        assertTrue(Files.exists(Path.of(socket())));
        Outcome outcome = Outcome.of("share", "send", socket(), "--camera", "no-such-camera");
        assertEquals(1, outcome.status());
        assertTrue(outcome.err().contains("no camera 'no-such-camera'"), outcome.err());
        assertFalse(Files.exists(Path.of(socket())));
    }

    @Test
    void aDisplayThatDoesNotExistIsSaidBeforeAnybodyIsWaitedFor() {
        Outcome outcome = Outcome.of("share", "receive", socket(), "--display", "no-such-display");
        assertEquals(1, outcome.status());
        assertTrue(outcome.err().contains("no display 'no-such-display'"), outcome.err());
    }

    /** It is waited for, it goes, it comes back, and then it speaks another protocol. */
    @ParameterizedTest
    @CsvSource({
        "'', To do: give --gstreamer, 00000000",
        "--gstreamer, To do: leave --gstreamer out, CNA1\001\000\000\000"
    })
    void aProcessThatGoesAndComesBackIsConnectedToAnew(String option, String remedy, String bytes) throws Exception {
        var out = new StringWriter();
        var err = new StringWriter();
        FutureTask<Void> peer = other(() -> {
            while (!out.toString().contains("waiting for a process that listens at " + socket())) {
                Thread.sleep(10);
            }
            try (var listener = listener()) {
                listener.accept().close();
                try (var second = listener.accept()) {
                    // More than a header, so that it is complete.
                    second.write(ByteBuffer.wrap((bytes + "0".repeat(64)).getBytes(StandardCharsets.US_ASCII)));
                    while (second.read(ByteBuffer.allocate(100)) >= 0) {
                        // Until it is closed.
                    }
                }
            }
            return null;
        });
        int status = Main.run(
                new Output(out, OptionalInt.empty()),
                new Output(err, OptionalInt.empty()),
                ("share receive " + socket() + " " + option).strip().split(" "));
        peer.get();
        assertEquals(1, status);
        assertEquals(
                List.of("waiting for a process that listens at " + socket(), "the other process is gone"),
                out.toString().lines().toList());
        assertTrue(err.toString().contains("the process at " + socket() + " speaks another protocol: "), err::toString);
        assertTrue(err.toString().contains(remedy), err::toString);
    }

    /** A document for each thing that happens, and the last one says what ended the command. */
    @Test
    void programsGetADocumentInALineForEachThing() throws Exception {
        var out = new StringWriter();
        FutureTask<Void> peer;
        try (var listener = listener()) {
            peer = other(() -> {
                listener.accept().close();
                try (var second = listener.accept()) {
                    second.write(ByteBuffer.allocate(64));
                    while (second.read(ByteBuffer.allocate(100)) >= 0) {
                        // Until it is closed.
                    }
                }
                return null;
            });
            int status = Main.run(
                    new Output(out, OptionalInt.empty()),
                    new Output(new StringWriter(), OptionalInt.empty()),
                    "share",
                    "receive",
                    socket(),
                    "--json");
            peer.get();
            assertEquals(1, status);
        }
        List<String> lines = out.toString().lines().toList();
        assertEquals(2, lines.size(), out::toString);
        var json = new ObjectMapper();
        assertEquals(
                "the other process is gone",
                json.readTree(lines.getFirst()).get("event").asText());
        String message = json.readTree(lines.getLast()).at("/error/message").asText();
        assertTrue(message.contains("speaks another protocol"), message);
    }
}
