// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.Platform;
import dev.cenalloc.bindings.Sockets;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/** The kernel of this machine. Safe for any number of threads. */
public final class LinuxKernel implements Kernel {
    // inode(7)
    private static final int FILE_TYPE = 0xF000;
    private static final int CHARACTER_DEVICE = 0x2000;

    /** Of {@code /proc} and {@code /sys}. */
    private static final int LARGEST_FILE = 1 << 16;

    /** Created at the first use: its creation throws on an unsupported platform. */
    private static volatile @Nullable LinuxKernel instance;

    private final OwnedNumbers owned = new OwnedNumbers();

    private LinuxKernel() {}

    /**
     * Returns the instance.
     *
     * @throws UnsupportedOperationException on other systems than Linux on amd64 or aarch64
     * @throws IllegalCallerException if Java denies native access
     */
    public static LinuxKernel instance() {
        LinuxKernel kernel = instance;
        if (kernel == null) {
            Platform.requireUsable(); // links a function to learn whether Java permits it: once is enough
            kernel = new LinuxKernel();
            instance = kernel;
        }
        return kernel;
    }

    @Override
    public OwnedNumbers owned() {
        return owned;
    }

    /** Something that Java does with a file. */
    private interface Reading<T> {
        T run() throws IOException;
    }

    /**
     * Java's exceptions have few error numbers. After any other failure, {@code again} does the same in one system
     * call, which tells the number; if it succeeds, the fault has passed.
     */
    private static <T> T read(Path path, IntSupplier again, Reading<T> reading) throws IOException {
        try {
            return reading.run();
        } catch (NoSuchFileException | AccessDeniedException | NotDirectoryException e) {
            throw e;
        } catch (IOException | UncheckedIOException e) {
            int result = again.getAsInt();
            if (result < 0) {
                var known = new FileException(path, -result);
                known.initCause(e);
                throw known;
            }
            try {
                return reading.run();
            } catch (UncheckedIOException unchecked) {
                throw unchecked.getCause();
            }
        }
    }

    /** As {@link #read(Path, IntSupplier, Reading)}, of what Java opens. */
    private static <T> T read(Path path, Reading<T> reading) throws IOException {
        return read(path, () -> openAndClose(path, 1), reading);
    }

    /** Has a number of descriptors of a file for a moment: 0, or why not. */
    private static int openAndClose(Path path, int count) {
        int fd = Linux.open(path.toString(), Linux.O_RDONLY | Linux.O_NONBLOCK | Linux.O_CLOEXEC);
        if (fd < 0) {
            return fd;
        }
        int others = count > 1 ? openAndClose(path, count - 1) : 0;
        int closed = Linux.close(fd);
        return others < 0 ? others : closed;
    }

    @Override
    public List<String> list(Path directory) throws IOException {
        // Java needs two descriptors for it.
        return read(directory, () -> openAndClose(directory, 2), () -> {
            try (var entries = Files.list(directory)) {
                return entries.filter(LinuxKernel::canBeNamed)
                        .map(entry -> String.valueOf(entry.getFileName()))
                        .sorted()
                        .toList();
            }
        });
    }

    /** With LANG=C, Java reads names with other characters, but cannot find the file again by such a name. */
    private static boolean canBeNamed(Path entry) {
        try {
            return entry.resolveSibling(String.valueOf(entry.getFileName())).equals(entry);
        } catch (InvalidPathException e) {
            return false;
        }
    }

    @Override
    public Path realPath(Path path) throws IOException {
        return read(path, () -> access(path, Linux.F_OK), path::toRealPath);
    }

    @Override
    public byte[] bytes(Path file) throws IOException {
        return read(file, () -> {
            // Read by read: readNBytes asks for the position, which files of debugfs refuse (ESPIPE).
            try (var stream = Files.newInputStream(file)) {
                var all = new ByteArrayOutputStream();
                byte[] some = new byte[4096];
                int length = stream.read(some);
                while (length > 0 && all.size() < LARGEST_FILE) {
                    all.write(some, 0, Math.min(length, LARGEST_FILE - all.size()));
                    length = stream.read(some);
                }
                return all.toByteArray();
            }
        });
    }

