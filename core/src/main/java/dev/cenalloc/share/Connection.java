// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Sockets;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.FirstFailure;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.kernel.Times;
import dev.cenalloc.kernel.UnixSocket;
import dev.cenalloc.text.Printable;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A connection to another process: a Unix stream socket. A {@link Sender} or a {@link Receiver} that is made of it
 * closes it; else the caller closes it. Safe for any number of threads.
 */
public final class Connection implements AutoCloseable {
    /** Bytes of native memory that are kept for messages, at least, and at most for those that are received. */
    private static final int LEAST_ROOM = 4096;

    private static final int MOST_AT_ONCE = 1 << 16;

    static {
        FirstFailure.prepare(MethodHandles.lookup(), DisconnectedException.class, ProtocolException.class);
        Seam.setSockets(connection -> ((Connection) connection).socket);
    }

    private final Cenalloc cenalloc;
    private final Kernel kernel;
    private final UnixSocket socket;

    /** For {@link #send}, guarded by this. */
    private final List<Descriptor> passed = new ArrayList<>(UnixSocket.MOST_DESCRIPTORS);

    private @Nullable MemorySegment outgoing;

    private final Object receiving = new Object();
    /** For {@link #receive}, guarded by {@link #receiving}. */
    private @Nullable MemorySegment incoming;

    private Connection(Cenalloc cenalloc, Kernel kernel, int fd) {
        this.cenalloc = cenalloc;
        this.kernel = kernel;
        this.socket = new UnixSocket(kernel, fd);
    }

    /**
     * Connects to a process that listens. Blocks only while its queue of connections is full.
     *
     * @param cenalloc the context of the buffers that come
     * @param address where it listens
     * @return the connection, which the caller closes
     * @throws CenallocException ENOENT: there is no such socket; ECONNREFUSED: nobody listens there any more; EACCES:
     *     this process may not write to the socket's file; EMFILE
     */
    public static Connection connect(Cenalloc cenalloc, Address address) throws CenallocException {
        Objects.requireNonNull(address, "address");
        Kernel kernel = Seam.kernel(Objects.requireNonNull(cenalloc, "cenalloc"));
        StackRoom.requireToOwn();
        int fd = check(kernel.socket(0), "socket", address);
        boolean connected = false;
        try (Arena arena = Arena.ofConfined()) {
            int result;
            do {
                result = kernel.connect(fd, address.toNative(arena));
            } while (result == -Errno.EINTR);
            if (result == -Errno.ECONNREFUSED) {
                throw new CenallocException(
                        -result,
                        "connect",
                        address.path(),
                        -1,
                        "nobody listens at " + Printable.of(address.toString()),
                        "start the process that listens there");
            }
            check(result, "connect", address);
            connected = true;
            return own(cenalloc, kernel, fd);
        } finally {
            if (!connected) {
                Descriptor.closeNumber(kernel, fd);
            }
        }
    }

