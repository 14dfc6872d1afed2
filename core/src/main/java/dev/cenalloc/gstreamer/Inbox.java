// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.UnixSocket;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.ProtocolException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Cuts what a socket receives into messages, of which it holds the first one. Messages of unknown types are skipped,
 * with their descriptors. Not safe for several threads. Allocates no objects, unless it throws.
 */
final class Inbox {
    private final UnixSocket socket;
    private final MemorySegment buffer;
    /** The place in the stream of the first byte of the buffer. */
    private long start;
    /** A message begins at 0; so many bytes are there. */
    private long filled;
    /** The size of the message that {@link #advance} found, which is removed at the next call. */
    private long consumed;
    /** How many bytes of the stream are still to be skipped. */
    private long skipping;
    /**
     * Of each descriptor that came and was not taken, the place in the stream where the receipt with it ended. The
     * kernel ends a receipt behind the bytes that a descriptor was sent with, so it belongs to the message in which
     * that place is, or at whose end.
     */
    private final long[] ends = new long[2 * UnixSocket.MOST_DESCRIPTORS];

    /** How many of {@link #ends} there are. */
    private int known;

    Inbox(UnixSocket socket, long mostPayload) {
        this.socket = socket;
        this.buffer = Arena.ofAuto().allocate(Wire.HEADER + mostPayload, Long.BYTES);
    }

    /** The type of the message. */
    int type() {
        return buffer.get(Wire.INT, 0);
    }

    long payloadSize() {
        return Integer.toUnsignedLong(buffer.get(Wire.INT, 4));
    }

    /** The message, from its header on; what is behind it is not of it. */
    MemorySegment message() {
        return buffer;
    }

    /** How many descriptors belong to the message and were not taken. */
    int descriptors() {
        int count = 0;
        while (count < known && ends[count] <= start + consumed) {
            count++;
        }
        return count;
    }

    /** Takes the first descriptor, which the caller owns from now on. */
    int take() {
        known--;
        System.arraycopy(ends, 1, ends, 0, known);
        return socket.take();
    }

    private void closeFirst() {
        known--;
        System.arraycopy(ends, 1, ends, 0, known);
        socket.closeFirst();
    }

    /** Closes the descriptors that came and were not taken. */
    void discard() {
        known = 0;
        socket.discard();
    }

    /**
     * Removes the message, and finds the next.
     *
     * @return whether there is a whole one of a known type; if not, {@link #fill}
     * @throws ProtocolException if it is larger than the peer of this protocol sends it
     */
    boolean advance() throws ProtocolException {
        while (true) {
            remove();
            if (filled < Wire.HEADER) {
                return false;
            }
            int type = type();
            long size = Wire.HEADER + payloadSize();
            boolean isKnown = type >= Wire.NEW_BUFFER && type <= Wire.EOS;
            if (payloadSize() > Wire.MOST_PAYLOAD || (isKnown && size > buffer.byteSize())) {
                throw Wire.lie("a message of type " + Integer.toUnsignedString(type) + " has " + payloadSize()
                        + " bytes; at most " + (isKnown ? buffer.byteSize() - Wire.HEADER : Wire.MOST_PAYLOAD)
                        + " are allowed");
            }
            if (isKnown && filled < size) {
                return false;
            }
            consumed = Math.min(filled, size);
            if (isKnown) {
                return true;
            }
            skipping = size - consumed;
        }
    }

    /** Removes the message at the front, or the part of one that is skipped, with its descriptors. */
    private void remove() {
        if (skipping > 0 && consumed == 0) {
            consumed = Math.min(filled, skipping);
            skipping -= consumed;
        }
        if (consumed > 0) {
            for (int i = descriptors(); i > 0; i--) {
                closeFirst();
            }
            MemorySegment.copy(buffer, consumed, buffer, 0, filled - consumed);
            start += consumed;
            filled -= consumed;
            consumed = 0;
        }
    }

    /**
     * Receives what is there, after a wait for the first of it.
     *
     * @return whether something came
     * @throws DisconnectedException if the peer is gone
     * @throws ProtocolException if it ended in the middle of a message, or descriptors were lost
     */
    boolean fill(long timeoutNanos) throws CenallocException {
        long result = socket.receive(buffer, filled, timeoutNanos);
        if (result > 0) {
            filled += result;
            while (known < socket.available()) {
                ends[known++] = start + filled;
            }
            return true;
        }
        if (result == 0 && (filled > 0 || skipping > 0)) {
            throw Wire.lie("the peer ended in the middle of a message");
        }
        return switch ((int) -result) {
            case Errno.EAGAIN -> false;
            case 0 -> throw new DisconnectedException(Errno.EPIPE, "recvmsg");
            case Errno.ECONNRESET, Errno.EPIPE -> throw new DisconnectedException((int) -result, "recvmsg");
            case Errno.EPROTO ->
                throw Wire.lie("descriptors were lost: the peer sent more than " + Wire.MOST_MEMORIES + " at once");
            default -> throw CenallocException.ofCall((int) -result, "recvmsg", null, -1);
        };
    }
}
