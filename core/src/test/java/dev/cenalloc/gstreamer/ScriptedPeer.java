// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Sockets;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.UnixSocket;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** The other end of a connection, which sends the bytes that a test writes. Closed by the test. */
final class ScriptedPeer {
    /** How the messages are cut. */
    enum Framing {
        /** Header, payload and descriptors in one, as 1.26 and before. */
        WHOLE,
        /** The payload after the header, as newer ones. */
        HEADER_FIRST,
        /** Byte by byte; the descriptors with the first. */
        BYTES
    }

    private final FakeKernel kernel;
    final UnixSocket socket;
    Framing framing = Framing.WHOLE;

    ScriptedPeer(FakeKernel kernel, int fd) {
        this.kernel = kernel;
        this.socket = new UnixSocket(kernel, fd);
    }

    /** Two ends: that of a peer, and the number of ours. */
    record Pair(ScriptedPeer peer, int ours) {}

    static Pair connect(FakeKernel kernel) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pair = arena.allocate(8, 4);
            assertEquals(0, kernel.socketPair(pair));
            return new Pair(
                    new ScriptedPeer(kernel, pair.get(ValueLayout.JAVA_INT, 0)), pair.get(ValueLayout.JAVA_INT, 4));
        }
    }

    /** Connects to an address that has only a name. */
    static ScriptedPeer connect(FakeKernel kernel, String name) {
        int fd = kernel.socket(0);
        try (Arena arena = Arena.ofConfined()) {
            byte[] bytes = name.getBytes(StandardCharsets.US_ASCII);
            MemorySegment address = arena.allocate(2 + 1 + bytes.length, 2);
            address.set(ValueLayout.JAVA_SHORT, 0, (short) Sockets.AF_UNIX);
            MemorySegment.copy(bytes, 0, address, ValueLayout.JAVA_BYTE, 3, bytes.length);
            assertEquals(0, kernel.connect(fd, address));
        }
        return new ScriptedPeer(kernel, fd);
    }

    /** A part of a file; the files are numbered by the test. */
    record Memory(int file, long size, long offset) {}

    /** A GstVideoMeta. */
    record Meta(int format, int width, int height, List<Long> offsets, List<Integer> strides) {}

    private static ByteBuffer buffer(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    static byte[] message(int type, byte[] payload) {
        return buffer(8 + payload.length)
                .putInt(type)
                .putInt(payload.length)
                .put(payload)
                .array();
    }

    static byte[] caps(String text) {
        return message(Wire.CAPS, (text + "\0").getBytes(StandardCharsets.UTF_8));
    }

    static byte[] release(long id) {
        return message(Wire.RELEASE_BUFFER, buffer(8).putLong(id).array());
    }

    static byte[] meta(String name, int version, byte[] payload) {
        byte[] characters = name.getBytes(StandardCharsets.US_ASCII);
        int size = 8 + characters.length + 2 + payload.length;
        return buffer(size)
                .putInt(size)
                .putInt(characters.length)
                .put(characters)
                .put((byte) 0)
                .put((byte) version)
                .put(payload)
                .array();
    }

    static byte[] video(Meta meta) {
        int planes = meta.offsets.size();
        ByteBuffer payload = ByteBuffer.allocate(36 + 16 * planes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(0)
                .putInt(meta.format)
                .putInt(meta.width)
                .putInt(meta.height)
                .putInt(planes);
        meta.offsets.forEach(payload::putLong);
        meta.strides.forEach(payload::putInt);
        return meta("GstVideoMeta", 0, payload.array());
    }

    /** The payload of a new buffer; garbage where nobody may look. */
    static byte[] frame(long id, long pts, int flags, int type, List<Memory> memories, List<byte[]> metas) {
        int size = 56
                + 16 * memories.size()
                + metas.stream().mapToInt(one -> one.length).sum();
        ByteBuffer payload = ByteBuffer.allocate(size)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(id)
                .putLong(pts)
                .putLong(-1)
                .putLong(33_333_333)
                .putLong(0x7FFF_DEAD_BEEFL)
                .putLong(0x55AA)
                .putInt(flags)
                .put((byte) type)
                .put((byte) memories.size())
                .putShort((short) metas.size());
        memories.forEach(one -> payload.putLong(one.size).putLong(one.offset));
        metas.forEach(payload::put);
        return message(Wire.NEW_BUFFER, payload.array());
    }

    int dmaBuf(long size) {
        return kernel.foreignDmaBuf("elsewhere", size, false);
    }

    /** Sends duplicates of descriptors, as another process does. */
    void send(byte[] message, int... fds) {
        var passed = new ArrayList<Descriptor>();
        for (int fd : fds) {
            int copy = kernel.dup(fd);
            assertTrue(copy >= 0, () -> Errno.name(-copy));
            passed.add(new Descriptor(kernel, copy));
        }
        switch (framing) {
            case WHOLE -> send(message, 0, message.length, passed);
            case HEADER_FIRST -> {
                send(message, 0, 8, passed);
                send(message, 8, message.length - 8, List.of());
            }
            case BYTES -> {
                for (int i = 0; i < message.length; i++) {
                    send(message, i, 1, i == 0 ? passed : List.of());
                }
            }
        }
        passed.forEach(Descriptor::close);
    }

    private void send(byte[] message, int from, int length, List<Descriptor> passed) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, message);
            int result = length == 0 ? 0 : socket.send(bytes, from, length, passed, 0);
            assertEquals(0, result, () -> Errno.name(-result));
        }
    }

    /** What has come from the other end, at most so many bytes; empty if nothing has. */
    byte[] receive(int most) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(most);
            long result = socket.receive(bytes, 0, 0);
            assertTrue(result >= 0 || result == -Errno.EAGAIN, () -> Errno.name((int) -result));
            return result <= 0 ? new byte[0] : bytes.asSlice(0, result).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /** The ids of the releases that have come. */
    List<Long> released() {
        var ids = new ArrayList<Long>();
        for (byte[] message = receive(16); message.length > 0; message = receive(16)) {
            ByteBuffer words = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
            assertEquals(16, message.length);
            assertEquals(Wire.RELEASE_BUFFER, words.getInt());
            assertEquals(8, words.getInt());
            ids.add(words.getLong());
        }
        return ids;
    }

    void close() {
        socket.discard();
        socket.close();
    }
}
