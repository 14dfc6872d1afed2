// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dma_buf_sync;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.bindings.dmabuf.udmabuf_create;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What holds on the real kernel and on the fake: a fake that is not like it would prove nothing. */
abstract class KernelContract {
    static final Path HEAPS = Path.of("/dev/dma_heap");

    /** A DMA_BUF_IOCTL_SYNC that ends a READ. */
    private static final MemorySegment END_OF_READ = endOfRead();

    private static MemorySegment endOfRead() {
        MemorySegment sync = dma_buf_sync.allocate(Arena.global());
        dma_buf_sync.flags(sync, dmabuf_h.DMA_BUF_SYNC_READ() | dmabuf_h.DMA_BUF_SYNC_END());
        return sync;
    }

    /** With heaps named system and udmabuf, and room in them. */
    abstract Kernel kernel();

    /** Those of this process, or of the fake. */
    abstract int openFiles() throws Exception;

    private Cenalloc cenalloc() throws Exception {
        return Cenalloc.open(kernel(), HEAPS);
    }

    private static Heap heap(Cenalloc cenalloc, String name) {
        return cenalloc.heaps().stream()
                .filter(heap -> heap.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private long clock(int number) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment time = arena.allocate(Linux.TIMESPEC_SIZE, Long.BYTES);
            assertEquals(0, kernel().clockGetTime(number, time));
            long fraction = time.get(ValueLayout.JAVA_LONG, Long.BYTES);
            assertTrue(fraction >= 0 && fraction < 1_000_000_000, () -> fraction + " nanoseconds");
            return time.get(ValueLayout.JAVA_LONG, 0) * 1_000_000_000 + fraction;
        }
    }

    @ParameterizedTest
    @ValueSource(
            ints = {
                Linux.CLOCK_REALTIME,
                Linux.CLOCK_MONOTONIC_RAW,
                Linux.CLOCK_REALTIME_COARSE,
                Linux.CLOCK_MONOTONIC_COARSE,
                Linux.CLOCK_BOOTTIME,
                Linux.CLOCK_TAI
            })
    void clocksGoOn(int number) {
        long first = clock(number);
        assertTrue(first > 0);
        assertTrue(clock(number) >= first);
    }

    @Test
    void theMonotonicClockIsThatOfJava() {
        long before = System.nanoTime();
        long now = clock(Linux.CLOCK_MONOTONIC);
        assertTrue(before <= now && now <= System.nanoTime());
    }

