package dev.cenalloc.examples;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;

/** An open device node, closed by whoever opened it: the ioctls of {@link Camera} and {@link Display} go through it. */
final class DeviceNode implements AutoCloseable {
    private final Path path;
    private final int fd;
    private boolean closed;

    private DeviceNode(Path path, int fd) {
        this.path = path;
        this.fd = fd;
    }

    /** Non-blocking: the frame loop waits in poll, where a time limit can be given. */
    static DeviceNode open(Path path) throws IOException {
        int fd = Linux.open(path.toString(), Linux.O_RDWR | Linux.O_NONBLOCK | Linux.O_CLOEXEC);
        if (fd == -Errno.EACCES || fd == -Errno.EPERM) {
            throw new IOException(
                    path + " may not be opened by this user: join the group that owns it (usually video), or be root");
        }
        if (fd < 0) {
            throw new IOException("open of " + path + " gave " + Errno.name(-fd));
        }
        return new DeviceNode(path, fd);
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

    int fd() {
        return fd;
    }

    /** The result, or {@code -errno}; restarted when a signal interrupts it. */
    int tryIoctl(long request, MemorySegment argument) {
        int result;
        do {
            result = Linux.ioctl(fd, request, argument);
        } while (result == -Errno.EINTR);
        return result;
    }

    /** As {@link #tryIoctl}, without allocating: for the requests of a frame loop. */
    int tryFrameIoctl(long request, MemorySegment argument) {
        int result;
        do {
            result = Linux.repeatableIoctl(fd, request, argument);
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
            throw new IOException(name + " on " + path + " gave " + Errno.name(-result));
        }
        return result;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            Linux.close(fd);
        }
    }
}
