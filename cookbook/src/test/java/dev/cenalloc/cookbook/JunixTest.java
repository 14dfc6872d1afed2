// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.Mapping;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.Listener;
import dev.cenalloc.share.Receiver;
import dev.cenalloc.share.Sender;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.newsclub.net.unix.AFUNIXServerSocket;
import org.newsclub.net.unix.AFUNIXSocket;
import org.newsclub.net.unix.AFUNIXSocketAddress;

@OnDevices
class JunixTest {
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final Image IMAGE = new Image(PixelFormat.NV12, 64, 48);

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    @Test
    void oursLendsAndJunixsocketTakes() throws Exception {
        Path path = directory.resolve("socket");
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(IMAGE);
                var mapping = buffer.map(Direction.READ_WRITE);
                var listener = Listener.open(cenalloc, Address.of(path));
                var socket = AFUNIXSocket.connectTo(AFUNIXSocketAddress.of(path.toFile()));
                var receiver = new JunixReceiver(socket)) {
            lend(buffer, mapping, accept(listener), receiver);
            assertFalse(receiver.next((_, _) -> fail("no frame was lent")));
            assertEquals(2, openDmaBufs(), "the frame that was removed is gone");
        }
    }

    /** Lends 20 frames, adds two and removes one of them. */
    private static void lend(SharedBuffer buffer, Mapping mapping, Connection connection, JunixReceiver receiver)
            throws Exception {
        try (var sender = new Sender(connection)) {
            var frames = List.of(sender.add(List.of(buffer), "one", "{}"), sender.add(List.of(buffer), "two", ""));
            for (int number = 0; number < 20; number++) {
                int value = number;
                try (var _ = buffer.access(Direction.WRITE)) {
                    mapping.segment().set(ValueLayout.JAVA_INT, 4, value);
                }
                var frame = frames.get(number % 2);
                assertTrue(sender.send(frame, number, System.nanoTime(), null, SECOND));
                assertTrue(receiver.next((memories, told) -> {
                    assertEquals(value, told);
                    assertEquals(1, memories.size());
                    var theirs = memories.getFirst();
                    assertEquals(buffer.dmaBuf().inode(), theirs.inode());
                    assertTrue(isClosedOnExec(theirs.fd()));
                    try (var seen = theirs.map(Direction.READ);
                            var _ = theirs.access(Direction.READ)) {
                        assertEquals(value, seen.segment().get(ValueLayout.JAVA_INT, 4));
                    }
                }));
                assertSame(frame, sender.returned(SECOND));
            }
            assertEquals(3, openDmaBufs(), "ours, and a duplicate for each frame");
            sender.remove(frames.getFirst());
        }
    }

    /** O_CLOEXEC, of the line {@code flags:}. */
    private static boolean isClosedOnExec(int fd) throws IOException {
        String flags = Files.readAllLines(Path.of("/proc/self/fdinfo/" + fd)).stream()
                .filter(line -> line.startsWith("flags:"))
                .findFirst()
                .orElseThrow();
        return (Long.parseLong(flags.substring(6).strip(), 8) & 02000000) != 0;
    }

    private static long openDmaBufs() throws Exception {
        return NothingIsLeft.dmaBufs().stream()
                .filter(line -> line.startsWith("/proc"))
                .count();
    }

    private static Connection accept(Listener listener) throws Exception {
        var connection = listener.accept(SECOND);
        assertNotNull(connection);
        return connection;
    }

    @Test
    void junixsocketLendsAndOursTakes() throws Exception {
        var address = AFUNIXSocketAddress.of(directory.resolve("socket").toFile());
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(IMAGE);
                var mapping = buffer.map(Direction.READ_WRITE);
                var server = AFUNIXServerSocket.bindOn(address);
                var receiver = new Receiver(Connection.connect(cenalloc, Address.of(directory.resolve("socket"))))) {
            lend(buffer, mapping, server, receiver);
            assertThrows(DisconnectedException.class, () -> receiver.next(SECOND));
        }
    }

    private static void lend(SharedBuffer buffer, Mapping mapping, AFUNIXServerSocket server, Receiver receiver)
            throws Exception {
        try (var socket = server.accept()) {
            var sender = new JunixSender(socket);
            sender.add(3, buffer.layout().orElseThrow(), buffer.dmaBuf());
            for (int number = 0; number < 20; number++) {
                try (var _ = buffer.access(Direction.WRITE)) {
                    mapping.segment().set(ValueLayout.JAVA_INT, 4, number);
                }
                sender.send(3, number, 1000 + number);
                try (var frame = receiver.next(SECOND)) {
                    assertNotNull(frame);
                    assertEquals(3, frame.id());
                    assertEquals(number, frame.sequence());
                    assertEquals(1000 + number, frame.timestampNanos());
                    assertEquals(List.of(buffer.layout().orElseThrow()), frame.layouts());
                    var theirs = frame.buffers().getFirst();
                    assertEquals(buffer.dmaBuf().inode(), theirs.dmaBuf().inode());
                    try (var seen = theirs.map(Direction.READ);
                            var _ = theirs.access(Direction.READ)) {
                        assertEquals(number, seen.segment().get(ValueLayout.JAVA_INT, 4));
                    }
                }
                assertEquals(3, sender.returned());
            }
            assertNull(receiver.next(Duration.ZERO));
        }
    }
}
