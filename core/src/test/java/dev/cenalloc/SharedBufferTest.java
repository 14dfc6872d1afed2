// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Plan;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The life of a buffer (design: create, attach, first use, detach, close), on the fake kernel. */
class SharedBufferTest {
    private static final Path HEAPS = Path.of("/dev/dma_heap");
    private static final Device ANY = Device.of("display", Constraints.NONE, "test");
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "test");

    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20).heap("reserved", 1 << 16);
    private Cenalloc cenalloc = kernel.open();

    @BeforeEach
    void listingOpensNothing() {
        assertEquals(0, kernel.openFiles());
    }

    @AfterEach
    void nothingIsLost() {
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        if (kernel.heaps.containsKey("system")) {
            assertEquals(1 << 20, kernel.heaps.get("system"));
            assertEquals(1 << 16, kernel.heaps.get("reserved"));
        }
    }

    private static Device only(String... heaps) {
        return Device.of("only " + List.of(heaps), Constraints.NONE.onlyHeaps(List.of(heaps)), "test");
    }

    @Test
    void creatingAttachingAndClosingAskNothingOfTheKernel() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(ANY);
            buffer.attach(CONTIGUOUS);
            assertEquals(100, buffer.requestedSize());
            assertTrue(buffer.choice().isEmpty());
        }
        assertEquals(List.of(), kernel.calls);
    }

    @Test
    void sizesThatCannotBeAreRefused() {
        for (long size : new long[] {0, -1, Long.MIN_VALUE, Long.MAX_VALUE, Long.MAX_VALUE - 65_534}) {
            assertThrows(IllegalArgumentException.class, () -> cenalloc.create(size));
            assertThrows(IllegalArgumentException.class, () -> cenalloc.plan(size, List.of()));
        }
    }

    @Test
    void firstUseAllocatesOnceAndLaterUsesCostNothing() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(ANY);
            DmaBuf first = buffer.dmaBuf();
            int calls = kernel.calls.size();
            assertSame(first, buffer.dmaBuf());
            assertEquals(calls, kernel.calls.size());
            assertEquals("system", buffer.choice().orElseThrow().heap().name());
        }
    }

    @Test
    void mappingIsAFirstUseToo() throws Exception {
        try (var buffer = cenalloc.create(5000);
                var mapping = buffer.map(Direction.WRITE)) {
            assertEquals(8192, mapping.segment().byteSize());
            assertThrows(IllegalStateException.class, buffer::close);
            assertTrue(mapping.segment().scope().isAlive());
        }
    }

    @Test
    void racingFirstUsesMakeOneAllocation() throws Exception {
        try (var threads = Executors.newFixedThreadPool(16)) {
            for (int round = 0; round < 50; round++) {
                try (var buffer = cenalloc.create(100)) {
                    var go = new CountDownLatch(1);
                    Callable<DmaBuf> use = () -> {
                        go.await();
                        return buffer.dmaBuf();
                    };
                    var uses = new ArrayList<Future<DmaBuf>>();
                    for (int i = 0; i < 16; i++) {
                        uses.add(threads.submit(use));
                    }
                    go.countDown();
                    for (var future : uses) {
                        assertSame(buffer.dmaBuf(), future.get());
                    }
                }
            }
        }
        assertEquals(50, kernel.calls.stream().filter("alloc"::equals).count());
        assertEquals(1, kernel.calls.stream().filter("open"::equals).count(), "a heap is opened once");
    }

    @Test
    void aRefusedAttachLeavesNoTrace() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(only("system"));
            Plan before = buffer.plan();
            var e = assertThrows(IncompatibleConstraintsException.class, () -> buffer.attach(only("reserved")));
            assertEquals(Errno.EINVAL, e.errno());
            assertEquals(before, buffer.plan());
            buffer.attach(ANY); // D12: the RFC's mask stayed empty, and nobody could attach any more
            assertEquals("system", buffer.plan().candidates().getFirst().name());
        }
    }

    @Test
    void detachForgets() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(ANY);
            Plan before = buffer.plan();
            Attachment camera = buffer.attach(CONTIGUOUS);
            assertEquals("reserved", buffer.plan().candidates().getFirst().name());
            camera.close();
            camera.close();
            assertEquals(before, buffer.plan());
        }
    }

    @Test
    void orderOfAttachingDoesNotMatter() throws Exception {
        try (var one = cenalloc.create(100);
                var other = cenalloc.create(100)) {
            one.attach(ANY);
            one.attach(CONTIGUOUS);
            other.attach(CONTIGUOUS);
            other.attach(ANY);
            assertEquals(one.plan().candidates(), other.plan().candidates());
            assertEquals(one.plan().constraints(), other.plan().constraints());
        }
    }

    @Test
    void aLateDeviceIsCheckedAgainstTheStorage() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(ANY);
            buffer.dmaBuf();
            var e = assertThrows(BufferBusyException.class, () -> buffer.attach(CONTIGUOUS));
            assertEquals(Errno.EBUSY, e.errno());
            assertTrue(String.valueOf(e.getMessage()).contains("camera"), e.getMessage());
            assertThrows(BufferBusyException.class, () -> buffer.attach(only("reserved")));
            buffer.attach(only("system", "other"));
            buffer.attach(Device.undeclared("newcomer"));
        }
    }

    @Test
    void detachLeavesStorageWhereItIs() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            Attachment camera = buffer.attach(CONTIGUOUS);
            DmaBuf storage = buffer.dmaBuf();
            camera.close();
            assertSame(storage, buffer.dmaBuf());
            assertEquals("reserved", storage.exporter());
        }
    }

    @Test
    void outOfMemoryPassesToTheNextThatSatisfies() throws Exception {
        try (var all = cenalloc.create(1 << 20);
                var buffer = cenalloc.create(100)) {
            all.dmaBuf();
            buffer.attach(ANY);
            buffer.dmaBuf();
            var choice = buffer.choice().orElseThrow();
            assertEquals("reserved", choice.heap().name());
            assertEquals("[system: ENOMEM]", choice.failed().toString());
        }
    }

    @Test
    void outOfMemoryNeverCrossesARequiredProperty() throws Exception {
        try (var buffer = cenalloc.create(1 << 17)) {
            buffer.attach(CONTIGUOUS);
            var e = assertThrows(MemoryExhaustedException.class, buffer::dmaBuf);
            assertEquals("[reserved: ENOMEM]", e.attempts().toString());
            assertEquals(12_345, e.cmaFree().orElseThrow());
            assertEquals(1 << 17, e.requestedSize().orElseThrow());
            assertFalse(e.remedy().isEmpty());
            // And it may be tried again.
            assertThrows(MemoryExhaustedException.class, buffer::dmaBuf);
        }
    }

    @Test
    void noHeapIsToldApartFromNoMemory() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(only("elsewhere"));
            var e = assertThrows(NoSuitableHeapException.class, buffer::dmaBuf);
            assertEquals(Errno.ENODEV, e.errno());
            assertEquals(2, e.plan().orElseThrow().rejected().size());
        }
    }

    @Test
    void aMachineWithoutHeapsSaysWhatToDo() throws Exception {
        kernel.heaps.clear();
        cenalloc = kernel.open();
        assertEquals(List.of(), cenalloc.heaps());
        try (var buffer = cenalloc.create(100)) {
            var e = assertThrows(NoSuitableHeapException.class, buffer::dmaBuf);
            assertTrue(e.remedy().contains("CONFIG_DMABUF_HEAPS"), e.remedy());
        }
    }

    @Test
    void aForbiddenNodeIsAnErrorWithARemedyNotAReasonToTakeAnother() throws Exception {
        kernel.refuse(HEAPS.resolve("system"), Errno.EACCES);
        try (var buffer = cenalloc.create(100)) {
            var e = assertThrows(NoPermissionException.class, buffer::dmaBuf);
            assertEquals("EACCES", e.errnoName());
            assertEquals(HEAPS.resolve("system"), e.path().orElseThrow());
            assertTrue(e.remedy().contains("udev"), e.remedy());
            assertFalse(kernel.calls.contains("alloc"));
        }
    }

    @Test
    void theSyncIsRestarted() throws Exception {
        for (int errno : new int[] {Errno.EINTR, Errno.EAGAIN}) {
            try (var buffer = cenalloc.create(100)) {
                DmaBuf dmaBuf = buffer.dmaBuf();
                kernel.failCall(0, errno);
                CpuAccess access = dmaBuf.access(Direction.READ);
                kernel.failCall(0, errno);
                access.close();
            }
        }
    }

    @Test
    void theEndOfAnAccessHasTheDirectionOfItsBeginning() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            for (Direction direction : Direction.values()) {
                kernel.syncs.clear();
                buffer.access(direction).close();
                assertEquals(
                        List.of(kernel.syncs.getFirst(), kernel.syncs.getFirst() | dmabuf_h.DMA_BUF_SYNC_END()),
                        kernel.syncs);
                assertEquals(0, kernel.syncs.getFirst() & dmabuf_h.DMA_BUF_SYNC_END());
            }
        }
    }

    @Test
    void hugePagesAreTakenFromWhatIsFree() throws Exception {
        kernel.heap("udmabuf", 3 << 20).numbers.put("HugePages_Total", 1L);
        cenalloc = kernel.open();
        try (var one = cenalloc.create(1);
                var two = cenalloc.create(2 << 20)) {
            for (SharedBuffer buffer : List.of(one, two)) {
                buffer.attach(only("udmabuf-huge"));
            }
            assertEquals(2 << 20, one.dmaBuf().size());
            var e = assertThrows(MemoryExhaustedException.class, two::dmaBuf);
            assertEquals("[udmabuf-huge: ENOMEM]", e.attempts().toString());
        }
    }

    @Test
    void aLimitBelowAPageIsToldAndBreaksNothingElse() throws Exception {
        kernel.heap("udmabuf", 1 << 22).numbers.putAll(Map.of("HugePages_Total", 1L, "udmabuf size_limit_mb", 1L));
        cenalloc = kernel.open();
        try (var small = cenalloc.create(1 << 20);
                var huge = cenalloc.create(1)) {
            small.attach(only("udmabuf"));
            assertEquals(1 << 20, small.dmaBuf().size());
            huge.attach(only("udmabuf-huge"));
            var e = assertThrows(CenallocException.class, huge::dmaBuf);
            assertEquals(Errno.EINVAL, e.errno());
            assertTrue(e.remedy().contains("size_limit_mb"), e.remedy());
        }
    }

    @Test
    void usingAClosedBufferThrows() throws Exception {
        SharedBuffer buffer = cenalloc.create(100);
        buffer.dmaBuf();
        buffer.close();
        buffer.close();
        assertThrows(IllegalStateException.class, () -> buffer.attach(ANY));
        assertThrows(IllegalStateException.class, buffer::plan);
        assertThrows(IllegalStateException.class, () -> buffer.map(Direction.READ));
        assertThrows(IllegalStateException.class, buffer::dmaBuf);
        SharedBuffer unused = cenalloc.create(100);
        unused.close();
        assertThrows(IllegalStateException.class, unused::dmaBuf);
    }

    @Test
    void theStorageIsClosedByItsOwnerOnly() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            DmaBuf dmaBuf = buffer.dmaBuf();
            dmaBuf.close(); // is nobody's but the owner's
            dmaBuf.map(Direction.READ).close();
        }
    }

    @Test
    void whatIsKnownToBeImpossibleIsRefusedAtAttach() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(only("system"));
            assertThrows(IncompatibleConstraintsException.class, () -> buffer.attach(CONTIGUOUS));
            buffer.dmaBuf();
        }
    }

    @Test
    void buffersOutliveTheContext() throws Exception {
        try (var used = cenalloc.create(100);
                var unused = cenalloc.create(100)) {
            used.dmaBuf();
            cenalloc.close();
            used.map(Direction.READ).close();
            assertThrows(IllegalStateException.class, unused::dmaBuf);
        }
    }

    @Test
    void allowedHeapsOfTwoDevicesAreIntersected() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(only("system", "reserved"));
            buffer.attach(only("reserved", "x"));
            assertEquals(
                    Set.of("default_cma_region"),
                    buffer.plan().constraints().allowedHeaps().orElseThrow());
            assertEquals("reserved", buffer.dmaBuf().exporter());
        }
    }
}
