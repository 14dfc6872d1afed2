// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.HeapProperties.Trait;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Memory of which the name tells nothing: described by the program, found in the device tree, or late. */
class DescribedHeapTest {
    private static final HeapProperties CONTIGUOUS = HeapProperties.UNKNOWN
            .withContiguous(Trait.YES)
            .withCpuMappable(Trait.YES)
            .withScarce(Trait.YES)
            .withOnlyWhenNamed(false);
    private static final Device CAMERA = Device.of("camera", Constraints.NONE.contiguous(), "data sheet");

    private final FakeKernel kernel = new FakeKernel().heap("system", 64 << 20);

    @AfterEach
    void everythingIsGivenBack() {
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
    }

    private static String heapFor(Cenalloc cenalloc, Device device) throws CenallocException {
        try (var buffer = cenalloc.create(8192)) {
            buffer.attach(device);
            buffer.dmaBuf();
            return buffer.choice().orElseThrow().heap().name();
        }
    }

    private static List<String> names(Cenalloc cenalloc) {
        return cenalloc.heaps().stream().map(Heap::name).toList();
    }

    @ParameterizedTest
    @ValueSource(strings = {"cma", "image_buf0@9f000000", "vidbuf", "rk-dma-heap-cma"})
    void aHeapOfTheKernelThatIsDescribedIsUsed(String name) throws Exception {
        kernel.heap(name, 1 << 20);
        try (var cenalloc = kernel.open()) {
            var e = assertThrows(NoSuitableHeapException.class, () -> heapFor(cenalloc, CAMERA));
            assertEquals(
                    "if the memory of [" + name + "] is contiguous, state that with Cenalloc.describe", e.remedy());
            Heap before = cenalloc.heap(name);
            cenalloc.describe(name, CONTIGUOUS);
            assertEquals(name, heapFor(cenalloc, CAMERA));
            assertEquals(CONTIGUOUS, cenalloc.heap(name).properties());
            assertEquals(2, cenalloc.heaps().size());
            assertEquals("system", heapFor(cenalloc, Device.undeclared("cpu")));
            assertEquals(0, cenalloc.usage(cenalloc.heap(name)).buffers());
            assertThrows(IllegalStateException.class, () -> cenalloc.allocate(before, 4096), "it is another now");
        }
    }

    @Test
    void aDescriptionHoldsForWhatTheTableKnowsToo() throws Exception {
        kernel.heap("reserved", 1 << 20);
        try (var cenalloc = kernel.open()) {
            assertEquals("reserved", heapFor(cenalloc, CAMERA));
            cenalloc.describe("reserved", HeapProperties.UNKNOWN);
            assertThrows(NoSuitableHeapException.class, () -> heapFor(cenalloc, CAMERA));
        }
    }

    @Test
    void buffersThatAreOpenStayCountedWhenTheirHeapIsDescribed() throws Exception {
        kernel.heap("vidbuf", 1 << 20);
        try (var cenalloc = kernel.open();
                DmaBuf open = cenalloc.allocate(cenalloc.heap("vidbuf"), 4096)) {
            cenalloc.describe("vidbuf", CONTIGUOUS);
            assertEquals(1, cenalloc.usage(cenalloc.heap("vidbuf")).buffers());
            assertEquals(4096, open.size());
        }
    }

    @Test
    void anExporterThatIsDescribedSuits() throws Exception {
        try (var cenalloc = kernel.open()) {
            try (var foreign = cenalloc.adopt(kernel.foreignDmaBuf("nv_dmabuf", 8192, false))) {
                assertThrows(BufferBusyException.class, () -> foreign.attach(CAMERA));
            }
            cenalloc.describe("nv_dmabuf", CONTIGUOUS);
            try (var foreign = cenalloc.adopt(kernel.foreignDmaBuf("nv_dmabuf", 8192, false))) {
                foreign.attach(CAMERA);
                foreign.attach(Device.cpu(Direction.READ));
            }
        }
    }

    @Test
    void theDefaultCmaPoolOfTheDeviceTreeHasAnyName() throws Exception {
        kernel.heap("image-pool", 1 << 20).heap("default_cma_region", 1 << 20);
        kernel.tree("/proc/device-tree/reserved-memory/image-pool/linux,cma-default")
                .tree("/proc/device-tree/reserved-memory/optee@9e800000/no-map");
        try (var cenalloc = kernel.open()) {
            assertEquals(HeapProperties.DEFAULT_CMA, cenalloc.heap("image-pool").pool());
            assertEquals(Trait.YES, cenalloc.heap("image-pool").properties().contiguous());
            assertEquals(1, cenalloc.plan(4096, List.of(CAMERA)).candidates().size(), "one pool is tried once");
            for (String name : List.of("image-pool", "default_cma_region", "reserved")) {
                Device named = Device.of("codec", Constraints.NONE.onlyHeaps(List.of(name)), "profile");
                assertEquals(
                        HeapProperties.DEFAULT_CMA,
                        cenalloc.plan(4096, List.of(named))
                                .candidates()
                                .getFirst()
                                .pool());
            }
        }
    }

    @Test
    void withoutADeviceTreeAnUnknownNameStaysUnknown() throws Exception {
        kernel.heap("image-pool", 1 << 20);
        try (var cenalloc = kernel.open()) {
            assertEquals(HeapProperties.UNKNOWN, cenalloc.heap("image-pool").properties());
        }
    }

    @Test
    void aHeapThatAppearsLateIsFoundAtTheFirstUse() throws Exception {
        try (var cenalloc = kernel.open()) {
            assertFalse(cenalloc.refresh());
            Heap system = cenalloc.heap("system");
            kernel.heap("reserved", 1 << 20);
            assertEquals(List.of("system"), names(cenalloc));
            assertEquals("reserved", heapFor(cenalloc, CAMERA));
            assertEquals(List.of("reserved", "system"), names(cenalloc));
            assertFalse(cenalloc.refresh());
            cenalloc.allocate(system, 4096).close();
        }
    }

    @Test
    void aHeapThatIsDescribedBeforeItAppears() throws Exception {
        try (var cenalloc = kernel.open()) {
            cenalloc.describe("vidbuf", CONTIGUOUS);
            kernel.heap("vidbuf", 1 << 20);
            assertTrue(cenalloc.refresh());
            assertEquals("vidbuf", heapFor(cenalloc, CAMERA));
        }
    }

    @Test
    void whatCannotBeDescribed() throws Exception {
        try (var cenalloc = kernel.open()) {
            assertThrows(IllegalArgumentException.class, () -> cenalloc.describe(" ", CONTIGUOUS));
            cenalloc.register("mine", CONTIGUOUS, size -> -1);
            var e = assertThrows(
                    IllegalArgumentException.class, () -> cenalloc.describe("mine", HeapProperties.UNKNOWN));
            assertTrue(e.toString().contains("mine is registered here"), e::toString);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> cenalloc.describe("system", CONTIGUOUS.withSubstitutes(Set.of("system"))));
            cenalloc.refresh();
            assertEquals(List.of("system", "mine"), names(cenalloc), "registered ones stay");
        }
    }
}
