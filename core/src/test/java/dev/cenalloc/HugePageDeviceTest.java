// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Objection.Cause;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** udmabuf over huge pages. Sets some aside, which is root's right, and gives them back. */
@RequiresHeap({"udmabuf", "reserved"})
class HugePageDeviceTest {
    private static final Path NUMBER = Path.of("/proc/sys/vm/nr_hugepages");
    private static final int PAGES = 8;
    private static final Device HUGE =
            Device.of("gpu", Constraints.NONE.onlyHeaps(List.of("udmabuf-huge", "reserved")), "test");
    private static final Device ONLY_HUGE =
            Device.of("gpu", Constraints.NONE.onlyHeaps(List.of("udmabuf-huge")), "test");

    private final Kernel kernel = LinuxKernel.instance();
    private final long unit = MachineNumbers.meminfoNow(kernel, "Hugepagesize").orElse(0);
    private String before = "";

    @BeforeEach
    void setAside() throws Exception {
        assumeTrue(
                RequiresHeap.Condition.isRequired(),
                "changes the number of huge pages, so only on a machine for tests");
        before = Files.readString(NUMBER).strip();
        Files.writeString(NUMBER, String.valueOf(PAGES));
        assertEquals(PAGES, kernel.meminfo("HugePages_Free").orElseThrow());
    }

    @AfterEach
    void giveBack() throws Exception {
        if (!before.isEmpty()) {
            assertEquals(PAGES, kernel.meminfo("HugePages_Free").orElseThrow(), "every page came back");
            assertEquals(0, kernel.meminfo("HugePages_Rsvd").orElseThrow(), "the kernel's count of reserved pages");
            Files.writeString(NUMBER, before);
        }
    }

    @Test
    void theyAreUsedOnlyWhenNamed() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var any = cenalloc.create(1);
                var buffer = cenalloc.create(1)) {
            assertTrue(cenalloc.heaps().stream().anyMatch(heap -> heap.name().equals("udmabuf-huge")));
            assertTrue(any.plan().rejected().stream()
                    .anyMatch(rejection ->
                            rejection.heap().name().equals("udmabuf-huge") && rejection.cause() == Cause.NOT_NAMED));
            buffer.attach(ONLY_HUGE);
            assertEquals("udmabuf-huge", buffer.plan().candidates().getFirst().name());
            assertEquals(unit, buffer.dmaBuf().size());
            assertEquals("udmabuf", buffer.dmaBuf().exporter());
            assertEquals(PAGES - 1, kernel.meminfo("HugePages_Free").orElseThrow());
        }
    }

    @Test
    void theMemoryIsZeroedAndWritable() throws Exception {
        var nothing = MemorySegment.ofArray(new byte[(int) (PAGES * unit)]);
        for (int round = 0; round < 2; round++) {
            try (var cenalloc = Cenalloc.open();
                    var buffer = cenalloc.create(PAGES * unit - 1)) {
                buffer.attach(ONLY_HUGE);
                try (var mapping = buffer.map(Direction.READ_WRITE);
                        var _ = buffer.access(Direction.READ_WRITE)) {
                    MemorySegment segment = mapping.segment();
                    assertEquals(PAGES * unit, segment.byteSize());
                    assertEquals(-1, segment.mismatch(nothing), "round " + round);
                    segment.fill((byte) 0x5A);
                }
            }
        }
    }

    @Test
    void withoutAFreePageTheNextHeapIsTried() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var all = cenalloc.create(PAGES * unit);
                var strict = cenalloc.create(1);
                var buffer = cenalloc.create(1)) {
            all.attach(ONLY_HUGE);
            all.dmaBuf();
            strict.attach(ONLY_HUGE);
            var e = assertThrows(MemoryExhaustedException.class, strict::dmaBuf);
            assertEquals(Errno.ENOMEM, e.errno());
            assertEquals("[udmabuf-huge: ENOMEM]", e.attempts().toString());
            buffer.attach(HUGE);
            assertEquals("reserved", buffer.dmaBuf().exporter());
            assertEquals(
                    "[udmabuf-huge: ENOMEM]",
                    buffer.choice().orElseThrow().failed().toString());
        }
    }

    @Test
    void anotherProgramsReservationIsKept() throws Exception {
        // A mapping reserves what it may touch; taking that away would kill its program at the touch.
        var mapped = new ArrayList<Runnable>();
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(1)) {
            int file = kernel.memfdCreate("other", Linux.MFD_HUGETLB);
            kernel.ftruncate(file, PAGES * unit);
            long address = kernel.mmap(file, PAGES * unit, Linux.PROT_READ);
            mapped.add(() -> kernel.munmap(address, PAGES * unit));
            mapped.add(() -> kernel.close(file));
            assertTrue(address > 0, () -> "errno " + -address);
            assertEquals(PAGES, kernel.meminfo("HugePages_Rsvd").orElseThrow());
            buffer.attach(ONLY_HUGE);
            assertThrows(MemoryExhaustedException.class, buffer::dmaBuf);
            assertEquals(PAGES, kernel.meminfo("HugePages_Rsvd").orElseThrow());
        } finally {
            mapped.forEach(Runnable::run);
        }
    }
}
