// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.UnixSocket;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.ProtocolException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The connection to a compositor: writes requests, cuts what comes into events, and knows the objects by their numbers.
 * The first failure closes it, and each further use fails for the same reason. Closed by the {@link Window}. For one
 * thread at a time. Requests and events without text allocate no objects.
 */
final class Channel {
    /** How long the compositor may take for an answer, or for reading what it was sent; also one that just starts. */
    static final long LIMIT = TimeUnit.SECONDS.toNanos(15);

    /** The numbers that the compositor gives begin here. */
    private static final int SERVER_IDS = 0xFF00_0000;
    /** As many as a window never has: buffers of some rings, and callbacks. */
    private static final int MOST_OBJECTS = 4096;
    /** Larger than any message: a size has 16 bits. */
    private static final int ROOM = 1 << 16;

    private static final int OUTGOING = 4096;

    private static final Proxy DEAD = new Proxy.Silent("deleted object");
    private static final List<Descriptor> NOTHING = List.of();

    private final Kernel kernel;
    private final Connection connection;
    private final UnixSocket socket;
    private final Proxy display;

    private final MemorySegment outgoing = Arena.ofAuto().allocate(OUTGOING, Long.BYTES);
    private int written;
    private final List<Descriptor> passed = new ArrayList<>(UnixSocket.MOST_DESCRIPTORS);

    private final MemorySegment incoming = Arena.ofAuto().allocate(ROOM, Long.BYTES);
    private int filled;
    /** Where the next message begins. */
    private int next;
    /** Of the message whose arguments are read, and where it ends. */
    private int argument;

    private int end;

    /** Objects of this side by their numbers; those that the compositor has not deleted yet are {@link #DEAD}. */
    private final @Nullable Proxy[] ours = new Proxy[MOST_OBJECTS];

    private final int[] free = new int[MOST_OBJECTS];
    private int freeCount;
    private int nextId = Wire.DISPLAY_ID;

    private final List<@Nullable Proxy> theirs = new ArrayList<>();

    private @Nullable CenallocException failure;

    /** Something that the compositor is to do. */
    interface Condition {
        boolean holds();
    }

    /** Owns a connection. */
    Channel(Kernel kernel, Connection connection) {
        this.kernel = kernel;
        this.connection = connection;
        this.socket = Seam.socket(connection);
        this.display = new Display();
        display.id = nextId++;
        ours[display.id] = display;
    }

    Kernel kernel() {
        return kernel;
    }

    /** The first object, which every connection has. */
    private static final class Display extends Proxy {
        Display() {
            super(Wire.DISPLAY);
        }

        @Override
        void event(int opcode, Channel channel) throws CenallocException {
            if (opcode == Wire.DISPLAY_ERROR) {
                int object = channel.integer();
                int code = channel.integer();
                throw channel.refused(object, code, channel.string());
            } else if (opcode == Wire.DISPLAY_DELETE_ID) {
                channel.delete(channel.integer());
            }
        }
    }

    // ---- failures ----

    boolean isUsable() {
        return failure == null;
    }

    /** Closes this for a reason, which is the one that is told from now on. */
    <T extends CenallocException> T fail(T reason) {
        if (failure == null) {
            failure = reason;
        }
        close();
        return reason;
    }

    /** What the compositor sent is not what the protocol allows. */
    ProtocolException lie(String what) {
        return fail(new ProtocolException(
                "the compositor breaks the Wayland protocol: " + what,
                "report it to the compositor's makers, and open another window"));
    }

    private CenallocException refused(int object, int code, String message) {
        Proxy subject = known(object);
        String type = subject == null ? "object " + Integer.toUnsignedString(object) : subject.type;
        return fail(new CenallocException(
                Errno.EPROTO,
                "wl_display.error",
                null,
                -1,
                "the compositor ended the connection: " + Wire.error(type, code) + " of " + type + ", " + message,
                "report it with this text, and open another window"));
    }

    private CenallocException silent(String what) {
        return fail(new CenallocException(
                Errno.ETIMEDOUT,
                "recvmsg",
                null,
                -1,
                "the compositor did not " + what + " within " + TimeUnit.NANOSECONDS.toSeconds(LIMIT) + " seconds",
                "check that a Wayland compositor listens there, and that it runs"));
    }

    private static DisconnectedException gone(int errno, String call) {
        return new DisconnectedException(
                errno,
                call,
                "the Wayland compositor is gone, or has ended the connection without a reason",
                "close the window, and open another when a compositor runs");
    }

