package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Sweep;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
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
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.BiFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Memory of the devices themselves, where no heap suits or there is none, on the fake kernel. */
class DeviceMemoryTest {
    private static final Path VIDEO = Path.of("/dev/video0");
    private static final Path CARD = Path.of("/dev/dri/card0");
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final ImageRequest REQUEST =
            ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480);

    private final FakeKernel kernel = new FakeKernel();
    private final FakeCard card = new FakeCard(kernel, true, true);
    private final FakeCamera camera = FakeCamera.capturing(kernel, this::taken);
    private BiFunction<String, Long, Integer> taken = FakeCamera::anything;

    private int taken(String heap, long size) {
        return taken.apply(heap, size);
    }

    DeviceMemoryTest() {
        card.mayChange = true;
        kernel.device(CARD.toString(), card).device(VIDEO.toString(), camera);
    }

    @AfterEach
    void everythingIsGivenBack() {
        assertEquals("{} {}", card.state());
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        assertTrue(card.showsConsole());
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

    @Sweep
    @Test
    void everyFaultOfEveryCallGivesEverythingBack() throws Exception {
        int before = kernel.calls.size();
        try (var cenalloc = kernel.open()) {
            run(cenalloc);
        }
        int calls = kernel.calls.size() - before;
        int told = 0;
        for (int call = 0; call < calls; call++) {
            for (int errno : Faults.ERRNOS) {
                String what = "call " + call + " gives " + Errno.name(errno);
                kernel.failCall(call, errno);
                try (var cenalloc = kernel.open()) {
                    run(cenalloc);
                } catch (CenallocException e) {
                    told++;
                }
                kernel.failNoCall();
                assertEquals("{} {}", card.state(), what);
                assertTrue(camera.state().contains(", 0 buffers"), () -> what + ": " + camera.state());
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
}