    @Test
    void thereAreNoOtherClocks() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment time = arena.allocate(Linux.TIMESPEC_SIZE, Long.BYTES);
            assertEquals(-Errno.EINVAL, kernel().clockGetTime(99, time));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "udmabuf"})
    void sizesAreRoundedUpToPages(String name) throws Exception {
        try (var cenalloc = cenalloc();
                var one = cenalloc.allocate(cenalloc.heap(name), 1);
                var two = cenalloc.allocate(cenalloc.heap(name), 4097)) {
            assertEquals(4096, one.size());
            assertEquals(8192, two.size());
            assertNotEquals(one.inode(), two.inode());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "udmabuf"})
    void memoryIsZeroedWritableAndKeptBetweenMappings(String name) throws Exception {
        try (var cenalloc = cenalloc();
                var buffer = cenalloc.allocate(cenalloc.heap(name), 100_000)) {
            try (var mapping = buffer.map(Direction.READ_WRITE)) {
                MemorySegment segment = mapping.segment();
                assertEquals(buffer.size(), segment.byteSize());
                assertEquals(-1, segment.mismatch(MemorySegment.ofArray(new byte[(int) buffer.size()])));
                try (var _ = buffer.access(Direction.READ_WRITE)) {
                    segment.set(ValueLayout.JAVA_LONG, buffer.size() - 8, 42);
                    assertEquals(42, segment.get(ValueLayout.JAVA_LONG, buffer.size() - 8));
                }
                assertThrows(IndexOutOfBoundsException.class, () -> segment.get(ValueLayout.JAVA_BYTE, buffer.size()));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "udmabuf"})
    void readMappingsCannotBeWritten(String name) throws Exception {
        try (var cenalloc = cenalloc();
                var buffer = cenalloc.allocate(cenalloc.heap(name), 1);
                var mapping = buffer.map(Direction.READ)) {
            assertThrows(
                    IllegalArgumentException.class, () -> mapping.segment().set(ValueLayout.JAVA_BYTE, 0, (byte) 1));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "udmabuf"})
    void touchingAfterCloseThrows(String name) throws Exception {
        try (var cenalloc = cenalloc()) {
            DmaBuf buffer = cenalloc.allocate(cenalloc.heap(name), 1);
            Mapping mapping = buffer.map(Direction.READ_WRITE);
            MemorySegment segment = mapping.segment();
            assertThrows(IllegalStateException.class, buffer::close, "a mapping is open");
            mapping.close();
            mapping.close();
            assertThrows(IllegalStateException.class, () -> segment.get(ValueLayout.JAVA_BYTE, 0));
            buffer.close();
            buffer.close();
            assertThrows(IllegalStateException.class, buffer::fd);
            assertThrows(IllegalStateException.class, () -> buffer.map(Direction.READ));
            assertThrows(IllegalStateException.class, () -> buffer.access(Direction.READ));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "udmabuf"})
    void cpuAccessNestsAndIsEndedOnce(String name) throws Exception {
        try (var cenalloc = cenalloc();
                var buffer = cenalloc.allocate(cenalloc.heap(name), 1)) {
            CpuAccess outer = buffer.access(Direction.READ);
            CpuAccess inner = buffer.access(Direction.READ);
            inner.close();
            assertThrows(IllegalStateException.class, buffer::close, "an access is open");
            outer.close();
            outer.close(); // does nothing
            buffer.access(Direction.WRITE).close();
            buffer.access(Direction.READ_WRITE).close();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "udmabuf"})
    void namesAreCutAtACharacter(String name) throws Exception {
        try (var cenalloc = cenalloc();
                var buffer = cenalloc.allocate(cenalloc.heap(name), 1)) {
            String ours = buffer.name();
            assertTrue(ours.startsWith("cenalloc " + ProcessHandle.current().pid() + "."), ours);
            buffer.name("frame 1");
            assertEquals("frame 1", buffer.name());
            buffer.name("x".repeat(30) + "é and more"); // the é would be bytes 31 and 32
            assertEquals("x".repeat(30), buffer.name());
            assertEquals(name, buffer.exporter());
        }
    }

    @Test
    void onlyDmaBufsAreAdopted() throws Exception {
        Kernel kernel = kernel();
        var e = assertThrows(CenallocException.class, () -> DmaBuf.adopt(kernel, 1_000_000, null));
        assertEquals(Errno.EBADF, e.errno());
        int node = kernel.open(HEAPS.resolve("system"), Linux.O_RDONLY | Linux.O_CLOEXEC);
        e = assertThrows(CenallocException.class, () -> DmaBuf.adopt(kernel, node, null));
        assertEquals("ENOTTY", e.errnoName());
        // It was ours from then on, so it is closed now.
        assertEquals(-Errno.EBADF, kernel.ioctl(node, 0, MemorySegment.NULL));
    }

    @Test
    void anAllocationBeyondAllMemoryIsENOMEM() throws Exception {
        try (var cenalloc = cenalloc();
                var buffer = cenalloc.create(1L << 45)) {
            buffer.attach(Device.of("d", Constraints.NONE, "test"));
            var e = assertThrows(MemoryExhaustedException.class, buffer::dmaBuf);
            assertEquals(Errno.ENOMEM, e.errno());
            assertEquals(1L << 45, e.requestedSize().orElseThrow());
            assertFalse(e.attempts().isEmpty());
        }
    }

    @Test
    void aHeapTakesADmaBufCallForAnAllocation() throws Exception {
        // Why adopting a descriptor looks at fdinfo: a call meant for a buffer is answered, and not with ENOTTY.
        Kernel kernel = kernel();
        int node = kernel.open(HEAPS.resolve("system"), Linux.O_RDONLY | Linux.O_CLOEXEC);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment sync = dma_buf_sync.allocate(arena);
            assertEquals(-Errno.EINVAL, kernel.ioctl(node, dmabuf_h.DMA_BUF_IOCTL_SYNC(), sync));
        }
        kernel.close(node);
    }

    @Test
    void aPathWithoutLinksLeadsToItself() throws Exception {
        Kernel kernel = kernel();
        Path node = HEAPS.resolve("system");
        assertEquals(node, kernel.realPath(node));
        assertThrows(NoSuchFileException.class, () -> kernel.realPath(HEAPS.resolve("no such")));
        assertThrows(NoSuchFileException.class, () -> kernel.list(Path.of("/dev/no such")));
    }

    @Test
    void aHeapThatIsNotThereIsENOENT() throws Exception {
        var e = assertThrows(
                MissingDeviceException.class, () -> new DmaHeapSource(kernel(), HEAPS.resolve("no such")).allocate(1));
        assertEquals(HEAPS.resolve("no such"), e.path().orElseThrow());
    }

    // ---- udmabuf ----

    /** Of {@code linux/fcntl.h}; this library has no use for it. */
    private static final int F_SEAL_WRITE = 8;

    private static int create(Kernel kernel, int file, long offset, long size) {
        int node = kernel.open(UdmabufSource.PATH, Linux.O_RDONLY | Linux.O_CLOEXEC);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment request = udmabuf_create.allocate(arena);
            udmabuf_create.memfd(request, file);
            udmabuf_create.flags(request, dmabuf_h.UDMABUF_FLAGS_CLOEXEC());
            udmabuf_create.offset(request, offset);
            udmabuf_create.size(request, size);
            return kernel.ioctl(node, dmabuf_h.UDMABUF_CREATE(), request);
        } finally {
            kernel.close(node);
        }
    }

    private static int file(Kernel kernel, long length, int seals) {
        int file = kernel.memfdCreate("test", Linux.MFD_CLOEXEC | Linux.MFD_ALLOW_SEALING);
        assertEquals(0, kernel.ftruncate(file, length));
        assertEquals(0, kernel.addSeals(file, seals));
        return file;
    }

    @Test
    void udmabufTakesAFileThatCannotShrinkAndCanBeWritten() {
        Kernel kernel = kernel();
        int right = file(kernel, 8192, Linux.F_SEAL_SHRINK);
        int unsealed = file(kernel, 8192, 0);
        int forReading = file(kernel, 8192, Linux.F_SEAL_SHRINK | F_SEAL_WRITE);

        int dmaBuf = create(kernel, right, 0, 8192);
        int part = create(kernel, right, 4096, 4096);
        assertTrue(dmaBuf > 0 && part > 0, dmaBuf + ", " + part);
        assertEquals(-Errno.EINVAL, create(kernel, unsealed, 0, 8192));
        assertEquals(-Errno.EINVAL, create(kernel, forReading, 0, 8192));

        for (int fd : List.of(right, unsealed, forReading, dmaBuf, part)) {
            kernel.close(fd);
        }
    }

    @Test
    void udmabufTakesWholePagesWithinTheFile() {
        Kernel kernel = kernel();
        int file = file(kernel, 8192, Linux.F_SEAL_SHRINK);
        assertEquals(-Errno.EINVAL, create(kernel, file, 0, 0));
        assertEquals(-Errno.EINVAL, create(kernel, file, 0, 4097));
        assertEquals(-Errno.EINVAL, create(kernel, file, 1, 4096));
        assertEquals(-Errno.EINVAL, create(kernel, file, 0, 12_288));
        assertEquals(-Errno.EINVAL, create(kernel, file, 8192, 4096));
        kernel.close(file);
    }

    @Test
    void udmabufTakesNothingButAFileInMemory() {
        Kernel kernel = kernel();
        int node = kernel.open(HEAPS.resolve("system"), Linux.O_RDONLY | Linux.O_CLOEXEC);
        assertEquals(-Errno.EBADFD, create(kernel, node, 0, 4096));
        assertEquals(-Errno.EBADFD, create(kernel, 1_000_000, 0, 4096));
        kernel.close(node);
    }

    @Test
    void udmabufGivesNoMoreThanItsLimit() throws Exception {
        Kernel kernel = kernel();
        long limit = kernel.moduleParameter("udmabuf", "size_limit_mb").orElse(64) << 20;
        int file = file(kernel, limit + 4096, Linux.F_SEAL_SHRINK);
        assertEquals(-Errno.EINVAL, create(kernel, file, 0, limit + 4096));
        kernel.close(file);

        try (var cenalloc = cenalloc()) {
            Heap udmabuf = heap(cenalloc, "udmabuf");
            assertEquals(limit, udmabuf.properties().maxSize().orElseThrow());
            int files = openFiles();
            var e = assertThrows(CenallocException.class, () -> cenalloc.allocate(udmabuf, limit + 1));
            assertEquals(Errno.EINVAL, e.errno());
            assertTrue(e.remedy().contains("size_limit_mb"), e.remedy());
            assertEquals(files, openFiles(), "the library said so, before it opened anything");
        }
    }

    @Test
    void udmabufEndsNoAccessThatDidNotBegin() throws Exception {
        try (var cenalloc = cenalloc();
                var system = cenalloc.allocate(cenalloc.heap("system"), 1);
                var udmabuf = cenalloc.allocate(cenalloc.heap("udmabuf"), 1)) {
            assertEquals(0, system.ioctl(dmabuf_h.DMA_BUF_IOCTL_SYNC(), END_OF_READ));
            assertEquals(-Errno.EINVAL, udmabuf.ioctl(dmabuf_h.DMA_BUF_IOCTL_SYNC(), END_OF_READ));
            udmabuf.access(Direction.WRITE).close();
            assertEquals(0, udmabuf.ioctl(dmabuf_h.DMA_BUF_IOCTL_SYNC(), END_OF_READ));
        }
    }

    @Test
    void theFileUnderUdmabufIsClosed() throws Exception {
        try (var cenalloc = cenalloc()) {
            Heap udmabuf = heap(cenalloc, "udmabuf");
            cenalloc.allocate(udmabuf, 1).close(); // the node is open from now on
            int files = openFiles();
            DmaBuf buffer = cenalloc.allocate(udmabuf, 1);
            assertEquals(files + 1, openFiles());
            buffer.close();
            assertEquals(files, openFiles());
        }
    }

    @Test
    void aFileThatIsNotThereHasNoContent() {
        Kernel kernel = kernel();
        Path missing = Path.of("/sys/no-such-directory/no-such-file");
        assertThrows(NoSuchFileException.class, () -> kernel.bytes(missing));
        assertFalse(kernel.exists(missing));
    }
}
