// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import dev.cenalloc.bindings.Linux;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

/**
 * The system calls and files of the kernel that this library uses; {@link LinuxKernel} is the real one, tests have a
 * fake. Calls return a result that is not negative, or {@code -errno}. Safe for any number of threads.
 */
public interface Kernel {
    /** Returns the numbers of this kernel's descriptors that this library owns. */
    OwnedNumbers owned();

    /**
     * Returns the names in a directory of device nodes, sorted; without those that the locale of this process lacks.
     * {@link FileException#errno} tells why it failed, as of all methods with an IOException.
     */
    List<String> list(Path directory) throws IOException;

    /** Returns the path with every symbolic link followed. */
    Path realPath(Path path) throws IOException;

    /** Returns what is in a file of {@code /proc} or {@code /sys}, at most 64 KiB of it. */
    byte[] bytes(Path file) throws IOException;

    /** Opens a node with {@code O_*} flags; returns a descriptor. */
    int open(Path path, int flags);

    /** Closes a descriptor. The number is free afterwards, whatever the result is. */
    int close(int fd);

    /** Makes a request to a driver. May block. */
    int ioctl(int fd, long request, MemorySegment argument);

    /** As {@link #ioctl}, without allocating objects, for requests that have no effect when they fail. */
    int repeatableIoctl(int fd, long request, MemorySegment argument);

    /**
     * Waits on {@code count} {@link Linux#POLLFD} structures; returns how many are ready, 0 after the timeout.
     * Allocates no objects.
     */
    int poll(MemorySegment fds, long count, int timeoutMillis);

    /** Reads at most the size of {@code target}; returns the number of bytes. Allocates no objects. May block. */
    long read(int fd, MemorySegment target);

    /**
     * Reads at most the size of {@code target} from a place of a file, whatever its position, which other processes
     * may share; returns the number of bytes, 0 at the end. May block.
     */
    long pread(int fd, MemorySegment target, long offset);

    /** Creates an anonymous file in memory; returns a descriptor. */
    int memfdCreate(String name, int flags);

    /** Sets the length of a file, in bytes. */
    int ftruncate(int fd, long length);

    /** Allocates the memory of a file up to {@code length} bytes. May block. */
    int fallocate(int fd, long length);

    /** Adds {@code F_SEAL_*} seals to an anonymous file. */
    int addSeals(int fd, int seals);

    /** Fills a {@code struct stat} of {@link Linux#STAT_SIZE} bytes. Allocates no objects unless it fails. */
    int fstat(int fd, MemorySegment stat);

    /**
     * Fills a {@code struct timespec} of {@link Linux#TIMESPEC_SIZE} bytes with the time of a {@code CLOCK_*}.
     * Allocates no objects unless it fails.
     */
    int clockGetTime(int clock, MemorySegment time);

    /** Maps the descriptor from its start, shared; returns the address. */
    long mmap(int fd, long length, int protection);

    /** Unmaps what {@link #mmap} mapped. */
    int munmap(long address, long length);

    /** Replaces a mapping with zeroed anonymous pages, in one step. */
    int coverPages(long address, long length);

    /** Returns a mapping as a segment, valid until {@code arena} is closed; closing the arena does not unmap. */
    MemorySegment view(long address, long length, Arena arena);

    /** Duplicates a descriptor. */
    int dup(int fd);

    /** Has a descriptor closed in programs that this process starts. */
    int closeOnExec(int fd);

    /** Opens a descriptor for a process. */
    int pidfdOpen(int pid);

    /** Duplicates a descriptor of the process of {@link #pidfdOpen}. */
    int pidfdGetFd(int pidfd, int fd);

    /** Creates a Unix stream socket; returns a descriptor. {@code flags}: 0, or SOCK_NONBLOCK. */
    int socket(int flags);

    /** Creates two connected Unix stream sockets, whose descriptors are written to {@code pair}. */
    int socketPair(MemorySegment pair);

