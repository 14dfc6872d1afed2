// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.StackRoom;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Optional;

/**
 * An open node of a camera or display, closed by the object that opened it. All requests to its driver go through here.
 * Use after close throws {@link IllegalStateException}; a close by another thread waits for the request under way.
 * Apart from that it is for one thread at a time.
 */
public final class DeviceNode implements AutoCloseable {
    private final Kernel kernel;
    private final Path path;
    private final Descriptor descriptor;
    private final MemorySegment poll = Arena.ofAuto().allocate(Linux.POLLFD);

    private DeviceNode(Kernel kernel, Path path, int fd) {
        this.kernel = kernel;
        this.path = path;
        this.descriptor = Descriptor.of(this, kernel, fd, "the device " + path);
    }

    /**
     * Opens a node for reading and writing.
     *
     * @throws DeviceGoneException ENODEV: the node is there, the device behind it is not
     * @throws CenallocException with the errno of open
     */
    public static DeviceNode open(Kernel kernel, Path path) throws CenallocException {
        StackRoom.requireToOwn();
        // Non-blocking, since a driver may otherwise wait until another program lets go of the device.
        int fd;
        do {
            fd = kernel.open(path, Linux.O_RDWR | Linux.O_NONBLOCK | Linux.O_CLOEXEC);
        } while (fd == -Errno.EINTR);
        if (fd == -Errno.ENODEV) {
            throw new DeviceGoneException("open", path);
        }
        if (fd < 0) {
            throw CenallocException.ofCall(-fd, "open", path, -1);
        }
        DeviceNode node = null;
        try {
            node = new DeviceNode(kernel, path, fd);
            return node;
        } finally {
            if (node == null) {
                Descriptor.closeNumber(kernel, fd);
            }
        }
    }

    public Path path() {
        return path;
    }

    public Kernel kernel() {
        return kernel;
    }

    private int acquire() {
        try {
            return descriptor.acquire();
        } catch (IllegalStateException e) {
            throw new IllegalStateException(path + " is closed", e);
        }
    }

    /** A request that waits for nothing: the result, or {@code -errno}. Restarted after EINTR and EAGAIN. */
    public int tryIoctl(long request, MemorySegment argument) {
        int fd = acquire();
        try {
            int result;
            do {
                // DRM says EAGAIN where it means EINTR.
                result = kernel.ioctl(fd, request, argument);
            } while (result == -Errno.EINTR || result == -Errno.EAGAIN);
            return result;
        } finally {
            descriptor.release();
        }
    }

    /** As {@link #tryIoctl}; a failure is an exception. */
    public void ioctl(String call, long request, MemorySegment argument) throws CenallocException {
        int result = tryIoctl(request, argument);
        if (result < 0) {
            throw failure(-result, call);
        }
    }

    /**
     * A request of a frame loop: the result, or {@code -errno}. Allocates nothing. Restarted after EINTR; EAGAIN is
     * returned, since it says that there is no frame.
     */
    public int tryFrameIoctl(long request, MemorySegment argument) {
        int fd = acquire();
        try {
            int result;
            do {
                result = kernel.repeatableIoctl(fd, request, argument);
            } while (result == -Errno.EINTR);
            return result;
        } finally {
            descriptor.release();
        }
    }

    /** As {@link #tryFrameIoctl}; a failure is an exception. */
    public void frameIoctl(String call, long request, MemorySegment argument) throws CenallocException {
        int result = tryFrameIoctl(request, argument);
        if (result < 0) {
            throw failure(-result, call);
        }
    }

    /**
     * Waits for events. Allocates nothing. Blocks, and pins the carrier of a virtual thread meanwhile.
     *
     * @param events {@code POLL*}
     * @param nanos how long at most, rounded up to milliseconds; zero or less only looks
     * @return the events that came, with those that always come (POLLERR, POLLHUP); 0 if the time is over
     * @throws CenallocException with the errno of poll
     */
    public int await(int events, long nanos) throws CenallocException {
        long left = Math.max(0, nanos);
        long end = System.nanoTime() + left;
        int fd = acquire();
        try {
            while (true) {
                poll.set(ValueLayout.JAVA_INT, 0, fd);
                poll.set(ValueLayout.JAVA_SHORT, 4, (short) events);
                int millis = (int) Math.min(Integer.MAX_VALUE, Math.ceilDiv(left, 1_000_000L));
                int ready = kernel.poll(poll, 1, millis);
                if (ready > 0) {
                    return poll.get(ValueLayout.JAVA_SHORT, 6);
                }
                if (ready < 0 && ready != -Errno.EINTR) {
                    throw failure(-ready, "poll");
                }
                if (ready == 0) {
                    return 0;
                }
                left = Math.max(0, end - System.nanoTime());
            }
        } finally {
            descriptor.release();
        }
    }

    /**
     * Reads what is there, at most the whole of {@code target}: the number of bytes, or {@code -errno}. Allocates
     * nothing.
     */
    public long tryRead(MemorySegment target) {
        int fd = acquire();
        try {
            long length;
            do {
                length = kernel.read(fd, target);
            } while (length == -Errno.EINTR);
            return length;
        } finally {
            descriptor.release();
        }
    }

    /** The exception for a request that the driver refused. */
    public CenallocException failure(int errno, String call) {
        return switch (errno) {
            case Errno.ENODEV -> new DeviceGoneException(call, path);
            case Errno.ENOTTY ->
                new CenallocException(
                        errno, call, path, -1, "the driver does not know this request", "give another node");
            default -> CenallocException.ofCall(errno, call, path, -1);
        };
    }

    /**
     * The driver's refusal of memory that was offered; empty if it took it.
     *
     * @throws CenallocException if the driver failed for another reason than the memory
     */
    public Optional<Refusal> refusal(int result, String call) throws CenallocException {
        return switch (-result) {
            case Errno.EBUSY, Errno.ENODEV, Errno.ENOMEM, Errno.EMFILE, Errno.ENFILE -> throw failure(-result, call);
            default -> result < 0 ? Optional.of(Refusal.ofMemory(call, -result)) : Optional.empty();
        };
    }

    @Override
    public void close() {
        try {
            descriptor.close();
        } catch (OutOfMemoryError | StackOverflowError e) {
            descriptor.close(); // it continues; of a trial, nobody would call this again
        }
    }
}
