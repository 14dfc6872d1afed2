// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.ControlGroups;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** More ordinary memory than there is costs somebody's life, so it is not asked for. */
class OrdinaryMemoryTest {
    private static final long MIB = 1 << 20;

    /** Heaps that would give everything: what is refused here, the library refuses. */
    private final FakeKernel kernel =
            new FakeKernel().heap("system", 1L << 40).heap("reserved", 1L << 40).heap("udmabuf", 1L << 40);

    @BeforeEach
    void aSmallMachine() {
        // Sizes above 256 KiB are checked.
        kernel.numbers.put("MemTotal", 64 * MIB);
    }

    private CenallocException refused(String name, long size) throws CenallocException {
        try (var cenalloc = kernel.open()) {
            int calls = kernel.calls.size();
            var e = assertThrows(CenallocException.class, () -> cenalloc.allocate(cenalloc.heap(name), size));
            assertEquals(Errno.ENOMEM, e.errno());
            assertEquals(size, e.requestedSize().orElseThrow());
            assertEquals(calls, kernel.calls.size(), "the kernel was not asked");
            return e;
        }
    }

    private void granted(String name, long size) throws CenallocException {
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.allocate(cenalloc.heap(name), size)) {
            assertEquals(size, buffer.size());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "udmabuf"})
    void noMoreIsAskedForThanIsAvailable(String heap) throws Exception {
        kernel.numbers.put("MemAvailable", 8 * MIB);
        kernel.numbers.put("CmaFree", 0L);
        granted(heap, 8 * MIB);
        var e = refused(heap, 8 * MIB + 1);
        String message = String.valueOf(e.getMessage());
        assertTrue(message.contains(8 * MIB + " bytes") && message.contains(8 * MIB + 1 + " bytes"), message);
    }

    /** Then it is known to be there without {@code /proc/meminfo}, whose text takes the kernel and Java long. */
    @Test
    void aSmallPartOfWhatNothingUsesIsGranted() throws Exception {
        kernel.numbers.put("MemAvailable", MIB);
        kernel.numbers.put("CmaTotal", 8 * MIB);
        kernel.numbers.put("CmaFree", 0L);
        kernel.numbers.put("sysinfo", 24 * MIB); // of which 16 are outside of the pool
        granted("system", 2 * MIB);
        refused("system", 2 * MIB + 1);
        refused("udmabuf", 16 * MIB + 1);
        kernel.numbers.put("sysinfo", 7 * MIB); // less than the pool has: no part of it counts
        refused("system", 2 * MIB);
        granted("system", MIB);
    }

    /** No reading serves twice: what is gone meanwhile is not given. */
    @Test
    void eachRequestIsCheckedAnew() throws Exception {
        kernel.numbers.put("MemAvailable", 32 * MIB);
        kernel.numbers.put("CmaFree", 0L);
        try (var cenalloc = kernel.open()) {
            var system = cenalloc.heap("system");
            cenalloc.allocate(system, MIB).close();
            kernel.numbers.put("MemAvailable", 0L);
            assertThrows(CenallocException.class, () -> cenalloc.allocate(system, MIB));
        }
    }

    /** Since 7.0 the kernel can be told to charge memory of the system heap to the control group. */
    @ParameterizedTest
    @ValueSource(longs = {0, 1})
    void theControlGroupLimitsTheSystemHeapIfItIsCharged(long charged) throws Exception {
        kernel.numbers.put("cgroup", 8 * MIB);
        kernel.numbers.put("dma_heap mem_accounting", charged);
        granted("system", 8 * MIB);
        if (charged == 1) {
            String message = String.valueOf(refused("system", 8 * MIB + 1).getMessage());
            assertTrue(message.contains("control group"), message);
        } else {
            granted("system", 16 * MIB);
        }
        granted("reserved", 16 * MIB);
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "udmabuf"})
    void freeContiguousMemoryIsNotAvailable(String heap) throws Exception {
        kernel.numbers.put("MemAvailable", 8 * MIB);
        kernel.numbers.put("CmaFree", 6 * MIB);
        granted(heap, 2 * MIB);
        refused(heap, 2 * MIB + 1);
        kernel.numbers.put("CmaFree", 9 * MIB);
        refused(heap, MIB);
        granted(heap, 4096); // too small to be checked
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "udmabuf"})
    void withoutProcTheKernelIsAskedWhatIsFree(String heap) throws Exception {
        kernel.numbers.clear();
        granted(heap, 32 * MIB);
        kernel.numbers.put("sysinfo", 8 * MIB);
        granted(heap, 8 * MIB);
        refused(heap, 8 * MIB + 1);
    }

    @Test
    void noMoreIsAskedForThanTheGroupMayHave() throws Exception {
        kernel.numbers.put("cgroup", 8 * MIB);
        granted("udmabuf", 8 * MIB);
        var e = refused("udmabuf", 8 * MIB + 1);
        assertTrue(String.valueOf(e.getMessage()).contains("control group"), e::toString);
        // The kernel does not charge the memory of dma-heaps to a group (6.12).
        granted("system", 16 * MIB);
    }

    @Test
    void aPoolOfItsOwnIsNotOrdinaryMemory() throws Exception {
        kernel.numbers.put("MemAvailable", MIB);
        kernel.numbers.put("cgroup", MIB);
        granted("reserved", 8 * MIB);
        refused("reserved", 64 * MIB + 1); // than the machine has
        kernel.numbers.put("HugePages_Total", 10L);
        granted("udmabuf-huge", 8 * MIB);
    }

    @Test
    void theNextHeapIsTriedAndTheErrorSaysWhatWasThere() throws Exception {
        kernel.numbers.put("MemAvailable", MIB);
        kernel.numbers.put("CmaFree", 0L);
        try (var cenalloc = kernel.open()) {
            try (var buffer = cenalloc.create(2 * MIB)) {
                buffer.attach(Device.of("any", Constraints.NONE, "test"));
                assertEquals("reserved", buffer.dmaBuf().exporter());
            }
            try (var buffer = cenalloc.create(1L << 33)) {
                buffer.attach(Device.of("any", Constraints.NONE, "test"));
                var e = assertThrows(MemoryExhaustedException.class, buffer::dmaBuf);
                assertTrue(e.getSuppressed()[0].toString().contains(MIB + " bytes of memory available"), e::toString);
            }
        }
    }

    // ---- groups ----

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    private void group(String name, String max, long current) throws IOException {
        Path group = Files.createDirectories(directory.resolve("tree").resolve(name));
        Files.writeString(group.resolve("memory.max"), max + "\n");
        Files.writeString(group.resolve("memory.current"), current + "\n");
    }

    private OptionalLong left(String membership) throws IOException {
        Path file = directory.resolve("cgroup");
        Files.writeString(file, membership);
        return ControlGroups.memory(file, directory.resolve("tree"));
    }

    @Test
    void theTightestOfTheGroupsCounts() throws Exception {
        group("a", "1000", 900);
        group("a/b", "500", 100);
        group("a/b/c", "max", 7);
        group("d", "50", 10);
        String others = "4:memory:/d\n1:name=systemd:/\n";
        assertEquals(OptionalLong.of(100), left(others + "0::/a/b/c\n"));
        assertEquals(OptionalLong.of(40), left("0::/d\n"));
        group("a", "max", 900);
        assertEquals(OptionalLong.of(400), left("0::/a/b/c\n"));
        group("a/b", "500", 501);
        assertEquals(OptionalLong.of(0), left("0::/a/b\n"));
    }

    @Test
    void whatIsOfFilesCanBeDropped() throws Exception {
        group("a", "1000", 900);
        Files.writeString(
                directory.resolve("tree/a/memory.stat"),
                "anon 500\nfile 300\nshmem 100\ninactive_anon 9\nactive_file 20\ninactive_file 30\n");
        assertEquals(OptionalLong.of(150), left("0::/a\n"));
    }

    @Test
    void inAContainerItsOwnGroupIsTheRoot() throws Exception {
        group("", "1000", 300);
        assertEquals(OptionalLong.of(700), left("0::/\n"));
        assertEquals(OptionalLong.of(700), left("0::/outside/docker-12\n"));
        assertEquals(OptionalLong.empty(), left("0::/../../elsewhere\n"));
    }

    /** As systems before 2020 have it, and machines that ask for it (systemd.unified_cgroup_hierarchy=0). */
    @Test
    void theFirstVersionOfControlGroupsCounts() throws Exception {
        Path group = Files.createDirectories(directory.resolve("tree/memory/docker/12"));
        Files.writeString(group.resolve("memory.limit_in_bytes"), "1000\n");
        Files.writeString(group.resolve("memory.usage_in_bytes"), "900\n");
        Files.writeString(
                group.resolve("memory.stat"), "inactive_file 5\ntotal_inactive_file 30\ntotal_active_file 20\n");
        String all = "12:cpu,cpuacct:/docker/12\n4:memory:/docker/12\n1:name=systemd:/docker/12\n0::/system.slice\n";
        assertEquals(OptionalLong.of(150), left(all));
        assertEquals(OptionalLong.of(150), left("4:hugetlb,memory:/docker/12/below\n"));
        assertEquals(OptionalLong.empty(), left("4:hugetlb,memory_recursive:/docker/12\n"));
        assertEquals(OptionalLong.empty(), left("0::/docker/12\n"));
        Path above = directory.resolve("tree/memory");
        Files.writeString(above.resolve("memory.limit_in_bytes"), "9223372036854771712\n"); // without a limit
        Files.writeString(above.resolve("memory.usage_in_bytes"), "5000\n");
        assertEquals(OptionalLong.of(150), left(all));
        assertTrue(left("4:memory:/\n").orElseThrow() > 1L << 62);
        Files.writeString(above.resolve("docker/memory.limit_in_bytes"), "600\n");
        Files.writeString(above.resolve("docker/memory.usage_in_bytes"), "700\n");
        assertEquals(OptionalLong.of(0), left(all), "the group above is full");
    }

    @Test
    void whereNothingIsToldNothingIsLimited() throws Exception {
        assertEquals(OptionalLong.empty(), left("0::/a\n"));
        assertEquals(OptionalLong.empty(), left(""));
        group("a", "1000", 1);
        assertEquals(OptionalLong.empty(), left("4:cpu:/a\n"));
        assertEquals(OptionalLong.empty(), left("4:memory:/a\n"), "not mounted");
        assertEquals(OptionalLong.empty(), left("0:/a\n4:memory\n"));
        Path none = directory.resolve("none");
        assertEquals(OptionalLong.empty(), ControlGroups.memory(none, directory.resolve("tree")));
        Files.writeString(directory.resolve("tree/a/memory.current"), "what");
        assertFalse(left("0::/a\n").isPresent());
    }
}