    /** Gives a socket an address, a {@code struct sockaddr_un} of the segment's size. */
    int bind(int fd, MemorySegment address);

    /**
     * Connects a socket to an address, a {@code struct sockaddr_un} of the segment's size. Blocks while the
     * backlog is full, unless the socket is one of SOCK_NONBLOCK: then EAGAIN.
     */
    int connect(int fd, MemorySegment address);

    /** Lets others connect to a socket. */
    int listen(int fd, int backlog);

    /** Accepts a connection; returns its descriptor. Blocks, unless the socket is one of SOCK_NONBLOCK: then EAGAIN. */
    int accept(int fd);

    /** Ends a connection in both directions; calls that block in it return. */
    int shutdown(int fd);

    /** Reads an option of a socket; returns its size. */
    int socketOption(int fd, int name, MemorySegment value);

    /** Sets an option of a socket. */
    int setSocketOption(int fd, int name, MemorySegment value);

    /**
     * Sends a {@code struct msghdr}; returns the number of bytes. Raises no signal. Allocates no objects. May block.
     */
    long send(int fd, MemorySegment message, int flags);

    /**
     * Receives into a {@code struct msghdr}; returns the number of bytes, 0 at the end of the stream. Received
     * descriptors are close-on-exec. Allocates no objects. May block.
     */
    long receive(int fd, MemorySegment message, int flags);

    /**
     * Returns the device number of a node ({@code dev_t}); 0 if the node is not a character device; {@code -errno} of
     * stat.
     */
    long deviceNumber(Path node);

    /** Returns the major part of a device number, as {@code major} of the C library. */
    static int major(long number) {
        return (int) ((number >> 8 & 0xFFF) | (number >> 32 & ~0xFFF));
    }

    /** Returns the directory in sysfs of the device with this number; it may not exist. */
    Path sysfs(long number);

    /** Returns the lines of {@code /proc/self/fdinfo/FD}. */
    List<String> fdinfo(int fd) throws IOException;

    /**
     * Returns 0 if there is such a node, file or directory, and if this process may do that with it: {@link Linux#F_OK}
     * nothing, {@link Linux#R_OK} open it for reading.
     */
    int access(Path path, int mode);

    /**
     * Returns whether there is such a file or directory. A fault that may pass, such as ENOMEM, does not tell that
     * there is none.
     */
    default boolean exists(Path path) {
        return !FileException.isLasting(-access(path, Linux.F_OK));
    }

    /** As {@link #exists}; false after a fault that may pass. */
    default boolean isThere(Path path) {
        return access(path, Linux.F_OK) == 0;
    }

    /** Returns the size of a page in bytes. */
    long pageSize();

    /**
     * Returns a number of {@code /proc/meminfo}, sizes in bytes; empty if this kernel does not report it, or this
     * process may not see it.
     *
     * @throws IOException after a fault that may pass, such as EMFILE
     */
    OptionalLong meminfo(String key) throws IOException;

    /** Returns the free bytes of memory, without {@code /proc}; empty if the kernel does not report them. */
    OptionalLong freeMemory();

    /**
     * Returns the bytes of memory that the control groups of this process (cgroup v1 or v2) may still use; empty
     * without a limit.
     */
    OptionalLong groupMemory();

    /** Returns a number of {@code /proc/sys}, such as {@code "vm/max_map_count"}; empty if it cannot be read. */
    OptionalLong sysctl(String name);

    /** Returns the number of mappings of this process; empty if it cannot be read. */
    OptionalLong mappings();

    /**
     * Returns a numeric parameter of a module in {@code /sys/module}, or 1 or 0 for one that is on or off; empty if
     * this kernel does not report it, or this process may not see it.
     *
     * @throws IOException after a fault that may pass, such as EMFILE
     */
    OptionalLong moduleParameter(String module, String parameter) throws IOException;
}
