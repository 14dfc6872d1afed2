// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.share.ProtocolException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/**
 * Reads a message of a new buffer, as far as its own words go: counts, memories, and the first GstVideoMeta. One object
 * reads one message after the other. Not safe for several threads. Allocates no objects, unless it throws.
 */
final class NewBuffer {
    private static final byte[] VIDEO_META = "GstVideoMeta".getBytes(StandardCharsets.US_ASCII);
    /** Of a GstVideoMeta: flags, format, width, height, number of planes, paddings. */
    private static final long VIDEO_META_FIXED = 36;

    private static final long VIDEO_META_PLANE = 16;
    private static final int MOST_PLANES = 4;

    private MemorySegment message = MemorySegment.NULL;
    private int memories;
    /** Where the GstVideoMeta begins in the message; 0 if there is none. */
    private long meta;

    private int planes;

    /** Reads a message from its header on; it must not change as long as this is asked. */
    void read(MemorySegment from, long payloadSize) throws ProtocolException {
        message = from;
        meta = 0;
        planes = 0;
        if (payloadSize < Wire.BUFFER_FIXED) {
            throw Wire.lie("a new buffer has " + payloadSize + " bytes, fewer than " + Wire.BUFFER_FIXED);
        }
        memories = Byte.toUnsignedInt(message.get(Wire.BYTE, Wire.HEADER + Wire.MEMORIES));
        if (memories > Wire.MOST_MEMORIES) {
            throw Wire.lie("a new buffer has " + memories + " memories; at most " + Wire.MOST_MEMORIES + " are taken");
        }
        long end = Wire.HEADER + payloadSize;
        long at = Wire.HEADER + Wire.BUFFER_FIXED + Wire.MEMORY * memories;
        if (at > end) {
            throw Wire.lie("a new buffer has " + payloadSize + " bytes, too few for " + memories + " memories");
        }
        for (int i = Short.toUnsignedInt(message.get(Wire.SHORT, Wire.HEADER + Wire.METAS)); i > 0; i--) {
            at += readMeta(at, end);
        }
    }

    /** Reads a meta; returns its size. */
    private long readMeta(long at, long end) throws ProtocolException {
        long size = end - at < 8 ? 0 : Integer.toUnsignedLong(message.get(Wire.INT, at));
        long nameLength = size < 8 ? 0 : Integer.toUnsignedLong(message.get(Wire.INT, at + 4));
        // Size, length of the name, name, NUL, version.
        long header = 8 + nameLength + 2;
        if (size < header || size > end - at || message.get(Wire.BYTE, at + 8 + nameLength) != 0) {
            throw Wire.lie("a meta of a new buffer has " + size + " bytes, with a name of " + nameLength + ", where "
                    + (end - at) + " are left");
        }
        // Another version has another meaning, as of a meta that is not known.
        if (meta == 0 && isVideoMeta(at, nameLength) && message.get(Wire.BYTE, at + header - 1) == 0) {
            readVideoMeta(at + header, size - header);
        }
        return size;
    }

    private boolean isVideoMeta(long at, long nameLength) {
        if (nameLength != VIDEO_META.length) {
            return false;
        }
        for (int i = 0; i < VIDEO_META.length; i++) {
            if (message.get(Wire.BYTE, at + 8 + i) != VIDEO_META[i]) {
                return false;
            }
        }
        return true;
    }

    private void readVideoMeta(long at, long size) throws ProtocolException {
        int count = size < VIDEO_META_FIXED ? 0 : message.get(Wire.INT, at + 16);
        if (count < 1 || count > MOST_PLANES || size < VIDEO_META_FIXED + VIDEO_META_PLANE * count) {
            throw Wire.lie("a GstVideoMeta has " + size + " bytes and " + Integer.toUnsignedString(count)
                    + " planes; 1 to " + MOST_PLANES + " are allowed");
        }
        meta = at;
        planes = count;
    }

    long id() {
        return message.get(Wire.LONG, Wire.HEADER + Wire.ID);
    }

    long pts() {
        return message.get(Wire.LONG, Wire.HEADER + Wire.PTS);
    }

    long duration() {
        return message.get(Wire.LONG, Wire.HEADER + Wire.DURATION);
    }

    int flags() {
        return message.get(Wire.INT, Wire.HEADER + Wire.FLAGS);
    }

    boolean isDmaBuf() {
        return message.get(Wire.BYTE, Wire.HEADER + Wire.TYPE) == Wire.DMA_BUF;
    }

    int type() {
        return Byte.toUnsignedInt(message.get(Wire.BYTE, Wire.HEADER + Wire.TYPE));
    }

    /** The number of memories. */
    int memories() {
        return memories;
    }

    /** The bytes of a memory; negative if there are 2^63 or more. */
    long size(int memory) {
        return message.get(Wire.LONG, Wire.HEADER + Wire.BUFFER_FIXED + Wire.MEMORY * memory);
    }

    /** Where a memory begins in its file; negative if that is 2^63 or more. */
    long offset(int memory) {
        return message.get(Wire.LONG, Wire.HEADER + Wire.BUFFER_FIXED + Wire.MEMORY * memory + 8);
    }

    /** The planes of the GstVideoMeta; 0 if there is none. */
    int planes() {
        return planes;
    }

    /** The format of the GstVideoMeta. */
    int format() {
        return message.get(Wire.INT, meta + 4);
    }

    long width() {
        return Integer.toUnsignedLong(message.get(Wire.INT, meta + 8));
    }

    long height() {
        return Integer.toUnsignedLong(message.get(Wire.INT, meta + 12));
    }

    /** Where a plane begins, from the begin of the first memory, as if each followed the one before it. */
    long planeOffset(int plane) {
        return message.get(Wire.LONG, meta + 20 + 8L * plane);
    }

    /** The bytes from one line to the next; negative for an image that is stored from below. */
    int stride(int plane) {
        return message.get(Wire.INT, meta + 20 + 8L * planes + 4L * plane);
    }

    /** A copy of what tells where the image lies, for {@link #isAs}. */
    long[] places() {
        var places = new long[2 + 2 * memories + (planes == 0 ? 0 : 3 + 2 * planes)];
        int at = 0;
        places[at++] = memories;
        places[at++] = planes;
        for (int i = 0; i < memories; i++) {
            places[at++] = size(i);
            places[at++] = offset(i);
        }
        if (planes > 0) {
            places[at++] = format();
            places[at++] = width();
            places[at++] = height();
            for (int i = 0; i < planes; i++) {
                places[at++] = planeOffset(i);
                places[at++] = stride(i);
            }
        }
        return places;
    }

    /** Whether {@link #places} would return the same. */
    boolean isAs(long[] places) {
        if (places[0] != memories || places[1] != planes) {
            return false;
        }
        int at = 2;
        for (int i = 0; i < memories; i++) {
            if (places[at++] != size(i) || places[at++] != offset(i)) {
                return false;
            }
        }
        if (planes == 0) {
            return true;
        }
        if (places[at++] != format() || places[at++] != width() || places[at++] != height()) {
            return false;
        }
        for (int i = 0; i < planes; i++) {
            if (places[at++] != planeOffset(i) || places[at++] != stride(i)) {
                return false;
            }
        }
        return true;
    }
}
