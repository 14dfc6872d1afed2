// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.UnixSocket;
import dev.cenalloc.text.Count;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Cuts what a socket receives into messages, of which it holds the first one. Messages of unknown types are skipped,
 * with their descriptors. Not safe for several threads. Allocates no objects, unless it throws.
 */
final class Inbox {
    /**
     * How many returned messages and receipts may follow each other after the timeout: enough for the additions of all
     * frames, each in pieces. A peer that never stops would else keep the caller.
     */
    static final int MOST_STEPS = 1024;

    private final UnixSocket socket;
    private final MemorySegment buffer = Arena.ofAuto().allocate(Wire.HEADER + Wire.MOST_PAYLOAD, Long.BYTES);
    /** The message begins at 0; so many bytes are there. */
    private long filled;
    /** The size of the message that {@link #next} returned, which is removed at the next call. */
    private long consumed;

    private long deadline;
    private int steps;

    Inbox(UnixSocket socket) {
        this.socket = socket;
    }

    short type() {
        return buffer.get(Wire.SHORT, 4);
    }

    int descriptors() {
        return Short.toUnsignedInt(buffer.get(Wire.SHORT, 6));
    }

    long payloadSize() {
        return Integer.toUnsignedLong(buffer.get(Wire.INT, 8));
    }

    int id() {
        return buffer.get(Wire.INT, 12);
    }

    int payloadInt(long offset) {
        return buffer.get(Wire.INT, Wire.HEADER + offset);
    }

    long payloadLong(long offset) {
        return buffer.get(Wire.LONG, Wire.HEADER + offset);
    }

    MemorySegment payload() {
        return buffer.asSlice(Wire.HEADER, payloadSize());
    }

    /** Begins a wait of the caller for a number of messages. */
    void begin(long timeoutNanos) {
        deadline = System.nanoTime() + timeoutNanos;
        steps = 0;
    }

    /**
     * Waits for a message, until the end of what {@link #begin} began. All of its descriptors are there to be taken.
     *
     * @return whether there is one; false after the timeout
     * @throws DisconnectedException if the peer is gone
     * @throws ProtocolException if what it sent is no message of this version
     */
    boolean next() throws CenallocException {
        while (steps < MOST_STEPS || deadline - System.nanoTime() > 0) {
            steps = Math.min(steps + 1, MOST_STEPS);
            if (found()) {
                return true;
            }
            if (!fill(Math.max(0, deadline - System.nanoTime()))) {
                return false;
            }
        }
        return false;
    }

    /** Whether a whole message of a known type is in what has come. */
    private boolean found() throws ProtocolException {
        for (dropConsumed(); isWhole(); dropConsumed()) {
            consumed = Wire.HEADER + payloadSize();
            if (type() >= Wire.BUFFERS && type() <= Wire.FORGET) {
                return true;
            }
            skip();
        }
        return false;
    }

    /**
     * As {@link #next}, of what has come.
     *
     * @param receive whether to receive what is there first, by one system call
     */
    boolean nextNow(boolean receive) throws CenallocException {
        dropConsumed();
        return (!receive || fill(0)) && found();
    }

    private void dropConsumed() {
        if (consumed > 0) {
            MemorySegment.copy(buffer, consumed, buffer, 0, filled - consumed);
            filled -= consumed;
            consumed = 0;
        }
    }

    /** For a peer of a later version. */
    private void skip() {
        for (int i = descriptors(); i > 0; i--) {
            socket.closeFirst();
        }
    }

    private boolean isWhole() throws ProtocolException {
        if (filled < Wire.HEADER) {
            return false;
        }
        if (buffer.get(Wire.INT, 0) != Wire.MAGIC) {
            throw new ProtocolException("the peer does not speak version 1 of this protocol: it sent 0x"
                    + Integer.toHexString(buffer.get(Wire.INT, 0)));
        }
        if (payloadSize() > Wire.MOST_PAYLOAD) {
            throw new ProtocolException(
                    "a message has " + payloadSize() + " bytes; at most " + Wire.MOST_PAYLOAD + " are allowed");
        }
        if (filled < Wire.HEADER + payloadSize()) {
            return false;
        }
        // They come with the first byte.
        if (filled == Wire.HEADER + payloadSize() && socket.available() > descriptors()) {
            throw new ProtocolException("a message announces " + Count.of(descriptors(), "descriptor") + ", and "
                    + socket.available() + " came");
        }
        if (socket.available() < descriptors()) {
            throw new ProtocolException(
                    "a message has " + Count.of(descriptors(), "descriptor") + ", and " + socket.available() + " came");
        }
        return true;
    }

    private boolean fill(long timeoutNanos) throws CenallocException {
        long result = socket.receive(buffer, filled, timeoutNanos);
        if (result > 0) {
            filled += result;
            return true;
        }
        if (result == 0 && filled > 0) {
            throw new ProtocolException("the peer ended in the middle of a message");
        }
        if (result == -Errno.EAGAIN) {
            return false;
        }
        throw Connection.failed(result);
    }
}
