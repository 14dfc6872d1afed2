package dev.cenalloc.share;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A socket to which other processes connect. The caller closes it. Safe for any number of threads. */
public final class Listener implements AutoCloseable {
    /** How many connections wait to be accepted, at most. */
    private static final int BACKLOG = 64;

    private final Cenalloc cenalloc;
    private final Kernel kernel;
    private final Descriptor descriptor;
    private final Address address;
    /** The file of this socket, by which it is told from one that came after it. */
    private final @Nullable Object file;

    private Listener(Cenalloc cenalloc, Kernel kernel, int fd, Address address) {
        this.cenalloc = cenalloc;
        this.kernel = kernel;
        this.address = address;
        this.descriptor = new Descriptor(kernel, fd);
        this.file = key(address.path());
    }

    /**
     * Listens. A socket file that a dead process has left is replaced; one at which a process listens is not. Does not
     * block.
     *
     * @param cenalloc the context of the buffers that come
     * @param address where to listen; its file is deleted by {@link #close}
     * @return the listener, which the caller closes
     * @throws CenallocException EADDRINUSE: a process listens there, or the path is a file that is no socket; ENOENT:
     *     the directory does not exist; EACCES: this process may not write to the directory; EMFILE
     */
    public static Listener open(Cenalloc cenalloc, Address address) throws CenallocException {
        Objects.requireNonNull(address, "address");
        Kernel kernel = Seam.kernel(Objects.requireNonNull(cenalloc, "cenalloc"));
        int fd = Connection.check(kernel.socket(), "socket", address);
        boolean listens = false;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment name = address.toNative(arena);
            int result = kernel.bind(fd, name);
            if (result == -Errno.EADDRINUSE && isLeftOver(kernel, address, name)) {
                Files.deleteIfExists(Objects.requireNonNull(address.path()));
                result = kernel.bind(fd, name);
            }
            Connection.check(result, "bind", address);
            Connection.check(kernel.listen(fd, BACKLOG), "listen", address);
            listens = true;
            return new Listener(cenalloc, kernel, fd, address);
        } catch (CenallocException e) {
            throw e;
        } catch (IOException e) {
            throw CenallocException.of(Errno.EADDRINUSE, "bind", -1);
        } finally {
            if (!listens) {
                kernel.close(fd);
            }
        }
    }

    /** Whether the file is a socket to which nobody listens. */
    private static boolean isLeftOver(Kernel kernel, Address address, MemorySegment name) {
        Path path = address.path();
        if (path == null || !isSocket(path)) {
            return false;
        }
        int probe = kernel.socket();
        if (probe < 0) {
            return false;
        }
        try {
            return kernel.connect(probe, name) == -Errno.ECONNREFUSED;
        } finally {
            kernel.close(probe);
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

    private static @Nullable Object key(@Nullable Path path) {
        try {
            return path == null ? null : Files.getAttribute(path, "unix:ino");
        } catch (IOException e) {
            return null;
        }
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
        long left = Math.max(0, Objects.requireNonNull(timeout, "timeout").toMillis());
        int fd = descriptor.acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment poll = arena.allocate(Linux.POLLFD);
            poll.set(ValueLayout.JAVA_INT, 0, fd);
            poll.set(ValueLayout.JAVA_SHORT, 4, Linux.POLLIN);
            int ready = kernel.poll(poll, 1, (int) Math.min(left, Integer.MAX_VALUE));
            if (!descriptor.isOpen()) {
                throw new IllegalStateException("the listener is closed");
            }
            if (ready == 0 || ready == -Errno.EINTR) {
                return null;
            }
            Connection.check(ready, "poll", address);
            int result = kernel.accept(fd);
            // The process that connected has gone again meanwhile.
            if (result == -Errno.EAGAIN || result == -Errno.ECONNABORTED) {
                return null;
            }
            return Connection.own(cenalloc, kernel, Connection.check(result, "accept", address));
        } finally {
            descriptor.release();
        }
    }

    /** Stops listening and deletes the socket's file. Connections that were accepted stay. Idempotent. */
    @Override
    public synchronized void close() {
        if (descriptor.isOpen()) {
            Path path = address.path();
            Object now = key(path);
            if (path != null && now != null && now.equals(file)) {
                try {
                    Files.deleteIfExists(path);
                } catch (IOException e) {
                    // A file that stays is replaced by the next listener.
                }
            }
            int fd = descriptor.acquire();
            try {
                int _ = kernel.shutdown(fd);
            } finally {
                descriptor.release();
            }
        }
        descriptor.close();
    }
}