    /** As before. */
    private void checkUsable() throws CenallocException {
        switch (failure) {
            case null -> {}
            case DisconnectedException gone -> throw gone(gone.errno(), gone.call());
            case ProtocolException lie ->
                throw new ProtocolException(
                        "the connection to the compositor has ended: " + lie.reason(),
                        "close the window, and open another");
            case CenallocException before ->
                throw new CenallocException(
                        before.errno(),
                        before.call(),
                        null,
                        -1,
                        "the connection to the compositor has ended: " + before.reason(),
                        "close the window, and open another");
        }
    }

    // ---- objects ----

    /** Gives an object a number, which is free again when it was {@linkplain #forget forgotten} on both sides. */
    void add(Proxy proxy) throws CenallocException {
        if (freeCount == 0 && nextId == MOST_OBJECTS) {
            throw lie("it deletes none of " + MOST_OBJECTS + " objects");
        }
        int id = freeCount > 0 ? free[--freeCount] : nextId++;
        ours[id] = proxy;
        proxy.id = id;
    }

    /** Knows an object that the compositor has made. */
    void adopt(Proxy proxy, int id) throws CenallocException {
        int place = id - SERVER_IDS;
        if (place < 0 || place > theirs.size() || place >= MOST_OBJECTS || id >= 0) {
            throw lie("it gives a " + proxy.type + " the number " + Integer.toUnsignedString(id));
        }
        if (place == theirs.size()) {
            theirs.add(null);
        }
        if (theirs.get(place) != null) {
            throw lie("it gives a " + proxy.type + " the number of another object");
        }
        theirs.set(place, proxy);
        proxy.id = id;
    }

    /** An object is destroyed, so its events, which may be under way, count no more. */
    void forget(Proxy proxy) {
        if (proxy.id < 0) {
            theirs.set(proxy.id - SERVER_IDS, null);
        } else {
            ours[proxy.id] = DEAD;
        }
        proxy.id = 0;
    }

    private void delete(int id) throws CenallocException {
        if (id <= Wire.DISPLAY_ID || id >= nextId || ours[id] != DEAD) {
            throw lie("it deletes the object " + Integer.toUnsignedString(id) + ", which is in use or never was");
        }
        ours[id] = null;
        free[freeCount++] = id;
    }

    private @Nullable Proxy known(int id) {
        int place = id - SERVER_IDS;
        return id >= 0
                ? (id < nextId ? ours[id] : null)
                : place < theirs.size() && place >= 0 ? theirs.get(place) : null;
    }

    private Proxy subject(int id) throws CenallocException {
        Proxy found = known(id);
        if (found != null) {
            return found;
        }
        // A buffer that was destroyed may have been released at the same time.
        if (id < 0 && id - SERVER_IDS < theirs.size() && id - SERVER_IDS >= 0) {
            return DEAD;
        }
        throw lie("an event has come for the object " + Integer.toUnsignedString(id) + ", which does not exist");
    }

    // ---- requests ----

    /**
     * Begins a request, whose arguments follow.
     *
     * @param object that it is made of
     * @param opcode which
     * @param words the 32-bit words of its arguments
     */
    void request(Proxy object, int opcode, int words) throws CenallocException {
        request(object, opcode, words, 0);
    }

    /** As {@link #request(Proxy, int, int)}, with descriptors, which are {@linkplain #pass passed}. */
    void request(Proxy object, int opcode, int words, int descriptors) throws CenallocException {
        int size = Wire.HEADER + words * Integer.BYTES;
        if (written + size > OUTGOING || passed.size() + descriptors > UnixSocket.MOST_DESCRIPTORS) {
            flush();
        }
        put(object.id);
        put(size << 16 | opcode);
    }

    void put(int word) {
        outgoing.set(Wire.INT, written, word);
        written += Integer.BYTES;
    }

    /** The words that a text takes. */
    static int words(byte[] text) {
        return 1 + (text.length + Integer.BYTES) / Integer.BYTES;
    }

    /** Text, with its length, a NUL and padding. */
    void put(byte[] text) {
        put(text.length + 1);
        int size = (words(text) - 1) * Integer.BYTES;
        outgoing.asSlice(written, size).fill((byte) 0);
        MemorySegment.copy(text, 0, outgoing, Wire.BYTE, written, text.length);
        written += size;
    }

    /** Passes a descriptor, which stays its owner's, with the request. */
    void pass(Descriptor descriptor) {
        passed.add(descriptor);
    }

    /** Sends what was written. One system call, unless there is nothing. */
    void flush() throws CenallocException {
        checkUsable();
        if (written == 0) {
            return;
        }
        int size = written;
        int result = -Errno.EBADF;
        boolean tried = false;
        try {
            result = socket.send(outgoing, 0, size, passed.isEmpty() ? NOTHING : passed, LIMIT);
            tried = true;
        } finally {
            written = 0;
            passed.clear();
            if (!tried) { // the numbers of objects are those of the compositor no more
                fail(gone(Errno.EPIPE, "sendmsg"));
            }
        }
        switch (-result) {
            case 0 -> {}
            case Errno.EPIPE, Errno.ECONNRESET -> {
                hear(); // it may have said why
                throw fail(gone(-result, "sendmsg"));
            }
            case Errno.EAGAIN, Errno.ETIMEDOUT -> throw silent("read what it was sent");
            default -> throw fail(CenallocException.ofCall(-result, "sendmsg", null, -1));
        }
    }