    @Override
    public int open(Path path, int flags) {
        return Linux.open(path.toString(), flags);
    }

    @Override
    public int close(int fd) {
        return Linux.close(fd);
    }

    @Override
    public int ioctl(int fd, long request, MemorySegment argument) {
        return Linux.ioctl(fd, request, argument);
    }

    @Override
    public int repeatableIoctl(int fd, long request, MemorySegment argument) {
        return Linux.repeatableIoctl(fd, request, argument);
    }

    @Override
    public int poll(MemorySegment fds, long count, int timeoutMillis) {
        return Linux.poll(fds, count, timeoutMillis);
    }

    @Override
    public long read(int fd, MemorySegment target) {
        return Linux.read(fd, target);
    }

    @Override
    public long pread(int fd, MemorySegment target, long offset) {
        return Linux.pread(fd, target, offset);
    }

    @Override
    public int memfdCreate(String name, int flags) {
        return Linux.memfdCreate(name, flags);
    }

    @Override
    public int ftruncate(int fd, long length) {
        return Linux.ftruncate(fd, length);
    }

    @Override
    public int fallocate(int fd, long length) {
        return Linux.fallocate(fd, length);
    }

    @Override
    public int addSeals(int fd, int seals) {
        return Linux.addSeals(fd, seals);
    }

    @Override
    public int fstat(int fd, MemorySegment stat) {
        return Linux.fstat(fd, stat);
    }

    @Override
    public int clockGetTime(int clock, MemorySegment time) {
        return Linux.clockGetTime(clock, time);
    }

    @Override
    public long mmap(int fd, long length, int protection) {
        return Linux.mmap(fd, 0, length, protection);
    }

    @Override
    public int munmap(long address, long length) {
        return Linux.munmap(address, length);
    }

    @Override
    public int coverPages(long address, long length) {
        return Linux.coverPages(address, length);
    }

    @Override
    public MemorySegment view(long address, long length, Arena arena) {
        return Linux.view(address, length, arena);
    }

    @Override
    public int dup(int fd) {
        return Linux.dup(fd);
    }

    @Override
    public int closeOnExec(int fd) {
        return Linux.closeOnExec(fd);
    }

    @Override
    public int pidfdOpen(int pid) {
        return Linux.pidfdOpen(pid);
    }

    @Override
    public int pidfdGetFd(int pidfd, int fd) {
        return Linux.pidfdGetFd(pidfd, fd);
    }

    @Override
    public int socket(int flags) {
        return Sockets.socket(flags);
    }

    @Override
    public int socketPair(MemorySegment pair) {
        return Sockets.socketpair(pair);
    }

    @Override
    public int bind(int fd, MemorySegment address) {
        return Sockets.bind(fd, address);
    }

    @Override
    public int connect(int fd, MemorySegment address) {
        return Sockets.connect(fd, address);
    }

    @Override
    public int listen(int fd, int backlog) {
        return Sockets.listen(fd, backlog);
    }

    @Override
    public int accept(int fd) {
        return Sockets.accept(fd);
    }

    @Override
    public int shutdown(int fd) {
        return Sockets.shutdown(fd);
    }

    @Override
    public int setSocketOption(int fd, int name, MemorySegment value) {
        return Sockets.setOption(fd, name, value);
    }

    @Override
    public int socketOption(int fd, int name, MemorySegment value) {
        return Sockets.option(fd, name, value);
    }

    @Override
    public long send(int fd, MemorySegment message, int flags) {
        return Sockets.sendmsg(fd, message, flags);
    }

    @Override
    public long receive(int fd, MemorySegment message, int flags) {
        return Sockets.recvmsg(fd, message, flags);
    }

