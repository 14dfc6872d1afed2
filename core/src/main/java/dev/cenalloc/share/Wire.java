// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.text.Count;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/** The messages, as package-info describes them. Stateless; makes no system call. */
final class Wire {
    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** {@code CNA1}: the protocol and its version. */
    static final int MAGIC = 'C' | 'N' << 8 | 'A' << 16 | '1' << 24;

    static final short BUFFERS = 1;
    static final short FRAME = 2;
    static final short RELEASE = 3;
    static final short FORGET = 4;

    static final long HEADER = 16;
    static final long FRAME_PAYLOAD = 24;
    static final long RELEASE_PAYLOAD = 8;
    static final long BUFFERS_FIXED = 40;

    private static final long MEMORY = 8;
    private static final long PLANE = 24;

    /** The largest payload of any message. */
    static final int MOST_PAYLOAD = 1 << 16;

    static final int MOST_MEMORIES = 4;
    static final int MOST_PLANES = 8;
    static final int MOST_NAME = 255;
    static final int MOST_RECORD = 1 << 15;
    /** How many buffers a connection may know at a time. */
    static final int MOST_FRAMES = 64;

    static final int HAS_FENCE = 1;
    static final int DAMAGED = 2;

    private Wire() {}

    /**
     * What a message of the kind {@link #BUFFERS} says.
     *
     * @param sizes the bytes of each memory, at least
     * @param layouts of the part of the image in each memory; empty if they hold bytes
     */
    record Description(List<Long> sizes, List<Layout> layouts, String name, String record) {
        /** The size of the message, without its header. */
        long payload() {
            int planes = layouts.stream().mapToInt(one -> one.planes().size()).sum();
            return BUFFERS_FIXED + MEMORY * sizes.size() + PLANE * planes + bytes(name).length + bytes(record).length;
        }
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void header(MemorySegment message, long at, short type, int descriptors, long payload, int id) {
        message.set(INT, at, MAGIC);
        message.set(SHORT, at + 4, type);
        message.set(SHORT, at + 6, (short) descriptors);
        message.set(INT, at + 8, (int) payload);
        message.set(INT, at + 12, id);
    }

    /** Writes a description behind its header. */
    static void write(MemorySegment at, Description what, int id) {
        header(at, 0, BUFFERS, what.sizes.size(), what.payload(), id);
        MemorySegment payload = at.asSlice(HEADER, what.payload());
        payload.fill((byte) 0);
        byte[] name = bytes(what.name);
        byte[] record = bytes(what.record);
        int planes = what.layouts.stream().mapToInt(one -> one.planes().size()).sum();
        if (!what.layouts.isEmpty()) {
            Image image = what.layouts.getFirst().image();
            payload.set(INT, 0, image.format().drmFourcc().orElseThrow());
            payload.set(INT, 4, image.width());
            payload.set(INT, 8, image.height());
            payload.set(LONG, 16, image.modifier());
        }
        payload.set(INT, 12, what.sizes.size());
        payload.set(INT, 24, planes);
        payload.set(INT, 28, name.length);
        payload.set(INT, 32, record.length);
        long offset = BUFFERS_FIXED;
        for (long size : what.sizes) {
            payload.set(LONG, offset, size);
            offset += MEMORY;
        }
        for (Layout layout : what.layouts) {
            for (Layout.Plane plane : layout.planes()) {
                payload.set(INT, offset, layout.buffer());
                payload.set(INT, offset + 4, Math.toIntExact(plane.lines()));
                payload.set(LONG, offset + 8, plane.offset());
                payload.set(LONG, offset + 16, plane.pitch());
                offset += PLANE;
            }
        }
        MemorySegment.copy(name, 0, payload, ValueLayout.JAVA_BYTE, offset, name.length);
        MemorySegment.copy(record, 0, payload, ValueLayout.JAVA_BYTE, offset + name.length, record.length);
    }

