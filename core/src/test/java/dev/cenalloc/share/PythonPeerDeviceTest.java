// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.Fence;
import dev.cenalloc.PeerProcess;
import dev.cenalloc.RequiresHeap;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.Traces;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.zip.CRC32;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** With {@code frames.py} of the examples: the protocol in Python, with nothing but Python's own library. */
@RequiresHeap("system")
class PythonPeerDeviceTest {
    private static final Path PROGRAM = Path.of("examples/src/main/python/frames.py");
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final Image PICTURE = new Image(PixelFormat.NV12, 64, 48);

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    private int files;
    private String buffers = "";

    @BeforeAll
    static void python() {
        PeerProcess.assumeProgram("python3");
    }

    @BeforeEach
    void count() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(1)) {
            buffer.dmaBuf();
        }
        // What the JDK opens once for all, for sockets.
        ServerSocketChannel.open(StandardProtocolFamily.UNIX).close();
        files = Traces.openFiles();
        buffers = Traces.dmaBufs();
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        assertEquals(files, Traces.openFiles());
        assertEquals(buffers, Traces.dmaBufs());
        assertEquals(0, Traces.mappedDmaBufs());
    }

    private Address address() {
        return Address.of(directory.resolve("socket"));
    }

    /** Maven runs this module's tests in its directory. */
    private static Path program() {
        Path here = Path.of("").toAbsolutePath();
        return Files.exists(here.resolve(PROGRAM)) ? here.resolve(PROGRAM) : here.resolveSibling(PROGRAM);
    }

    private PeerProcess receiver() throws Exception {
        return PeerProcess.start(
                "python3", "-u", program().toString(), "receive", address().toString());
    }

    private static void write(SharedBuffer buffer, int value) throws Exception {
        try (var mapping = buffer.map(Direction.WRITE);
                var _ = buffer.access(Direction.WRITE)) {
            for (long i = 0; i < mapping.segment().byteSize(); i++) {
                mapping.segment().set(ValueLayout.JAVA_BYTE, i, (byte) (value + i));
            }
        }
    }

    private static String checksum(SharedBuffer... buffers) throws Exception {
        var crc = new CRC32();
        for (SharedBuffer buffer : buffers) {
            try (var mapping = buffer.map(Direction.READ);
                    var _ = buffer.access(Direction.READ)) {
                long size = buffer.layout().orElseThrow().size();
                crc.update(mapping.segment().asSlice(0, size).toArray(ValueLayout.JAVA_BYTE));
            }
        }
        return String.format("%08x", crc.getValue());
    }

    @Test
    void pythonTakesOurFrames() throws Exception {
        var apart = new Image(PixelFormat.NV12M, 64, 48);
        try (var cenalloc = Cenalloc.open();
                var listener = Listener.open(cenalloc, address());
                SharedBuffer whole = cenalloc.create(PICTURE);
                SharedBuffer luma = cenalloc.create(Demand.ofImage(apart, 0));
                SharedBuffer chroma = cenalloc.create(Demand.ofImage(apart, 1));
                PeerProcess python = receiver()) {
            whole.attach(Device.of("display", Constraints.NONE.pitchAlignment(256), "test"));
            try (var sender = new Sender(Objects.requireNonNull(listener.accept(LIMIT)))) {
                assertEquals(python.pid(), sender.connection().peer().pid());
                SentFrame one = sender.add(List.of(whole), "left eye", "{\"a\": 1}");
                SentFrame other = sender.add(List.of(luma, chroma), "", "");
                for (int i = 0; i < 10; i++) {
                    write(whole, i);
                    write(luma, 3 * i);
                    write(chroma, 5 * i);
                    try (Fence fence = whole.dmaBuf().exportFence(Direction.WRITE)) {
                        assertTrue(sender.send(one, 40 + i, System.nanoTime(), fence, LIMIT));
                    }
                    assertTrue(sender.send(other, 100 + i, System.nanoTime(), null, LIMIT));
                    if (i == 0) {
                        assertEquals("frame 0: left eye, NV12 64x48", python.line());
                    }
                    assertEquals("number " + (40 + i) + ": checksum " + checksum(whole), python.line());
                    if (i == 0) {
                        assertEquals("frame 1: , NV12 64x48", python.line());
                    }
                    assertEquals("number " + (100 + i) + ": checksum " + checksum(luma, chroma), python.line());
                    assertSame(one, sender.returned(LIMIT));
                    assertSame(other, sender.returned(LIMIT));
                }
                assertTrue(dmaBufsOf(python) >= 3, "what is counted below");
                sender.remove(one);
                assertEquals("frame 0 is forgotten", python.line());
                sender.remove(other);
                assertEquals("frame 1 is forgotten", python.line());
                // Nothing holds the memory any more: neither a descriptor nor a mapping's own.
                assertEquals(0, dmaBufsOf(python));
            }
            python.endsWell();
        }
    }

    private static long dmaBufsOf(PeerProcess process) throws Exception {
        long count = 0;
        try (var files = Files.newDirectoryStream(Path.of("/proc/" + process.pid() + "/fd"))) {
            for (Path file : files) {
                count += Files.readSymbolicLink(file).toString().startsWith("/dmabuf:") ? 1 : 0;
            }
        }
        return count;
    }

    @Test
    void weTakeTheFramesOfPython() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var listener = Listener.open(cenalloc, address());
                PeerProcess python = PeerProcess.start(
                        "python3", "-u", program().toString(), "send", address().toString(), "20")) {
            try (var receiver = new Receiver(Objects.requireNonNull(listener.accept(LIMIT)))) {
                long before = 0;
                for (int i = 0; i < 20; i++) {
                    try (ReceivedFrame frame = receiver.next(LIMIT)) {
                        assertNotNull(frame);
                        assertEquals(i, frame.sequence());
                        assertTrue(before < frame.timestampNanos() && frame.timestampNanos() <= System.nanoTime());
                        before = frame.timestampNanos();
                        assertEquals("Python", frame.name());
                        SharedBuffer buffer = frame.buffers().getFirst();
                        assertEquals(PICTURE, buffer.layout().orElseThrow().image());
                        assertEquals("system", buffer.dmaBuf().exporter());
                        try (var mapping = buffer.map(Direction.READ);
                                var _ = buffer.access(Direction.READ)) {
                            for (int at = 0; at < 4608; at++) {
                                assertEquals(i, mapping.segment().get(ValueLayout.JAVA_BYTE, at));
                            }
                        }
                    }
                }
                assertThrows(DisconnectedException.class, () -> receiver.next(LIMIT));
            }
            python.endsWell();
        }
    }

    @Test
    void aKilledPythonIsTold() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var listener = Listener.open(cenalloc, address());
                SharedBuffer buffer = cenalloc.create(PICTURE);
                PeerProcess python = receiver();
                var sender = new Sender(Objects.requireNonNull(listener.accept(LIMIT)))) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            assertTrue(sender.send(frame, 0, 0, null, LIMIT));
            assertSame(frame, sender.returned(LIMIT));
            python.kill();
            assertEquals(137, python.status());
            assertThrows(DisconnectedException.class, () -> sender.returned(LIMIT));
        }
    }
}
