// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.Sockets;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.FirstFailure;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.kernel.Times;
import dev.cenalloc.text.Printable;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** A socket to which other processes connect. The caller closes it. Safe for any number of threads. */
public final class Listener implements AutoCloseable {
    static {
        FirstFailure.prepare(MethodHandles.lookup(), DisconnectedException.class, ProtocolException.class);
        Seam.setListeners(listener -> ((Listener) listener).descriptor);
    }

    /** How many connections wait to be accepted, at most. */
    private static final int BACKLOG = 64;

    private final Cenalloc cenalloc;
    private final Kernel kernel;
    private final Descriptor descriptor;
    private final Address address;
    /** Which processes may connect; null: all. */
    private final @Nullable Predicate<Peer> policy;
    /** How many were refused. */
    private final AtomicLong refused = new AtomicLong();
    /** The file of this socket, by which it is told from one that came after it. */
    private final @Nullable Object file;

    private Listener(Cenalloc cenalloc, Kernel kernel, int fd, Address address, @Nullable Predicate<Peer> policy) {
        this.cenalloc = cenalloc;
        this.kernel = kernel;
        this.address = address;
        this.policy = policy;
        this.descriptor = Descriptor.of(this, kernel, fd, "the socket at " + Printable.of(address.toString()));
        this.file = key(address.path());
    }

    /**
     * Listens. A socket file that a dead process has left is replaced; one at which a process listens is not. Does not
     * block. Of two processes that open a path at the same moment, one may replace the other's file: start them in
     * turn.
     *
     * @param cenalloc the context of the buffers that come
     * @param address where to listen; its file is deleted by {@link #close}
     * @return the listener, which the caller closes
     * @throws CenallocException EADDRINUSE: a process listens there, or the path is a file that is no socket; ENOENT:
     *     the directory does not exist; EACCES: this process may not write to the directory, or not replace the file;
     *     EMFILE
     */
    public static Listener open(Cenalloc cenalloc, Address address) throws CenallocException {
        return listen(cenalloc, address, null);
    }

    /**
     * As {@link #open(Cenalloc, Address)}, for some processes only: a connection of another is closed before anything
     * is sent or read. An abstract address has no permissions of a file: there, this is the only check.
     *
     * @param cenalloc as there
     * @param address as there
     * @param policy whether a process may connect, such as {@code peer -> peer.uid() == mine}; called by the thread
     *     that accepts
     * @return the listener, which the caller closes
     * @throws CenallocException as there
     */
    public static Listener open(Cenalloc cenalloc, Address address, Predicate<Peer> policy) throws CenallocException {
        return listen(cenalloc, address, Objects.requireNonNull(policy, "policy"));
    }