    /**
     * Reads a description.
     *
     * @param payload of exactly the size that the header has
     * @param descriptors as the header has
     * @throws ProtocolException if it contradicts itself
     */
    static Description read(MemorySegment payload, int descriptors) throws ProtocolException {
        if (payload.byteSize() < BUFFERS_FIXED) {
            throw new ProtocolException(
                    "a description of buffers has " + payload.byteSize() + " bytes, fewer than " + BUFFERS_FIXED);
        }
        long memories = Integer.toUnsignedLong(payload.get(INT, 12));
        long planes = Integer.toUnsignedLong(payload.get(INT, 24));
        long nameLength = Integer.toUnsignedLong(payload.get(INT, 28));
        long recordLength = Integer.toUnsignedLong(payload.get(INT, 32));
        if (memories < 1 || memories > MOST_MEMORIES || memories != descriptors) {
            throw new ProtocolException("a description of " + Count.of(memories, "buffer") + " came with "
                    + Count.of(descriptors, "descriptor") + "; 1 to " + MOST_MEMORIES + " are allowed, one each");
        }
        if (planes > MOST_PLANES || nameLength > MOST_NAME || recordLength > MOST_RECORD) {
            throw new ProtocolException("a description of buffers has " + Count.of(planes, "plane") + ", a name of "
                    + nameLength
                    + " and a record of " + recordLength + " bytes; at most " + MOST_PLANES + ", " + MOST_NAME + " and "
                    + MOST_RECORD + " are allowed");
        }
        long expected = BUFFERS_FIXED + MEMORY * memories + PLANE * planes + nameLength + recordLength;
        if (expected != payload.byteSize()) {
            throw new ProtocolException(
                    "a description of buffers has " + payload.byteSize() + " bytes, and its counts give " + expected);
        }
        long offset = BUFFERS_FIXED;
        var sizes = new ArrayList<Long>();
        for (int i = 0; i < memories; i++) {
            sizes.add(payload.get(LONG, offset));
            offset += MEMORY;
        }
        List<Layout> layouts = layouts(payload, offset, (int) planes, sizes);
        offset += PLANE * planes;
        return new Description(
                sizes, layouts, text(payload, offset, nameLength), text(payload, offset + nameLength, recordLength));
    }

    private static String text(MemorySegment payload, long offset, long length) {
        return new String(payload.asSlice(offset, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }

    private static List<Layout> layouts(MemorySegment payload, long offset, int count, List<Long> sizes)
            throws ProtocolException {
        int fourcc = payload.get(INT, 0);
        if (fourcc == 0) {
            if (count != 0) {
                throw new ProtocolException("a description of buffers has planes, and no format");
            }
            return List.of();
        }
        PixelFormat format = format(fourcc, sizes.size());
        var planes = new ArrayList<List<Layout.Plane>>();
        sizes.forEach(_ -> planes.add(new ArrayList<>()));
        for (int i = 0; i < count; i++) {
            long at = offset + i * PLANE;
            long memory = Integer.toUnsignedLong(payload.get(INT, at));
            if (memory >= sizes.size()) {
                throw new ProtocolException("a plane lies in buffer " + memory + " of " + sizes.size());
            }
            planes.get((int) memory).add(plane(payload, at));
        }
        try {
            var image = new Image(format, payload.get(INT, 4), payload.get(INT, 8), payload.get(LONG, 16));
            var layouts = new ArrayList<Layout>();
            for (int i = 0; i < sizes.size(); i++) {
                var layout = new Layout(image, i, planes.get(i), sizes.get(i));
                checkRoom(layout);
                layouts.add(layout);
            }
            return layouts;
        } catch (IllegalArgumentException e) {
            throw new ProtocolException("a description of buffers contradicts itself: " + e.getMessage());
        }
    }

    /** A plane with fewer bytes than the image has would let a device that takes both read beyond it. */
    private static void checkRoom(Layout layout) throws ProtocolException {
        if (layout.image().modifier() != Image.LINEAR) {
            return; // only a device that knows the modifier can tell
        }
        for (int i = 0; i < layout.planes().size(); i++) {
            Layout.Plane plane = layout.planes().get(i);
            if (plane.pitch() < layout.rowBytes(i) || plane.lines() < layout.rows(i)) {
                throw new ProtocolException("a description of buffers contradicts itself: " + layout.image()
                        + " has " + layout.rows(i) + " lines of " + layout.rowBytes(i) + " bytes in a plane of "
                        + plane);
            }
        }
    }

    private static Layout.Plane plane(MemorySegment payload, long at) throws ProtocolException {
        try {
            return new Layout.Plane(
                    payload.get(LONG, at + 8),
                    payload.get(LONG, at + 16),
                    Integer.toUnsignedLong(payload.get(INT, at + 4)));
        } catch (IllegalArgumentException e) {
            throw new ProtocolException("a description of buffers contradicts itself: " + e.getMessage());
        }
    }

    private static PixelFormat format(int fourcc, int buffers) throws ProtocolException {
        for (PixelFormat format : PixelFormat.values()) {
            if (format.drmFourcc().equals(OptionalInt.of(fourcc)) && format.buffers() == buffers) {
                return format;
            }
        }
        throw new ProtocolException("the format " + PixelFormat.characters(fourcc) + " in "
                + Count.of(buffers, "buffer") + " is not known here");
    }
}