    @Override
    public long deviceNumber(Path node) {
        try {
            Map<String, Object> status =
                    read(node, () -> access(node, Linux.F_OK), () -> Files.readAttributes(node, "unix:mode,rdev"));
            return status.get("mode") instanceof Integer mode
                            && (mode & FILE_TYPE) == CHARACTER_DEVICE
                            && status.get("rdev") instanceof Long number
                    ? number
                    : 0;
        } catch (IOException e) {
            return -FileException.errno(e);
        }
    }

    @Override
    public Path sysfs(long number) {
        return Path.of("/sys/dev/char", Kernel.major(number) + ":" + minor(number), "device");
    }

    private static int minor(long number) {
        return (int) ((number & 0xFF) | (number >> 12 & ~0xFF));
    }

    @Override
    public List<String> fdinfo(int fd) throws IOException {
        Path file = Path.of("/proc/self/fdinfo", Integer.toString(fd));
        // A name may have any bytes; Latin-1 keeps all of them.
        return read(file, () -> Files.readAllLines(file, StandardCharsets.ISO_8859_1));
    }

    @Override
    public int access(Path path, int mode) {
        return Linux.access(path.toString(), mode);
    }

    @Override
    public long pageSize() {
        return Linux.pageSize();
    }

    /** Reads a number that a file may not have; empty if this process cannot get it and will not soon. */
    private static OptionalLong number(Path file, Reading<OptionalLong> reading) throws IOException {
        try {
            return read(file, reading);
        } catch (NumberFormatException e) {
            return OptionalLong.empty();
        } catch (IOException e) {
            if (!FileException.isLasting(FileException.errno(e))) {
                throw e;
            }
            return OptionalLong.empty();
        }
    }

    @Override
    public OptionalLong meminfo(String key) throws IOException {
        Path file = Path.of("/proc/meminfo");
        // A count below zero is printed as a number beyond long (HugePages_Rsvd: 18446744073709551600).
        return number(
                file,
                () -> Files.readAllLines(file).stream()
                        .filter(line -> line.startsWith(key + ":"))
                        .mapToLong(
                                line -> Long.parseLong(line.replaceAll("\\D", "")) * (line.endsWith("kB") ? 1024 : 1))
                        .findFirst());
    }

    @Override
    public OptionalLong freeMemory() {
        long free = Linux.freeMemory();
        return free < 0 ? OptionalLong.empty() : OptionalLong.of(free);
    }

    @Override
    public OptionalLong groupMemory() {
        return ControlGroups.memory(Path.of("/proc/self/cgroup"), Path.of("/sys/fs/cgroup"));
    }

    @Override
    public OptionalLong sysctl(String name) {
        try {
            return number(Path.of("/proc/sys", name));
        } catch (IOException e) {
            return OptionalLong.empty();
        }
    }

    @Override
    public OptionalLong mappings() {
        // A line each. A process at its limit has megabytes of them, so they are not kept.
        try (var maps = Files.newInputStream(Path.of("/proc/self/maps"))) {
            byte[] some = new byte[1 << 16];
            long lines = 0;
            for (int length = maps.read(some); length > 0; length = maps.read(some)) {
                for (int i = 0; i < length; i++) {
                    lines += some[i] == '\n' ? 1 : 0;
                }
            }
            return OptionalLong.of(lines);
        } catch (IOException e) {
            return OptionalLong.empty();
        }
    }

    @Override
    public OptionalLong moduleParameter(String module, String parameter) throws IOException {
        return number(Path.of("/sys/module", module, "parameters", parameter));
    }

    private static OptionalLong number(Path file) throws IOException {
        // In one read: files of /proc/sys give their number at the first one only, and Files.readString begins with a
        // byte.
        return number(file, () -> {
            try (var in = Files.newInputStream(file)) {
                byte[] text = new byte[64];
                int length = Math.max(0, in.read(text));
                String said = new String(text, 0, length, StandardCharsets.US_ASCII).strip();
                return OptionalLong.of(
                        switch (said) {
                            case "Y" -> 1;
                            case "N" -> 0;
                            default -> Long.parseLong(said);
                        });
            }
        });
    }
}
