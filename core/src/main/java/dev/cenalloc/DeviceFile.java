package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** An open node of a camera or display. Closed by the {@link Importer} that opened it. For one thread. */
final class DeviceFile {
    private final Kernel kernel;
    private final Path path;
    private final int fd;

    private DeviceFile(Kernel kernel, Path path, int fd) {
        this.kernel = kernel;
        this.path = path;
        this.fd = fd;
    }

    static DeviceFile open(Kernel kernel, Path path) throws CenallocException {
        // Non-blocking, since a driver may otherwise wait until another program lets go of the device.
        int fd;
        do {
            fd = kernel.open(path, Linux.O_RDWR | Linux.O_NONBLOCK | Linux.O_CLOEXEC);
        } while (fd == -Errno.EINTR);
        if (fd < 0) {
            throw CenallocException.ofCall(-fd, "open", path, -1);
        }
        DeviceFile file = null;
        try {
            file = new DeviceFile(kernel, path, fd);
            return file;
        } finally {
            if (file == null) {
                kernel.close(fd);
            }
        }
    }

    Path path() {
        return path;
    }

    /** The result, or {@code -errno}. */
    int tryIoctl(long request, MemorySegment argument) {
        int result;
        do {
            // None of the requests waits for anything, so EAGAIN is DRM's way to say what EINTR says.
            result = kernel.ioctl(fd, request, argument);
        } while (result == -Errno.EINTR || result == -Errno.EAGAIN);
        return result;
    }

    void ioctl(String call, long request, MemorySegment argument) throws CenallocException {
        int result = tryIoctl(request, argument);
        if (result < 0) {
            throw failure(-result, call);
        }
    }

    CenallocException failure(int errno, String call) {
        return switch (errno) {
            case Errno.EBUSY ->
                new CenallocException(errno, call, path, -1, "the device is in use", "stop the program that uses it");
            case Errno.ENOTTY ->
                new CenallocException(
                        errno, call, path, -1, "the driver does not know this request", "give another node");
            default -> CenallocException.ofCall(errno, call, path, -1);
        };
    }

    /**
     * What the driver said of memory that was offered: the empty string if it took it, else its refusal.
     *
     * @throws CenallocException if that is not about the memory
     */
    String refusal(int result, String call) throws CenallocException {
        return switch (-result) {
            case Errno.EBUSY, Errno.ENODEV, Errno.ENOMEM, Errno.EMFILE -> throw failure(-result, call);
            default -> result < 0 ? call + " gave " + Errno.name(-result) : "";
        };
    }

    void close() {
        kernel.close(fd);
    }
}
