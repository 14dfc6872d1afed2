// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Assurance;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.Plan;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Pages of aarch64 kernels have 4096, 16384 or 65536 bytes. */
class PageSizeTest {
    private static final long SIZE = 256 << 10;

    private static Device segments(long most) {
        return Device.of("dma", Constraints.NONE.maxSegments(most), "its manual");
    }

    private static FakeKernel kernel(long page) {
        var kernel = new FakeKernel().heap("system", 1 << 20).heap("udmabuf", 1 << 20);
        kernel.page = page;
        return kernel;
    }

    /** Scattered memory falls into as many segments as it has pages of the running kernel. */
    @ParameterizedTest
    @ValueSource(longs = {4096, 16_384, 65_536})
    void segmentsAreCountedInPagesOfThisKernel(long page) throws Exception {
        long pages = SIZE / page;
        try (var cenalloc = kernel(page).open()) {
            for (Heap heap : cenalloc.heaps()) {
                assertEquals(page, heap.pageSize(), heap.name());
            }
            assertEquals(
                    2,
                    cenalloc.plan(SIZE, List.of(segments(pages))).candidates().size());
            Plan tooMany = cenalloc.plan(SIZE, List.of(segments(pages - 1)));
            assertEquals(List.of(), tooMany.candidates());
            assertTrue(
                    tooMany.rejected().getFirst().reason().contains("may fall into " + pages + " segments"),
                    tooMany::explain);
            assertEquals(pages, tooMany.segments(cenalloc.heap("system")));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "4096, 4096, ENFORCED",
        "4096, 8192, ADVISORY",
        "16384, 16384, ENFORCED",
        "16384, 32768, ADVISORY",
        "65536, 65536, ENFORCED"
    })
    void memoryBeginsAtAPageOfThisKernel(long page, long alignment, Assurance assurance) throws Exception {
        var device = Device.of("dma", Constraints.NONE.baseAlignment(alignment), "its manual");
        try (var cenalloc = kernel(page).open()) {
            Plan plan = cenalloc.plan(SIZE, List.of(device));
            assertEquals(assurance, plan.assurances(cenalloc.heap("system")).get(Field.BASE_ALIGNMENT));
        }
    }

    @Test
    void registeredAndAdoptedMemoryIsOfThisKernelToo() throws Exception {
        FakeKernel kernel = kernel(16_384);
        try (var cenalloc = kernel.open();
                var adopted = cenalloc.adopt(kernel.foreignDmaBuf("vendor", SIZE, false))) {
            Heap own = cenalloc.register(
                    "own", HeapProperties.UNKNOWN, size -> kernel.foreignDmaBuf("vendor", size, false));
            assertEquals(16_384, own.pageSize());
            assertEquals(16_384, adopted.choice().orElseThrow().heap().pageSize());
        }
    }

    /** udmabuf refuses sizes that are no whole pages. */
    @ParameterizedTest
    @ValueSource(longs = {4096, 16_384, 65_536})
    void sizesAreRoundedToPagesOfThisKernel(long page) throws Exception {
        FakeKernel kernel = kernel(page);
        try (var cenalloc = kernel.open()) {
            for (Heap heap : cenalloc.heaps()) {
                try (DmaBuf buffer = cenalloc.allocate(heap, page + 1)) {
                    assertEquals(2 * page, buffer.size(), heap.name());
                }
            }
        }
        assertEquals(0, kernel.openFiles());
    }

    /** A plan for another machine assumes the smallest page, unless it is told. */
    @Test
    void aPlanForAnotherMachineStatesItsPages() {
        Heap system = Heap.of("system");
        assertEquals(4096, system.pageSize());
        Device device = segments(16);
        assertEquals(
                List.of(),
                Plan.of(Demand.ofBytes(SIZE), List.of(device), List.of(system)).candidates());
        Heap large = system.withPageSize(16_384);
        assertEquals(
                List.of(large),
                Plan.of(Demand.ofBytes(SIZE), List.of(device), List.of(large)).candidates());
        for (long wrong : new long[] {0, -4096, 2048, 4097, 12_288}) {
            assertThrows(IllegalArgumentException.class, () -> system.withPageSize(wrong));
        }
    }
}
