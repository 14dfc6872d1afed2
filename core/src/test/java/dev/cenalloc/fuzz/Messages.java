// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.fuzz;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Several messages in one input: of each its kind, which means something to its target only, its length in two bytes,
 * the lower one first, and its bytes. Any input is some messages.
 */
public final class Messages {
    private static final int HEADER = 3;

    /** One of them. */
    public static final class Message {
        public final int kind;
        public final byte[] bytes;

        public Message(int kind, byte[] bytes) {
            this.kind = kind;
            this.bytes = bytes;
        }
    }

    private Messages() {}

    public static List<Message> of(byte[] input) {
        var messages = new ArrayList<Message>();
        for (int at = 0; at + HEADER <= input.length; ) {
            int kind = Byte.toUnsignedInt(input[at]);
            int length = Byte.toUnsignedInt(input[at + 1]) | Byte.toUnsignedInt(input[at + 2]) << Byte.SIZE;
            int from = at + HEADER;
            at = Math.min(from + length, input.length);
            messages.add(new Message(kind, Arrays.copyOfRange(input, from, at)));
        }
        return messages;
    }

    /** The input that has these. */
    public static byte[] input(List<Message> messages) {
        var input = new ByteArrayOutputStream();
        for (Message message : messages) {
            input.write(message.kind);
            input.write(message.bytes.length);
            input.write(message.bytes.length >> Byte.SIZE);
            input.writeBytes(message.bytes);
        }
        return input.toByteArray();
    }
}
