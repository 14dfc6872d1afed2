// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.gstreamer.ScriptedPeer.Framing;
import dev.cenalloc.gstreamer.ScriptedPeer.Memory;
import dev.cenalloc.gstreamer.ScriptedPeer.Meta;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.ProtocolException;
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

/** A sink that sends bytes of its own: each lie is told, ends the connection, and leaves nothing. */
class HostilePipelineTest {
    private static final Duration NOW = Duration.ZERO;
    static final byte[] CAPS = ScriptedPeer.caps("video/x-raw, format=NV12, width=16, height=16");
    private static final long SIZE = 384;
    private static final int HEADER = 8;

    private final FakeKernel kernel = new FakeKernel();

    @AfterEach
    void nothingIsLeft() {
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
    }

    static byte[] frame(Memory... memories) {
        return ScriptedPeer.frame(1, 2, 0, 1, List.of(memories), List.of());
    }

    private static byte[] withMeta(byte[] meta) {
        return ScriptedPeer.frame(1, 2, 0, 1, List.of(new Memory(0, 4096, 0)), List.of(meta));
    }

    static byte[] good() {
        return withMeta(ScriptedPeer.video(new Meta(23, 16, 16, List.of(0L, 512L), List.of(32, 32))));
    }

    private static byte[] planes(List<Long> offsets, List<Integer> strides) {
        return withMeta(ScriptedPeer.video(new Meta(23, 16, 16, offsets, strides)));
    }

