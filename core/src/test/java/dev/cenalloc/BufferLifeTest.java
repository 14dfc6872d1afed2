// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.Layout.Plane;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.Plan;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What may happen to a buffer beside the ordinary: waiting for participants, alternatives, moving, adopting. */
class BufferLifeTest {
    private static final Constraints NONE = Constraints.NONE;
    private static final Device ANY = Device.of("display", NONE, "test");
    private static final Device CONTIGUOUS = Device.of("camera", NONE.contiguous(), "test");

    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20).heap("reserved", 1 << 16);
    private final Cenalloc cenalloc = kernel.open();

    @AfterEach
    void nothingIsLost() {
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        assertEquals((1 << 20) + (1 << 16), kernel.free());
    }

    // ---- participants ----

    @Test
    void strictlyExpectedDevicesMustBeThere() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.expect(Expectation.ofDevices(Set.of("camera", "display")).strict());
            buffer.attach(ANY);
            var e = assertThrows(IllegalStateException.class, buffer::dmaBuf);
            assertTrue(String.valueOf(e.getMessage()).endsWith("missing: camera"), e::getMessage);
            assertThrows(IllegalStateException.class, () -> buffer.map(Direction.READ));
            assertThrows(IllegalStateException.class, () -> buffer.access(Direction.READ));
            assertEquals(List.of(), kernel.calls);
            Attachment camera = buffer.attach(CONTIGUOUS);
            assertTrue(buffer.isComplete());
            camera.close();
            assertFalse(buffer.isComplete(), "who left is missing again");
            buffer.attach(CONTIGUOUS);
            assertEquals("reserved", buffer.dmaBuf().exporter());
            assertThrows(
                    IllegalStateException.class,
                    () -> buffer.expect(Expectation.ofCount(3).strict()));
        }
    }

    @Test
    void participantsCanBeCounted() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.expect(Expectation.ofCount(2).strict());
            buffer.attach(ANY);
            var e = assertThrows(IllegalStateException.class, buffer::dmaBuf);
            assertTrue(String.valueOf(e.getMessage()).contains("1 of 2 devices"), e::getMessage);
            buffer.attach(CONTIGUOUS);
            buffer.dmaBuf();
            assertThrows(
                    IllegalArgumentException.class,
                    () -> cenalloc.create(1).expect(Expectation.ofCount(0).strict()));
        }
    }

    @Test
    void aSealEndsTheWaitingForWhoeverIsMissing() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.expect(Expectation.ofCompletion().strict());
            buffer.attach(ANY);
            assertThrows(IllegalStateException.class, buffer::dmaBuf);
            buffer.complete();
            assertThrows(
                    IllegalStateException.class,
                    () -> buffer.expect(Expectation.ofDevices(Set.of("x")).strict()));
            buffer.dmaBuf();
            buffer.attach(Device.of("late", NONE, "test"));
        }
    }

    @Test
    void lenientlyExpectedDevicesAreWarnedAbout() throws Exception {
        try (var log = new LogCapture();
                var buffer = cenalloc.create(100)) {
            buffer.expect(Expectation.ofDevices(Set.of("encoder")));
            buffer.dmaBuf();
            assertTrue(log.text().contains("missing: encoder"), log::text);
        }
    }

    @Test
    void waitingEndsWhenAllHaveCome() throws Exception {
        try (var buffer = cenalloc.create(100);
                var thread = Executors.newSingleThreadExecutor()) {
            buffer.expect(Expectation.ofDevices(Set.of("camera")).strict());
            Future<Boolean> waiting = thread.submit(() -> buffer.awaitComplete(Duration.ofMinutes(1)));
            buffer.attach(CONTIGUOUS);
            assertTrue(waiting.get());
        }
    }

    @Test
    void waitingInVainNamesWhoIsMissing() throws Exception {
        try (var log = new LogCapture();
                var buffer = cenalloc.create(100)) {
            buffer.expect(Expectation.ofDevices(Set.of("camera", "encoder")).strict());
            buffer.attach(CONTIGUOUS);
            assertFalse(buffer.awaitComplete(Duration.ofMillis(20)));
            assertTrue(log.text().contains("still waits for encoder"), log::text);
        }
    }

    @Test
    void closingEndsTheWaiting() throws Exception {
        var buffer = cenalloc.create(100);
        buffer.expect(Expectation.ofDevices(Set.of("camera")).strict());
        try (var thread = Executors.newSingleThreadExecutor()) {
            Future<Boolean> waiting = thread.submit(() -> buffer.awaitComplete(Duration.ofMinutes(1)));
            buffer.close();
            var e = assertThrows(java.util.concurrent.ExecutionException.class, waiting::get);
            assertTrue(e.getCause() instanceof IllegalStateException, e::toString);
        }
    }

    // ---- attaching ----

    @Test
    void aDeviceIsAttachedOnce() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(ANY);
            assertThrows(IllegalArgumentException.class, () -> buffer.attach(ANY));
            assertThrows(IllegalArgumentException.class, () -> buffer.relocate(ANY));
            assertEquals(1, buffer.attachments().size());
        }
    }

    @Test
    void whoDeclaresNothingIsWarnedAbout() throws Exception {
        try (var log = new LogCapture();
                var buffer = cenalloc.create(100)) {
            buffer.attach(Device.undeclared("mystery"));
            assertTrue(log.text().contains("mystery declares no constraints"), log::text);
            assertEquals(2, buffer.plan().candidates().size());
        }
    }

    @Test
    void aHeapUnregisteredMeanwhileIsPlannedAround() throws Exception {
        // The source of the first heap takes the second one away, just before that is asked.
        var gone = new AtomicBoolean();
        HeapProperties best = HeapProperties.of("system").withScore(900);
        Heap second = cenalloc.register("second", best.withScore(800), size -> {
            throw CenallocException.of(Errno.EINVAL, "must not be asked", size);
        });
        cenalloc.register("first", best, size -> {
            if (!gone.getAndSet(true)) {
                cenalloc.unregister(second);
            }
            throw CenallocException.of(Errno.ENOMEM, "test", size);
        });
        try (var buffer = cenalloc.create(100)) {
            assertEquals("second", buffer.plan().candidates().get(1).name());
            assertEquals("system", buffer.dmaBuf().exporter());
        }
    }

    @Test
    void anAttachmentBelongsToItsBuffer() throws Exception {
        try (var one = cenalloc.create(100);
                var other = cenalloc.create(100)) {
            Attachment attachment = one.attach(ANY);
            assertThrows(IllegalArgumentException.class, () -> other.detach(attachment));
            assertEquals(1, one.attachments().size());
            one.detach(attachment);
            one.detach(attachment);
            assertEquals(0, one.attachments().size());
        }
    }

    @Test
    void fallbacksAreTriedInOrder() throws Exception {
        Device picky = Device.of("npu", NONE.onlyHeaps(Set.of("sram")), "test")
                .or(NONE.contiguous())
                .or(NONE);
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(ANY);
            buffer.attach(picky);
            assertEquals("reserved", buffer.dmaBuf().exporter(), "sram is not there, contiguous memory is");
        }
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(Device.of("only system", NONE.onlyHeaps(Set.of("system")), "test"));
            buffer.attach(picky);
            assertEquals("system", buffer.dmaBuf().exporter());
            Plan plan = buffer.choice().orElseThrow().plan();
            assertEquals(NONE, plan.devices().get(1).constraints());
        }
    }

    @Test
    void anOptionalDeviceIsLeftOutIfItMustBe() throws Exception {
        Device system = Device.of("only system", NONE.onlyHeaps(Set.of("system")), "test");
        Device optional = Device.of("recorder", NONE.contiguous(), "test").optional();
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(optional);
            assertEquals("reserved", buffer.plan().candidates().getFirst().name(), "while nothing speaks against it");
            buffer.attach(system);
            Plan plan = buffer.plan();
            assertEquals(List.of(optional), plan.leftOut());
            assertTrue(plan.explain().contains("left out: recorder"), plan::explain);
            assertEquals("system", buffer.dmaBuf().exporter());
            Attachment late =
                    buffer.attach(Device.of("late", NONE.contiguous(), "test").optional());
            assertTrue(late.isLeftOut());
            assertFalse(
                    buffer.attach(Device.of("later", NONE, "test").optional()).isLeftOut());
        }
    }

    @Test
    void combinationsAreBounded() throws Exception {
        var devices = new ArrayList<Device>();
        for (int i = 0; i < 40; i++) {
            devices.add(Device.of("d" + i, NONE.onlyHeaps(Set.of("nowhere")), "test")
                    .or(NONE.onlyHeaps(Set.of("elsewhere")))
                    .or(NONE.onlyHeaps(Set.of("never"))));
        }
        assertEquals(List.of(), cenalloc.plan(100, devices).candidates());
        try (var buffer = cenalloc.create(100)) {
            for (int i = 0; i < 10; i++) {
                buffer.attach(
                        Device.of("d" + i, NONE.onlyHeaps(Set.of("a")), "test").or(NONE.onlyHeaps(Set.of("b"))));
            }
            buffer.attach(Device.of("d10", NONE.onlyHeaps(Set.of("a")), "test").or(NONE.onlyHeaps(Set.of("b"))));
            var e = assertThrows(
                    IncompatibleConstraintsException.class,
                    () -> buffer.attach(Device.of("c", NONE.onlyHeaps(Set.of("c")), "test")));
            assertTrue(String.valueOf(e.getMessage()).contains("more combinations than were tried"), e::getMessage);
        }
    }

    @Test
    void planesMayDifferInWhatTheyNeed() throws Exception {
        // The luma and the chroma of a codec lie in different banks.
        Device codec = Device.of("codec", NONE.pitchAlignment(16), "test")
                .withUse("decode", 0, NONE.contiguous())
                .withUse("decode", 1, NONE.onlyHeaps(Set.of("system")));
        try (var luma = cenalloc.create(100);
                var chroma = cenalloc.create(50);
                var other = cenalloc.create(50)) {
            luma.attach(codec.forUse("decode", 0));
            chroma.attach(codec.forUse("decode", 1));
            other.attach(codec.forUse("decode", 2));
            assertEquals("reserved", luma.dmaBuf().exporter());
            assertEquals("system", chroma.dmaBuf().exporter());
            assertEquals("system", other.dmaBuf().exporter());
            assertTrue(luma.plan().constraints().says(Field.PITCH_ALIGNMENT), "what it needs anyway stays");
        }
        assertThrows(IllegalArgumentException.class, () -> codec.withUse("decode", -1, NONE));
        assertThrows(IllegalArgumentException.class, () -> codec.forUse("decoed", 0));
        Device secure = Device.of("secure", NONE.requiresProtected(), "test").withUse("decode", 0, NONE.contiguous());
        assertTrue(secure.forUse("decode", 0).constraints().flag(Field.ACCEPTS_PROTECTED), "one device, one consent");
    }

    @Test
    void lateDevicesAreCheckedAgainstSizeAndLayoutToo() throws Exception {
        // Lines at a pitch of 256 and of 128 bytes, planes from bytes 0, 2560 and 3200.
        try (var buffer = cenalloc.create(new Image(PixelFormat.YUV420, 200, 10))) {
            buffer.attach(Device.of("gpu", NONE.pitchAlignment(128), "test"));
            buffer.dmaBuf();
            assertEquals(
                    List.of(new Plane(0, 256, 10), new Plane(2560, 128, 5), new Plane(3200, 128, 5)),
                    buffer.layout().orElseThrow().planes());
            buffer.attach(Device.of(
                    "fine", NONE.pitchAlignment(64).offsetAlignment(128).minSize(4096), "test"));
            for (Constraints unfit : List.of(
                    NONE.pitchAlignment(96),
                    NONE.pitchAlignment(256),
                    NONE.maxPitch(255),
                    NONE.minPitch(129),
                    NONE.offsetAlignment(256),
                    NONE.minSize(4097),
                    NONE.maxSize(3839),
                    NONE.requiresProtected())) {
                assertThrows(
                        BufferBusyException.class,
                        () -> buffer.attach(Device.of("unfit", unfit, "test")),
                        unfit::toString);
            }
        }
    }

    // ---- moving ----

    @Test
    void anImageIsLaidOutAnewWhenItMoves() throws Exception {
        try (var buffer = cenalloc.create(new Image(PixelFormat.NV12, 10, 4))) {
            Layout before = buffer.layout().orElseThrow();
            try (var mapping = buffer.map(Direction.WRITE)) {
                for (int i = 0; i < before.size(); i++) {
                    mapping.segment().set(ValueLayout.JAVA_BYTE, i, (byte) (i + 1));
                }
            }
            Device wide = Device.of("wide", NONE.pitchAlignment(64).offsetAlignment(1024), "test");
            assertThrows(BufferBusyException.class, () -> buffer.attach(wide));
            buffer.relocate(wide);
            Layout after = buffer.layout().orElseThrow();
            assertEquals(List.of(new Plane(0, 64, 4), new Plane(1024, 64, 2)), after.planes());
            try (var mapping = buffer.map(Direction.READ)) {
                for (int line = 0; line < 6; line++) {
                    long offset = line < 4 ? line * 64L : 1024 + (line - 4) * 64L;
                    for (int column = 0; column < 10; column++) {
                        assertEquals(
                                line * 10 + column + 1, mapping.segment().get(ValueLayout.JAVA_BYTE, offset + column));
                    }
                }
            }
        }
    }

    @Test
    void anImageThatLiesWellEnoughStays() throws Exception {
        try (var buffer = cenalloc.create(new Image(PixelFormat.R8, 10, 4))) {
            Attachment wide = buffer.attach(Device.of("wide", NONE.pitchAlignment(64), "test"));
            buffer.map(Direction.READ).close();
            Choice before = buffer.choice().orElseThrow();
            wide.close();
            buffer.relocate();
            assertSame(before, buffer.choice().orElseThrow(), "a smaller pitch gains nothing");
            assertEquals(64, buffer.layout().orElseThrow().planes().getFirst().pitch());
        }
    }

    @Test
    void whatLiesBeyondAnImageMovesToo() throws Exception {
        try (var buffer = cenalloc.create(new Image(PixelFormat.R8, 10, 4))) {
            Attachment large = buffer.attach(Device.of("large", NONE.minSize(5000), "test"));
            try (var mapping = buffer.map(Direction.WRITE)) {
                mapping.segment().set(ValueLayout.JAVA_BYTE, 39, (byte) 1);
                mapping.segment().set(ValueLayout.JAVA_BYTE, 4999, (byte) 2);
            }
            buffer.relocate(CONTIGUOUS);
            try (var mapping = buffer.map(Direction.READ)) {
                assertEquals(1, mapping.segment().get(ValueLayout.JAVA_BYTE, 39));
                assertEquals(2, mapping.segment().get(ValueLayout.JAVA_BYTE, 4999));
            }
            large.close();
            Choice before = buffer.choice().orElseThrow();
            buffer.relocate();
            assertSame(before, buffer.choice().orElseThrow(), "less memory in the same heap gains nothing");
        }
    }

    @Test
    void relocatingKeepsTheContents() throws Exception {
        try (var buffer = cenalloc.create(10_000)) {
            buffer.attach(ANY);
            try (var mapping = buffer.map(Direction.WRITE);
                    var _ = buffer.access(Direction.WRITE)) {
                for (int i = 0; i < 10_000; i++) {
                    mapping.segment().set(ValueLayout.JAVA_BYTE, i, (byte) (i * 7));
                }
            }
            assertThrows(BufferBusyException.class, () -> buffer.attach(CONTIGUOUS));
            Attachment camera = buffer.relocate(CONTIGUOUS);
            assertEquals("reserved", buffer.choice().orElseThrow().heap().name());
            try (var mapping = buffer.map(Direction.READ)) {
                for (int i = 0; i < 10_000; i++) {
                    assertEquals((byte) (i * 7), mapping.segment().get(ValueLayout.JAVA_BYTE, i));
                }
            }
            camera.close();
            assertEquals("reserved", buffer.choice().orElseThrow().heap().name(), "detaching moves nothing");
            buffer.relocate();
            assertEquals("system", buffer.choice().orElseThrow().heap().name(), "asking does");
            int calls = kernel.calls.size();
            buffer.relocate();
            assertEquals(calls, kernel.calls.size(), "it is there already");
            assertEquals("system", buffer.dmaBuf().exporter());
        }
    }

    @Test
    void linesAreMovedOneByOneIfTheirDistanceChanges() throws Exception {
        try (var buffer = cenalloc.create(new Image(PixelFormat.R8, 1000, 5))) {
            assertEquals(
                    List.of(new Plane(0, 1000, 5)),
                    buffer.layout().orElseThrow().planes());
            try (var mapping = buffer.map(Direction.WRITE)) {
                for (int line = 0; line < 5; line++) {
                    mapping.segment().asSlice(line * 1000L, 1000).fill((byte) (line + 1));
                }
            }
            buffer.relocate(Device.of("gpu", NONE.pitchAlignment(256), "test"));
            assertEquals(
                    List.of(new Plane(0, 1024, 5)),
                    buffer.layout().orElseThrow().planes());
            try (var mapping = buffer.map(Direction.READ)) {
                for (int line = 0; line < 5; line++) {
                    assertEquals(line + 1, mapping.segment().get(ValueLayout.JAVA_BYTE, line * 1024L));
                    assertEquals(line + 1, mapping.segment().get(ValueLayout.JAVA_BYTE, line * 1024L + 999));
                }
            }
        }
    }

    @Test
    void aMoveForWhatIsNotTheHeapsIsMade() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            Attachment large = buffer.attach(Device.of("large", NONE.minSize(8192), "test"));
            buffer.map(Direction.READ).close();
            large.close();
            Device small = Device.of("small", NONE.maxSize(4096), "test");
            assertThrows(BufferBusyException.class, () -> buffer.attach(small));
            buffer.relocate(small);
            assertEquals(4096, buffer.dmaBuf().size());
        }
    }

    @Test
    void aMoveGoesOnlyWhereTheCpuCanCopyTo() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.map(Direction.READ).close();
            HeapProperties best = HeapProperties.of("system").withScore(900);
            cenalloc.register("unmappable", best.withCpuMappable(HeapProperties.Trait.NO), size -> {
                throw CenallocException.of(Errno.EINVAL, "must not be asked", size);
            });
            buffer.relocate();
            assertEquals("system", buffer.choice().orElseThrow().heap().name());
            buffer.relocate(CONTIGUOUS);
            assertEquals("reserved", buffer.choice().orElseThrow().heap().name());
        }
    }

    @Test
    void expectedNamesMayHaveCommasAndUses() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.expect(
                    Expectation.ofDevices(Set.of("display, left", "codec")).strict());
            buffer.attach(Device.of("display, left", NONE, "test"));
            assertFalse(buffer.isComplete());
            buffer.attach(
                    Device.of("codec", NONE, "test").withUse("decode", 0, NONE).forUse("decode", 0));
            assertTrue(buffer.isComplete());
        }
    }

    @Test
    void aMoveNeverEndsInAWorseHeap() throws Exception {
        kernel.heap("udmabuf", 4096);
        try (var desktop = kernel.open();
                var full = desktop.create(1 << 20);
                var buffer = desktop.create(100)) {
            full.dmaBuf();
            buffer.map(Direction.READ).close();
            assertEquals("udmabuf", buffer.choice().orElseThrow().heap().name());
            buffer.relocate(); // to system, which is full: udmabuf is full by now as well, and reserved is scarce
            assertEquals("udmabuf", buffer.choice().orElseThrow().heap().name());
        }
        kernel.heaps.remove("udmabuf");
    }

    @Test
    void theCpuTakesPartInAFirstUseOfItsOwn() throws Exception {
        HeapProperties best = HeapProperties.of("system").withScore(900);
        cenalloc.register("unmappable", best.withCpuMappable(HeapProperties.Trait.NO), size -> {
            throw CenallocException.of(Errno.EINVAL, "must not be asked", size);
        });
        try (var buffer = cenalloc.create(100)) {
            assertEquals("unmappable", buffer.plan().candidates().getFirst().name());
            buffer.map(Direction.READ).close();
            assertEquals("system", buffer.choice().orElseThrow().heap().name());
        }
    }

    @Test
    void whatIsUnknownOfTheCpuIsTriedAtTheFirstUse() throws Exception {
        Heap vendor =
                cenalloc.register("vendor", HeapProperties.UNKNOWN, _ -> kernel.foreignDmaBuf("vendor", 4096, true));
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(Device.of("only vendor", NONE.onlyHeaps(Set.of("vendor")), "test"));
            buffer.attach(Device.cpu(Direction.WRITE));
            assertThrows(NoPermissionException.class, buffer::dmaBuf, "it can only be read");
            assertTrue(buffer.choice().isEmpty());
            assertEquals(0, cenalloc.usage(vendor).buffers());
        }
    }

    @Test
    void protectedMemoryIsNotForTheCpu() throws Exception {
        cenalloc.register(
                "protected,video",
                HeapProperties.of("protected,video"),
                _ -> kernel.foreignDmaBuf("protected,video", 4096, false));
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(Device.of("decoder", NONE.requiresProtected().onlyHeaps(Set.of("protected,video")), "test"));
            assertThrows(NoSuitableHeapException.class, () -> buffer.map(Direction.READ));
            buffer.dmaBuf();
            assertThrows(NoPermissionException.class, () -> buffer.map(Direction.READ));
            assertThrows(NoPermissionException.class, () -> buffer.access(Direction.READ));
        }
    }

    @Test
    void lateDevicesPassTheCheckOfTheSource() throws Exception {
        class Picky implements HeapSource {
            @Override
            public int allocate(long size) {
                return kernel.foreignDmaBuf("picky", 4096, false);
            }

            @Override
            public java.util.Optional<String> refusal(Constraints constraints, long size) {
                return constraints.flag(Field.COHERENT)
                        ? java.util.Optional.of("not coherent")
                        : java.util.Optional.empty();
            }
        }
        cenalloc.register("picky", HeapProperties.of("system").withScore(900), new Picky());
        try (var buffer = cenalloc.create(100)) {
            buffer.dmaBuf();
            var e = assertThrows(
                    BufferBusyException.class, () -> buffer.attach(Device.of("late", NONE.coherent(), "test")));
            assertTrue(String.valueOf(e.getMessage()).contains("not coherent"), e::getMessage);
        }
    }

    @Test
    void whatIsInUseIsNotMoved() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(ANY);
            Mapping mapping = buffer.map(Direction.READ);
            var e = assertThrows(BufferBusyException.class, () -> buffer.relocate(CONTIGUOUS));
            assertEquals(Errno.EBUSY, e.errno());
            assertTrue(e.remedy().contains("close"), e::remedy);
            mapping.close();
            CpuAccess access = buffer.access(Direction.READ);
            assertThrows(BufferBusyException.class, () -> buffer.relocate(CONTIGUOUS));
            access.close();
            assertEquals(1, buffer.attachments().size());
            buffer.dmaBuf();
            e = assertThrows(BufferBusyException.class, () -> buffer.relocate(CONTIGUOUS));
            assertTrue(String.valueOf(e.getMessage()).contains("has returned its descriptor"), e::getMessage);
        }
    }

    @Test
    void aMoveThatFailsLeavesTheBufferWhereItWas() throws Exception {
        try (var full = cenalloc.create(1 << 16);
                var buffer = cenalloc.create(100)) {
            full.attach(CONTIGUOUS);
            full.dmaBuf();
            try (var mapping = buffer.map(Direction.WRITE)) {
                mapping.segment().set(ValueLayout.JAVA_BYTE, 0, (byte) 42);
            }
            assertThrows(MemoryExhaustedException.class, () -> buffer.relocate(CONTIGUOUS));
            assertThrows(
                    NoSuitableHeapException.class,
                    () -> buffer.relocate(Device.of("x", NONE.onlyHeaps(Set.of("x")), "t")));
            assertEquals(0, buffer.attachments().size());
            try (var mapping = buffer.map(Direction.READ)) {
                assertEquals(42, mapping.segment().get(ValueLayout.JAVA_BYTE, 0));
            }
        }
    }

    @Test
    void whatSuitsIsNotMovedForANewcomerNorToWhereItIs() throws Exception {
        try (var full = cenalloc.create(1 << 20);
                var buffer = cenalloc.create(100)) {
            full.dmaBuf();
            buffer.map(Direction.READ).close();
            assertEquals("reserved", buffer.choice().orElseThrow().heap().name(), "system is full");
            Choice before = buffer.choice().orElseThrow();
            buffer.relocate();
            assertEquals(before, buffer.choice().orElseThrow(), "and still is");
            buffer.dmaBuf();
            buffer.relocate(CONTIGUOUS);
            assertEquals(before, buffer.choice().orElseThrow(), "it suits, though its descriptor is known");
        }
    }

    @Test
    void mappingWhileMovingFindsOneOrTheOther() throws Exception {
        try (var threads = Executors.newFixedThreadPool(2);
                var buffer = cenalloc.create(4096)) {
            try (var mapping = buffer.map(Direction.WRITE)) {
                mapping.segment().fill((byte) 9);
            }
            var stop = new AtomicBoolean();
            Future<Integer> mapper = threads.submit(() -> {
                int found = 0;
                while (!stop.get()) {
                    try (var mapping = buffer.map(Direction.READ);
                            var _ = buffer.access(Direction.READ)) {
                        assertEquals(9, mapping.segment().get(ValueLayout.JAVA_BYTE, 4095));
                        found++;
                    }
                    LockSupport.parkNanos(1000);
                }
                return found;
            });
            int moved = 0;
            for (int i = 0; i < 2000 || moved < 10; i++) {
                try {
                    Attachment camera = buffer.relocate(CONTIGUOUS);
                    camera.close();
                    buffer.relocate();
                    moved++;
                } catch (BufferBusyException e) {
                    buffer.attachments().forEach(Attachment::close);
                    LockSupport.parkNanos(1000);
                }
            }
            stop.set(true);
            assertTrue(mapper.get() > 0);
        }
    }

    // ---- adopting ----

    @Test
    void anAdoptedBufferIsCheckedByItsExporter() throws Exception {
        try (var buffer = cenalloc.adopt(kernel.foreignDmaBuf("default_cma_region", 8192, false))) {
            assertEquals(8192, buffer.requestedSize());
            assertEquals(HeapProperties.Trait.YES, buffer.dmaBuf().properties().contiguous());
            buffer.attach(CONTIGUOUS);
            assertTrue(buffer.explain().contains("8192 bytes, adopted, from default_cma_region"), buffer::explain);
            assertTrue(buffer.explain().contains("Attached later: camera"), buffer::explain);
        }
        try (var buffer = cenalloc.adopt(kernel.foreignDmaBuf("vivid", 8192, true))) {
            assertThrows(BufferBusyException.class, () -> buffer.attach(CONTIGUOUS), "nothing is known of it");
            buffer.attach(ANY);
            var e = assertThrows(NoPermissionException.class, () -> buffer.map(Direction.WRITE));
            assertEquals(Errno.EACCES, e.errno());
            assertTrue(e.remedy().contains("Direction.READ"), e::remedy);
            buffer.map(Direction.READ).close();
            assertThrows(BufferBusyException.class, () -> buffer.relocate());
        }
        int node = kernel.open(Path.of("/dev/dma_heap/system"), 0);
        assertThrows(CenallocException.class, () -> cenalloc.adopt(node));
        assertEquals(0, kernel.openFiles());
    }

    /** A camera's own memory, on a board whose display needs CMA. */
    @Test
    void aDriversContiguousMemorySuitsWhoNeedsIt() throws Exception {
        for (String exporter : List.of("videobuf2_dma_contig", "videobuf2-dma-contig")) {
            try (var buffer = cenalloc.adopt(kernel.foreignDmaBuf(exporter, 8192, false))) {
                buffer.attach(CONTIGUOUS);
                assertTrue(buffer.explain().contains("adopted, from " + exporter), buffer::explain);
            }
        }
        try (var buffer = cenalloc.adopt(kernel.foreignDmaBuf("videobuf2_dma_sg", 8192, false))) {
            var e = assertThrows(BufferBusyException.class, () -> buffer.attach(CONTIGUOUS));
            assertTrue(e.reason().contains("scattered"), e::reason);
        }
    }

    /** A move would lose the driver's memory, so it is not advised; who knows the driver can say what it gives. */
    @Test
    void whatIsNotKnownOfAdoptedMemoryCanBeSaid() throws Exception {
        try (var buffer = cenalloc.adopt(kernel.foreignDmaBuf("vivid", 8192, false))) {
            var e = assertThrows(BufferBusyException.class, () -> buffer.attach(CONTIGUOUS));
            assertFalse(e.remedy().contains("relocate"), e::remedy);
            assertTrue(e.remedy().contains("adopt"), e::remedy);
        }
        HeapProperties known = HeapProperties.ofExporter("videobuf2_dma_contig");
        try (var buffer = cenalloc.adopt(kernel.foreignDmaBuf("vivid", 8192, false), known)) {
            buffer.attach(CONTIGUOUS);
        }
    }

    @Test
    void adoptingReadsTheExporterOnce() throws Exception {
        int fd = kernel.foreignDmaBuf("vivid", 8192, false);
        kernel.calls.clear();
        var adopted = cenalloc.adopt(fd);
        try (adopted) {
            assertEquals("vivid", adopted.dmaBuf().exporter());
        }
        assertEquals(
                1,
                kernel.calls.stream().filter(call -> call.startsWith("fdinfo")).count(),
                kernel.calls::toString);
        assertThrows(IllegalStateException.class, adopted::dmaBuf);
    }

    @Test
    void theCopyOfAMoveIsNoDevice() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(ANY);
            buffer.map(Direction.READ_WRITE).close();
            buffer.relocate(CONTIGUOUS);
            Plan plan = buffer.choice().orElseThrow().plan();
            assertEquals(
                    List.of(ANY.name(), CONTIGUOUS.name()),
                    plan.devices().stream().map(Device::name).toList());
            assertFalse(buffer.explain().contains("CPU"), buffer::explain);
        }
    }

    // ---- the rest ----

    @Test
    void theDumpShowsEverything() throws Exception {
        try (var one = cenalloc.create(100);
                var two = cenalloc.create(Demand.ofImage(new Image(PixelFormat.NV12M, 64, 10), 1))) {
            one.name("first");
            one.attach(CONTIGUOUS);
            one.dmaBuf();
            two.attach(ANY);
            String dump = cenalloc.dump();
            for (String part : List.of(
                    "100 bytes \"first\"",
                    "from heap reserved",
                    "1 reference,",
                    "constraints: contiguous memory",
                    "camera: contiguous memory (test)",
                    "NV12M 64x10, buffer 1, no memory yet",
                    "display: any memory (test)",
                    "2 buffers, 4096 bytes of memory")) {
                assertTrue(dump.contains(part), () -> part + " in " + dump);
            }
            assertEquals("first", one.dmaBuf().name());
        }
        assertEquals("0 buffers, 0 bytes of memory", cenalloc.dump());
    }

    @Test
    void sizesGrowToTheAlignment() throws Exception {
        try (var buffer = cenalloc.create(Demand.ofBytes(5000, 8192))) {
            assertEquals(8192, buffer.dmaBuf().size());
        }
        for (long bad : new long[] {0, -1, 3, Long.MIN_VALUE}) {
            assertThrows(IllegalArgumentException.class, () -> cenalloc.create(Demand.ofBytes(100, bad)));
        }
        assertThrows(
                IllegalArgumentException.class,
                () -> cenalloc.create(Demand.ofBytes(Long.MAX_VALUE - 65_535, 1L << 62)));
    }

    @Test
    void aBufferIsAnotherAfterTheMove() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.map(Direction.READ).close();
            Choice before = buffer.choice().orElseThrow();
            buffer.relocate(CONTIGUOUS);
            assertNotSame(before, buffer.choice().orElseThrow());
            assertEquals(
                    1,
                    cenalloc.usage(cenalloc.heaps().get(0)).buffers()
                            + cenalloc.usage(cenalloc.heaps().get(1)).buffers());
        }
    }
}
