// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Faults;
import dev.cenalloc.kms.Display;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.DeviceMemory;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import dev.cenalloc.v4l2.Converter;
import dev.cenalloc.v4l2.VideoOutput;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.BiFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Memory of the devices themselves, where no heap suits or there is none, on the fake kernel. */
class DeviceMemoryTest {
    private static final Path VIDEO = Path.of("/dev/video0");
    private static final Path CONVERTER = Path.of("/dev/video1");
    private static final Path OUTPUT = Path.of("/dev/video2");
    private static final Path CARD = Path.of("/dev/dri/card0");
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final ImageRequest REQUEST =
            ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480);

    private final FakeKernel kernel = new FakeKernel();
    private final FakeCard card = new FakeCard(kernel, true, true);
    private final FakeCamera camera = FakeCamera.capturing(kernel, this::taken);
    private final FakeCamera converter = FakeCamera.converting(kernel, FakeCamera::anything);
    private final FakeCamera output = FakeCamera.showing(kernel, FakeCamera::anything);
    private BiFunction<String, Long, Integer> taken = FakeCamera::anything;

    private int taken(String heap, long size) {
        return taken.apply(heap, size);
    }

    DeviceMemoryTest() {
        card.mayChange = true;
        converter.place = "platform:scaler";
        converter.minor = 8;
        output.place = "platform:tv";
        output.minor = 9;
        kernel.device(CARD.toString(), card)
                .device(VIDEO.toString(), camera)
                .device(CONVERTER.toString(), converter)
                .device(OUTPUT.toString(), output);
    }

    @AfterEach
    void everythingIsGivenBack() {
        assertEquals("{} {}", card.state());
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        assertTrue(card.showsConsole());
        assertEquals(0, converter.vague + output.vague, "it was said how much is to be read");
    }

    private static String memory(Agreement agreement) {
        return agreement.memory().orElseThrow().name();
    }

    private static Port declared(String name, Constraints constraints) {
        return Port.of(
                Device.of(name, constraints, "test"),
                List.of(new ImageRange(PixelFormat.XR24, Sizes.upTo(4096, 4096))));
    }

    @Test
    void aMachineWithoutHeapsShowsTheCamera() throws Exception {
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            String before = camera.state();
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(source.port(), display.port()));
            assertEquals(before, camera.state(), "the trial left nothing behind");
            assertEquals(
                    "memory of fake platform:fake",
                    agreement.memory().orElseThrow().name());
            assertTrue(
                    agreement.explain().contains("memory of fake platform:fake, since no heap suits: there is no heap"),
                    agreement::explain);
            try (Ring ring = Ring.allocate(cenalloc, agreement, 4)) {
                source.configure(agreement);
                source.use(ring);
                display.use(ring);
                assertSame(ring, source.ring());
                source.start();
                for (int i = 0; i < 12; i++) {
                    display.show(source.next(SECOND));
                }
                assertEquals(11, display.flips());
            }
        }
    }

    @Test
    void itIsUsedInEachOrderOfTheCalls() throws Exception {
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO)) {
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(source.port()));
            source.configure(agreement);
            assertThrows(IllegalArgumentException.class, () -> Ring.allocate(cenalloc, agreement, 33));
            try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
                source.start();
                source.next(SECOND).close();
                source.stop();
                source.use(ring);
                source.start();
                source.next(SECOND).close();
            }
        }
    }

    @Test
    void aCameraByItselfNeedsNoHeap() throws Exception {
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO, REQUEST)) {
            source.start();
            try (var frame = source.next(SECOND);
                    var pixels = frame.access(Direction.READ)) {
                assertTrue(pixels.segment().byteSize() >= 640 * 480 * 4);
            }
        }
    }

    @Test
    void aCameraThatRefusesEveryHeapHasItsOwnMemory() throws Exception {
        kernel.heap("system", 64 << 20);
        taken = (heap, _) -> heap.equals("system") ? Errno.EFAULT : 0;
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(source.port(), display.port()));
            assertTrue(agreement.memory().isPresent());
            assertTrue(agreement.explain().contains("VIDIOC_QBUF gave EFAULT"), agreement::explain);
        }
    }

    @Test
    void theDisplaysIsTakenIfTheCameraExportsNone() throws Exception {
        camera.errors.put(v4l2_h.VIDIOC_EXPBUF(), Errno.ENOTTY);
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(source.port(), display.port()));
            assertEquals(
                    "memory of " + display.name(),
                    agreement.memory().orElseThrow().name());
            try (Ring ring = Ring.allocate(cenalloc, agreement, 3)) {
                assertEquals(3, ring.size());
                source.configure(agreement);
                source.use(ring);
                display.use(ring);
                source.start();
                for (int i = 0; i < 9; i++) {
                    display.show(source.next(SECOND));
                }
            }
        }
    }

    @Test
    void theCpuDrawsInTheDisplaysMemory() throws Exception {
        try (var cenalloc = kernel.open();
                var display = Display.open(cenalloc, CARD);
                var canvas = display.canvas(2)) {
            for (int i = 0; i < 4; i++) {
                try (var frame = canvas.next(SECOND);
                        var pixels = frame.access(Direction.WRITE)) {
                    pixels.segment().fill((byte) i);
                }
            }
        }
    }

    @Test
    void memoryThatAnotherDeviceRefusesIsNotUsedAndItIsSaidWhy() throws Exception {
        card.hasDumbBuffers = false;
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            card.verdict = Errno.EINVAL;
            var e = assertThrows(
                    NoCommonImageException.class,
                    () -> Agreement.negotiate(cenalloc, REQUEST, List.of(source.port(), display.port())));
            assertTrue(e.reason().contains("not memory of fake platform:fake ("), e::reason);
            assertTrue(e.reason().contains("refused"), e::reason);
        }
    }

    @Test
    void whatIsNotKnownToSuitADeclaredDeviceIsNotUsed() throws Exception {
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO)) {
            var e = assertThrows(
                    NoCommonImageException.class,
                    () -> Agreement.negotiate(
                            cenalloc,
                            REQUEST,
                            List.of(source.port(), declared("codec", Constraints.NONE.contiguous()))));
            assertTrue(e.reason().contains("not memory of fake platform:fake ("), e::reason);
            assertTrue(e.reason().contains("codec"), e::reason);
        }
    }

    @Test
    void aHeapThatSuitsGoesBefore() throws Exception {
        kernel.heap("system", 64 << 20);
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO)) {
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(source.port()));
            assertFalse(agreement.memory().isPresent());
            try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
                assertEquals("system", ring.choice().heap().name());
            }
        }
    }

    // ---- converters and outputs ----

    private void showConverted(Cenalloc cenalloc, String first, String second) throws CenallocException {
        try (var source = Camera.open(cenalloc, VIDEO);
                var scaler = Converter.open(cenalloc, CONVERTER);
                var display = Display.open(cenalloc, CARD)) {
            String before = converter.state();
            Agreement taken = Agreement.negotiate(cenalloc, REQUEST, List.of(source.port(), scaler.input()));
            Agreement given = Agreement.negotiate(cenalloc, REQUEST, List.of(scaler.output(), display.port()));
            assertEquals(before, converter.state(), "the trial left nothing behind");
            assertEquals(first, memory(taken));
            assertEquals(second, memory(given));
            source.configure(taken);
            scaler.configure(taken, given);
            try (Ring from = Ring.allocate(cenalloc, taken, 3);
                    Ring to = Ring.allocate(cenalloc, given, 3)) {
                source.use(from);
                scaler.use(from, to);
                display.use(to);
                source.start();
                scaler.start();
                for (int i = 0; i < 9; i++) {
                    scaler.put(source.next(SECOND));
                    display.show(scaler.next(SECOND));
                }
                scaler.stop();
            }
        }
    }

    @Test
    void aMachineWithoutHeapsConvertsInTheMemoryOfCameraAndConverter() throws Exception {
        try (var cenalloc = kernel.open()) {
            showConverted(cenalloc, "memory of fake platform:fake", "memory of fake platform:scaler (output)");
        }
    }

    @Test
    void aCameraThatExportsNothingFillsTheConvertersMemory() throws Exception {
        camera.errors.put(v4l2_h.VIDIOC_EXPBUF(), Errno.ENOTTY);
        try (var cenalloc = kernel.open()) {
            showConverted(
                    cenalloc, "memory of fake platform:scaler (input)", "memory of fake platform:scaler (output)");
        }
    }

    @Test
    void aConverterWithoutMemoryWritesToTheDisplays() throws Exception {
        converter.errors.put(v4l2_h.VIDIOC_EXPBUF(), Errno.ENOTTY);
        try (var cenalloc = kernel.open();
                var display = Display.open(cenalloc, CARD)) {
            String ofDisplay = "memory of " + display.name();
            showConverted(cenalloc, "memory of fake platform:fake", ofDisplay);
        }
    }

    /** Both rings are of one agreement, so the second is allocated while the first is lent. */
    @Test
    void oneAgreementOfThreeDevicesIsUsedForTwoRings() throws Exception {
        for (boolean exports : new boolean[] {true, false}) {
            if (!exports) {
                camera.errors.put(v4l2_h.VIDIOC_EXPBUF(), Errno.ENOTTY);
            }
            try (var cenalloc = kernel.open();
                    var source = Camera.open(cenalloc, VIDEO);
                    var scaler = Converter.open(cenalloc, CONVERTER);
                    var display = Display.open(cenalloc, CARD)) {
                Agreement agreement = Agreement.negotiate(
                        cenalloc, REQUEST, List.of(source.port(), scaler.input(), scaler.output(), display.port()));
                assertEquals(
                        exports ? "memory of fake platform:fake" : "memory of fake platform:scaler (input)",
                        memory(agreement));
                try (Ring from = Ring.allocate(cenalloc, agreement, 3);
                        Ring to = Ring.allocate(cenalloc, agreement, 3)) {
                    source.configure(agreement);
                    source.use(from);
                    scaler.configure(agreement, agreement);
                    scaler.use(from, to);
                    display.use(to);
                    source.start();
                    scaler.start();
                    for (int i = 0; i < 9; i++) {
                        scaler.put(source.next(SECOND));
                        display.show(scaler.next(SECOND));
                    }
                }
            }
        }
    }

    @Test
    void aConverterThatLendsIsAskedNothing() throws Exception {
        try (var cenalloc = kernel.open();
                var scaler = Converter.open(cenalloc, CONVERTER)) {
            Agreement taken = Agreement.negotiate(cenalloc, REQUEST, List.of(scaler.input()));
            try (Ring ring = Ring.allocate(cenalloc, taken, 2)) {
                assertEquals(2, ring.size());
                var e = assertThrows(
                        NoCommonImageException.class,
                        () -> Agreement.negotiate(cenalloc, REQUEST, List.of(scaler.output())));
                assertTrue(e.reason().contains("lends its own memory"), e::reason);
                assertTrue(converter.state().contains("2 buffers"), converter::state);
            }
        }
    }

    @Test
    void anOutputShowsWhatTheCpuDrawsInItsMemory() throws Exception {
        try (var cenalloc = kernel.open();
                var tv = VideoOutput.open(cenalloc, OUTPUT)) {
            Agreement agreement = Agreement.negotiate(
                    cenalloc,
                    REQUEST.rate(15),
                    List.of(Port.of(Device.cpu(Direction.WRITE), tv.port().images()), tv.port()));
            assertEquals("memory of fake platform:tv", memory(agreement));
            try (Ring ring = Ring.allocate(cenalloc, agreement, 3)) {
                tv.configure(agreement);
                assertEquals(15, output.rate);
                tv.use(ring);
                tv.start();
                for (int i = 0; i < 9; i++) {
                    try (var frame = tv.next(SECOND);
                            var pixels = frame.access(Direction.WRITE)) {
                        pixels.segment().fill((byte) i);
                    }
                }
                assertTrue(output.finished().size() >= 6, output::state);
            }
        }
    }

    @Test
    void moreFramesThanADriverHasAreRefusedBeforeAnythingIsDone() throws Exception {
        try (var cenalloc = kernel.open();
                var tv = VideoOutput.open(cenalloc, OUTPUT);
                var display = Display.open(cenalloc, CARD)) {
            for (Port port : List.of(tv.port(), display.port())) {
                Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(port));
                DeviceMemory memory = agreement.memory().orElseThrow();
                int most = port.name().equals(tv.name()) ? 32 : 64;
                int calls = kernel.calls.size();
                for (int count : new int[] {-1, 0, most + 1}) {
                    assertThrows(IllegalArgumentException.class, () -> memory.allocate(agreement, count));
                    assertThrows(IllegalArgumentException.class, () -> memory.offer(agreement.layout(), count));
                }
                assertEquals(calls, kernel.calls.size());
            }
        }
    }

    // ---- beside a heap ----

    @Test
    void memoryThatIsNotScarceIsToldBesideAHeapThatIs() throws Exception {
        kernel.heap("reserved", 64 << 20);
        camera.exporter = "videobuf2_vmalloc";
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            String before = camera.state();
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(source.port(), display.port()));
            assertEquals(before, camera.state(), "the trial left nothing behind");
            assertFalse(agreement.memory().isPresent());
            assertEquals(
                    "reserved",
                    agreement.plans().getFirst().candidates().getFirst().name());
            assertTrue(
                    agreement
                            .explain()
                            .endsWith("\n  memory of fake platform:fake suits too, and is better, since it spares"
                                    + " reserved, which is scarce: alternative() has it"),
                    agreement::explain);
            Agreement other = agreement.alternative().orElseThrow();
            assertEquals("memory of fake platform:fake", memory(other));
            assertEquals(agreement.image(), other.image());
            assertFalse(other.alternative().isPresent());
            assertTrue(
                    other.explain()
                            .endsWith("\n  memory of fake platform:fake, since it spares reserved, which is scarce"),
                    other::explain);
            try (Ring ring = Ring.allocate(cenalloc, other, 3)) {
                source.configure(other);
                source.use(ring);
                display.use(ring);
                source.start();
                display.show(source.next(SECOND));
                assertEquals("videobuf2_vmalloc", ring.buffers(0).getFirst().exporter());
            }
        }
    }

    @Test
    void memoryOfWhichThatIsNotKnownIsNotTold() throws Exception {
        kernel.heap("reserved", 64 << 20);
        // Contiguous memory comes from the same pool; of the other nothing is known.
        for (String exporter : List.of("videobuf2_dma_contig", "fake")) {
            camera.exporter = exporter;
            assertEquals("", better());
        }
        camera.exporter = "videobuf2_vmalloc";
        assertEquals("memory of fake platform:fake", better());
        for (int errno : new int[] {Errno.EINVAL, Errno.ENOMEM, Errno.EMFILE, Errno.ENODEV, Errno.EACCES}) {
            camera.errors.put(v4l2_h.VIDIOC_EXPBUF(), errno);
            assertEquals("", better());
            assertTrue(explanation.contains("\n  not memory of fake platform:fake in its place: "), explanation);
        }
    }

    /** Of what was negotiated last by {@link #better}. */
    private String explanation = "";

    /** The memory that is told beside that of a heap; empty if none is. */
    private String better() throws CenallocException {
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(source.port(), display.port()));
            explanation = agreement.explain();
            return agreement.alternative().map(DeviceMemoryTest::memory).orElse("");
        }
    }

    @Test
    void memoryWithinTheReachOfItsDeviceIsToldBesideAHeapThatMayLieBeyond() throws Exception {
        kernel.heap("system", 64 << 20);
        Constraints limit = Constraints.NONE.highestAddress("ram", 0xffff_ffffL);
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO)) {
            Port isp = declared("isp", limit).withMemory(source.port().memory().orElseThrow());
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(isp));
            assertEquals(
                    "memory of fake platform:fake",
                    memory(agreement.alternative().orElseThrow()));
            assertTrue(
                    agreement.explain().contains("its driver allocates it where isp reaches it, which system does not"),
                    agreement::explain);
            // Whether the other reaches it, its own driver alone would know.
            Agreement both = Agreement.negotiate(cenalloc, REQUEST, List.of(isp, declared("codec", limit)));
            assertFalse(both.alternative().isPresent(), both::explain);
        }
    }

    @Test
    void besideAHeapWithNothingAgainstItNoOtherMemoryIsTried() throws Exception {
        kernel.heap("system", 64 << 20);
        var never = new DeviceMemory() {
            @Override
            public String name() {
                return "memory that is not asked for";
            }

            @Override
            public Offer offer(Layout layout, int count) {
                throw new AssertionError("it is offered");
            }

            @Override
            public Ring allocate(Agreement agreement, int count) {
                throw new AssertionError("it is allocated");
            }
        };
        try (var cenalloc = kernel.open()) {
            Port port = declared("camera", Constraints.NONE).withMemory(never);
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(port));
            assertFalse(agreement.alternative().isPresent());
        }
    }

    // ---- faults ----

    private interface Run {
        void with(Cenalloc cenalloc) throws CenallocException;
    }

    @Test
    void everyFaultOfEveryCallGivesEverythingBack() throws Exception {
        everyFault(DeviceMemoryTest::run);
    }

    @Test
    void everyFaultOfEveryCallOfAConverterGivesEverythingBack() throws Exception {
        everyFault(DeviceMemoryTest::convert);
    }

    private void everyFault(Run run) throws Exception {
        int before = kernel.calls.size();
        try (var cenalloc = kernel.open()) {
            run.with(cenalloc);
        }
        int calls = kernel.calls.size() - before;
        int told = 0;
        for (int call = 0; call < calls; call++) {
            for (int errno : Faults.ERRNOS) {
                String what = "call " + call + " gives " + Errno.name(errno);
                kernel.failCall(call, errno);
                try (var cenalloc = kernel.open()) {
                    run.with(cenalloc);
                } catch (CenallocException e) {
                    told++;
                }
                kernel.failNoCall();
                assertEquals("{} {}", card.state(), what);
                for (FakeCamera device : List.of(camera, converter, output)) {
                    assertFalse(device.state().matches(".*, [1-9][0-9]* buffers.*"), () -> what + device.state());
                }
                assertEquals(0, kernel.openFiles(), what);
                assertEquals(0, kernel.openMappings(), what);
                assertTrue(card.showsConsole(), what);
            }
        }
        assertTrue(told > calls, told + " of " + calls + " calls");
    }

    private static void run(Cenalloc cenalloc) throws CenallocException {
        try (var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(source.port(), display.port()));
            try (Ring ring = Ring.allocate(cenalloc, agreement, 3)) {
                source.configure(agreement);
                display.use(ring);
                source.use(ring);
                source.start();
                display.show(source.next(SECOND));
            }
        }
    }

    /** What a profile says of a device counts for memory of heaps; the driver itself is offered what another lends. */
    @Test
    void aPortOfWhichMoreIsKnownKeepsItsMemory() throws Exception {
        Device known =
                Device.of("fake platform:fake", Constraints.NONE.contiguous(), Device.Origin.PROFILE, "profile board");
        kernel.heap("system", 64 << 20);
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            Port given = source.port();
            for (Port port : List.of(given.withDevice(known), given.knowing(known))) {
                Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(port, display.port()));
                assertEquals(
                        "memory of fake platform:fake",
                        agreement.memory().orElseThrow().name());
                assertTrue(agreement.explain().contains("profile board"), agreement::explain);
                assertEquals(given.otherFormats(), port.otherFormats());
            }
            Agreement unlimited = Agreement.negotiate(cenalloc, REQUEST, List.of(given, display.port()));
            assertTrue(unlimited.memory().isEmpty(), unlimited::explain);
            Agreement lent = Agreement.negotiate(
                    cenalloc,
                    REQUEST,
                    List.of(given.withDevice(known), display.port().knowing(known)));
            assertEquals(
                    "memory of fake platform:fake", lent.memory().orElseThrow().name());
            Device tried = given.knowing(known)
                    .device(Demand.ofImage(lent.image())
                            .layout(Constraints.NONE)
                            .orElseThrow());
            assertEquals(Device.Origin.TRIAL_IMPORT, tried.origin());
            assertTrue(tried.constraints().isContiguous(), tried::toString);
        }
    }

    /** Of the converter both memories are used, and that of the output. */
    private static void convert(Cenalloc cenalloc) throws CenallocException {
        Constraints any = Constraints.NONE;
        try (var scaler = Converter.open(cenalloc, CONVERTER);
                var tv = VideoOutput.open(cenalloc, OUTPUT)) {
            Agreement taken = Agreement.negotiate(cenalloc, REQUEST, List.of(scaler.input(), declared("cpu", any)));
            Agreement given = Agreement.negotiate(cenalloc, REQUEST, List.of(scaler.output(), tv.port()));
            Agreement shown = Agreement.negotiate(cenalloc, REQUEST, List.of(tv.port()));
            try (Ring first = Ring.allocate(cenalloc, taken, 2);
                    Ring second = Ring.allocate(cenalloc, given, 2)) {
                scaler.configure(taken, given);
                scaler.use(first, second);
                scaler.start();
                tv.configure(given);
                tv.use(second);
                scaler.stop();
            }
            try (Ring third = Ring.allocate(cenalloc, shown, 3)) {
                tv.use(third);
                tv.start();
                tv.next(SECOND).close();
            }
        }
    }
}
