package dev.cenalloc;

import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.Platform;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

/** The kernel under this process. Stateless, safe for any number of threads. */
final class LinuxKernel implements Kernel {
    LinuxKernel() {
        Platform.requireUsable();
    }

    @Override
    public List<String> list(Path directory) throws IOException {
        try (var entries = Files.list(directory)) {
            return entries.map(entry -> String.valueOf(entry.getFileName()))
                    .sorted()
                    .toList();
        }
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
    public long mmap(int fd, long length, int protection) {
        return Linux.mmap(fd, 0, length, protection);
    }

    @Override
    public int munmap(long address, long length) {
        return Linux.munmap(address, length);
    }

    @Override
    public MemorySegment view(long address, long length, Arena arena, Runnable release) {
        return Linux.view(address, length, arena, release);
    }

    @Override
    public List<String> fdinfo(int fd) throws IOException {
        // A name may be any bytes; in Latin-1 they all pass.
        return Files.readAllLines(Path.of("/proc/self/fdinfo", Integer.toString(fd)), StandardCharsets.ISO_8859_1);
    }

    @Override
    public boolean isReadable(Path path) {
        return Files.isReadable(path);
    }

    @Override
    public boolean exists(Path path) {
        return Files.exists(path);
    }

    @Override
    public long pageSize() {
        return Linux.pageSize();
    }

    @Override
    public OptionalLong meminfo(String key) {
        try {
            return Files.readAllLines(Path.of("/proc/meminfo")).stream()
                    .filter(line -> line.startsWith(key + ":"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * (line.endsWith("kB") ? 1024 : 1))
                    .findFirst();
        } catch (IOException | NumberFormatException e) {
            // A kernel that lost count prints what is no long (HugePages_Rsvd: 18446744073709551600).
            return OptionalLong.empty();
        }
    }

    @Override
    public OptionalLong moduleParameter(String module, String parameter) {
        try {
            String value = Files.readString(Path.of("/sys/module", module, "parameters", parameter));
            return OptionalLong.of(Long.parseLong(value.strip()));
        } catch (IOException | NumberFormatException e) {
            return OptionalLong.empty();
        }
    }
}
