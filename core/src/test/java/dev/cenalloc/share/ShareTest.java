// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.Fence;
import dev.cenalloc.OnEachKernel;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Two ends on the fake kernel: what goes well, and what a peer or the kernel does to it. */
class ShareTest {
    private static final Duration NOW = Duration.ZERO;
    private static final Image PICTURE = new Image(PixelFormat.NV12, 64, 48);

    private final FakeKernel kernel = new FakeKernel().heap("system", 64 << 20);
    private Cenalloc cenalloc = kernel.open();
    private int filesBefore;
    private Sender sender = new Sender(dead());
    private Receiver receiver = new Receiver(dead());

    private Connection dead() {
        return Connection.own(cenalloc, kernel, -1);
    }

    @BeforeEach
    void connect() {
        filesBefore = kernel.openFiles();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pair = arena.allocate(8, 4);
            assertEquals(0, kernel.socketPair(pair));
            sender = new Sender(Connection.own(cenalloc, kernel, pair.get(ValueLayout.JAVA_INT, 0)));
            receiver = new Receiver(Connection.own(cenalloc, kernel, pair.get(ValueLayout.JAVA_INT, 4)));
        }
    }

    @AfterEach
    void nothingIsLeft() {
        kernel.failNoCall();
        sender.close();
        receiver.close();
        cenalloc.close();
        assertEquals(filesBefore, kernel.openFiles(), "descriptors");
        assertEquals(0, kernel.openMappings(), "mappings");
        assertEquals(64 << 20, kernel.free(), "memory");
    }

    private boolean send(SentFrame frame, long number) throws CenallocException {
        return sender.send(frame, number, number * 100, null, NOW);
    }

    private ReceivedFrame receive() throws CenallocException {
        return Objects.requireNonNull(receiver.next(NOW), "a frame");
    }

    @Test
    void anImageArrivesWithAllThatIsSaidOfIt() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
            Constraints wanted =
                    Constraints.NONE.pitchAlignment(256).leftMargin(16).topMargin(8);
            buffer.attach(Device.of("display", wanted, "test"));
            SentFrame frame = sender.add(List.of(buffer), "left eye", "{\"pitchAlignment\": 256}");
            assertTrue(send(frame, 7));
            assertTrue(frame.isAway());
            try (ReceivedFrame received = receive()) {
                assertEquals(7, received.sequence());
                assertEquals(700, received.timestampNanos());
                assertEquals("left eye", received.name());
                assertEquals("{\"pitchAlignment\": 256}", received.record());
                assertFalse(received.isDamaged());
                assertTrue(received.acquire().isSignalled());
                Layout layout = buffer.layout().orElseThrow();
                assertEquals(256, layout.planes().getFirst().pitch());
                assertEquals(8, layout.topMargin());
                assertEquals(List.of(layout), received.layouts());
                assertEquals(16, received.layouts().getFirst().leftMargin());
                SharedBuffer same = received.buffers().getFirst();
                assertEquals(layout, same.layout().orElseThrow());
                assertEquals(buffer.dmaBuf().inode(), same.dmaBuf().inode());
                assertThrows(
                        CenallocException.class,
                        () -> same.attach(Device.of("gpu", Constraints.NONE.pitchAlignment(1024), "test")));
            }
            assertSame(frame, sender.returned(NOW));
            assertFalse(frame.isAway());
            assertTrue(frame.released().isSignalled());
            assertNull(sender.returned(NOW));
        }
    }

    @Test
    void bytesArrive() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(5000)) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            assertTrue(send(frame, -1));
            try (ReceivedFrame received = receive()) {
                assertEquals(List.of(), received.layouts());
                assertEquals(5000, received.buffers().getFirst().requestedSize());
                try (var mapping = received.buffers().getFirst().map(Direction.READ_WRITE)) {
                    mapping.segment().set(ValueLayout.JAVA_INT, 0, 42);
                }
            }
            try (var mapping = buffer.map(Direction.READ)) {
                assertEquals(42, mapping.segment().get(ValueLayout.JAVA_INT, 0));
            }
        }
    }

    @Test
    void planesInBuffersOfTheirOwnArrive() throws Exception {
        var apart = new Image(PixelFormat.NV12M, 64, 48);
        try (SharedBuffer luma = cenalloc.create(Demand.ofImage(apart, 0));
                SharedBuffer chroma = cenalloc.create(Demand.ofImage(apart, 1))) {
            assertTrue(send(sender.add(List.of(luma, chroma), "", ""), 0));
            try (ReceivedFrame received = receive()) {
                assertEquals(
                        List.of(luma.layout().orElseThrow(), chroma.layout().orElseThrow()), received.layouts());
                assertEquals(
                        chroma.dmaBuf().inode(),
                        received.buffers().get(1).dmaBuf().inode());
            }
            assertThrows(IllegalArgumentException.class, () -> sender.add(List.of(chroma, luma), "", ""));
            assertThrows(IllegalArgumentException.class, () -> sender.add(List.of(luma), "", ""));
        }
    }

    @Test
    void descriptorsCrossOnce() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            ReceivedFrame first = null;
            for (int i = 0; i < 10; i++) {
                assertTrue(send(frame, i));
                ReceivedFrame received = receive();
                assertEquals(i, received.sequence());
                first = first == null ? received : first;
                assertSame(first, received);
                int files = kernel.openFiles();
                received.close();
                assertSame(frame, sender.returned(NOW));
                assertEquals(files, kernel.openFiles());
            }
            kernel.calls.clear();
            send(frame, 10);
            receive().close();
            sender.returned(NOW);
            assertEquals(List.of("sendmsg", "recvmsg", "sendmsg", "recvmsg"), kernel.calls);
        }
    }

    @Test
    void fencesGoBothWays() throws Exception {
        var writing = new FakeKernel.Work();
        var reading = new FakeKernel.Work();
        try (SharedBuffer buffer = cenalloc.create(PICTURE);
                Fence written = Seam.fence(Fence.class, kernel, kernel.fence(writing));
                Fence read = Seam.fence(Fence.class, kernel, kernel.fence(reading))) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            for (int i = 0; i < 3; i++) {
                writing.status = 0;
                reading.status = 0;
                assertTrue(sender.send(frame, i, -1, written, NOW));
                ReceivedFrame received = receive();
                assertFalse(received.acquire().isSignalled());
                writing.status = 1;
                assertTrue(received.acquire().isSignalled());
                received.close(read);
                assertSame(frame, sender.returned(NOW));
                assertFalse(frame.released().isSignalled());
                reading.status = 1;
                assertTrue(frame.released().isSignalled());
            }
        }
    }

    @Test
    void aFrameIsLentOnceAtATime() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            send(frame, 0);
            assertThrows(IllegalStateException.class, () -> send(frame, 1));
            assertThrows(IllegalStateException.class, () -> sender.remove(frame));
            ReceivedFrame received = receive();
            received.close();
            assertThrows(IllegalStateException.class, received::close);
            sender.returned(NOW);
            sender.remove(frame);
            assertThrows(IllegalArgumentException.class, () -> send(frame, 1));
            assertThrows(IllegalArgumentException.class, () -> sender.remove(frame));
            assertFalse(received.isRemoved());
            assertNull(receiver.next(NOW), "the removal");
            assertTrue(received.isRemoved());
            assertThrows(
                    IllegalStateException.class,
                    () -> received.buffers().getFirst().dmaBuf());
            send(sender.add(List.of(buffer), "again", ""), 2);
            try (ReceivedFrame again = receive()) {
                assertEquals("again", again.name());
            }
        }
    }

    @Test
    void whatIsMappedWhenItIsRemovedIsClosedInTheEnd() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            send(frame, 0);
            ReceivedFrame received = receive();
            var mapping = received.buffers().getFirst().map(Direction.READ);
            received.close();
            sender.returned(NOW);
            sender.remove(frame);
            assertNull(receiver.next(NOW));
            assertEquals(0, mapping.segment().get(ValueLayout.JAVA_BYTE, 0), "still there");
            assertThrows(IllegalStateException.class, receiver::close);
            mapping.close();
            receiver.close();
        }
    }

    /** What was mapped when it was removed makes room as soon as it is unmapped. */
    @Test
    void buffersThatAreUnmappedLaterDoNotAddUp() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
            int files = 0;
            for (int i = 0; i <= 2 * Wire.MOST_FRAMES; i++) {
                SentFrame frame = sender.add(List.of(buffer), "", "");
                assertTrue(send(frame, i));
                ReceivedFrame received = receive();
                var mapping = received.buffers().getFirst().map(Direction.READ);
                received.close();
                assertSame(frame, sender.returned(NOW));
                sender.remove(frame);
                assertNull(receiver.next(NOW));
                mapping.close();
                files = i == 0 ? kernel.openFiles() : files;
                assertEquals(files, kernel.openFiles(), "round " + i);
            }
        }
    }

    @Test
    void aDamagedImageIsTold() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            for (boolean damaged : new boolean[] {true, false}) {
                frame.damaged(damaged);
                send(frame, 0);
                ReceivedFrame received = receive();
                assertEquals(damaged, received.isDamaged());
                received.close();
                sender.returned(NOW);
            }
        }
    }

    /** The next frame replaces its descriptor, which a message under way would hold. */
    @Test
    void aFramesOwnFenceIsNotPassed() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            assertThrows(IllegalArgumentException.class, () -> sender.send(frame, 0, 0, frame.released(), NOW));
            send(frame, 0);
            ReceivedFrame received = receive();
            assertThrows(IllegalArgumentException.class, () -> received.close(received.acquire()));
            assertTrue(received.isLent());
            received.close();
        }
    }

    @Test
    void aSenderHasABoundedNumberOfFrames() throws Exception {
        var buffers = new ArrayList<SharedBuffer>();
        for (int i = 0; i < Wire.MOST_FRAMES; i++) {
            buffers.add(cenalloc.create(1));
            sender.add(List.of(buffers.getLast()), "", "");
        }
        assertThrows(IllegalStateException.class, () -> sender.add(List.of(buffers.getFirst()), "", ""));
        assertThrows(
                IllegalArgumentException.class, () -> sender.add(List.of(buffers.getFirst()), "x".repeat(256), ""));
        assertThrows(IllegalArgumentException.class, () -> sender.add(List.of(), "", ""));
        sender.close();
        buffers.forEach(SharedBuffer::close);
    }

    // ---- the peer ----

    @Test
    void aReceiverThatIsGoneGivesAllBack() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            send(frame, 0);
            receiver.close();
            assertThrows(DisconnectedException.class, () -> sender.returned(NOW));
            SentFrame other = sender.add(List.of(buffer), "", "");
            assertThrows(DisconnectedException.class, () -> send(other, 1));
            assertFalse(other.isAway());
            sender.close();
            assertFalse(frame.isAway());
            assertThrows(IllegalStateException.class, () -> send(frame, 2));
            assertThrows(IllegalStateException.class, () -> sender.returned(NOW));
        }
    }

    @Test
    void aSenderThatIsGoneLeavesWhatCame() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
            send(sender.add(List.of(buffer), "", ""), 0);
            sender.close();
            ReceivedFrame received = receive();
            try (var mapping = received.buffers().getFirst().map(Direction.READ)) {
                assertEquals(0, mapping.segment().get(ValueLayout.JAVA_BYTE, 0));
            }
            assertThrows(DisconnectedException.class, () -> receiver.next(NOW));
            assertThrows(DisconnectedException.class, received::close);
            assertFalse(received.isLent());
        }
    }

    @Test
    void aReceiverThatDoesNotReadIsTold() throws Exception {
        kernel.socketRoom = 200;
        try (SharedBuffer one = cenalloc.create(1);
                SharedBuffer other = cenalloc.create(1)) {
            SentFrame first = sender.add(List.of(one), "", "");
            SentFrame second = sender.add(List.of(other), "", "");
            SentFrame third = sender.add(List.of(other), "", "");
            assertTrue(sender.send(first, 0, 0, null, NOW));
            kernel.socketRoom = 0;
            assertFalse(sender.send(second, 0, 0, null, NOW), "nothing was sent");
            assertFalse(second.isAway());
            kernel.socketRoom = 150;
            var cut = assertThrows(CenallocException.class, () -> sender.send(third, 0, 0, null, NOW));
            assertEquals(Errno.ETIMEDOUT, cut.errno());
            assertFalse(sender.connection().socket().isOpen());
        }
    }

    @Test
    void anErrorAfterAPartOfAMessageEndsTheConnection() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            send(frame, 0);
            ReceivedFrame received = receive();
            kernel.socketPiece = 1;
            kernel.sendErrno = Errno.ENOMEM;
            kernel.failingSend = 1;
            var whole = assertThrows(CenallocException.class, received::close);
            assertEquals(Errno.ENOMEM, whole.errno());
            assertTrue(received.isLent() && receiver.connection().socket().isOpen(), "nothing was sent");
            kernel.failingSend = 2;
            var part = assertThrows(CenallocException.class, received::close);
            assertEquals(Errno.ENOMEM, part.errno());
            assertTrue(part.toString().contains("has been ended"), part::toString);
            assertTrue(received.isLent());
            assertFalse(receiver.connection().socket().isOpen());
            var cut = assertThrows(CenallocException.class, () -> sender.returned(NOW));
            assertEquals(Errno.EPROTO, cut.errno());
        }
    }

    @Test
    void aSenderThatDoesNotReadHasTheFrameStill() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            send(frame, 0);
            ReceivedFrame received = receive();
            kernel.socketRoom = 0;
            var full = assertThrows(CenallocException.class, received::close);
            assertEquals(Errno.EAGAIN, full.errno());
            assertTrue(received.isLent());
            kernel.socketRoom = 1 << 16;
            received.close();
            assertSame(frame, sender.returned(NOW));
        }
    }

    /** A call that the shutdown wakes must tell it from an end by the peer. */
    @Test
    void whatIsShutDownIsClosedBefore() throws Exception {
        var wasOpen = new ArrayList<Boolean>();
        kernel.atCall(0, () -> wasOpen.add(receiver.connection().socket().isOpen()));
        receiver.close();
        try (var listener = Listener.open(cenalloc, Address.ofAbstract("cenalloc-test"))) {
            kernel.atCall(0, () -> assertThrows(IllegalStateException.class, () -> listener.accept(NOW)));
        }
        assertEquals(List.of(false), wasOpen);
        assertEquals("shutdown", kernel.calls.get(kernel.calls.size() - 2));
    }

    /** On the sockets of this machine: whether the wait has begun or not, the answer is the same. */
    @OnEachKernel
    @Test
    void closingThisEndIsNotTakenForThePeers() throws Exception {
        try (Arena arena = Arena.ofConfined()) {
            Kernel linux = LinuxKernel.instance();
            MemorySegment pair = arena.allocate(8, 4);
            assertEquals(0, linux.socketPair(pair));
            var from = new Receiver(Connection.own(cenalloc, linux, pair.get(ValueLayout.JAVA_INT, 0)));
            try (var to = new Sender(Connection.own(cenalloc, linux, pair.get(ValueLayout.JAVA_INT, 4)))) {
                var waits = CompletableFuture.supplyAsync(
                        () -> assertThrows(IllegalStateException.class, () -> from.next(Duration.ofSeconds(60))));
                from.close();
                assertNotNull(waits.get(30, TimeUnit.SECONDS));
                assertThrows(DisconnectedException.class, () -> to.returned(NOW));
            }
        }
    }

    @Test
    void messagesInPiecesArrive() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
            kernel.socketPiece = 1;
            send(sender.add(List.of(buffer), "slow", ""), 3);
            try (ReceivedFrame received = receive()) {
                assertEquals("slow", received.name());
            }
            assertNotNull(sender.returned(NOW));
        }
    }

    @Test
    void listenersAndConnectionsFindEachOther() throws Exception {
        var address = Address.ofAbstract("cenalloc-test");
        try (var listener = Listener.open(cenalloc, address)) {
            assertNull(listener.accept(NOW));
            var used = assertThrows(CenallocException.class, () -> Listener.open(cenalloc, address));
            assertEquals(Errno.EADDRINUSE, used.errno());
            try (var to = new Sender(Connection.connect(cenalloc, address));
                    var from = new Receiver(Objects.requireNonNull(listener.accept(NOW)));
                    SharedBuffer buffer = cenalloc.create(1)) {
                assertEquals(
                        (int) ProcessHandle.current().pid(),
                        to.connection().peer().pid());
                SentFrame frame = to.add(List.of(buffer), "", "");
                assertTrue(to.send(frame, 0, 0, null, NOW));
                Objects.requireNonNull(from.next(NOW)).close();
                assertSame(frame, to.returned(NOW));
            }
        }
        var none = assertThrows(CenallocException.class, () -> Connection.connect(cenalloc, address));
        assertEquals(Errno.ECONNREFUSED, none.errno());
    }

    @Test
    void aPolicySaysWhichProcessesMayConnect() throws Exception {
        var address = Address.ofAbstract("policy");
        var asked = new ArrayList<Peer>();
        int before = kernel.openFiles();
        try (var listener = Listener.open(cenalloc, address, peer -> {
                    asked.add(peer);
                    return asked.size() > 2;
                });
                var first = Connection.connect(cenalloc, address);
                var second = Connection.connect(cenalloc, address)) {
            assertNull(listener.accept(NOW));
            assertNull(listener.accept(NOW));
            assertEquals(2, listener.refused());
            for (Connection refused : List.of(first, second)) {
                var to = new Receiver(refused);
                assertThrows(DisconnectedException.class, () -> to.next(NOW));
            }
            try (var third = Connection.connect(cenalloc, address);
                    var accepted = Objects.requireNonNull(listener.accept(NOW))) {
                assertEquals(third.peer(), accepted.peer());
                assertEquals(List.of(third.peer(), third.peer(), third.peer()), asked);
            }
            var fails = Listener.open(cenalloc, Address.ofAbstract("fails"), _ -> {
                throw new IllegalStateException("the policy fails");
            });
            try (fails;
                    var _ = Connection.connect(cenalloc, fails.address())) {
                assertThrows(IllegalStateException.class, () -> fails.accept(NOW));
                assertEquals(1, fails.refused());
            }
        }
        assertEquals(before, kernel.openFiles());
    }

    // ---- protocols of the program's own ----

    @Test
    @SuppressWarnings("try") // of those that are closed early, the second close is part of the test
    void buffersCrossBesideOtherBytes() throws Exception {
        var address = Address.ofAbstract("own");
        try (var listener = Listener.open(cenalloc, address);
                var to = Connection.connect(cenalloc, address);
                var from = Objects.requireNonNull(listener.accept(NOW));
                SharedBuffer one = cenalloc.create(4096);
                SharedBuffer other = cenalloc.create(8192)) {
            var buffers = new ArrayList<SharedBuffer>();
            var bytes = new byte[100];
            assertEquals(0, from.receive(bytes, buffers, NOW));
            assertTrue(to.send("hello".getBytes(US_ASCII), List.of(one.dmaBuf(), other.dmaBuf()), NOW));
            assertEquals(5, from.receive(bytes, buffers, NOW));
            assertEquals("hello", new String(bytes, 0, 5, US_ASCII));
            assertEquals(
                    List.of(one.dmaBuf().inode(), other.dmaBuf().inode()),
                    List.of(
                            buffers.get(0).dmaBuf().inode(),
                            buffers.get(1).dmaBuf().inode()));
            assertTrue(to.send(new byte[200], List.of(), NOW));
            assertEquals(100, from.receive(bytes, buffers, NOW));
            assertEquals(100, from.receive(bytes, buffers, NOW));
            assertEquals(2, buffers.size());
            buffers.forEach(SharedBuffer::close);
            assertThrows(IllegalArgumentException.class, () -> to.send(new byte[0], List.of(), NOW));
            assertThrows(IllegalArgumentException.class, () -> from.receive(new byte[0], buffers, NOW));
            assertThrows(
                    IllegalArgumentException.class, () -> to.send(bytes, Collections.nCopies(17, one.dmaBuf()), NOW));
            other.close();
            assertThrows(IllegalStateException.class, () -> to.send(bytes, List.of(other.dmaBuf()), NOW));
            to.close();
            assertThrows(IllegalStateException.class, () -> to.send(bytes, List.of(), NOW));
            assertThrows(DisconnectedException.class, () -> from.receive(bytes, buffers, NOW));
        }
    }

    @Test
    void whatIsNoBufferDoesNotCross() throws Exception {
        var address = Address.ofAbstract("own");
        try (var listener = Listener.open(cenalloc, address);
                var from = Connection.connect(cenalloc, address);
                var to = Objects.requireNonNull(listener.accept(NOW));
                SharedBuffer buffer = cenalloc.create(4096)) {
            DmaBuf memory = buffer.dmaBuf();
            int before = kernel.openFiles();
            var none = new Descriptor(kernel, kernel.memfdCreate("none", 0));
            try (Arena arena = Arena.ofConfined()) {
                var passed = List.of(Seam.descriptor(memory), none, none);
                assertEquals(0, to.socket().send(arena.allocate(1), 0, 1, passed, 0));
            } finally {
                none.close();
            }
            var buffers = new ArrayList<SharedBuffer>();
            var e = assertThrows(ProtocolException.class, () -> from.receive(new byte[1], buffers, NOW));
            assertTrue(e.toString().contains("no dma-buf"), e::toString);
            assertEquals(List.of(), buffers);
            assertEquals(before, kernel.openFiles());
        }
    }

    @Test
    void eachCallOfAListenerThatFailsIsToldAndNothingIsLost() throws Exception {
        var address = Address.ofAbstract("cenalloc-test");
        for (int call = 0; call < 3; call++) {
            int before = kernel.openFiles();
            kernel.failCall(call, Errno.ENOMEM);
            var e = assertThrows(CenallocException.class, () -> Listener.open(cenalloc, address));
            assertEquals(Errno.ENOMEM, e.errno());
            assertEquals(before, kernel.openFiles());
        }
        try (var listener = Listener.open(cenalloc, address)) {
            for (int call = 0; call < 2; call++) {
                kernel.failNoCall();
                try (var _ = Connection.connect(cenalloc, address)) {
                    kernel.failCall(call, Errno.EMFILE);
                    var e = assertThrows(CenallocException.class, () -> listener.accept(NOW));
                    assertEquals(Errno.EMFILE, e.errno());
                    kernel.failCall(call, Errno.EINTR);
                    assertNull(listener.accept(NOW));
                    kernel.failCall(call, Errno.EINTR);
                    // More than 2^63 ms; the wait goes on after the signal.
                    Objects.requireNonNull(listener.accept(Duration.ofSeconds(Long.MAX_VALUE)))
                            .close();
                }
            }
        }
        assertThrows(IllegalStateException.class, () -> {
            var closed = Listener.open(cenalloc, address);
            closed.close();
            closed.accept(NOW);
        });
    }

    /** The listening socket does not block: what poll has seen, another thread may take. */
    @Test
    void whatHappensBetweenPollAndAcceptIsNotWaitedFor() throws Exception {
        var address = Address.ofAbstract("cenalloc-test");
        try (var listener = Listener.open(cenalloc, address);
                var taken = new Taken();
                var _ = Connection.connect(cenalloc, address)) {
            kernel.atCall(1, () -> taken.from(listener));
            assertNull(listener.accept(NOW));
            assertEquals(1, taken.connections.size());
        }
        try (var listener = Listener.open(cenalloc, address);
                var taken = new Taken();
                var _ = Connection.connect(cenalloc, address)) {
            Runnable end = listener::close;
            kernel.atCall(1, () -> {
                taken.from(listener);
                end.run();
            });
            assertThrows(IllegalStateException.class, () -> listener.accept(Duration.ofSeconds(60)));
        }
    }

    /** Another thread that accepts. */
    private static final class Taken implements AutoCloseable {
        final List<Connection> connections = new ArrayList<>();

        void from(Listener listener) {
            try {
                connections.add(Objects.requireNonNull(listener.accept(NOW)));
            } catch (CenallocException e) {
                throw new AssertionError(e);
            }
        }

        @Override
        public void close() {
            connections.forEach(Connection::close);
        }
    }

    @Test
    void addressesAreEqualByTheirBytes() {
        assertEquals(Address.ofAbstract("x"), Address.ofAbstract("x"));
        assertNotEquals(Address.ofAbstract("x"), Address.of(Path.of("@x")));
        assertEquals(
                Address.of(Path.of("/run/x")).hashCode(),
                Address.of(Path.of("/run/x")).hashCode());
    }

    @Test
    void onlyUnixStreamSocketsAreAdopted() throws Exception {
        int memory = kernel.memfdCreate("no socket", 0);
        var refused = assertThrows(CenallocException.class, () -> Connection.adopt(cenalloc, memory));
        assertEquals(Errno.ENOTSOCK, refused.errno());
        assertFalse(kernel.isOpen(memory));
        var notOpen = assertThrows(CenallocException.class, () -> Connection.adopt(cenalloc, 1234));
        assertEquals(Errno.EBADF, notOpen.errno());
        Connection.adopt(cenalloc, kernel.socket(0)).close();
    }

    /** Each call of the kernel fails in turn; nothing is left, and what was said before still holds. */
    @Test
    void eachCallThatFailsIsToldAndNothingIsLost() throws Exception {
        int calls = callsOfARound();
        for (int errno : List.of(Errno.EMFILE, Errno.EINTR, Errno.EPIPE, Errno.ENOMEM, Errno.EIO)) {
            for (int i = 0; i < calls; i++) {
                nothingIsLeft();
                cenalloc = kernel.open();
                connect();
                try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
                    buffer.dmaBuf();
                    kernel.failCall(i, errno);
                    round(buffer);
                } catch (CenallocException e) {
                    assertTrue(e.errno() == errno || e.errno() == Errno.ENOENT, e::toString);
                } catch (NullPointerException e) {
                    assertEquals(Errno.EINTR, errno, "a wait that ends early");
                } finally {
                    kernel.failNoCall();
                }
            }
        }
    }

    private int callsOfARound() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(PICTURE)) {
            buffer.dmaBuf();
            int before = kernel.calls.size();
            round(buffer);
            return kernel.calls.size() - before;
        }
    }

    private void round(SharedBuffer buffer) throws CenallocException {
        SentFrame frame = sender.add(List.of(buffer), "name", "");
        try (Fence written = Seam.fence(Fence.class, kernel, kernel.fence(new FakeKernel.Work()))) {
            sender.send(frame, 0, 0, written, NOW);
            ReceivedFrame received = receive();
            received.close(written);
            Objects.requireNonNull(sender.returned(NOW));
            sender.remove(frame);
            receiver.next(NOW);
        }
    }
}
