// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A peer that sends bytes of its own: each lie is told, ends the connection, and leaves nothing. */
class HostilePeerTest {
    private static final Duration NOW = Duration.ZERO;
    private static final int NV12 = 'N' | 'V' << 8 | '1' << 16 | '2' << 24;

    private final FakeKernel kernel = new FakeKernel().heap("system", 64 << 20);

    /** The end of the peer, and ours. */
    record Ends(UnixSocket peer, Connection ours) {}

    static Ends connect(FakeKernel kernel, Cenalloc cenalloc) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pair = arena.allocate(8, 4);
            assertEquals(0, kernel.socketPair(pair));
            return new Ends(
                    new UnixSocket(kernel, pair.get(ValueLayout.JAVA_INT, 0)),
                    Connection.own(cenalloc, kernel, pair.get(ValueLayout.JAVA_INT, 4)));
        }
    }

    private Ends connect(Cenalloc cenalloc) {
        return connect(kernel, cenalloc);
    }

    @AfterEach
    void nothingIsLeft() {
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
    }

    static ByteBuffer message(int type, int descriptors, int payload, int id) {
        return ByteBuffer.allocate(16 + payload)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(Wire.MAGIC)
                .putShort((short) type)
                .putShort((short) descriptors)
                .putInt(payload)
                .putInt(id);
    }

    /** A picture of 16x16 in a buffer. */
    static byte[] buffers(int id) {
        return message(Wire.BUFFERS, 1, 40 + 8 + 2 * 24 + 4 + 2, id)
                .putInt(NV12)
                .putInt(16)
                .putInt(16)
                .putInt(1)
                .putLong(0)
                .putInt(2)
                .putInt(4)
                .putInt(2)
                .putInt(0)
                .putLong(384)
                .putInt(0)
                .putInt(16)
                .putLong(0)
                .putLong(16)
                .putInt(0)
                .putInt(8)
                .putLong(256)
                .putLong(16)
                .put("name{}".getBytes(java.nio.charset.StandardCharsets.US_ASCII))
                .array();
    }

    static byte[] frame(int id, int flags, int descriptors) {
        return message(Wire.FRAME, descriptors, 24, id)
                .putLong(1)
                .putLong(2)
                .putInt(flags)
                .array();
    }

    static byte[] release(int id, int flags, int descriptors) {
        return message(Wire.RELEASE, descriptors, 8, id).putInt(flags).array();
    }

    static byte[] forget(int id) {
        return message(Wire.FORGET, 0, 0, id).array();
    }

    private static byte[] with(byte[] message, int offset, int value) {
        ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN).putInt(offset, value);
        return message;
    }

    private static byte[] withLong(byte[] message, int offset, long value) {
        ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN).putLong(offset, value);
        return message;
    }

    /** What comes with a message. */
    enum Passed {
        NOTHING,
        MEMORY,
        SMALL_MEMORY,
        TWO,
        NO_DMA_BUF,
        FENCE;

        /** Of a kernel; to be closed. */
        List<Descriptor> descriptors(FakeKernel kernel) {
            return switch (this) {
                case NOTHING -> List.of();
                case MEMORY -> List.of(dmaBuf(kernel, 4096));
                case SMALL_MEMORY -> List.of(dmaBuf(kernel, 200));
                case TWO -> List.of(dmaBuf(kernel, 4096), dmaBuf(kernel, 4096));
                case NO_DMA_BUF -> List.of(new Descriptor(kernel, kernel.memfdCreate("none", 0)));
                case FENCE -> List.of(new Descriptor(kernel, kernel.fence(new FakeKernel.Work())));
            };
        }

        private static Descriptor dmaBuf(FakeKernel kernel, long size) {
            return new Descriptor(kernel, kernel.foreignDmaBuf("elsewhere", size, false));
        }
    }

    private void send(UnixSocket peer, byte[] bytes, Passed passed) {
        send(kernel, peer, bytes, passed);
    }

    static void send(FakeKernel kernel, UnixSocket peer, byte[] bytes, Passed passed) {
        List<Descriptor> descriptors = passed.descriptors(kernel);
        try (Arena arena = Arena.ofConfined()) {
            int result = peer.send(arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes), 0, bytes.length, descriptors, 0);
            assertEquals(0, result, () -> Errno.name(-result));
        }
        descriptors.forEach(Descriptor::close);
    }

    /** What is wrong with a message, and what comes with it. */
    private static final class Lie {
        final String told;
        final byte[] message;
        final Passed passed;

        Lie(String told, byte[] message, Passed passed) {
            this.told = told;
            this.message = message;
            this.passed = passed;
        }
    }

    private static Arguments lie(String told, byte[] message, Passed passed) {
        return Arguments.of(told, message, passed);
    }

    static Stream<Arguments> lies() {
        int fixed = 16;
        return Stream.of(
                lie("version 1", with(buffers(0), 0, 0x32414E43), Passed.MEMORY),
                lie("at most 65536", with(buffers(0), 8, -1), Passed.MEMORY),
                lie("at most 65536", with(buffers(0), 8, 65_537), Passed.MEMORY),
                lie("not below 64", buffers(64), Passed.MEMORY),
                lie("not below 64", buffers(-1), Passed.MEMORY),
                lie("1 descriptor, and 0 came", buffers(0), Passed.NOTHING),
                lie("is not a dma-buf", buffers(0), Passed.NO_DMA_BUF),
                lie("has 200 bytes", buffers(0), Passed.SMALL_MEMORY),
                lie("came with 1", with(buffers(0), fixed + 12, 2), Passed.MEMORY),
                lie("a description of 0 buffers", with(buffers(0), fixed + 12, 0), Passed.MEMORY),
                lie("its counts give", with(buffers(0), fixed + 24, 1), Passed.MEMORY),
                lie("9 planes", with(buffers(0), fixed + 24, 9), Passed.MEMORY),
                lie("a name of 256", with(buffers(0), fixed + 28, 256), Passed.MEMORY),
                lie("a record of 4294967295", with(buffers(0), fixed + 32, -1), Passed.MEMORY),
                lie("fewer than 40", message(Wire.BUFFERS, 1, 39, 0).array(), Passed.MEMORY),
                lie("planes, and no format", with(buffers(0), fixed, 0), Passed.MEMORY),
                lie("format ZZZZ in 1 buffer", with(buffers(0), fixed, 0x5A5A5A5A), Passed.MEMORY),
                lie("contradicts itself", with(buffers(0), fixed + 4, 0), Passed.MEMORY),
                lie("contradicts itself", with(buffers(0), fixed + 4, -5), Passed.MEMORY),
                lie("contradicts itself", withLong(buffers(0), fixed + 40, 383), Passed.MEMORY),
                lie("contradicts itself", withLong(buffers(0), fixed + 40, -1), Passed.MEMORY),
                lie("contradicts itself", withLong(buffers(0), fixed + 48 + 8, -16), Passed.MEMORY),
                lie("contradicts itself", withLong(buffers(0), fixed + 48 + 16, Long.MAX_VALUE), Passed.MEMORY),
                lie("contradicts itself", withLong(buffers(0), fixed + 72 + 8, 255), Passed.MEMORY),
                lie("16 lines of 16 bytes", withLong(buffers(0), fixed + 48 + 16, 15), Passed.MEMORY),
                lie("16 lines of 16 bytes", with(buffers(0), fixed + 48 + 4, 15), Passed.MEMORY),
                lie("8 lines of 16 bytes", with(buffers(0), fixed + 72 + 4, 7), Passed.MEMORY),
                lie("8 lines of 16 bytes", withLong(buffers(0), fixed + 72 + 16, 1), Passed.MEMORY),
                lie("lies in buffer 1 of 1", with(buffers(0), fixed + 72, 1), Passed.MEMORY),
                lie("which it has not added", frame(3, 0, 0), Passed.NOTHING),
                lie("which it has not added", forget(3), Passed.NOTHING),
                lie("the peer sent a release", release(0, 0, 0), Passed.NOTHING));
    }

    @ParameterizedTest
    @MethodSource("lies")
    void aLieToAReceiverIsTold(String told, byte[] message, Passed passed) throws Exception {
        try (Cenalloc cenalloc = kernel.open()) {
            Ends ends = connect(cenalloc);
            var receiver = new Receiver(ends.ours);
            send(ends.peer, message, passed);
            var e = assertThrows(ProtocolException.class, () -> receiver.next(NOW));
            assertTrue(e.toString().contains(told), e::toString);
            assertThrows(IllegalStateException.class, () -> receiver.next(NOW), "the connection has been ended");
            receiver.close();
            ends.peer.close();
        }
    }

    /** Of frames that are there already. */
    @Test
    void liesAboutKnownFramesAreTold() throws Exception {
        for (var lie : List.of(
                new Lie("there already", buffers(0), Passed.MEMORY),
                new Lie("before it has it back", frame(0, 0, 0), Passed.NOTHING),
                new Lie("which this end has", forget(0), Passed.NOTHING),
                new Lie("announces 1 fence and has 0", frame(1, Wire.HAS_FENCE, 0), Passed.NOTHING),
                new Lie("announces 0 fences and has 1", frame(1, 0, 1), Passed.MEMORY),
                new Lie("as a fence that is none", frame(1, Wire.HAS_FENCE, 1), Passed.MEMORY),
                new Lie("not 24", message(Wire.FRAME, 0, 23, 1).array(), Passed.NOTHING))) {
            try (Cenalloc cenalloc = kernel.open()) {
                Ends ends = connect(cenalloc);
                var receiver = new Receiver(ends.ours);
                send(ends.peer, buffers(1), Passed.MEMORY);
                send(ends.peer, buffers(0), Passed.MEMORY);
                send(ends.peer, frame(0, 0, 0), Passed.NOTHING);
                ReceivedFrame frame = receiver.next(NOW);
                assertTrue(frame != null && frame.name().equals("name"));
                send(ends.peer, lie.message, lie.passed);
                var e = assertThrows(ProtocolException.class, () -> receiver.next(NOW), lie.told);
                assertTrue(e.toString().contains(lie.told), e::toString);
                receiver.close();
                ends.peer.close();
            }
        }
    }

    @Test
    void liesToASenderAreTold() throws Exception {
        for (var lie : List.of(
                new Lie("which it does not have", release(1, 0, 0), Passed.NOTHING),
                new Lie("which it does not have", release(-1, 0, 0), Passed.NOTHING),
                new Lie("announces 1 fence and has 0", release(0, Wire.HAS_FENCE, 0), Passed.NOTHING),
                new Lie("announces 0 fences and has 1", release(0, 0, 1), Passed.MEMORY),
                new Lie("as a fence that is none", release(0, Wire.HAS_FENCE, 1), Passed.NO_DMA_BUF),
                new Lie("takes releases", frame(0, 0, 0), Passed.NOTHING),
                new Lie("takes releases", buffers(0), Passed.MEMORY))) {
            try (Cenalloc cenalloc = kernel.open();
                    SharedBuffer buffer = cenalloc.create(1)) {
                Ends ends = connect(cenalloc);
                var sender = new Sender(ends.ours);
                assertTrue(sender.send(sender.add(List.of(buffer), "", ""), 0, 0, null, NOW));
                send(ends.peer, lie.message, lie.passed);
                var e = assertThrows(ProtocolException.class, () -> sender.returned(NOW), lie.told);
                assertTrue(e.toString().contains(lie.told), e::toString);
                sender.close();
                ends.peer.close();
            }
        }
    }

    @Test
    void aFrameThatIsGivenBackTwiceIsTold() throws Exception {
        try (Cenalloc cenalloc = kernel.open();
                SharedBuffer buffer = cenalloc.create(1)) {
            Ends ends = connect(cenalloc);
            var sender = new Sender(ends.ours);
            sender.send(sender.add(List.of(buffer), "", ""), 0, 0, null, NOW);
            send(ends.peer, release(0, 0, 0), Passed.NOTHING);
            send(ends.peer, release(0, 0, 0), Passed.NOTHING);
            assertTrue(sender.returned(NOW) != null);
            assertThrows(ProtocolException.class, () -> sender.returned(NOW));
            sender.close();
            ends.peer.close();
        }
    }

    @Test
    void messagesOfLaterVersionsAreSkipped() throws Exception {
        try (Cenalloc cenalloc = kernel.open()) {
            Ends ends = connect(cenalloc);
            var receiver = new Receiver(ends.ours);
            send(ends.peer, message(77, 2, 100, 0).array(), Passed.TWO);
            assertNull(receiver.next(NOW));
            send(ends.peer, buffers(0), Passed.MEMORY);
            send(ends.peer, frame(0, 0, 0), Passed.NOTHING);
            assertTrue(receiver.next(NOW) != null);
            receiver.close();
            ends.peer.close();
        }
    }

    /** A peer that never stops does not keep the caller beyond its timeout. */
    @Test
    void aWaitEndsThoughAPeerKeepsSending() throws Exception {
        kernel.socketRoom = 1 << 20;
        byte[] unknown = message(77, 0, 0, 0).array();
        var changes = ByteBuffer.allocate(buffers(0).length + 16);
        changes.put(buffers(0)).put(forget(0));
        for (boolean known : new boolean[] {false, true}) {
            try (Cenalloc cenalloc = kernel.open()) {
                Ends ends = connect(cenalloc);
                var receiver = new Receiver(ends.ours);
                for (int i = 0; i < 2 * Inbox.MOST_STEPS; i++) {
                    send(ends.peer, known ? changes.array() : unknown, known ? Passed.MEMORY : Passed.NOTHING);
                }
                send(ends.peer, buffers(0), Passed.MEMORY);
                send(ends.peer, frame(0, 0, 0), Passed.NOTHING);
                assertNull(receiver.next(NOW), "more than one call takes");
                ReceivedFrame frame = null;
                for (int calls = 0; frame == null; calls++) {
                    assertTrue(calls < 20, "each call goes on");
                    frame = receiver.next(NOW);
                }
                receiver.close();
                ends.peer.close();
            }
        }
    }

    @Test
    void anEndInTheMiddleOfAMessageIsTold() throws Exception {
        for (int length = 1; length < buffers(0).length; length += 7) {
            try (Cenalloc cenalloc = kernel.open()) {
                Ends ends = connect(cenalloc);
                var receiver = new Receiver(ends.ours);
                send(ends.peer, Arrays.copyOf(buffers(0), length), Passed.MEMORY);
                ends.peer.close();
                var e = assertThrows(ProtocolException.class, () -> receiver.next(NOW));
                assertTrue(e.toString().contains("in the middle"), e::toString);
                receiver.close();
            }
        }
    }

    /**
     * Good conversations with bytes changed, removed and added: no error but those that are documented. {@code
     * -Dcenalloc.conversations=1000000} for more.
     */
    @Test
    void mutatedConversationsLeaveNothing() throws Exception {
        var random = new Random(Long.getLong("cenalloc.seed", 11));
        int lies = 0;
        int rounds = Integer.getInteger("cenalloc.conversations", 20_000);
        for (int round = 0; round < rounds; round++) {
            try (Cenalloc cenalloc = kernel.open()) {
                Ends ends = connect(cenalloc);
                var receiver = new Receiver(ends.ours);
                var messages = new ArrayList<>(List.of(buffers(0), frame(0, 0, 0), buffers(1), frame(1, 0, 0)));
                int changes = random.nextInt(3);
                for (int i = 0; i <= changes; i++) {
                    int which = random.nextInt(messages.size());
                    messages.set(which, mutated(messages.get(which), random));
                }
                try {
                    for (byte[] message : messages) {
                        if (message.length > 0) {
                            boolean isDescription = message.length > 5 && message[4] == Wire.BUFFERS;
                            send(ends.peer, message, isDescription ? Passed.MEMORY : Passed.NOTHING);
                        }
                        ReceivedFrame frame = receiver.next(NOW);
                        if (frame != null) {
                            frame.close();
                        }
                    }
                } catch (CenallocException e) {
                    lies++;
                }
                receiver.close();
                ends.peer.close();
            }
            if (kernel.openFiles() != 0) {
                assertEquals(0, kernel.openFiles(), "round " + round);
            }
            kernel.calls.clear();
            kernel.queries.clear();
            kernel.timeouts.clear();
        }
        assertTrue(lies > rounds / 3, "many change the meaning: " + lies);
    }

    private static byte[] mutated(byte[] message, Random random) {
        if (message.length < 16) {
            return message; // it was cut off before
        }
        byte[] changed = message.clone();
        switch (random.nextInt(5)) {
            case 0 -> {
                return Arrays.copyOf(message, random.nextInt(message.length));
            }
            case 1 -> {
                return Arrays.copyOf(message, message.length + 1 + random.nextInt(40));
            }
            case 2 -> with(changed, random.nextInt(message.length / 4) * 4, random.nextInt());
            case 3 -> with(changed, random.nextInt(message.length / 4) * 4, random.nextInt(3) - 1);
            default -> changed[random.nextInt(message.length)] ^= (byte) (1 << random.nextInt(8));
        }
        return changed;
    }
}
