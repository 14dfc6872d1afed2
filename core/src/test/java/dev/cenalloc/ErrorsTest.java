// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.Plan;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** One family of errors, every field of it filled, each telling what to do. */
class ErrorsTest {
    private static final Path HEAPS = Path.of("/dev/dma_heap");
    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20).heap("reserved", 1 << 16);

    private static <E extends CenallocException> E checked(E e, int errno, String call, long size) {
        assertEquals(errno, e.errno());
        assertEquals(Errno.name(errno), e.errnoName());
        assertEquals(call, e.call());
        assertEquals(size < 0 ? OptionalLong.empty() : OptionalLong.of(size), e.requestedSize());
        assertFalse(e.remedy().isBlank(), e::toString);
        String message = String.valueOf(e.getMessage());
        assertTrue(message.contains(e.errnoName()) && message.contains(call) && message.contains(e.remedy()), message);
        return e;
    }

    private static Device only(String heap) {
        return Device.of("d", Constraints.NONE.onlyHeaps(Set.of(heap)), "test");
    }

    @Test
    void incompatible() throws Exception {
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100)) {
            buffer.attach(only("system"));
            var e = assertThrows(IncompatibleConstraintsException.class, () -> buffer.attach(only("reserved")));
            assertEquals(
                    2,
                    checked(e, Errno.EINVAL, "attach", 100)
                            .conflicts()
                            .getFirst()
                            .statements()
                            .size());
        }
    }

    @Test
    void noSuitableHeap() throws Exception {
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100)) {
            buffer.attach(only("x"));
            var e = assertThrows(NoSuitableHeapException.class, buffer::dmaBuf);
            Plan plan = checked(e, Errno.ENODEV, "allocate", 100).plan().orElseThrow();
            assertEquals(1, plan.conflict().orElseThrow().statements().size());
        }
    }

    @Test
    void exhausted() throws Exception {
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(1 << 17)) {
            buffer.attach(Device.of("d", Constraints.NONE.contiguous(), "test"));
            var e = assertThrows(MemoryExhaustedException.class, buffer::dmaBuf);
            checked(e, Errno.ENOMEM, "allocate", 1 << 17);
            assertEquals("[reserved: ENOMEM]", e.attempts().toString());
            assertEquals(
                    "reserved", e.plan().orElseThrow().candidates().getFirst().name());
            assertEquals(12_345, e.cmaFree().orElseThrow());
            assertEquals(1 << 16, e.cmaTotal().orElseThrow());
            assertTrue(String.valueOf(e.getMessage()).contains("CmaFree: 12345 of 65536 bytes"), e::toString);
        }
    }

    @Test
    void busy() throws Exception {
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100)) {
            buffer.dmaBuf();
            checked(
                    assertThrows(BufferBusyException.class, () -> buffer.attach(only("reserved"))),
                    Errno.EBUSY,
                    "attach",
                    100);
            checked(
                    assertThrows(BufferBusyException.class, () -> buffer.relocate(only("reserved"))),
                    Errno.EBUSY,
                    "relocate",
                    100);
        }
    }

    @Test
    void denied() throws Exception {
        kernel.refuse(HEAPS.resolve("system"), Errno.EACCES);
        kernel.refuse(HEAPS.resolve("reserved"), Errno.EACCES);
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100)) {
            var e = checked(assertThrows(NoPermissionException.class, buffer::dmaBuf), Errno.EACCES, "open", 100);
            // The first by name is reserved; the plan would try system first.
            assertEquals(HEAPS.resolve("system"), e.path().orElseThrow());
        }
    }

    @Test
    void deniedNamesTheHeapThatSuits() throws Exception {
        kernel.refuse(HEAPS.resolve("system"), Errno.EACCES);
        kernel.refuse(HEAPS.resolve("reserved"), Errno.EACCES);
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100)) {
            buffer.attach(Device.of("d", Constraints.NONE.contiguous(), "test"));
            var e = assertThrows(NoPermissionException.class, buffer::dmaBuf);
            assertEquals(HEAPS.resolve("reserved"), e.path().orElseThrow());
        }
    }

    private String exhaustedRemedy(long size, long memory) throws Exception {
        kernel.numbers.put("MemTotal", memory);
        kernel.numbers.put("MemAvailable", memory);
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(size)) {
            buffer.attach(Device.of("d", Constraints.NONE.contiguous(), "test"));
            return assertThrows(MemoryExhaustedException.class, buffer::dmaBuf).remedy();
        }
    }

    @Test
    void aLargerPoolIsAdvisedOnlyForASizeThatOneCanHold() throws Exception {
        kernel.numbers.put("CmaTotal", 128L << 20);
        assertTrue(exhaustedRemedy(100L << 20, 4L << 30).contains("cma=256M"));
        assertTrue(exhaustedRemedy(300L << 20, 4L << 30).contains("cma=512M"));
        assertFalse(exhaustedRemedy(3L << 30, 4L << 30).contains("cma="));
        String remedy = exhaustedRemedy(100L << 30, 4L << 30);
        assertEquals("ask for less: this machine has only " + (4L << 30) + " bytes of memory", remedy);
    }

    @Test
    void aLargerPoolIsNotAdvisedForAHeapOfAnotherKind() throws Exception {
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100)) {
            cenalloc.register("sram", HeapProperties.of("reserved"), size -> {
                throw CenallocException.of(Errno.ENOMEM, "ioctl SRAM_ALLOC", size);
            });
            buffer.attach(only("sram"));
            var e = assertThrows(MemoryExhaustedException.class, buffer::dmaBuf);
            assertFalse(e.remedy().contains("cma="), e::remedy);
        }
    }

    /** In a locale without its characters, a name is none of a file, as one with a zero byte is in any. */
    @Test
    void aNameThatNoFileCanHaveIsNoHeap() throws Exception {
        try (var cenalloc = kernel.open()) {
            var e = assertThrows(MissingDeviceException.class, () -> cenalloc.heap("sys\0tem"));
            assertEquals(Errno.ENOENT, e.errno());
            assertTrue(e.path().isEmpty());
            assertTrue(e.toString().contains("heap sys\\u0000tem: ENOENT"), e::toString);
            assertTrue(e.remedy().contains("reserved"), e::remedy);
        }
    }

    @Test
    void theRemedyFitsTheReason() throws Exception {
        Device contiguous = Device.of("camera", Constraints.NONE.contiguous(), "test");
        Device system = Device.of("gpu", Constraints.NONE.onlyHeaps(Set.of("system")), "test");
        try (var cenalloc = kernel.open()) {
            String conflict = cenalloc.remedy(cenalloc.plan(100, List.of(contiguous, system)));
            assertTrue(conflict.contains("leave one of the devices out"), conflict);
            String missing = cenalloc.remedy(cenalloc.plan(100, List.of(only("npu"))));
            assertTrue(missing.contains("npu") && missing.contains("reserved"), missing);
        }
        kernel.heaps.clear();
        try (var cenalloc = kernel.open()) {
            for (List<Device> devices : List.of(List.<Device>of(), List.of(contiguous), List.of(only("npu")))) {
                String none = cenalloc.remedy(cenalloc.plan(100, devices));
                assertTrue(none.contains("CONFIG_DMABUF_HEAPS"), none);
                assertFalse(none.contains("leave one"), none);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "ENOMEM, vm.max_map_count",
        "ENOMEM, RLIMIT_AS",
        "EAGAIN, RLIMIT_MEMLOCK",
        "EINVAL, Device.cpu",
        "ENXIO, Device.cpu",
        "ENODEV, Device.cpu",
        "ENOTSUPP, Device.cpu",
        "EACCES, Direction.READ",
        "EPERM, Direction.READ",
        "EBADF, open descriptor"
    })
    void aRefusedMappingSaysWhatToDo(String name, String remedy) throws Exception {
        int errno = (int) Errno.class.getField(name).get(null);
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100)) {
            DmaBuf dmaBuf = buffer.dmaBuf();
            kernel.failCall(0, errno);
            var e = assertThrows(CenallocException.class, () -> dmaBuf.map(Direction.READ));
            kernel.failNoCall();
            assertEquals("mmap", e.call());
            assertEquals(name, e.errnoName());
            assertEquals(name.equals("EACCES") || name.equals("EPERM"), e instanceof NoPermissionException);
            assertTrue(e.remedy().contains(remedy), e::remedy);
            assertFalse(e.remedy().contains("dmesg"), e::remedy);
        }
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
    }

    private CenallocException noRoom(long mappings, long most) throws Exception {
        kernel.numbers.put("maps", mappings);
        kernel.numbers.put("vm/max_map_count", most);
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100)) {
            DmaBuf dmaBuf = buffer.dmaBuf();
            kernel.failCall(0, Errno.ENOMEM);
            return assertThrows(CenallocException.class, () -> dmaBuf.map(Direction.READ));
        }
    }

    @Test
    void tooManyMappingsAreToldFromTooLittleAddressSpace() throws Exception {
        for (long mappings : new long[] {65_531, 65_530, 65_520}) {
            var many = noRoom(mappings, 65_530);
            assertTrue(
                    many.reason().contains("has " + mappings + " mappings, and may have 65530 (vm.max_map_count)"),
                    many::reason);
            assertTrue(many.remedy().contains("sysctl vm.max_map_count"), many::remedy);
            assertFalse(many.remedy().contains("RLIMIT_AS"), many::remedy);
        }
        var few = noRoom(900, 65_530);
        assertTrue(few.reason().contains("no address space for the buffer; it has 900 mappings"), few::reason);
        assertTrue(few.remedy().contains("RLIMIT_AS"), few::remedy);
        assertFalse(few.remedy().contains("max_map_count"), few::remedy);
    }

    @Test
    void someMappingsAreLeftToTheJvm() throws Exception {
        kernel.numbers.put("vm/max_map_count", 3500L);
        var kept = new ArrayList<Mapping>();
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100)) {
            DmaBuf dmaBuf = buffer.dmaBuf();
            var e = assertThrows(CenallocException.class, () -> {
                while (kept.size() < 3500) {
                    kept.add(dmaBuf.map(Direction.READ));
                }
            });
            // Mappings of other tests count, too.
            assertTrue(kept.size() <= 3500 - 2048 && kept.size() > 1000, () -> kept.size() + " mappings");
            assertEquals(kept.size(), kernel.openMappings());
            assertEquals(Errno.ENOMEM, e.errno());
            assertFalse(e.isFromKernel());
            assertTrue(e.reason().contains(" mappings of buffers, and may have 3500 of all kinds"), e::reason);
            assertTrue(e.remedy().contains("sysctl vm.max_map_count"), e::remedy);
            kept.removeLast().close();
            kept.add(dmaBuf.map(Direction.READ));
            kept.forEach(Mapping::close);
        }
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void aRequestThatIsNotMadeIsToldApart() throws Exception {
        kernel.numbers.put("MemAvailable", 1L << 20);
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100L << 30)) {
            int calls = kernel.calls.size();
            var e = assertThrows(MemoryExhaustedException.class, buffer::dmaBuf);
            assertEquals(calls, kernel.calls.size());
            assertTrue(e.reason().contains("system: refused by cenalloc, ENOMEM"), e::reason);
            assertTrue(e.remedy().contains("this machine has only"), e::remedy);
            for (Throwable one : e.getSuppressed()) {
                var refusal = (CenallocException) one;
                assertFalse(refusal.isFromKernel());
                assertTrue(refusal.reason().contains("refused by cenalloc before any system call"), refusal::reason);
                assertFalse(refusal.reason().contains(" gave "), refusal::reason);
            }
        }
    }

    /** CMA of 64 KiB; CmaFree as the kernel counts it after frees. */
    @Test
    void whatTheProgramItselfHoldsIsTold() throws Exception {
        Device contiguous = Device.of("vc4", Constraints.NONE.contiguous(), "no IOMMU");
        kernel.numbers.put("CmaFree", 0L);
        try (var cenalloc = kernel.open()) {
            var open = new ArrayList<SharedBuffer>();
            for (int i = 0; i < 16; i++) {
                SharedBuffer one = cenalloc.create(4096);
                one.attach(contiguous);
                one.dmaBuf();
                open.add(one);
            }
            for (int i = 0; i < 16; i += 2) {
                open.get(i).close();
            }
            try (var buffer = cenalloc.create(1 << 17)) {
                buffer.attach(contiguous);
                var e = assertThrows(MemoryExhaustedException.class, buffer::dmaBuf);
                assertTrue(
                        e.reason()
                                .contains(
                                        "reserved: ENOMEM, of which this Cenalloc has 8 buffers with 32768 bytes open,"
                                                + " CmaFree: 0 of 65536 bytes, which counts neither pages freed just now"),
                        e::reason);
                assertEquals(
                        "close buffers: this program itself has 32768 of 65536 bytes of reserved open; Cenalloc.dump()"
                                + " lists them",
                        e.remedy());
            }
            open.get(1).close();
            try (var buffer = cenalloc.create(1 << 17)) {
                buffer.attach(contiguous);
                var e = assertThrows(MemoryExhaustedException.class, buffer::dmaBuf);
                assertTrue(e.reason().contains("7 buffers with 28672 bytes"), e::reason);
                assertTrue(e.remedy().contains("cma="), "less than half: " + e.remedy());
            }
            open.forEach(SharedBuffer::close);
        }
    }

    @Test
    void theExplanationOfAnotherChoiceTellsItToo() throws Exception {
        kernel.heaps.put("reserved", 4096L);
        try (var cenalloc = kernel.open()) {
            Heap mine = cenalloc.register(
                    "vendor", HeapProperties.UNKNOWN, size -> kernel.foreignDmaBuf("vendor", size, false));
            Device either = Device.of("d", Constraints.NONE.onlyHeaps(Set.of("reserved", "vendor")), "test");
            try (var first = cenalloc.create(4096);
                    var second = cenalloc.create(4096)) {
                first.attach(only("reserved"));
                first.dmaBuf();
                second.attach(either);
                second.dmaBuf();
                assertEquals(mine, second.choice().orElseThrow().heap());
                String explained = second.explain();
                assertTrue(
                        explained.contains(
                                "Out of memory: reserved: ENOMEM, of which this Cenalloc has 1 buffer with 4096"
                                        + " bytes open, CmaFree: 12345 of 65536 bytes"),
                        explained);
            }
        }
    }

    @Test
    void missing() throws Exception {
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100)) {
            kernel.heaps.clear();
            var e = checked(assertThrows(MissingDeviceException.class, buffer::dmaBuf), Errno.ENOENT, "open", 100);
            assertEquals(HEAPS.resolve("system"), e.path().orElseThrow());
        }
    }

    @Test
    void noContiguousMemoryIsToldApartFromNoHeaps() throws Exception {
        kernel.heaps.remove("reserved");
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100)) {
            buffer.attach(Device.of("d", Constraints.NONE.contiguous(), "test"));
            var e = assertThrows(NoSuitableHeapException.class, buffer::dmaBuf);
            assertTrue(e.remedy().contains("cma=128M"), e::remedy);
        }
        kernel.heaps.clear();
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100)) {
            var e = assertThrows(NoSuitableHeapException.class, buffer::dmaBuf);
            assertTrue(e.remedy().contains("CONFIG_DMABUF_HEAPS"), e::remedy);
        }
    }

    @Test
    void aHeapThatGivesTooLittleIsAFaultOfItsOwn() throws Exception {
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(8192)) {
            Heap mean =
                    cenalloc.register("mean", HeapProperties.UNKNOWN, _ -> kernel.foreignDmaBuf("mean", 4096, false));
            buffer.attach(only("mean"));
            var e = assertThrows(CenallocException.class, buffer::dmaBuf);
            assertEquals("EPROTO", e.errnoName());
            assertEquals(0, cenalloc.usage(mean).buffers());
        }
        try (var cenalloc = kernel.open()) {
            Heap liar = cenalloc.register("liar", HeapProperties.UNKNOWN, _ -> kernel.memfdCreate("x", 0));
            var e = assertThrows(CenallocException.class, () -> cenalloc.allocate(liar, 1));
            assertEquals("ENOTTY", e.errnoName());
            assertEquals(0, cenalloc.usage(liar).buffers());
        }
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void aHeapInUseIsNotUnregistered() throws Exception {
        try (var cenalloc = kernel.open()) {
            SharedBuffer buffer = cenalloc.create(4096);
            Heap mine =
                    cenalloc.register("mine", HeapProperties.UNKNOWN, _ -> kernel.foreignDmaBuf("mine", 4096, false));
            buffer.attach(only("mine"));
            buffer.dmaBuf();
            assertEquals(1, cenalloc.usage(mine).buffers());
            assertEquals(4096, cenalloc.usage(mine).bytes());
            assertThrows(IllegalStateException.class, () -> cenalloc.unregister(mine));
            buffer.close();
            assertEquals(0, cenalloc.usage(mine).buffers());
            assertEquals(0, cenalloc.usage(mine).bytes());
            cenalloc.unregister(mine);
            assertThrows(IllegalStateException.class, () -> cenalloc.allocate(mine, 1));
        }
    }

    @Test
    void errorsCanBeSerialised() throws Exception {
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(100)) {
            buffer.attach(only("x"));
            var e = assertThrows(NoSuitableHeapException.class, buffer::dmaBuf);
            var bytes = new ByteArrayOutputStream();
            try (var out = new ObjectOutputStream(bytes)) {
                out.writeObject(e);
            }
            try (var in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
                var copy = (NoSuitableHeapException) in.readObject();
                assertEquals(e.remedy(), copy.remedy());
                assertTrue(copy.plan().isEmpty());
            }
        }
    }
}
