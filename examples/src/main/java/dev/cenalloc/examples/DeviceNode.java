package dev.cenalloc.examples;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;

/**
 * An open device node, closed by whoever opened it: all system calls of {@link VideoQueue} and {@link Display} go through
 * it. Use after that is an {@link IllegalStateException}. Tests put a kernel that fails in its place. For one thread at a
 * time.
 */
class DeviceNode implements AutoCloseable {
    /** How nodes are opened: {@code DeviceNode::new}, but for tests. */
    interface Opener {
        DeviceNode open(Path path) throws IOException;
    }

    private static final int STALL_MILLIS = 5_000;

    private final Path path;
    private final int fd;
    private final MemorySegment waiting = Arena.ofAuto().allocate(Linux.POLLFD);
    private boolean closed;

    /** Non-blocking: a frame loop waits in {@link #await}, which has a time limit. */
    DeviceNode(Path path) throws IOException {
        this.path = path;
        this.fd = Linux.open(path.toString(), Linux.O_RDWR | Linux.O_NONBLOCK | Linux.O_CLOEXEC);
        if (fd == -Errno.EACCES || fd == -Errno.EPERM) {
            throw new IOException("open of " + path + " gave " + Errno.name(-fd)
                    + ": this user may not; join the group that owns it (usually video), or be root");
        }
        if (fd < 0) {
            throw new IOException("open of " + path + " gave " + Errno.name(-fd));
        }
        waiting.set(ValueLayout.JAVA_SHORT, 4, Linux.POLLIN);
    }

    /** The nodes in a directory whose names start so, in the order of their numbers. */
    static List<Path> list(String directory, String prefix) throws IOException {
        try (var entries = Files.list(Path.of(directory))) {
            return entries.filter(node -> node.getFileName().toString().matches(prefix + "\\d+"))
                    .sorted(Comparator.comparingInt(
                                    (Path node) -> node.toString().length())
                            .thenComparing(Path::toString))
                    .toList();
        } catch (NoSuchFileException e) {
            return List.of();
        }
    }

    Path path() {
        return path;
    }

    /** Once closed, the number may be that of another file. */
    private int fd() {
        if (closed) {
            throw new IllegalStateException(path + " is closed");
        }
        return fd;
    }

    /** The result, or {@code -errno}; restarted when a signal interrupts it. */
    int tryIoctl(long request, MemorySegment argument) {
        int result;
        do {
            result = Linux.ioctl(fd(), request, argument);
        } while (result == -Errno.EINTR);
        return result;
    }

    /** As {@link #tryIoctl}, without allocating: for the requests of a frame loop. */
    int tryFrameIoctl(long request, MemorySegment argument) {
        int result;
        do {
            result = Linux.repeatableIoctl(fd(), request, argument);
        } while (result == -Errno.EINTR);
        return result;
    }

    int ioctl(String name, long request, MemorySegment argument) throws IOException {
        return check(name, tryIoctl(request, argument));
    }

    int frameIoctl(String name, long request, MemorySegment argument) throws IOException {
        return check(name, tryFrameIoctl(request, argument));
    }

    private int check(String name, int result) throws IOException {
        if (result < 0) {
            throw new IOException(name + " on " + path + " gave " + Errno.name(-result)
                    + (result == -Errno.ENODEV ? ": it was unplugged" : ""));
        }
        return result;
    }

    /**
     * Waits until there is something to take, or an error, which the call that takes it then tells. A device that stalls is an
     * error, not a hang.
     *
     * @return whether there is something to take
     */
    boolean await(String otherwise) throws IOException {
        waiting.set(ValueLayout.JAVA_INT, 0, fd());
        int ready;
        do {
            ready = Linux.poll(waiting, 1, STALL_MILLIS);
        } while (ready == -Errno.EINTR);
        if (ready < 0) {
            throw new IOException("poll of " + path + " gave " + Errno.name(-ready));
        }
        if (ready == 0) {
            throw new IOException(otherwise + " for " + STALL_MILLIS / 1000 + " seconds");
        }
        return (waiting.get(ValueLayout.JAVA_SHORT, 6) & Linux.POLLIN) != 0;
    }

    /** Reads what is there: the number of bytes. To be called when {@link #await} has returned. */
    long read(MemorySegment target) throws IOException {
        long length = Linux.read(fd(), target);
        if (length < 0) {
            throw new IOException("read of " + path + " gave " + Errno.name((int) -length));
        }
        return length;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            Linux.close(fd);
        }
    }
}
