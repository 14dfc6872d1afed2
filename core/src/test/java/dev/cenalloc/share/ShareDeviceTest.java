// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.JavaProgram;
import dev.cenalloc.Mapping;
import dev.cenalloc.RequiresHeap;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.Traces;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.stream.RingFrame;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** With other processes on a real kernel: another JVM, and a program in C that was written from the page alone. */
@RequiresHeap("system")
class ShareDeviceTest {
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final Image PICTURE = new Image(PixelFormat.NV12, 64, 48);

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    private int files;
    private String buffers = "";

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

    private static Process start(String... command) throws Exception {
        return new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }

    private Process peer(String... arguments) throws Exception {
        var command = new ArrayList<>(List.of(System.getProperty("cenalloc.peer.c")));
        command.addAll(List.of(arguments));
        command.add(2 <= command.size() ? 2 : 1, address().toString());
        return start(command.toArray(String[]::new));
    }

    /** The second JVM: adds one to the first byte of each frame that comes, and gives it back. */
    static final class Adder {
        public static void main(String[] arguments) throws Exception {
            try (var cenalloc = Cenalloc.open();
                    var receiver = new Receiver(Connection.connect(cenalloc, Address.of(Path.of(arguments[0]))))) {
                var mappings = new HashMap<Integer, Mapping>();
                try {
                    while (true) {
                        try (ReceivedFrame frame = receiver.next(LIMIT)) {
                            SharedBuffer buffer =
                                    Objects.requireNonNull(frame).buffers().getFirst();
                            if (!mappings.containsKey(frame.id())) {
                                mappings.put(frame.id(), buffer.map(Direction.READ_WRITE));
                            }
                            var memory = Objects.requireNonNull(mappings.get(frame.id()))
                                    .segment();
                            try (var _ = buffer.access(Direction.READ_WRITE)) {
                                byte before = memory.get(ValueLayout.JAVA_BYTE, 0);
                                memory.set(ValueLayout.JAVA_BYTE, 0, (byte) (before + 1));
                            }
                        }
                    }
                } catch (DisconnectedException e) {
                    System.out.println("the sender is gone");
                }
                mappings.values().forEach(Mapping::close);
            }
        }
    }

    private static int firstByte(SharedBuffer buffer) throws Exception {
        try (var mapping = buffer.map(Direction.READ);
                var _ = buffer.access(Direction.READ)) {
            return mapping.segment().get(ValueLayout.JAVA_BYTE, 0);
        }
    }

