package dev.cenalloc.kernel;

import dev.cenalloc.bindings.Linux;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

/**
 * What this library asks of the kernel; {@link LinuxKernel} is the real one, tests have a fake. Calls return a result
 * that is not negative, or {@code -errno}.
 */
public interface Kernel {
    /** The names in a directory of device nodes, sorted. */
    List<String> list(Path directory) throws IOException;

    /** Where a path leads when every symbolic link in it is followed; the path itself if it has none. */
    Path realPath(Path path) throws IOException;

    int open(Path path, int flags);

    int close(int fd);

    int ioctl(int fd, long request, MemorySegment argument);

    /** As {@link #ioctl}, without allocating, for requests that have done nothing when they fail. */
    int repeatableIoctl(int fd, long request, MemorySegment argument);

    /** Waits on {@code count} {@link Linux#POLLFD} structures, without allocating: how many are ready, 0 after the time. */
    int poll(MemorySegment fds, long count, int timeoutMillis);

    /** Reads into the whole of {@code target} at most, without allocating: the number of bytes. */
    long read(int fd, MemorySegment target);

    /** An anonymous file in memory. */
    int memfdCreate(String name, int flags);

    int ftruncate(int fd, long length);

    /** Gives a file its memory, up to {@code length}. */
    int fallocate(int fd, long length);

    int addSeals(int fd, int seals);

    int fstat(int fd, MemorySegment stat);

    /** Maps the descriptor from its start, shared: an address, or {@code -errno}. */
    long mmap(int fd, long length, int protection);

    int munmap(long address, long length);

    /** Puts zeroed pages of nobody where something was mapped, which is unmapped by that. */
    int coverPages(long address, long length);

    /** A mapping as a segment, which can be touched as long as {@code arena} is open; that unmaps nothing. */
    MemorySegment view(long address, long length, Arena arena);

    /** The number of the device behind a node ({@code dev_t}); 0 if it is no character device; or {@code -errno}. */
    long deviceNumber(Path node);

    /** The major number of a device, as the C library's {@code major}. */
    static int major(long number) {
        return (int) ((number >> 8 & 0xFFF) | (number >> 32 & ~0xFFF));
    }

    /** The directory in sysfs of the device with this number; it need not exist. */
    Path sysfs(long number);

    /** The lines of {@code /proc/self/fdinfo/FD}. */
    List<String> fdinfo(int fd) throws IOException;

    /** Whether this process may open the node for reading. */
    boolean isReadable(Path path);

    /** Whether the node is there. */
    boolean exists(Path path);

    /** Bytes in a page. */
    long pageSize();

    /** A number of {@code /proc/meminfo}, sizes in bytes; empty if this kernel does not tell. */
    OptionalLong meminfo(String key);

    /** Free bytes of memory, where {@code /proc} does not tell; empty if that is not told either. */
    OptionalLong freeMemory();

    /** Bytes of memory that the groups of this process (cgroup v2) may have beside what they have; empty if not limited. */
    OptionalLong groupMemory();

    /** A number among the parameters of a module in {@code /sys/module}; empty if this kernel does not tell. */
    OptionalLong moduleParameter(String module, String parameter);
}
