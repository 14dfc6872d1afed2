package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Linux;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

/** Real heaps: the library's claims about memory, checked against what the kernel did. */
@RequiresHeap({"system", "reserved"})
class HeapDeviceTest {
    private static final long FRAME = 640 * 480 * 4;
    private static final Device ANY = Device.of("display", Constraints.NONE, "test");
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "test");

    @Test
    void theHeapsAreListedWithWhatIsKnown() throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            assertEquals(
                    List.of("reserved", "system"),
                    cenalloc.heaps().stream().map(Heap::name).toList());
        }
    }

    @Test
    void theKernelNamesTheHeapThatWasChosen() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var any = cenalloc.create(FRAME);
                var contiguous = cenalloc.create(FRAME)) {
            any.attach(ANY);
            contiguous.attach(ANY);
            contiguous.attach(CONTIGUOUS);
            assertEquals("system", any.dmaBuf().exporter());
            assertEquals("reserved", contiguous.dmaBuf().exporter());
        }
    }

    @Test
    void descriptorsAreCloseOnExecFromBirth() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(1)) {
            int fd = buffer.dmaBuf().fd();
            String flags = Files.readAllLines(Path.of("/proc/self/fdinfo/" + fd)).stream()
                    .filter(line -> line.startsWith("flags:"))
                    .findFirst()
                    .orElseThrow();
            assertEquals(
                    Linux.O_CLOEXEC | Linux.O_RDWR,
                    Long.parseLong(flags.substring(6).strip(), 8) & (Linux.O_CLOEXEC | 3));
        }
    }

    @Test
    void anAdoptedDescriptorIsTheSameBuffer() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(FRAME);
                var mapping = buffer.map(Direction.WRITE);
                var adopted = DmaBuf.adopt(Linux.dup(buffer.dmaBuf().fd()));
                var other = adopted.map(Direction.READ)) {
            assertEquals(buffer.dmaBuf().inode(), adopted.inode());
            assertEquals(buffer.dmaBuf().size(), adopted.size());
            mapping.segment().set(ValueLayout.JAVA_INT, 4, 7);
            assertEquals(7, other.segment().get(ValueLayout.JAVA_INT, 4));
        }
    }

    @Test
    void contiguousMemoryRunsOutAndComesBack() throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            for (int round = 0; round < 2; round++) {
                var buffers = new ArrayList<SharedBuffer>();
                var e = assertThrows(MemoryExhaustedException.class, () -> {
                    while (true) {
                        var buffer = cenalloc.create(8 << 20);
                        buffers.add(buffer);
                        buffer.attach(CONTIGUOUS);
                        buffer.dmaBuf();
                    }
                });
                assertEquals("[reserved: ENOMEM]", e.attempts().toString());
                assertTrue(e.cmaFree().isPresent());
                assertTrue(buffers.size() > 6, "round " + round + ": " + buffers.size());
                buffers.forEach(SharedBuffer::close);
            }
        }
    }

    @Test
    void nothingIsLeftInTheProcessOrTheKernel() throws Exception {
        try (var warm = Cenalloc.open();
                var buffer = warm.create(1)) {
            buffer.map(Direction.READ).close();
        }
        int files = openFiles();
        long buffers = dmaBufsOfThisTest();
        for (int i = 0; i < 200; i++) {
            try (var cenalloc = Cenalloc.open();
                    var buffer = cenalloc.create(10_000);
                    var mapping = buffer.map(Direction.READ_WRITE);
                    var _ = buffer.dmaBuf().access(Direction.READ_WRITE)) {
                buffer.dmaBuf().name("leak test");
                mapping.segment().fill((byte) i);
            }
        }
        assertEquals(files, openFiles());
        assertEquals(buffers, dmaBufsOfThisTest());
        assertFalse(Files.readString(Path.of("/proc/self/maps")).contains("leak test"));
    }

    private static int openFiles() throws Exception {
        try (var files = Files.list(Path.of("/proc/self/fd"))) {
            return (int) files.count();
        }
    }

    private static long dmaBufsOfThisTest() throws Exception {
        try (var lines = Files.lines(Path.of("/sys/kernel/debug/dma_buf/bufinfo"))) {
            return lines.filter(line -> line.contains("leak test")).count();
        }
    }

    @Test
    void aHundredThreadsShareTheHeaps() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var threads = Executors.newFixedThreadPool(100)) {
            var results = new ArrayList<Future<Long>>();
            for (int i = 0; i < 100; i++) {
                Device device = i % 4 == 0 ? CONTIGUOUS : ANY;
                results.add(threads.submit(() -> {
                    try (var buffer = cenalloc.create(64 * 1024)) {
                        buffer.attach(device);
                        try (var mapping = buffer.map(Direction.READ_WRITE);
                                var _ = buffer.dmaBuf().access(Direction.READ_WRITE)) {
                            mapping.segment().fill((byte) 1);
                        }
                        return buffer.dmaBuf().inode();
                    }
                }));
            }
            for (var result : results) {
                assertTrue(result.get() > 0);
            }
        }
    }
}