    private static Listener listen(Cenalloc cenalloc, Address address, @Nullable Predicate<Peer> policy)
            throws CenallocException {
        Objects.requireNonNull(address, "address");
        Kernel kernel = Seam.kernel(Objects.requireNonNull(cenalloc, "cenalloc"));
        StackRoom.requireToOwn();
        // Of two threads that see one connection, one would wait for another without end.
        int fd = Connection.check(kernel.socket(Sockets.SOCK_NONBLOCK), "socket", address);
        boolean bound = false;
        boolean listens = false;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment name = address.toNative(arena);
            int result = kernel.bind(fd, name);
            if (result == -Errno.EADDRINUSE && isLeftOver(kernel, address, name)) {
                Files.deleteIfExists(Objects.requireNonNull(address.path()));
                result = kernel.bind(fd, name);
            }
            Connection.check(result, "bind", address);
            bound = true;
            Connection.check(kernel.listen(fd, BACKLOG), "listen", address);
            var listener = new Listener(cenalloc, kernel, fd, address, policy);
            listens = true;
            return listener;
        } catch (CenallocException e) {
            throw e;
        } catch (IOException e) {
            throw CenallocException.ofCall(
                    e instanceof AccessDeniedException ? Errno.EACCES : Errno.EIO, "unlink", address.path(), -1);
        } finally {
            if (!listens) {
                if (bound) {
                    delete(address.path());
                }
                Descriptor.closeNumber(kernel, fd);
            }
        }
    }

    /** Whether the file is a socket at which nobody listens. */
    private static boolean isLeftOver(Kernel kernel, Address address, MemorySegment name) {
        Path path = address.path();
        if (path == null || !isSocket(path)) {
            return false;
        }
        // EAGAIN is a process that listens, with a full queue.
        int probe = kernel.socket(Sockets.SOCK_NONBLOCK);
        if (probe < 0) {
            return false;
        }
        try {
            return kernel.connect(probe, name) == -Errno.ECONNREFUSED;
        } finally {
            Descriptor.closeNumber(kernel, probe);
        }
    }

    private static boolean isSocket(Path path) {
        try {
            // S_IFSOCK of inode(7)
            return Files.getAttribute(path, "unix:mode") instanceof Integer mode && (mode & 0xF000) == 0xC000;
        } catch (IOException e) {
            return false;
        }
    }

    private static void delete(@Nullable Path path) {
        try {
            if (path != null) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            // A file that stays is replaced by the next listener.
        }
    }

    private static @Nullable Object key(@Nullable Path path) {
        try {
            return path == null ? null : Files.getAttribute(path, "unix:ino");
        } catch (IOException e) {
            return null;
        }
    }

    Kernel kernel() {
        return kernel;
    }

    /** The descriptor for poll; valid while the caller keeps this open. */
    int fd() {
        return descriptor.number();
    }

    /** {@return where it listens} */
    public Address address() {
        return address;
    }

    /**
     * Waits for a process to connect. Blocks, and pins the carrier of a virtual thread.
     *
     * @param timeout the longest time to wait, in steps of a millisecond; zero or less does not wait
     * @return the connection, which the caller closes; null after the timeout
     * @throws IllegalStateException if closed
     * @throws CenallocException with the errno of poll or accept: EMFILE if this process has too many files open
     */
    public @Nullable Connection accept(Duration timeout) throws CenallocException {
        long deadline = System.nanoTime() + Times.nanos(timeout);
        int fd = descriptor.acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment poll = arena.allocate(Linux.POLLFD);
            poll.set(ValueLayout.JAVA_INT, 0, fd);
            poll.set(ValueLayout.JAVA_SHORT, 4, Linux.POLLIN);
            while (true) {
                int ready = kernel.poll(poll, 1, Times.millis(deadline - System.nanoTime()));
                int result = ready > 0 ? kernel.accept(fd) : ready;
                if (ready > 0 && result >= 0) {
                    Connection accepted = checked(Connection.own(cenalloc, kernel, result));
                    if (accepted != null) {
                        return accepted;
                    }
                }
                if (!descriptor.isOpen()) {
                    throw new IllegalStateException("the listener is closed");
                }
                // EAGAIN: another thread has accepted it.
                if (result < 0 && result != -Errno.EAGAIN && result != -Errno.ECONNABORTED && result != -Errno.EINTR) {
                    Connection.check(result, ready > 0 ? "accept4" : "poll", address);
                }
                if (deadline - System.nanoTime() <= 0) {
                    return null;
                }
            }
        } finally {
            descriptor.release();
        }
    }

    /** A connection that the policy allows; else it is closed. */
    private @Nullable Connection checked(Connection connection) throws CenallocException {
        Predicate<Peer> asked = policy;
        boolean allowed = false;
        try {
            allowed = asked == null || asked.test(connection.peer());
            return allowed ? connection : null;
        } finally {
            if (!allowed) {
                refused.incrementAndGet();
                connection.close();
            }
        }
    }

    /** {@return how many connections the policy refused} */
    public long refused() {
        return refused.get();
    }

    /** Stops listening and deletes the socket's file. Connections that were accepted stay. Idempotent. */
    @Override
    public synchronized void close() {
        if (descriptor.isOpen()) {
            Path path = address.path();
            Object now = key(path);
            if (path != null && now != null && now.equals(file)) {
                delete(path);
            }
        }
        descriptor.shutDown();
    }
}
