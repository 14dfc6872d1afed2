// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dma_heap_allocation_data;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.HeapProperties.Trait;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Real heaps: the library's claims about memory, checked against what the kernel did. */
@RequiresHeap({"system", "reserved", "udmabuf"})
class HeapDeviceTest {
    private static final long FRAME = 640 * 480 * 4;
    private static final Device ANY = Device.of("display", Constraints.NONE, "test");
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "test");

    @Test
    void theHeapsAreListedWithWhatIsKnown() throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            assertEquals(
                    List.of("reserved", "system", "udmabuf"),
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

    private static Device only(String heap) {
        return Device.of("only " + heap, Constraints.NONE.onlyHeaps(List.of(heap)), "test");
    }

    private static SharedBuffer from(Cenalloc cenalloc, String heap, long size) throws Exception {
        var buffer = cenalloc.create(size);
        buffer.attach(only(heap));
        return buffer;
    }

    @Test
    void whereAContiguousPoolLiesIsKnownToRoot() throws Exception {
        assumeTrue(Files.isReadable(Path.of("/sys/kernel/debug/cma/reserved/base_pfn")), "the kernel does not tell");
        try (var cenalloc = Cenalloc.open()) {
            long pool = cenalloc.heap("reserved").properties().highestAddress().orElseThrow();
            long memory = cenalloc.heap("system").properties().highestAddress().orElseThrow();
            assertTrue(0 < pool && pool <= memory, () -> Long.toHexString(pool) + " of " + Long.toHexString(memory));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "reserved", "udmabuf"})
    void descriptorsAreCloseOnExecFromBirth(String heap) throws Exception {
        try (var cenalloc = Cenalloc.open();
                var buffer = from(cenalloc, heap, 1)) {
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
                assertEquals(Errno.ENOMEM, e.errno());
                assertEquals("[reserved: ENOMEM]", e.attempts().toString());
                assertEquals(128 << 20, e.cmaTotal().orElseThrow());
                // What is left may be more than was asked for, but not in one piece.
                assertTrue(e.cmaFree().orElseThrow() < 64 << 20, e.getMessage());
                assertTrue(
                        e.reason()
                                .contains("reserved: ENOMEM, of which this Cenalloc has " + (buffers.size() - 1)
                                        + " buffers with " + ((buffers.size() - 1) << 23) + " bytes open, CmaFree: "),
                        e::reason);
                assertTrue(buffers.size() > 6, "round " + round + ": " + buffers.size());
                for (SharedBuffer buffer : buffers) {
                    assertEquals(
                            buffer == buffers.getLast(), buffer.choice().isEmpty(), "only the last has got no memory");
                }
                buffers.forEach(SharedBuffer::close);
            }
        }
    }

    /** The limit is 65530 where nobody has changed it. A JVM that reaches it ends, so some mappings are left to it. */
    @Test
    void tooManyMappingsAreToldBeforeTheJvmHasNone() throws Exception {
        Path limit = Path.of("/proc/sys/vm/max_map_count");
        long before = LinuxKernel.instance().sysctl("vm/max_map_count").orElseThrow();
        var kept = new ArrayList<Mapping>();
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(4096)) {
            DmaBuf dmaBuf = buffer.dmaBuf();
            Files.writeString(limit, "5000");
            try {
                var e = assertThrows(CenallocException.class, () -> {
                    while (kept.size() < 5000) {
                        kept.add(dmaBuf.map(Direction.READ));
                    }
                });
                assertEquals(Errno.ENOMEM, e.errno());
                int most = 5000 - 2048;
                assertTrue(
                        e.reason().contains("has " + most + " mappings of buffers, and may have 5000 of all kinds"),
                        e::reason);
                assertTrue(e.remedy().contains("sysctl vm.max_map_count"), e::remedy);
                // Those that a fake kernel refused to unmap are counted, too.
                assertTrue(kept.size() <= most && kept.size() > most - 100, () -> kept.size() + " were kept");
            } finally {
                Files.writeString(limit, Long.toString(before));
                kept.forEach(Mapping::close);
            }
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

    @Test
    void aBetterHeapThatRunsOutIsRemembered() throws Exception {
        // Plentiful memory always comes first, so CMA is the better choice only among scarce heaps.
        var properties = HeapProperties.UNKNOWN
                .withScarce(Trait.YES)
                .withCpuMappable(Trait.YES)
                .withOnlyWhenNamed(false);
        Device either = Device.of("either", Constraints.NONE.onlyHeaps(List.of("reserved", "spare")), "test");
        var buffers = new ArrayList<SharedBuffer>();
        try (var cenalloc = Cenalloc.open()) {
            cenalloc.register(
                    "spare", properties, new DmaHeapSource(LinuxKernel.instance(), Path.of("/dev/dma_heap/system")));
            while (true) {
                var buffer = cenalloc.create(8 << 20);
                buffers.add(buffer);
                buffer.attach(either);
                assertEquals(List.of("reserved", "spare"), names(buffer.plan().candidates()));
                buffer.dmaBuf();
                Choice choice = buffer.choice().orElseThrow();
                if (!choice.heap().name().equals("reserved")) {
                    assertEquals("spare", choice.heap().name());
                    assertEquals("[reserved: ENOMEM]", choice.failed().toString());
                    assertTrue(choice.reason().contains("reserved: ENOMEM"), choice.reason());
                    assertEquals("system", buffer.dmaBuf().exporter());
                    break;
                }
                assertTrue(buffers.size() < 100, "CMA does not run out");
            }
        } finally {
            buffers.forEach(SharedBuffer::close);
        }
    }

    private static List<String> names(List<Heap> heaps) {
        return heaps.stream().map(Heap::name).toList();
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "reserved", "udmabuf"})
    void memoryIsZeroedThoughItWasDirty(String heap) throws Exception {
        var nothing = MemorySegment.ofArray(new byte[4 << 20]);
        try (var cenalloc = Cenalloc.open()) {
            for (int round = 0; round < 5; round++) {
                try (var buffer = from(cenalloc, heap, nothing.byteSize());
                        var mapping = buffer.map(Direction.READ_WRITE);
                        var _ = buffer.access(Direction.READ_WRITE)) {
                    assertEquals(-1, mapping.segment().mismatch(nothing), "round " + round);
                    mapping.segment().fill((byte) 0xA5);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "reserved"})
    void aDescriptorForReadingIsNotMappedForWriting(String heap) throws Exception {
        int fd = allocateForReading(heap);
        try (var buffer = DmaBuf.adopt(fd)) {
            for (Direction direction : List.of(Direction.WRITE, Direction.READ_WRITE)) {
                var e = assertThrows(NoPermissionException.class, () -> buffer.map(direction));
                assertEquals(Errno.EACCES, e.errno());
                assertTrue(String.valueOf(e.getMessage()).contains("Direction.READ"), e.getMessage());
            }
            try (var mapping = buffer.map(Direction.READ);
                    var _ = buffer.access(Direction.READ)) {
                assertEquals(0, mapping.segment().get(ValueLayout.JAVA_BYTE, 4095));
            }
        }
    }

    private static int allocateForReading(String heap) {
        int node = Linux.open("/dev/dma_heap/" + heap, Linux.O_RDONLY | Linux.O_CLOEXEC);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment request = dma_heap_allocation_data.allocate(arena);
            dma_heap_allocation_data.len(request, 4096);
            dma_heap_allocation_data.fd_flags(request, Linux.O_RDONLY | Linux.O_CLOEXEC);
            assertEquals(0, Linux.ioctl(node, dmabuf_h.DMA_HEAP_IOCTL_ALLOC(), request));
            return dma_heap_allocation_data.fd(request);
        } finally {
            Linux.close(node);
        }
    }

    @Test
    void aLateDeviceIsCheckedAgainstTheExporter() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var scattered = cenalloc.adopt(Linux.dup(kept(cenalloc, "system")));
                var fromFile = cenalloc.adopt(Linux.dup(kept(cenalloc, "udmabuf")));
                var contiguous = cenalloc.adopt(Linux.dup(kept(cenalloc, "reserved")))) {
            for (SharedBuffer buffer : List.of(scattered, fromFile)) {
                var e = assertThrows(BufferBusyException.class, () -> buffer.attach(CONTIGUOUS));
                assertTrue(String.valueOf(e.getMessage()).contains("scattered"), e.getMessage());
                buffer.attach(ANY);
                // Whoever gave the descriptor has it still.
                assertThrows(BufferBusyException.class, () -> buffer.relocate(CONTIGUOUS));
            }
            contiguous.attach(CONTIGUOUS);
            contiguous.attach(ANY);
            assertEquals("reserved", contiguous.choice().orElseThrow().heap().name());
        } finally {
            kept.forEach(SharedBuffer::close);
        }
    }

    private final List<SharedBuffer> kept = new ArrayList<>();

    private int kept(Cenalloc cenalloc, String heap) throws Exception {
        SharedBuffer buffer = from(cenalloc, heap, 10_000);
        kept.add(buffer);
        return buffer.dmaBuf().fd();
    }

    @Test
    void memoryOutlivesItsBufferInAnotherDescriptor() throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            SharedBuffer buffer = cenalloc.create(FRAME);
            try (var mapping = buffer.map(Direction.WRITE)) {
                mapping.segment().set(ValueLayout.JAVA_INT, 0, 4711);
            }
            int other = Linux.dup(buffer.dmaBuf().fd());
            buffer.close();
            try (var adopted = DmaBuf.adopt(other);
                    var mapping = adopted.map(Direction.READ)) {
                assertEquals(4711, mapping.segment().get(ValueLayout.JAVA_INT, 0));
            }
        }
    }

    @Test
    void plentifulMemoryLeavesTheScarceAlone() throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            Heap scarce = heap(cenalloc, "reserved");
            var buffers = new ArrayList<SharedBuffer>();
            for (int i = 0; i < 16; i++) {
                SharedBuffer buffer = cenalloc.create(1 << 20);
                buffers.add(buffer);
                buffer.attach(ANY);
                buffer.attach(Device.cpu(Direction.READ_WRITE));
                buffer.dmaBuf();
            }
            assertEquals(0, cenalloc.usage(scarce).buffers());
            assertEquals(16 << 20, cenalloc.usage(cenalloc.heap("system")).bytes());
            buffers.forEach(SharedBuffer::close);
        }
    }

    private static Heap heap(Cenalloc cenalloc, String name) {
        return cenalloc.heaps().stream()
                .filter(heap -> heap.name().equals(name))
                .findFirst()
                .orElseThrow();
    }
}
