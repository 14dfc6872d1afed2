// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A message of {@code dev.cenalloc.share}, version 1, as its package's page describes it. */
final class Message {
    static final int BUFFERS = 1;
    static final int FRAME = 2;
    static final int RELEASE = 3;
    static final int FORGET = 4;
    static final int HEADER = 16;

    private static final int MAGIC = 0x31414E43;
    private static final int MOST_PAYLOAD = 65_536;

    private Message() {}

    /** A message whose payload is 0: fill it in from byte 16. */
    static ByteBuffer of(int type, int descriptors, int payload, int frame) {
        return ByteBuffer.allocate(HEADER + payload)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(0, MAGIC)
                .putShort(4, (short) type)
                .putShort(6, (short) descriptors)
                .putInt(8, payload)
                .putInt(12, frame);
    }

    static boolean isHeader(ByteBuffer header) {
        return header.getInt(0) == MAGIC && Integer.compareUnsigned(payload(header), MOST_PAYLOAD) <= 0;
    }

    static int type(ByteBuffer header) {
        return Short.toUnsignedInt(header.getShort(4));
    }

    static int descriptors(ByteBuffer header) {
        return Short.toUnsignedInt(header.getShort(6));
    }

    static int payload(ByteBuffer header) {
        return header.getInt(8);
    }

    static int frame(ByteBuffer header) {
        return header.getInt(12);
    }

    static void write(OutputStream to, ByteBuffer message) throws IOException {
        var bytes = new byte[message.capacity()];
        message.get(0, bytes);
        to.write(bytes);
    }
}
