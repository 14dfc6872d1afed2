// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.bindings;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** One test a handle, against objects that every Linux has: a wrong signature fails only at the first call. */
@Tag("kernel") // see ci/device-tests
class LinuxTest {
    private static final long FIONREAD = 0x541B;
    private static final long FIOCLEX = 0x5451;

    private static int memfd(long size) {
        int fd = Linux.memfdCreate("cenalloc-test", Linux.MFD_CLOEXEC);
        assertTrue(fd >= 0, () -> Errno.name(-fd));
        assertEquals(0, Linux.ftruncate(fd, size));
        return fd;
    }

    private static void close(int fd) {
        assertEquals(0, Linux.close(fd));
    }

    @Test
    void openGivesADescriptorOrTheErrno() {
        int fd = Linux.open("/dev/null", Linux.O_RDONLY | Linux.O_CLOEXEC);
        assertTrue(fd >= 0);
        close(fd);
        assertEquals(-Errno.ENOENT, Linux.open("/dev/no such thing", Linux.O_RDONLY));
        assertEquals(-Errno.ENOTDIR, Linux.open("/dev/null/below", Linux.O_RDONLY));
    }

    @Test
    void openPassesItsFlags() throws Exception {
        int fd = Linux.open("/dev/null", Linux.O_RDWR | Linux.O_CLOEXEC | Linux.O_NONBLOCK);
        int flags = Linux.O_RDWR | Linux.O_CLOEXEC | Linux.O_NONBLOCK;
        assertEquals(flags, flagsOf(fd) & (flags | Linux.O_WRONLY));
        close(fd);
    }

    @Test
    void closeOfNothingIsAnError() {
        assertEquals(-1, Linux.close(-1));
    }

    @Test
    void ioctlWithAPointer() {
        try (Arena arena = Arena.ofConfined()) {
            // FIONREAD: the VFS answers it for regular files.
            MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
            int memfd = memfd(4096);
            assertEquals(0, Linux.ioctl(memfd, FIONREAD, count));
            assertEquals(4096, count.get(ValueLayout.JAVA_INT, 0));
            count.set(ValueLayout.JAVA_INT, 0, 0);
            assertEquals(0, Linux.repeatableIoctl(memfd, FIONREAD, count));
            assertEquals(4096, count.get(ValueLayout.JAVA_INT, 0));
            close(memfd);
            assertEquals(-Errno.EBADF, Linux.ioctl(-1, FIONREAD, count));
            count.set(ValueLayout.JAVA_INT, 0, 0);
            assertEquals(-Errno.EBADF, Linux.repeatableIoctl(-1, FIONREAD, count));
            int nul = Linux.open("/dev/null", Linux.O_RDWR);
            assertEquals(-Errno.ENOTTY, Linux.ioctl(nul, 0xC0184800L, count));
            close(nul);
        }
    }

    @Test
    void ioctlWithAnInteger() throws Exception {
        int fd = Linux.open("/dev/null", Linux.O_RDONLY);
        assertEquals(0, Linux.ioctl(fd, FIOCLEX, 0L));
        assertEquals(Linux.O_CLOEXEC, flagsOf(fd) & Linux.O_CLOEXEC);
        close(fd);
        assertEquals(-Errno.EBADF, Linux.ioctl(-1, FIOCLEX, 0L));
    }

    @Test
    void dupIsAnotherDescriptorOfTheSameFileAndCloseOnExec() throws Exception {
        int fd = memfd(10);
        int copy = Linux.dup(fd);
        assertTrue(copy >= 0 && copy != fd);
        assertEquals(Files.readSymbolicLink(link(fd)), Files.readSymbolicLink(link(copy)));
        assertEquals(Linux.O_CLOEXEC, flagsOf(copy) & Linux.O_CLOEXEC);
        close(fd);
        close(copy);
        assertEquals(-Errno.EBADF, Linux.dup(fd));
    }