    private static byte[] with(byte[] message, int offset, int value) {
        ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN).putInt(offset, value);
        return message;
    }

    private static byte[] withByte(byte[] message, int offset, int value) {
        message[offset] = (byte) value;
        return message;
    }

    private static Arguments lie(String told, int descriptors, byte[] message) {
        return Arguments.of(told, descriptors, message);
    }

    static Stream<Arguments> lies() {
        int meta = HEADER + 56 + 16;
        return Stream.of(
                lie("has 4294967295 bytes; at most 65536", 1, with(good(), 4, -1)),
                lie("has 65537 bytes; at most 65536", 1, with(good(), 4, 65_537)),
                lie("type 77 has 65537 bytes", 0, with(ScriptedPeer.message(77, new byte[0]), 4, 65_537)),
                lie("do not end with NUL", 0, ScriptedPeer.message(Wire.CAPS, new byte[0])),
                lie("do not end with NUL", 0, ScriptedPeer.message(Wire.CAPS, new byte[] {'v'})),
                lie("sent a release", 0, ScriptedPeer.release(1)),
                lie("fewer than 56", 0, ScriptedPeer.message(Wire.NEW_BUFFER, new byte[55])),
                lie("255 memories; at most 16", 1, withByte(good(), HEADER + 53, 255)),
                lie("2 memories, and 1 descriptor ", 1, frame(new Memory(0, SIZE, 0), new Memory(0, 0, 0))),
                lie("1 memory, and 2 descriptors", 2, frame(new Memory(0, SIZE, 0))),
                lie("1 memory, and 0 descriptors", 0, frame(new Memory(0, SIZE, 0))),
                lie("memory 0 has 4097 bytes", 1, frame(new Memory(0, 4097, 0))),
                lie("from byte 4097", 1, frame(new Memory(0, 0, 4097))),
                lie("18446744073709551615 bytes", 1, frame(new Memory(0, -1, 0))),
                lie("from byte 9223372036854775808", 1, frame(new Memory(0, 8, Long.MIN_VALUE))),
                lie("memory 0 has 4096 bytes from byte 1", 1, frame(new Memory(0, 4096, 1))),
                lie("is not inside", 1, frame(new Memory(0, SIZE - 1, 0))),
                lie("behind all memories", 1, frame(new Memory(0, 256, 0))),
                lie("behind all memories", 1, frame(new Memory(0, 0, 0))),
                lie("a meta of a new buffer has 0 bytes", 1, with(good(), meta, 0)),
                lie("a meta of a new buffer has 7 bytes", 1, with(good(), meta, 7)),
                lie("a meta of a new buffer has 21 bytes", 1, with(good(), meta, 21)),
                lie("a meta of a new buffer has 4294967295 bytes", 1, with(good(), meta, -1)),
                lie("a name of 4294967295", 1, with(good(), meta + 4, -1)),
                lie("a name of 11", 1, with(good(), meta + 4, 11)),
                lie("a meta of a new buffer has 0 bytes", 1, withByte(good(), HEADER + 54, 2)),
                lie("0 planes", 1, with(good(), meta + 22 + 16, 0)),
                lie("5 planes", 1, with(good(), meta + 22 + 16, 5)),
                lie("4294967295 planes", 1, with(good(), meta + 22 + 16, -1)),
                lie("planes; 1 to 4", 1, with(good(), meta + 22 + 16, 3)),
                lie("has 1 plane, and NV12 has 2", 1, planes(List.of(0L), List.of(16))),
                lie("16x16 in format 24", 1, with(good(), meta + 22 + 4, 24)),
                lie("15x16 in format 23", 1, with(good(), meta + 22 + 8, 15)),
                lie("16x15 in format 23", 1, with(good(), meta + 22 + 12, 15)),
                lie("behind all memories", 1, planes(List.of(0L, 4096L), List.of(16, 16))),
                lie("behind all memories", 1, planes(List.of(-1L, 256L), List.of(16, 16))),
                lie("behind all memories", 1, planes(List.of(Long.MIN_VALUE, 256L), List.of(16, 16))),
                lie("is not inside", 1, planes(List.of(0L, 4000L), List.of(16, 16))),
                lie("is not inside", 1, planes(List.of(0L, 256L), List.of(15, 16))),
                lie("is not inside", 1, planes(List.of(0L, 256L), List.of(0, 16))),
                lie("is not inside", 1, planes(List.of(0L, 256L), List.of(-16, 16))),
                lie("is not inside", 1, planes(List.of(0L, 256L), List.of(16, Integer.MAX_VALUE))),
                lie("overlap", 1, planes(List.of(0L, 255L), List.of(16, 16))),
                lie("overlap", 1, planes(List.of(256L, 250L), List.of(16, 16))));
    }

    @ParameterizedTest
    @MethodSource("lies")
    void aLieIsTold(String told, int descriptors, byte[] message) throws Exception {
        for (Framing framing : Framing.values()) {
            try (Cenalloc cenalloc = kernel.open()) {
                var ends = ScriptedPeer.connect(kernel);
                var source = UnixFdSource.of(cenalloc, Connection.adopt(cenalloc, ends.ours()));
                int memory = ends.peer().dmaBuf(4096);
                int[] passed = new int[descriptors];
                Arrays.fill(passed, memory);
                ends.peer().send(CAPS);
                ends.peer().framing = framing;
                ends.peer().send(message, passed);
                var e = assertThrows(ProtocolException.class, () -> {
                    for (int i = 0; i < 10; i++) { // by bytes, one call does not take all
                        assertNull(source.next(NOW));
                    }
                });
                assertTrue(e.toString().replaceAll("\\s+", " ").contains(told), e::toString);
                assertThrows(IllegalStateException.class, () -> source.next(NOW), "the connection has been ended");
                source.close();
                ends.peer().close();
                kernel.close(memory);
            }
        }
    }

    @Test
    void whatIsNoDmaBufIsTold() throws Exception {
        try (Cenalloc cenalloc = kernel.open()) {
            var ends = ScriptedPeer.connect(kernel);
            var source = UnixFdSource.of(cenalloc, Connection.adopt(cenalloc, ends.ours()));
            int file = kernel.memfdCreate("none", 0);
            kernel.ftruncate(file, 4096);
            ends.peer().send(CAPS);
            ends.peer().send(frame(new Memory(0, SIZE, 0)), file);
            var e = assertThrows(ProtocolException.class, () -> source.next(NOW));
            assertTrue(e.toString().contains("not a dma-buf"), e::toString);
            source.close();
            ends.peer().close();
            kernel.close(file);
        }
    }

    @Test
    void aBufferBeforeItsCapsIsTold() throws Exception {
        try (Cenalloc cenalloc = kernel.open()) {
            var ends = ScriptedPeer.connect(kernel);
            var source = UnixFdSource.of(cenalloc, Connection.adopt(cenalloc, ends.ours()));
            int memory = ends.peer().dmaBuf(4096);
            ends.peer().send(ScriptedPeer.caps("NULL"));
            ends.peer().send(good(), memory);
            assertThrows(ProtocolException.class, () -> source.next(NOW));
            source.close();
            ends.peer().close();
            kernel.close(memory);
        }
    }

    @Test
    void anEndInTheMiddleIsTold() throws Exception {
        for (int length = 1; length < good().length; length += 7) {
            try (Cenalloc cenalloc = kernel.open()) {
                var ends = ScriptedPeer.connect(kernel);
                var source = UnixFdSource.of(cenalloc, Connection.adopt(cenalloc, ends.ours()));
                int memory = ends.peer().dmaBuf(4096);
                ends.peer().send(CAPS);
                ends.peer().send(Arrays.copyOf(good(), length), memory);
                ends.peer().close();
                var e = assertThrows(ProtocolException.class, () -> source.next(NOW));
                assertTrue(e.toString().contains("in the middle"), e::toString);
                source.close();
                kernel.close(memory);
            }
        }
    }

    /** A peer that never stops does not keep the caller beyond its timeout. */
    @Test
    void aWaitEndsThoughAPeerKeepsSending() throws Exception {
        kernel.socketRoom = 1 << 20;
        try (Cenalloc cenalloc = kernel.open()) {
            var ends = ScriptedPeer.connect(kernel);
            var source = UnixFdSource.of(cenalloc, Connection.adopt(cenalloc, ends.ours()));
            for (int i = 0; i < 2 * UnixFdSource.MOST_STEPS; i++) {
                ends.peer().send(ScriptedPeer.caps("video/x-raw, number=" + i));
            }
            assertNull(source.next(NOW));
            assertTrue(!source.caps().endsWith("=" + (2 * UnixFdSource.MOST_STEPS - 1)), "more than one call takes");
            source.close();
            ends.peer().close();
        }
    }

    /**
     * Good conversations with bytes changed, removed and added: no error but those that are documented. {@code
     * -Dcenalloc.conversations=1000000} for more.
     */
    @Test
    void mutatedConversationsLeaveNothing() throws Exception {
        var random = new Random(Long.getLong("cenalloc.seed", 13));
        int told = 0;
        int taken = 0;
        int rounds = Integer.getInteger("cenalloc.conversations", 20_000);
        for (int round = 0; round < rounds; round++) {
            try (Cenalloc cenalloc = kernel.open()) {
                var ends = ScriptedPeer.connect(kernel);
                var source = UnixFdSource.of(cenalloc, Connection.adopt(cenalloc, ends.ours()));
                int memory = ends.peer().dmaBuf(4096);
                var messages =
                        new ArrayList<>(List.of(CAPS, good(), frame(new Memory(0, SIZE, 0)), good(), CAPS, good()));
                int changes = random.nextInt(3);
                for (int i = 0; i <= changes; i++) {
                    int which = random.nextInt(messages.size());
                    messages.set(which, mutated(messages.get(which), random));
                }
                try {
                    for (byte[] message : messages) {
                        boolean isBuffer = message.length > 0 && message[0] == Wire.NEW_BUFFER;
                        ends.peer().send(message, isBuffer ? new int[] {memory} : new int[0]);
                        try (UnixFdFrame frame = source.next(NOW)) {
                            if (frame != null) {
                                taken++;
                                try (var pixels = frame.access(Direction.READ)) {
                                    assertEquals(4096, pixels.segment().byteSize());
                                    if (frame.layout().image().modifier() == 0) {
                                        assertTrue(frame.layout()
                                                        .packed(pixels.segment())
                                                        .remaining()
                                                > 0);
                                    }
                                }
                            }
                        }
                    }
                } catch (CenallocException e) {
                    told++;
                }
                source.close();
                ends.peer().close();
                kernel.close(memory);
            }
            if (kernel.openFiles() != 0 || kernel.openMappings() != 0) {
                assertEquals(0, kernel.openFiles(), "round " + round);
                assertEquals(0, kernel.openMappings(), "round " + round);
            }
            kernel.calls.clear();
            kernel.queries.clear();
            kernel.timeouts.clear();
            kernel.syncs.clear();
        }
        assertTrue(told > rounds / 4, "many change the meaning: " + told);
        assertTrue(taken > rounds, "and many frames come: " + taken);
    }

    private static byte[] mutated(byte[] message, Random random) {
        if (message.length < 16) {
            return message; // it was cut off before
        }
        byte[] changed = message.clone();
        switch (random.nextInt(5)) {
            case 0 -> {
                return Arrays.copyOf(message, 1 + random.nextInt(message.length));
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
