package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dma_buf_sync;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** What holds on the real kernel and on the fake: a fake that is not like it would prove nothing. */
abstract class KernelContract {
    static final Path HEAPS = Path.of("/dev/dma_heap");

    /** With a heap named system, and room in it. */
    abstract Kernel kernel();

    private Cenalloc cenalloc() throws Exception {
        return Cenalloc.open(kernel(), HEAPS);
    }

    private static Heap system(Cenalloc cenalloc) {
        return cenalloc.heaps().stream()
                .filter(heap -> heap.name().equals("system"))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void sizesAreRoundedUpToPages() throws Exception {
        try (var cenalloc = cenalloc();
                var one = system(cenalloc).allocate(1);
                var two = system(cenalloc).allocate(4097)) {
            assertEquals(4096, one.size());
            assertEquals(8192, two.size());
            assertNotEquals(one.inode(), two.inode());
        }
    }

    @Test
    void memoryIsZeroedWritableAndKeptBetweenMappings() throws Exception {
        try (var cenalloc = cenalloc();
                var buffer = system(cenalloc).allocate(100_000)) {
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

    @Test
    void readMappingsCannotBeWritten() throws Exception {
        try (var cenalloc = cenalloc();
                var buffer = system(cenalloc).allocate(1);
                var mapping = buffer.map(Direction.READ)) {
            assertThrows(
                    IllegalArgumentException.class, () -> mapping.segment().set(ValueLayout.JAVA_BYTE, 0, (byte) 1));
        }
    }

    @Test
    void touchingAfterCloseThrows() throws Exception {
        try (var cenalloc = cenalloc()) {
            DmaBuf buffer = system(cenalloc).allocate(1);
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

    @Test
    void cpuAccessNestsAndIsEndedOnce() throws Exception {
        try (var cenalloc = cenalloc();
                var buffer = system(cenalloc).allocate(1)) {
            CpuAccess outer = buffer.access(Direction.READ);
            CpuAccess inner = buffer.access(Direction.READ);
            inner.close();
            assertThrows(IllegalStateException.class, buffer::close, "an access is open");
            outer.close();
            assertThrows(IllegalStateException.class, outer::close);
            buffer.access(Direction.WRITE).close();
            buffer.access(Direction.READ_WRITE).close();
        }
    }

    @Test
    void namesAreCutAtACharacter() throws Exception {
        try (var cenalloc = cenalloc();
                var buffer = system(cenalloc).allocate(1)) {
            assertEquals("", buffer.name());
            buffer.name("frame 1");
            assertEquals("frame 1", buffer.name());
            buffer.name("x".repeat(30) + "é and more"); // the é would be bytes 31 and 32
            assertEquals("x".repeat(30), buffer.name());
            assertEquals("system", buffer.exporter());
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
    void aHeapThatIsNotThereIsENOENT() throws Exception {
        var e = assertThrows(
                MissingDeviceException.class, () -> new DmaHeapSource(kernel(), HEAPS.resolve("no such")).allocate(1));
        assertEquals(HEAPS.resolve("no such"), e.path().orElseThrow());
    }
}