    /** Of this process, which may take its own. */
    @Test
    void aDescriptorOfAProcessIsDuplicatedCloseOnExec() throws Exception {
        int pidfd = Linux.pidfdOpen((int) ProcessHandle.current().pid());
        assertTrue(pidfd >= 0, () -> "errno " + -pidfd);
        int fd = memfd(10);
        int copy = Linux.pidfdGetFd(pidfd, fd);
        assertTrue(copy >= 0 && copy != fd, () -> "errno " + -copy);
        assertEquals(Files.readSymbolicLink(link(fd)), Files.readSymbolicLink(link(copy)));
        assertEquals(Linux.O_CLOEXEC, flagsOf(copy) & Linux.O_CLOEXEC);
        assertEquals(Linux.O_CLOEXEC, flagsOf(pidfd) & Linux.O_CLOEXEC);
        close(copy);
        close(fd);
        assertEquals(-Errno.EBADF, Linux.pidfdGetFd(pidfd, fd));
        close(pidfd);
        assertEquals(-Errno.EINVAL, Linux.pidfdOpen(-1));
    }

    @Test
    void mmapShowsTheFileAndMunmapRemovesIt() throws Exception {
        int fd = memfd(8192);
        long address = Linux.mmap(fd, 4096, 4096, Linux.PROT_READ | Linux.PROT_WRITE);
        assertTrue(address > 0);
        long again = Linux.mmap(fd, 0, 8192, Linux.PROT_READ);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment segment = Linux.view(address, 4096, arena);
            segment.set(ValueLayout.JAVA_INT, 0, 42);
            MemorySegment whole = Linux.view(again, 8192, arena);
            assertEquals(42, whole.get(ValueLayout.JAVA_INT, 4096));
        }
        assertTrue(mapped(address));
        assertEquals(0, Linux.munmap(address, 4096));
        assertEquals(0, Linux.munmap(again, 8192));
        assertTrue(!mapped(address));
        close(fd);
    }

    @Test
    void coveredPagesAreNotTheFilesAnyMore() {
        int fd = memfd(4096);
        long address = Linux.mmap(fd, 0, 4096, Linux.PROT_READ | Linux.PROT_WRITE);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = Linux.view(address, 4096, arena);
            segment.set(ValueLayout.JAVA_INT, 0, 42);
            assertEquals(0, Linux.coverPages(address, 4096));
            assertEquals(0, segment.get(ValueLayout.JAVA_INT, 0));
            segment.set(ValueLayout.JAVA_INT, 0, 7);
        }
        assertEquals(0, Linux.munmap(address, 4096));
        assertEquals(-Errno.EINVAL, Linux.coverPages(1, 4096));
        close(fd);
    }

    @Test
    void freeMemoryIsPartOfWhatTheMachineHas() throws Exception {
        long total = Files.readAllLines(Path.of("/proc/meminfo")).stream()
                        .filter(line -> line.startsWith("MemTotal:"))
                        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                        .findFirst()
                        .orElseThrow()
                * 1024;
        long free = Linux.freeMemory();
        assertTrue(free > 0 && free < total, free + " of " + total);
        assertEquals(0, free % Linux.pageSize());
    }

    @Test
    void mmapFailsWithTheErrno() {
        assertEquals(-Errno.EBADF, Linux.mmap(-1, 0, 4096, Linux.PROT_READ));
        int fd = memfd(4096);
        assertEquals(-Errno.EINVAL, Linux.mmap(fd, 1, 4096, Linux.PROT_READ));
        close(fd);
    }

    @Test
    void munmapOfAnUnalignedAddressIsEINVAL() {
        assertEquals(-Errno.EINVAL, Linux.munmap(1, 4096));
    }

    @Test
    void pollTellsReadinessAndTimesOut() {
        int fd = memfd(1);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment fds = arena.allocate(Linux.POLLFD);
            fds.set(ValueLayout.JAVA_INT, 0, fd);
            fds.set(ValueLayout.JAVA_SHORT, 4, Linux.POLLIN);
            assertEquals(1, Linux.poll(fds, 1, 1000));
            assertEquals(Linux.POLLIN, fds.get(ValueLayout.JAVA_SHORT, 6));
            fds.set(ValueLayout.JAVA_INT, 0, -1); // ignored by the kernel: nothing left to wait for
            assertEquals(0, Linux.poll(fds, 1, 1));
            fds.set(ValueLayout.JAVA_INT, 0, 1_000_000);
            assertEquals(1, Linux.poll(fds, 1, 1000));
            assertEquals(Linux.POLLNVAL, fds.get(ValueLayout.JAVA_SHORT, 6));
        }
        close(fd);
    }

    @Test
    void preadTakesNoNoticeOfThePosition() {
        int fd = Linux.open("/proc/self/stat", Linux.O_RDONLY | Linux.O_CLOEXEC);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment first = arena.allocate(4);
            MemorySegment again = arena.allocate(4);
            assertEquals(4, Linux.read(fd, first));
            assertEquals(4, Linux.pread(fd, again, 0));
            assertEquals(-1, first.mismatch(again));
            assertEquals(3, Linux.pread(fd, again.asSlice(0, 3), 1));
            assertEquals(first.get(ValueLayout.JAVA_BYTE, 1), again.get(ValueLayout.JAVA_BYTE, 0));
            assertEquals(0, Linux.pread(fd, again, 1 << 20), "behind the end");
            assertEquals(-Errno.EBADF, Linux.pread(-1, again, 0));
        }
        close(fd);
    }

    @Test
    void readFillsTheSegment() {
        int fd = Linux.open("/proc/self/stat", Linux.O_RDONLY | Linux.O_CLOEXEC);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment target = arena.allocate(16);
            assertEquals(16, Linux.read(fd, target));
            String text = new String(target.toArray(ValueLayout.JAVA_BYTE), StandardCharsets.US_ASCII);
            assertTrue(text.startsWith(ProcessHandle.current().pid() + " "), text);
            assertEquals(-Errno.EBADF, Linux.read(-1, target));
        }
        close(fd);
    }

    @Test
    void clockGetTimeIsThatOfJava() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment time = arena.allocate(Linux.TIMESPEC_SIZE, Long.BYTES);
            long before = System.nanoTime();
            assertEquals(0, Linux.clockGetTime(Linux.CLOCK_MONOTONIC, time));
            long now = time.get(ValueLayout.JAVA_LONG, 0) * 1_000_000_000 + time.get(ValueLayout.JAVA_LONG, 8);
            assertTrue(before <= now && now <= System.nanoTime());
            assertEquals(-Errno.EINVAL, Linux.clockGetTime(99, time));
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> Linux.clockGetTime(Linux.CLOCK_MONOTONIC, time.asSlice(0, 8)));
        }
    }

    @Test
    void fstatTellsSizeAndInode() throws Exception {
        int fd = memfd(12_345);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stat = arena.allocate(Linux.STAT_SIZE);
            assertEquals(0, Linux.fstat(fd, stat));
            assertEquals(12_345, stat.get(ValueLayout.JAVA_LONG, Linux.STAT_FILE_SIZE));
            assertEquals(Files.getAttribute(link(fd), "unix:ino"), stat.get(ValueLayout.JAVA_LONG, Linux.STAT_INO));
            assertEquals(-Errno.EBADF, Linux.fstat(-1, stat));
            assertThrows(IndexOutOfBoundsException.class, () -> Linux.fstat(fd, stat.asSlice(0, 128)));
        }
        close(fd);
    }

    @Test
    void lseekMovesAndTellsTheEnd() {
        int fd = memfd(5_000_000_000L);
        assertEquals(5_000_000_000L, Linux.lseek(fd, 0, Linux.SEEK_END));
        assertEquals(7, Linux.lseek(fd, 7, Linux.SEEK_SET));
        assertEquals(-Errno.EINVAL, Linux.lseek(fd, -1, Linux.SEEK_SET));
        close(fd);
    }

    @Test
    void memfdCreateTakesNameAndFlags() throws Exception {
        int fd = Linux.memfdCreate("a name", Linux.MFD_CLOEXEC);
        assertEquals("/memfd:a name (deleted)", Files.readSymbolicLink(link(fd)).toString());
        close(fd);
        assertEquals(-Errno.EINVAL, Linux.memfdCreate("x", 1 << 30));
    }

    @Test
    void ftruncateRefusesANegativeLength() {
        int fd = memfd(1);
        assertEquals(-Errno.EINVAL, Linux.ftruncate(fd, -1));
        close(fd);
    }

    @Test
    void fallocateGivesAFileItsMemory() {
        int fd = memfd(1);
        assertEquals(0, Linux.fallocate(fd, 5000));
        assertEquals(5000, Linux.lseek(fd, 0, Linux.SEEK_END));
        assertEquals(-Errno.EINVAL, Linux.fallocate(fd, -1));
        close(fd);
    }

    @Test
    void eachThreadSeesItsOwnErrno() throws Exception {
        try (var threads = Executors.newFixedThreadPool(4)) {
            var results = IntStream.range(0, 4)
                    .mapToObj(i -> threads.submit(() -> {
                        for (int n = 0; n < 20_000; n++) {
                            int expected = i % 2 == 0 ? -Errno.EBADF : -Errno.EINVAL;
                            int got = i % 2 == 0 ? Linux.addSeals(-1, 0) : Linux.munmap(1, 1);
                            assertEquals(expected, got);
                        }
                    }))
                    .toList();
            for (Future<?> result : results) {
                result.get();
            }
        }
    }

    @Test
    void aClosedArenaIsReportedAsSuch() {
        MemorySegment gone;
        try (Arena arena = Arena.ofConfined()) {
            gone = arena.allocate(Linux.STAT_SIZE);
        }
        assertThrows(IllegalStateException.class, () -> Linux.fstat(0, gone));
    }

    @Test
    void otherPlatformsAreRefusedByName() {
        var e = assertThrows(UnsupportedOperationException.class, () -> Platform.check("Linux", "ppc64le"));
        String message = String.valueOf(e.getMessage());
        assertTrue(message.contains("ppc64le") && message.contains("aarch64"), message);
        assertThrows(UnsupportedOperationException.class, () -> Platform.check("Mac OS X", "aarch64"));
        assertDoesNotThrow(() -> Platform.check("Linux", "amd64"));
        assertDoesNotThrow(() -> Platform.check("Linux", "aarch64"));
    }

    @Test
    void thisPlatformIsUsable() {
        assertDoesNotThrow(Platform::requireUsable);
    }

    @Test
    void errorNumbersHaveNames() {
        assertAll(
                () -> assertEquals("EINVAL", Errno.name(Errno.EINVAL)),
                () -> assertEquals("ENOTTY", Errno.name(Errno.ENOTTY)),
                () -> assertEquals("ELOOP", Errno.name(40)),
                () -> assertEquals("ETIMEDOUT", Errno.name(110)),
                () -> assertEquals("errno 4095", Errno.name(4095)));
    }

    private static Path link(int fd) {
        return Path.of("/proc/self/fd/" + fd);
    }

    private static long flagsOf(int fd) throws Exception {
        String flags = Files.readAllLines(Path.of("/proc/self/fdinfo/" + fd)).stream()
                .filter(line -> line.startsWith("flags:"))
                .findFirst()
                .orElseThrow()
                .substring(6)
                .strip();
        return Long.parseLong(flags, 8);
    }

    private static boolean mapped(long address) throws Exception {
        String start = Long.toHexString(address) + "-";
        return Files.readAllLines(Path.of("/proc/self/maps")).stream().anyMatch(line -> line.startsWith(start));
    }
}