    /**
     * Takes over a connected socket, such as one that another library opened or a parent process passed on. It is
     * close-on-exec from now on.
     *
     * @param cenalloc the context of the buffers that come
     * @param fd the descriptor of a connected Unix stream socket; the connection owns it from now on; if this method
     *     throws, it is closed. Of one that is not connected, the first message fails with ENOTCONN
     * @return the connection, which the caller closes
     * @throws IllegalArgumentException if an open object of this library has the number already; nothing has changed
     * @throws CenallocException ENOTSOCK: it is no socket; EINVAL: it is another kind of socket; EBADF: it is not open
     */
    public static Connection adopt(Cenalloc cenalloc, int fd) throws CenallocException {
        Kernel kernel = Seam.kernel(Objects.requireNonNull(cenalloc, "cenalloc"));
        kernel.owned().refuse(fd);
        // A number that is not open must not be closed: another thread may open it meanwhile.
        boolean ours = true;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(ValueLayout.JAVA_INT);
            int result = kernel.socketOption(fd, Sockets.SO_DOMAIN, value);
            ours = result != -Errno.EBADF;
            check(result, "getsockopt", null);
            boolean isUnix = value.get(ValueLayout.JAVA_INT, 0) == Sockets.AF_UNIX;
            check(kernel.socketOption(fd, Sockets.SO_TYPE, value), "getsockopt", null);
            if (!isUnix || value.get(ValueLayout.JAVA_INT, 0) != Sockets.SOCK_STREAM) {
                throw new CenallocException(
                        Errno.EINVAL,
                        "adopt",
                        null,
                        -1,
                        "descriptor " + fd + " is no Unix stream socket",
                        "pass a connected socket of AF_UNIX and SOCK_STREAM");
            }
            check(kernel.closeOnExec(fd), "fcntl", null);
            ours = false;
            return own(cenalloc, kernel, fd);
        } finally {
            if (ours) {
                Descriptor.closeNumber(kernel, fd);
            }
        }
    }

    /** Owns a connected socket, also if this fails. */
    static Connection own(Cenalloc cenalloc, Kernel kernel, int fd) {
        Connection connection = null;
        try {
            connection = new Connection(cenalloc, kernel, fd);
            return connection;
        } finally {
            if (connection == null) {
                Descriptor.closeNumber(kernel, fd);
            }
        }
    }

    /** {@return a result that is not negative} */
    static int check(int result, String call, @Nullable Address address) throws CenallocException {
        if (result < 0) {
            throw CenallocException.ofCall(-result, call, address == null ? null : address.path(), -1);
        }
        return result;
    }

    /**
     * {@return the process at the other end} One system call.
     *
     * @throws IllegalStateException if closed
     * @throws CenallocException with the errno of getsockopt
     */
    public Peer peer() throws CenallocException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment all = arena.allocate(Sockets.CREDENTIALS_SIZE, Integer.BYTES);
            check(socket.peer(all), "getsockopt", null);
            return new Peer(
                    all.get(ValueLayout.JAVA_INT, 0),
                    all.get(ValueLayout.JAVA_INT, 4),
                    all.get(ValueLayout.JAVA_INT, 8));
        }
    }

    /**
     * Sends bytes of a protocol of the program's own, with buffers beside the first of them. Not on a connection of a
     * {@link Sender} or {@link Receiver}. The buffers stay open during the call, whatever other threads do; afterwards
     * they may be closed, since the peer has descriptors of its own. Blocks while the peer does not read.
     *
     * @param message at least a byte
     * @param buffers at most 16
     * @param timeout the longest time to wait for a peer that does not read; zero does not wait
     * @return whether it was sent; false after the timeout, when nothing was
     * @throws IllegalArgumentException if the message is empty, or there are too many buffers
     * @throws IllegalStateException if this or a buffer is closed
     * @throws DisconnectedException EPIPE: the peer is gone
     * @throws CenallocException as {@link Sender#send}
     */
    public synchronized boolean send(byte[] message, List<DmaBuf> buffers, Duration timeout) throws CenallocException {
        Objects.requireNonNull(buffers, "buffers");
        if (Objects.requireNonNull(message, "message").length == 0 || buffers.size() > UnixSocket.MOST_DESCRIPTORS) {
            throw new IllegalArgumentException("message must have a byte and buffers at most "
                    + UnixSocket.MOST_DESCRIPTORS + "; they are " + message.length + " and " + buffers.size());
        }
        long nanos = Times.nanos(timeout);
        checkOpen();
        outgoing = roomFor(message.length, outgoing);
        MemorySegment.copy(message, 0, outgoing, ValueLayout.JAVA_BYTE, 0, message.length);
        passed.clear();
        for (int i = 0; i < buffers.size(); i++) {
            passed.add(Seam.descriptor(buffers.get(i)));
        }
        int result = socket.send(outgoing, 0, message.length, passed, nanos);
        if (result == -Errno.EAGAIN) {
            return false;
        }
        checkSent(result);
        return true;
    }

    /** Native memory for bytes, kept from call to call. */
    private static MemorySegment roomFor(int bytes, @Nullable MemorySegment before) {
        return before != null && before.byteSize() >= bytes
                ? before
                : Arena.ofAuto().allocate(Math.max(bytes, LEAST_ROOM));
    }

    /**
     * Receives bytes of a protocol of the program's own, and the buffers that come with them. A stream has no limits of
     * messages: fewer bytes may come than were sent at once. Each descriptor is checked to be a dma-buf. Blocks, and
     * pins the carrier of a virtual thread.
     *
     * @param into room for the bytes, at least one
     * @param buffers gets the buffers that came, which the caller closes
     * @param timeout the longest time to wait, in steps of a millisecond; zero does not wait
     * @return how many bytes came; 0 after the timeout
     * @throws IllegalArgumentException if there is no room
     * @throws IllegalStateException if closed, also during the wait
     * @throws DisconnectedException EPIPE: the peer is gone
     * @throws ProtocolException EPROTO: it passed more descriptors at once than 16, or one that is no dma-buf: all of
     *     this call are closed
     * @throws CenallocException EMFILE: this process may not have all the descriptors that came: all of this call are
     *     closed, and the bytes lost; else with the errno of recvmsg or poll
     */
    public int receive(byte[] into, Collection<SharedBuffer> buffers, Duration timeout) throws CenallocException {
        Objects.requireNonNull(buffers, "buffers");
        if (Objects.requireNonNull(into, "into").length == 0) {
            throw new IllegalArgumentException("into must have room for a byte");
        }
        long nanos = Times.nanos(timeout);
        checkOpen();
        synchronized (receiving) {
            incoming = roomFor(Math.min(into.length, MOST_AT_ONCE), incoming);
            // At its end, so that no more come than there is room for.
            long from = incoming.byteSize() - Math.min(into.length, incoming.byteSize());
            int count = (int) receive(incoming, from, nanos);
            if (socket.available() > 0) {
                takeAll(buffers);
            }
            MemorySegment.copy(incoming, ValueLayout.JAVA_BYTE, from, into, 0, count);
            return count;
        }
    }

    private void takeAll(Collection<SharedBuffer> buffers) throws CenallocException {
        var taken = new ArrayList<SharedBuffer>();
        boolean well = false;
        try {
            while (socket.available() > 0) {
                taken.add(adopted());
            }
            buffers.addAll(taken);
            well = true;
        } finally {
            if (!well) {
                socket.discard();
                taken.forEach(SharedBuffer::close);
            }
        }
    }

    private long receive(MemorySegment bytes, long from, long nanos) throws CenallocException {
        long result = socket.receive(bytes, from, nanos);
        if (result > 0 || result == -Errno.EAGAIN) {
            return Math.max(0, result);
        }
        socket.discard(); // where others of the same message are lost
        checkOpen(); // else this end was closed
        throw failed(result);
    }

    /** What a result of recvmsg means that is neither bytes nor EAGAIN. */
    static CenallocException failed(long result) {
        return switch ((int) -result) {
            case 0 -> new DisconnectedException(Errno.EPIPE, "recvmsg");
            case Errno.ECONNRESET, Errno.EPIPE -> new DisconnectedException((int) -result, "recvmsg");
            case Errno.EPROTO -> ProtocolException.ofLostDescriptors();
            default -> CenallocException.ofCall((int) -result, "recvmsg", null, -1);
        };
    }

    private SharedBuffer adopted() throws CenallocException {
        StackRoom.requireToOwn();
        try {
            return cenalloc.adopt(socket.take());
        } catch (CenallocException e) {
            throw e.errno() == Errno.ENOTTY
                    ? new ProtocolException("the peer passed a descriptor that is no dma-buf")
                    : e;
        }
    }

    void checkOpen() {
        if (!socket.isOpen()) {
            throw new IllegalStateException("the connection is closed");
        }
    }

    /** Throws what a result of {@link UnixSocket#send} says. */
    void checkSent(int result) throws CenallocException {
        if (result == 0) {
            return;
        }
        if (result == -Errno.EPIPE || result == -Errno.ECONNRESET) {
            throw new DisconnectedException(-result, "sendmsg");
        }
        if (socket.isCut()) {
            throw new CenallocException(
                    -result,
                    "sendmsg",
                    null,
                    -1,
                    (result == -Errno.ETIMEDOUT
                                    ? "the peer stopped reading in the middle of a message"
                                    : "only a part of a message could be sent")
                            + ", so the connection has been ended",
                    "connect again");
        }
        throw CenallocException.ofCall(-result, "sendmsg", null, -1);
    }

    Cenalloc cenalloc() {
        return cenalloc;
    }

    Kernel kernel() {
        return kernel;
    }

    UnixSocket socket() {
        return socket;
    }

    /** Ends the connection: the peer finds the end of the stream; calls that wait here return. Idempotent. */
    @Override
    public void close() {
        socket.close();
    }

    /** {@return the process at the other end} One system call. */
    @Override
    public String toString() {
        try {
            return "process " + peer().pid();
        } catch (CenallocException | IllegalStateException e) {
            return "a process whose connection is closed";
        }
    }
}
