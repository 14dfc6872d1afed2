// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.bindings;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The system calls, through the C library. Each returns the result of the call, or {@code -errno} if it failed. The
 * callers decide whether an interrupted call (EINTR) is repeated.
 *
 * <p>Safe for any number of threads. A call that blocks in the kernel ({@link #poll}, {@link #read}, some ioctls) pins
 * the carrier of a virtual thread while it blocks.
 *
 * <p>{@link #poll}, {@link #read}, {@link #repeatableIoctl} and {@link #close} are the calls of a frame loop and
 * allocate no Java objects. So they do not capture errno, which allocates an object for each call (a slice of the
 * capture segment, JDK 25). If one of them fails, except close, it is repeated with the capture. If the second call
 * succeeds, its result is returned: an interrupted call may thus be restarted, and a poll waits for its full timeout
 * again.
 */
public final class Linux {
    public static final int O_RDONLY = 0;
    public static final int O_WRONLY = 1;
    public static final int O_RDWR = 2;
    public static final int O_NONBLOCK = 0x800;
    public static final int O_CLOEXEC = 0x80000;

    public static final int F_OK = 0;
    public static final int R_OK = 4;

    public static final int PROT_READ = 1;
    public static final int PROT_WRITE = 2;
    public static final int MAP_SHARED = 1;
    public static final int MAP_PRIVATE = 2;
    public static final int MAP_FIXED = 0x10;
    public static final int MAP_ANONYMOUS = 0x20;
    public static final int MAP_NORESERVE = 0x4000;

    public static final int SEEK_SET = 0;
    public static final int SEEK_END = 2;

    public static final int F_SETFD = 2;
    public static final int FD_CLOEXEC = 1;
    public static final int F_DUPFD_CLOEXEC = 1030;
    public static final int F_ADD_SEALS = 1033;
    public static final int F_SEAL_SHRINK = 2;
    public static final int MFD_CLOEXEC = 1;
    public static final int MFD_ALLOW_SEALING = 2;
    public static final int MFD_HUGETLB = 4;
    public static final int MFD_NOEXEC_SEAL = 8;

    public static final short POLLIN = 0x1;
    public static final short POLLOUT = 0x4;
    public static final short POLLERR = 0x8;
    public static final short POLLHUP = 0x10;
    public static final short POLLNVAL = 0x20;

    /** {@code struct pollfd}: int fd at 0, short events at 4, short revents at 6. */
    public static final MemoryLayout POLLFD = MemoryLayout.structLayout(
            JAVA_INT.withName("fd"),
            ValueLayout.JAVA_SHORT.withName("events"),
            ValueLayout.JAVA_SHORT.withName("revents"));

    /** The size for {@code struct stat} on every supported architecture: it has 144 bytes on x86-64, 128 on aarch64. */
    public static final long STAT_SIZE = 144;
    /** Offset of {@code st_dev}, a 64-bit integer, the same on both architectures. */
    public static final long STAT_DEV = 0;
    /** Offset of {@code st_ino}, a 64-bit integer, the same on both architectures. */
    public static final long STAT_INO = 8;
    /** Offset of {@code st_size}, a 64-bit integer, the same on both architectures. */
    public static final long STAT_FILE_SIZE = 48;

    // time.h
    public static final int CLOCK_REALTIME = 0;
    public static final int CLOCK_MONOTONIC = 1;
    public static final int CLOCK_MONOTONIC_RAW = 4;
    public static final int CLOCK_REALTIME_COARSE = 5;
    public static final int CLOCK_MONOTONIC_COARSE = 6;
    public static final int CLOCK_BOOTTIME = 7;
    public static final int CLOCK_TAI = 11;

    /** The size of {@code struct timespec}: 64-bit seconds at 0, 64-bit nanoseconds at 8. */
    public static final long TIMESPEC_SIZE = 16;

    /** The size of {@code struct sysinfo}, the same on both architectures. */
    public static final long SYSINFO_SIZE = 112;
    /** Offset of {@code freeram}, a 64-bit number of units. */
    public static final long SYSINFO_FREE = 40;
    /** Offset of {@code bufferram}, a 64-bit number of units. */
    public static final long SYSINFO_BUFFERS = 56;
    /** Offset of {@code mem_unit}, a 32-bit number of bytes. */
    public static final long SYSINFO_UNIT = 104;

    private static final MemorySegment OPEN = Downcall.function("open");
    private static final MemorySegment ACCESS = Downcall.function("access");
    private static final MemorySegment CLOSE = Downcall.function("close");
    private static final MemorySegment IOCTL = Downcall.function("ioctl");
    private static final MemorySegment FCNTL = Downcall.function("fcntl");
    private static final MemorySegment MMAP = Downcall.function("mmap");
    private static final MemorySegment MUNMAP = Downcall.function("munmap");
    private static final MemorySegment POLL = Downcall.function("poll");
    private static final MemorySegment READ = Downcall.function("read");
    private static final MemorySegment PREAD = Downcall.function("pread");
    private static final MemorySegment FSTAT = Downcall.function("fstat");
    private static final MemorySegment CLOCK_GETTIME = Downcall.function("clock_gettime");
    private static final MemorySegment LSEEK = Downcall.function("lseek");
    private static final MemorySegment MEMFD_CREATE = Downcall.function("memfd_create");
    private static final MemorySegment FTRUNCATE = Downcall.function("ftruncate");
    private static final MemorySegment FALLOCATE = Downcall.function("fallocate");
    private static final MemorySegment SYSINFO = Downcall.function("sysinfo");
    /** For calls without a function in every C library. */
    private static final MemorySegment SYSCALL = Downcall.function("syscall");

    private static final MemorySegment GETPAGESIZE = Downcall.function("getpagesize");

    /** The same number on every architecture (unistd.h). */
    public static final long NR_PIDFD_OPEN = 434;
    /** The same number on every architecture (unistd.h). */
    public static final long NR_PIDFD_GETFD = 438;

    private Linux() {}

    /** Returns the size of a page in bytes. */
    public static int pageSize() {
        return (int) Downcall.callWithoutErrno(GETPAGESIZE, 0);
    }

    /** Opens {@code path} with {@code O_*} flags; returns a descriptor or {@code -errno}. */
    public static int open(String path, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            return Downcall.call(OPEN, arena.allocateFrom(path), flags, 0);
        }
    }

    /**
     * Returns 0 if there is such a file, and this process may use it so ({@code F_OK}, {@code R_OK}), or {@code
     * -errno}.
     */
    public static int access(String path, int mode) {
        try (Arena arena = Arena.ofConfined()) {
            return Downcall.call(ACCESS, arena.allocateFrom(path), mode, 0);
        }
    }

    /**
     * Closes a descriptor; returns 0, or -1, which is not an errno here. The number is free afterwards, whatever the
     * result is: never close it twice, not even after EINTR. So the errno is of no use, and is not captured.
     */
    public static int close(int fd) {
        return (int) Downcall.callWithoutErrno(CLOSE, fd);
    }

    /** Makes a request with a pointer argument; {@code request} is zero-extended, as the generated constants are. */
    public static int ioctl(int fd, long request, MemorySegment argument) {
        return Downcall.call(IOCTL, fd, request, argument);
    }

    /**
     * As {@link #ioctl}, without allocating objects, for requests that have no effect and little cost when they fail.
     */
    public static int repeatableIoctl(int fd, long request, MemorySegment argument) {
        int first = (int) Downcall.callWithoutErrno(IOCTL, fd, request, argument);
        return first >= 0 ? first : ioctl(fd, request, argument);
    }

    /** Makes a request with an integer argument. */
    public static int ioctl(int fd, long request, long argument) {
        return Downcall.call(IOCTL, fd, request, argument);
    }

    /** Duplicates a descriptor to the lowest free number, close-on-exec. */
    public static int dup(int fd) {
        return fcntl(fd, F_DUPFD_CLOEXEC, 0);
    }

    /** Has a descriptor closed in programs that this process becomes or starts. */
    public static int closeOnExec(int fd) {
        return fcntl(fd, F_SETFD, FD_CLOEXEC);
    }

    /** Opens a descriptor for a process, close-on-exec (Linux 5.3). */
    public static int pidfdOpen(int pid) {
        return syscall(NR_PIDFD_OPEN, pid, 0);
    }

    /** Duplicates a descriptor of another process, close-on-exec (Linux 5.6). */
    public static int pidfdGetFd(int pidfd, int fd) {
        return syscall(NR_PIDFD_GETFD, pidfd, fd);
    }

    /** The third argument of both is their flags, of which there are none yet. */
    private static int syscall(long number, int a, int b) {
        return (int) Downcall.longCall(SYSCALL, number, a, b, 0, 0, 0);
    }

    /** Adds {@code F_SEAL_*} seals to a file of {@link #memfdCreate}. */
    public static int addSeals(int fd, int seals) {
        return fcntl(fd, F_ADD_SEALS, seals);
    }

    private static int fcntl(int fd, int command, int argument) {
        return Downcall.call(FCNTL, fd, command, argument);
    }

    /**
     * Maps {@code length} bytes of {@code fd} from {@code offset}, shared; returns the address or {@code -errno}. User
     * addresses are below 2^56 on the supported architectures, so the sign distinguishes them.
     */
    public static long mmap(int fd, long offset, long length, int protection) {
        return Downcall.longCall(MMAP, 0, length, protection, MAP_SHARED, fd, offset);
    }

    /** Unmaps what {@link #mmap} mapped. */
    public static int munmap(long address, long length) {
        return Downcall.call(MUNMAP, address, length, 0);
    }

    /**
     * Replaces a mapping with zeroed private pages, in one step: a thread that accesses them at this moment finds
     * either the old or the new pages. The new pages use memory only if they are accessed.
     */
    public static int coverPages(long address, long length) {
        int flags = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE;
        long result = Downcall.longCall(MMAP, address, length, PROT_READ | PROT_WRITE, flags, -1, 0);
        return result == address ? 0 : (int) result;
    }

    /**
     * Returns mapped memory as a segment that is valid until {@code arena} is closed. Closing the arena does not unmap:
     * if the arena failed to run its cleanup, the mapping would stay for ever. The caller ensures that {@code length}
     * bytes are mapped at {@code address}, and unmaps them after the arena is closed.
     */
    public static MemorySegment view(long address, long length, Arena arena) {
        return MemorySegment.ofAddress(address).reinterpret(length, arena, null);
    }

    /**
     * Waits on {@code count} {@link #POLLFD} structures for at most {@code timeoutMillis} (-1: without limit). Blocks.
     */
    public static int poll(MemorySegment fds, long count, int timeoutMillis) {
        int first = (int) Downcall.callWithoutErrno(POLL, fds, count, timeoutMillis);
        return first >= 0 ? first : Downcall.call(POLL, fds, count, timeoutMillis);
    }

    /** Reads at most the size of {@code target}; returns the number of bytes or {@code -errno}. May block. */
    public static long read(int fd, MemorySegment target) {
        long first = Downcall.callWithoutErrno(READ, fd, target, target.byteSize());
        return first >= 0 ? first : Downcall.longCall(READ, fd, target, target.byteSize(), 0);
    }

    /**
     * Reads at most the size of {@code target} from a place of a file, whatever its position; returns the number of
     * bytes, 0 at the end of the file, or {@code -errno}. May block.
     */
    public static long pread(int fd, MemorySegment target, long offset) {
        return Downcall.longCall(PREAD, fd, target, target.byteSize(), offset);
    }

    /**
     * Fills {@code stat}, {@link #STAT_SIZE} bytes; read it at {@link #STAT_DEV}, {@link #STAT_INO} and {@link
     * #STAT_FILE_SIZE}. Allocates no objects unless it fails.
     */
    public static int fstat(int fd, MemorySegment stat) {
        if (stat.byteSize() < STAT_SIZE) {
            throw new IndexOutOfBoundsException("struct stat needs " + STAT_SIZE + " bytes");
        }
        int first = (int) Downcall.callWithoutErrno(FSTAT, fd, stat, 0);
        return first >= 0 ? first : Downcall.call(FSTAT, fd, stat, 0, 0);
    }

    /**
     * Fills {@code time}, {@link #TIMESPEC_SIZE} bytes, with the time of a {@code CLOCK_*}. Mostly without entering the
     * kernel. Allocates no objects unless it fails.
     */
    public static int clockGetTime(int clock, MemorySegment time) {
        if (time.byteSize() < TIMESPEC_SIZE) {
            throw new IndexOutOfBoundsException("struct timespec needs " + TIMESPEC_SIZE + " bytes");
        }
        int first = (int) Downcall.callWithoutErrno(CLOCK_GETTIME, clock, time, 0);
        return first >= 0 ? first : Downcall.call(CLOCK_GETTIME, clock, time, 0, 0);
    }

    /**
     * Moves the file position; returns the new one or {@code -errno}. On a dma-buf, {@code SEEK_END} returns the size.
     */
    public static long lseek(int fd, long offset, int whence) {
        return Downcall.longCall(LSEEK, fd, offset, whence, 0, 0, 0);
    }

    /** Creates an anonymous file in memory; returns a descriptor or {@code -errno}. */
    public static int memfdCreate(String name, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            return Downcall.call(MEMFD_CREATE, arena.allocateFrom(name), flags, 0);
        }
    }

    /** Sets the length of a file, in bytes. */
    public static int ftruncate(int fd, long length) {
        return Downcall.call(FTRUNCATE, fd, length, 0);
    }

    /**
     * Allocates the memory of a file from its start to {@code length}, zeroed, now and not at the first access. May
     * block.
     */
    public static int fallocate(int fd, long length) {
        return Downcall.call(FALLOCATE, fd, 0, 0, length, 0, 0);
    }

    /**
     * Returns the bytes of memory that are free or buffer block devices, or {@code -errno}. Does not need
     * {@code /proc}.
     */
    public static long freeMemory() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = arena.allocate(SYSINFO_SIZE, Long.BYTES);
            int result = Downcall.call(SYSINFO, info, 0, 0);
            if (result < 0) {
                return result;
            }
            long units = info.get(JAVA_LONG, SYSINFO_FREE) + info.get(JAVA_LONG, SYSINFO_BUFFERS);
            return units * info.get(JAVA_INT, SYSINFO_UNIT);
        }
    }
}