    @Test
    void anotherVirtualMachineUsesTheSameMemory() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var listener = Listener.open(cenalloc, address());
                SharedBuffer one = cenalloc.create(PICTURE);
                SharedBuffer other = cenalloc.create(PICTURE)) {
            Process process =
                    start(JavaProgram.command(Adder.class, address().toString()).toArray(String[]::new));
            try (var sender = new Sender(Objects.requireNonNull(listener.accept(LIMIT)))) {
                assertEquals(process.pid(), sender.connection().peer().pid());
                var frames = List.of(sender.add(List.of(one), "one", ""), sender.add(List.of(other), "other", ""));
                for (int i = 0; i < 100; i++) {
                    for (SentFrame frame : frames) {
                        assertTrue(sender.send(frame, i, System.nanoTime(), null, LIMIT));
                    }
                    for (SentFrame frame : frames) {
                        assertSame(frame, sender.returned(LIMIT));
                    }
                }
            }
            try (var output = process.inputReader()) {
                assertEquals("the sender is gone", output.readLine());
            }
            assertTrue(process.waitFor(5, TimeUnit.MINUTES));
            assertEquals(100, firstByte(one));
            assertEquals(100, firstByte(other));
        }
    }

    @Test
    void aProgramInCTakesOurFrames() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var listener = Listener.open(cenalloc, address());
                SharedBuffer buffer = cenalloc.create(PICTURE)) {
            buffer.attach(Device.of("display", Constraints.NONE.pitchAlignment(256), "test"));
            Process process = peer("receive");
            try (var output = process.inputReader()) {
                try (var sender = new Sender(Objects.requireNonNull(listener.accept(LIMIT)))) {
                    SentFrame frame = sender.add(List.of(buffer), "left eye", "");
                    for (int i = 0; i < 3; i++) {
                        try (var mapping = buffer.map(Direction.WRITE);
                                var _ = buffer.access(Direction.WRITE)) {
                            mapping.segment().fill((byte) i);
                        }
                        assertTrue(sender.send(frame, 40 + i, System.nanoTime(), null, LIMIT));
                        assertSame(frame, sender.returned(LIMIT));
                    }
                    sender.remove(frame);
                }
                // 48 lines, then 24, at a pitch of 256 bytes.
                assertEquals("frame 0 \"left eye\" NV12 64x48, second plane at 12288", output.readLine());
                for (int i = 0; i < 3; i++) {
                    assertEquals("number " + (40 + i) + " sum " + i * 18_432, output.readLine());
                }
                assertEquals("frame 0 is forgotten", output.readLine());
                assertNull(output.readLine());
            }
            assertEquals(0, process.waitFor());
        }
    }

    @Test
    void weTakeTheFramesOfAProgramInC() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var listener = Listener.open(cenalloc, address())) {
            Process process = peer("send", "20");
            try (var receiver = new Receiver(Objects.requireNonNull(listener.accept(LIMIT)))) {
                for (int i = 0; i < 20; i++) {
                    try (ReceivedFrame frame = receiver.next(LIMIT)) {
                        assertNotNull(frame);
                        assertEquals(i, frame.sequence());
                        assertEquals(-1, frame.timestampNanos());
                        assertEquals("from C !", frame.name());
                        SharedBuffer buffer = frame.buffers().getFirst();
                        assertEquals(PICTURE, buffer.layout().orElseThrow().image());
                        assertEquals("system", buffer.dmaBuf().exporter());
                        assertEquals(i, firstByte(buffer));
                        assertThrows(
                                CenallocException.class,
                                () -> buffer.attach(
                                        Device.of("camera", Constraints.NONE.contiguous(), "needs what this is not")));
                    }
                }
                assertThrows(DisconnectedException.class, () -> receiver.next(LIMIT));
            }
            assertEquals(0, process.waitFor());
        }
    }

    /** A child is told the number of its parent's descriptor, or a parent the number of its child's. */
    @Test
    void aProcessTakesABufferOutOfAnother() throws Exception {
        Process child = start(System.getProperty("cenalloc.peer.c"), "hold");
        try (var output = child.inputReader()) {
            int fd = Integer.parseInt(output.readLine());
            try (DmaBuf buffer = DmaBuf.ofProcess(child.pid(), fd);
                    var mapping = buffer.map(Direction.READ)) {
                assertEquals("system", buffer.exporter());
                assertEquals(42, mapping.segment().get(ValueLayout.JAVA_BYTE, 0));
            }
            var none = assertThrows(CenallocException.class, () -> DmaBuf.ofProcess(child.pid(), 1000));
            assertEquals(Errno.EBADF, none.errno());
            var other = assertThrows(CenallocException.class, () -> DmaBuf.ofProcess(child.pid(), 0));
            assertEquals(Errno.ENOTTY, other.errno());
            child.getOutputStream().close();
        }
        assertEquals(0, child.waitFor());
        var gone = assertThrows(CenallocException.class, () -> DmaBuf.ofProcess(child.pid(), 3));
        assertEquals(Errno.ESRCH, gone.errno());
        try (var cenalloc = Cenalloc.open();
                SharedBuffer buffer = cenalloc.create(PICTURE)) {
            try (var mapping = buffer.map(Direction.WRITE)) {
                mapping.segment().set(ValueLayout.JAVA_BYTE, 0, (byte) 99);
            }
            Process taker = start(
                    System.getProperty("cenalloc.peer.c"),
                    "take",
                    String.valueOf(ProcessHandle.current().pid()),
                    String.valueOf(buffer.dmaBuf().fd()));
            try (var output = taker.inputReader()) {
                assertEquals("99", output.readLine());
            }
            assertEquals(0, taker.waitFor());
        }
    }

    @Test
    void aPeerThatIsKilledIsTold() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var listener = Listener.open(cenalloc, address());
                SharedBuffer buffer = cenalloc.create(PICTURE)) {
            for (int i = 0; i < 3; i++) {
                Process process = peer("receive");
                try (var sender = new Sender(Objects.requireNonNull(listener.accept(LIMIT)))) {
                    SentFrame frame = sender.add(List.of(buffer), "", "");
                    assertTrue(sender.send(frame, 0, 0, null, LIMIT));
                    assertSame(frame, sender.returned(LIMIT));
                    process.destroyForcibly().waitFor();
                    assertThrows(DisconnectedException.class, () -> sender.returned(LIMIT));
                }
            }
        }
    }

    @Test
    void socketFilesAreReplacedOnlyIfTheyAreLeftOver() throws Exception {
        Path path = directory.resolve("socket");
        try (var cenalloc = Cenalloc.open()) {
            try (var _ = Listener.open(cenalloc, address())) {
                var used = assertThrows(CenallocException.class, () -> Listener.open(cenalloc, address()));
                assertEquals(Errno.EADDRINUSE, used.errno());
                assertTrue(Files.exists(path));
            }
            assertTrue(Files.notExists(path), "deleted with its listener");
            var none = assertThrows(CenallocException.class, () -> Connection.connect(cenalloc, address()));
            assertEquals(Errno.ENOENT, none.errno());

            // A socket whose process has died is a file that nobody listens at.
            try (var channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
                channel.bind(UnixDomainSocketAddress.of(path));
            }
            assertTrue(Files.exists(path));
            var dead = assertThrows(CenallocException.class, () -> Connection.connect(cenalloc, address()));
            assertEquals(Errno.ECONNREFUSED, dead.errno());
            Listener.open(cenalloc, address()).close();

            Files.writeString(path, "no socket");
            var other = assertThrows(CenallocException.class, () -> Listener.open(cenalloc, address()));
            assertEquals(Errno.EADDRINUSE, other.errno());
            assertEquals("no socket", Files.readString(path));

            Path absent = directory.resolve("no/such");
            var missing = assertThrows(CenallocException.class, () -> Listener.open(cenalloc, Address.of(absent)));
            assertEquals(Errno.ENOENT, missing.errno());
            assertThrows(IllegalArgumentException.class, () -> Address.of(Path.of("x".repeat(108))));
        }
    }

    @Test
    void aFrameLoopAllocatesNothing() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var listener = Listener.open(cenalloc, address());
                var sender = new Sender(Connection.connect(cenalloc, address()));
                var receiver = new Receiver(Objects.requireNonNull(listener.accept(LIMIT)));
                SharedBuffer buffer = cenalloc.create(PICTURE)) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            int wrong = 0;
            long least = Long.MAX_VALUE;
            // What a frame allocates shows in every round; what the virtual machine does now and then does not.
            for (int round = 0; round < 12; round++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < 100; i++) {
                    wrong += sender.send(frame, i, 0, null, LIMIT) ? 0 : 1;
                    ReceivedFrame received = receiver.next(LIMIT);
                    if (received != null) {
                        received.close();
                    }
                    wrong += sender.returned(LIMIT) == frame ? 0 : 1;
                }
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
            assertEquals(0, least);
            assertEquals(0, wrong);
        }
    }

    @Test
    void aBroadcastAllocatesNothing() throws Exception {
        try (var cenalloc = Cenalloc.open();
                Ring ring = ring(cenalloc);
                var broadcast = Broadcast.open(Listener.open(cenalloc, address()), ring);
                var one = new Receiver(Connection.connect(cenalloc, address()));
                var other = new Receiver(Connection.connect(cenalloc, address()))) {
            assertTrue(broadcast.awaitReceivers(2, LIMIT));
            var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long least = Long.MAX_VALUE;
            for (int round = 0; round < 12; round++) {
                long used = 0;
                for (int i = 0; i < 100; i++) {
                    RingFrame frame = ring.lend("painter", LIMIT);
                    long before = threads.getCurrentThreadAllocatedBytes();
                    int receivers = broadcast.send(frame);
                    used += threads.getCurrentThreadAllocatedBytes() - before;
                    assertEquals(2, receivers);
                    for (Receiver receiver : List.of(one, other)) {
                        Objects.requireNonNull(receiver.next(LIMIT)).close();
                    }
                }
                least = Math.min(least, used);
            }
            assertEquals(0, least);
        }
    }

    private static Ring ring(Cenalloc cenalloc) throws Exception {
        Port port = Port.of(Device.cpu(Direction.WRITE), List.of(new ImageRange(PixelFormat.NV12, Sizes.of(64, 48))));
        return Ring.allocate(cenalloc, Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(port)), 8);
    }

    /**
     * One stream, and programs in C that take its frames, of which one is killed again and again, at any moment. {@code
     * -Dcenalloc.deaths=200} for more.
     */
    @Test
    void receiversThatDieAndComeBackDisturbNobody() throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            int size = 64 * 48 * 3 / 2;
            int deaths = Integer.getInteger("cenalloc.deaths", 20);
            var random = new Random(Long.getLong("cenalloc.seed", 13));
            int number = 0;
            Process lasting;
            try (Ring ring = ring(cenalloc);
                    var broadcast = Broadcast.open(Listener.open(cenalloc, address()), ring)) {
                lasting = peer("receive");
                assertTrue(broadcast.awaitReceivers(1, LIMIT));
                for (int death = 0; death < deaths; death++) {
                    Process mortal = peer("receive");
                    assertTrue(broadcast.awaitReceivers(2, LIMIT));
                    int frames = random.nextInt(10);
                    for (int i = 0; i < frames; i++) {
                        while (broadcast.away() > 2) { // below the share of each
                            broadcast.collect(LIMIT);
                        }
                        RingFrame frame = ring.lend("painter", LIMIT);
                        frame.stamp(number, 0);
                        try (var pixels = frame.access(Direction.WRITE)) {
                            pixels.segment().asSlice(0, size).fill((byte) (number % 100));
                        }
                        assertTrue(broadcast.send(frame) > 0);
                        number++;
                    }
                    Thread.sleep(0, random.nextInt(1_000_000));
                    mortal.destroyForcibly().waitFor();
                    mortal.getInputStream().close();
                    mortal.getOutputStream().close();
                    while (broadcast.receivers() > 1) {
                        broadcast.collect(Duration.ofMillis(10));
                    }
                }
                while (broadcast.away() > 0) {
                    broadcast.collect(LIMIT);
                }
                assertEquals(0, broadcast.missed());
                assertEquals(8, ring.pool().free());
            }
            try (var output = lasting.inputReader()) {
                List<String> sums = output.lines()
                        .filter(line -> line.startsWith("number "))
                        .toList();
                assertEquals(number, sums.size());
                for (int i = 0; i < number; i++) {
                    assertEquals("number " + i + " sum " + (i % 100) * (long) size, sums.get(i));
                }
            }
            assertEquals(0, lasting.waitFor());
            System.out.println(deaths + " consumers in C killed during " + number + " frames");
        }
    }

    /** The second JVM: maps each buffer that comes, and tells at the end what it has left. */
    static final class Taker {
        public static void main(String[] arguments) throws Exception {
            ServerSocketChannel.open(StandardProtocolFamily.UNIX).close();
            int before = Traces.openFiles();
            long taken = 0;
            try (var cenalloc = Cenalloc.open();
                    var receiver = new Receiver(Connection.connect(cenalloc, Address.ofAbstract(arguments[0])))) {
                while (true) {
                    try (ReceivedFrame frame = Objects.requireNonNull(receiver.next(LIMIT))) {
                        long expected = frame.sequence();
                        for (SharedBuffer buffer : frame.buffers()) {
                            try (Mapping mapping = buffer.map(Direction.READ)) {
                                taken += mapping.segment().get(ValueLayout.JAVA_LONG, 0) == expected++ ? 1 : 0;
                            }
                        }
                    }
                }
            } catch (DisconnectedException e) {
                System.out.println(taken + " right, " + (Traces.openFiles() - before) + " files, "
                        + Traces.mappedDmaBufs() + " mappings left");
            }
        }
    }

    /** Each crosses as a descriptor, and is forgotten. {@code -Dcenalloc.passes=1000000} for more. */
    @Test
    void passedBuffersLeaveNothingInTwoProcesses() throws Exception {
        int together = 4;
        long passes = Math.ceilDiv(Integer.getInteger("cenalloc.passes", 1_000), together) * (long) together;
        String name = "cenalloc-" + ProcessHandle.current().pid();
        try (var cenalloc = Cenalloc.open();
                var listener = Listener.open(cenalloc, Address.ofAbstract(name))) {
            Process process = start(JavaProgram.command(Taker.class, name).toArray(String[]::new));
            var buffers = new ArrayList<SharedBuffer>();
            var mappings = new ArrayList<Mapping>();
            try (var sender = new Sender(Objects.requireNonNull(listener.accept(LIMIT)))) {
                for (int i = 0; i < together; i++) {
                    buffers.add(cenalloc.create(4096));
                    mappings.add(buffers.getLast().map(Direction.WRITE));
                }
                for (long i = 0; i < passes; i += together) {
                    for (int j = 0; j < together; j++) {
                        try (var _ = buffers.get(j).access(Direction.WRITE)) {
                            mappings.get(j).segment().set(ValueLayout.JAVA_LONG, 0, i + j);
                        }
                    }
                    SentFrame frame = sender.add(buffers, "", "");
                    assertTrue(sender.send(frame, i, 0, null, LIMIT));
                    assertSame(frame, sender.returned(LIMIT));
                    sender.remove(frame);
                }
            } finally {
                mappings.forEach(Mapping::close);
                buffers.forEach(SharedBuffer::close);
            }
            try (var output = process.inputReader()) {
                assertEquals(passes + " right, 0 files, 0 mappings left", output.readLine());
            }
            assertEquals(0, process.waitFor());
        }
    }
}
