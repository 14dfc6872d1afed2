// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kms.Display;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A camera that has each plane in a buffer of its own, of NV16M alone, and a display of NV16, whose framebuffers are of
 * a handle for each plane; on the fake kernel.
 */
class PlanesApartTest {
    private static final Path VIDEO = Path.of("/dev/video0");
    private static final Path CARD = Path.of("/dev/dri/card0");
    private static final Duration SECOND = Duration.ofSeconds(1);

    private final FakeKernel kernel = new FakeKernel();
    private final FakeCard card = new FakeCard(kernel, true, true);
    private final FakeCamera camera = FakeCamera.multiplanar(kernel, FakeCamera::anything);

    @BeforeEach
    void plug() {
        kernel.heap("system", 256 << 20);
        card.fourccs = List.of(
                PixelFormat.XR24.drmFourcc().orElseThrow(),
                PixelFormat.NV16.drmFourcc().orElseThrow(),
                PixelFormat.RG16.drmFourcc().orElseThrow());
        card.mayChange = true;
        camera.sizes = List.of(new int[] {600, 400});
        kernel.device(CARD.toString(), card).device(VIDEO.toString(), camera);
    }

    @AfterEach
    void everythingIsGivenBack() {
        assertEquals("{} {}", card.state());
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        assertTrue(card.showsConsole());
    }

    private static Agreement negotiate(Cenalloc cenalloc, Camera source, Display display) throws CenallocException {
        return Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(source.port(), display.port()));
    }

    private static List<Long> pitches(Agreement agreement) {
        return agreement.layouts().stream()
                .map(layout -> layout.planes().getFirst().pitch())
                .toList();
    }

    @Test
    void theDisplayShowsBothBuffersAsOneImage() throws Exception {
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            Agreement agreement = negotiate(cenalloc, source, display);
            assertEquals("NV16M 600x400", agreement.image().toString());
            assertEquals(List.of(600L, 600L), pitches(agreement));
            for (Plan plan : agreement.plans()) {
                assertTrue(plan.explain().contains("fake card0: any memory (on trial"), plan::explain);
            }
            try (Ring ring = Ring.allocate(cenalloc, agreement, 4)) {
                source.configure(agreement);
                source.use(ring);
                display.use(ring);
                assertEquals(PixelFormat.NV16.drmFourcc().orElseThrow(), card.lastFormat);
                assertEquals(2, new HashSet<>(card.lastHandles).size(), "a buffer for each plane");
                source.start();
                for (int i = 0; i < 12; i++) {
                    display.show(source.next(SECOND));
                }
                assertEquals(11, display.flips());
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"64, false, 640", "256, false, 768", "256, true, 768", "4096, true, 4096"})
    void theDisplaysPitchHoldsForEachBuffer(int multiple, boolean onePitch, long pitch) throws Exception {
        card.pitchMultiple = multiple;
        camera.onePitch = onePitch;
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            Agreement agreement = negotiate(cenalloc, source, display);
            assertEquals(List.of(pitch, pitch), pitches(agreement));
            try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
                source.configure(agreement);
                source.use(ring);
                display.use(ring);
            }
        }
    }

    /** Whatever the memory: no size and no other heap is of use then. */
    @Test
    void aDriverThatWantsOneBufferIsTold() throws Exception {
        card.wantsOneBuffer = true;
        card.pitchMultiple = 64;
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            var e = assertThrows(NoCommonImageException.class, () -> negotiate(cenalloc, source, display));
            assertEquals(
                    "no memory suits the images in common: NV16M 600x400 at 30 (buffer 0: fake card0 makes no"
                            + " framebuffer of planes in several buffers, as those of NV16M are; it does of planes in"
                            + " one: DRM_IOCTL_MODE_ADDFB2 gave EINVAL on /dev/dri/card0) (negotiate: EINVAL)",
                    e.reason());
            assertEquals("take images of NV16, or let a device convert", e.remedy());
        }
    }

    /** A producer of both has one buffer; the other only if something is against that. */
    @Test
    void oneBufferIsPreferred() throws Exception {
        List<ImageRange> images = List.of(
                new ImageRange(PixelFormat.NV16M, ImageRange.Sizes.of(600, 400)),
                new ImageRange(PixelFormat.NV16, ImageRange.Sizes.of(600, 400)));
        Port both = Port.of(Device.of("isp", Constraints.NONE, "test"), images);
        Port picky = Port.of("isp", images, layout -> {
            if (layout.image().format() == PixelFormat.NV16) {
                throw CenallocException.of(Errno.EINVAL, "try", layout.size());
            }
            return Device.of("isp", Constraints.NONE, "test");
        });
        try (var cenalloc = kernel.open();
                var display = Display.open(cenalloc, CARD)) {
            Agreement one = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(both, display.port()));
            assertEquals(PixelFormat.NV16, one.image().format());
            assertTrue(one.explain().contains("format: fewer buffers than NV16M"), one::explain);
            Agreement two = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(picky, display.port()));
            assertEquals(PixelFormat.NV16M, two.image().format());
        }
    }

    @Test
    void whatCannotBeTriedIsTold() throws Exception {
        card.hasDumbBuffers = false;
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            Agreement agreement = negotiate(cenalloc, source, display);
            String plan = agreement.plans().getFirst().explain();
            assertTrue(
                    plan.contains(
                            "no framebuffer was made, since the driver has no memory of its own for the other planes"),
                    plan);
        }
    }

    @Test
    void aFaultOfAnyCallGivesEverythingBack() throws Exception {
        card.pitchMultiple = 64;
        int before = kernel.calls.size();
        run();
        int calls = kernel.calls.size() - before;
        int told = 0;
        for (int call = 0; call < calls; call++) {
            for (int errno : List.of(Errno.EINVAL, Errno.ENOMEM, Errno.ENODEV)) {
                String what = "call " + call + " gives " + Errno.name(errno);
                kernel.failCall(call, errno);
                try {
                    run();
                } catch (CenallocException e) {
                    told++;
                }
                kernel.failNoCall();
                assertEquals("{} {}", card.state(), what);
                assertTrue(camera.state().contains(", 0 buffers"), () -> what + ": " + camera.state());
                assertEquals(0, kernel.openFiles(), what);
            }
        }
        assertTrue(told > calls, told + " of " + calls + " calls");
    }

    private void run() throws CenallocException {
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            Agreement agreement = negotiate(cenalloc, source, display);
            try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
                source.configure(agreement);
                source.use(ring);
                display.use(ring);
                source.start();
                display.show(source.next(SECOND));
            }
        }
    }
}