    // ---- events ----

    /** Has what comes last be heard, of which the last may be an error. */
    private void hear() throws CenallocException {
        while (fill(0)) {
            while (advance()) {
                written = 0; // nobody reads answers
            }
        }
    }

    /**
     * Sends what was written, and handles the events that are there, after waiting for the first.
     *
     * @return whether something came
     */
    boolean receive(long nanos) throws CenallocException {
        flush();
        if (!fill(nanos)) {
            return false;
        }
        while (advance()) {}
        flush();
        return true;
    }

    /** Waits until something holds. */
    void await(Condition condition, String what) throws CenallocException {
        long deadline = System.nanoTime() + LIMIT;
        while (!condition.holds()) {
            long left = deadline - System.nanoTime();
            if (left <= 0 || (!receive(left) && !condition.holds())) {
                throw silent(what);
            }
        }
    }

    /** Waits until the compositor has done all that it was asked. */
    void sync(String what) throws CenallocException {
        var callback = new Proxy.Callback();
        request(display(), Wire.DISPLAY_SYNC, 1);
        add(callback);
        put(callback.id);
        await(callback::isDone, what);
    }

    Proxy display() {
        return display;
    }

    private boolean fill(long nanos) throws CenallocException {
        checkUsable();
        if (next > 0) {
            MemorySegment.copy(incoming, next, incoming, 0, filled - next);
            filled -= next;
            next = 0;
        }
        long result = socket.receive(incoming, filled, nanos);
        if (result > 0) {
            filled += (int) result;
            return true;
        }
        if (result == 0 && filled > 0) {
            throw lie("it ended in the middle of a message");
        }
        return switch ((int) -result) {
            case Errno.EAGAIN -> false;
            case 0 -> throw fail(gone(Errno.EPIPE, "recvmsg"));
            case Errno.ECONNRESET, Errno.EPIPE -> throw fail(gone((int) -result, "recvmsg"));
            case Errno.EPROTO ->
                throw lie("descriptors were lost: it sent more than " + UnixSocket.MOST_DESCRIPTORS + " at once");
            default -> throw fail(CenallocException.ofCall((int) -result, "recvmsg", null, -1));
        };
    }

    /** Handles the next event; false if there is no whole one. */
    private boolean advance() throws CenallocException {
        if (filled - next < Wire.HEADER) {
            return false;
        }
        int object = incoming.get(Wire.INT, next);
        int word = incoming.get(Wire.INT, next + Integer.BYTES);
        int size = word >>> 16;
        if (size < Wire.HEADER || size % Integer.BYTES != 0) {
            throw lie("a message has " + size + " bytes");
        }
        if (filled - next < size) {
            return false;
        }
        argument = next + Wire.HEADER;
        end = next + size;
        next = end;
        subject(object).event(word & 0xFFFF, this);
        return true;
    }

    private void check(long bytes) throws CenallocException {
        if (bytes > end - argument) {
            throw lie("a message ends before its arguments");
        }
    }

    /** The next argument, a number. */
    int integer() throws CenallocException {
        check(Integer.BYTES);
        int value = incoming.get(Wire.INT, argument);
        argument += Integer.BYTES;
        return value;
    }

    /** The next argument, an array; valid until the event is handled. */
    MemorySegment array() throws CenallocException {
        long length = Integer.toUnsignedLong(integer());
        check(length);
        MemorySegment array = incoming.asSlice(argument, length);
        argument = (int) Math.min(end, argument + (length + Integer.BYTES - 1) / Integer.BYTES * Integer.BYTES);
        return array;
    }

    /** The next argument, text; any text. */
    String string() throws CenallocException {
        MemorySegment bytes = array();
        if (bytes.byteSize() == 0) {
            return "";
        }
        if (bytes.get(Wire.BYTE, bytes.byteSize() - 1) != 0) {
            throw lie("a text does not end with NUL");
        }
        return new String(bytes.asSlice(0, bytes.byteSize() - 1).toArray(Wire.BYTE), StandardCharsets.UTF_8);
    }

    /** The next argument, a descriptor, which the caller owns from now on. */
    int descriptor() throws CenallocException {
        if (socket.available() == 0) {
            throw lie("a descriptor is missing");
        }
        return socket.take();
    }

    /** Closes the connection, and the descriptors that have come. Idempotent. */
    void close() {
        connection.close();
        socket.discard();
    }
}
