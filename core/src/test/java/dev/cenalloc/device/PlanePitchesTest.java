// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kms.Display;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Several planes in one buffer, of which V4L2 tells the first pitch alone, and devices with rules of their own; on the
 * fake kernel.
 */
class PlanePitchesTest {
    private static final Path VIDEO = Path.of("/dev/video0");
    private static final Path CARD = Path.of("/dev/dri/card0");

    private final FakeKernel kernel = new FakeKernel();
    private final FakeCard card = new FakeCard(kernel, true, true);
    private final FakeCamera camera = FakeCamera.capturing(kernel, FakeCamera::anything);

    @BeforeEach
    void plug() {
        kernel.heap("system", 256 << 20);
        card.mayChange = true;
        camera.sizes = List.of(new int[] {600, 400});
        kernel.device(CARD.toString(), card).device(VIDEO.toString(), camera);
        both(PixelFormat.YUV420);
    }

    @AfterEach
    void everythingIsGivenBack() {
        assertEquals("{} {}", card.state());
        assertEquals(0, kernel.openFiles());
    }

    private void both(PixelFormat format) {
        camera.fourccs = List.of(format.v4l2Fourcc().orElseThrow());
        card.fourccs = List.of(
                PixelFormat.XR24.drmFourcc().orElseThrow(),
                format.drmFourcc().orElseThrow(),
                PixelFormat.RG16.drmFourcc().orElseThrow());
    }

    private static List<Long> pitches(Agreement agreement) {
        return agreement.layout().planes().stream().map(plane -> plane.pitch()).toList();
    }

    private static Port declared(PixelFormat format, Constraints constraints) {
        return Port.of(
                Device.of("isp", constraints, "test"), List.of(new ImageRange(format, ImageRange.Sizes.of(600, 400))));
    }

    @FunctionalInterface
    private interface Use {
        void of(Cenalloc cenalloc, Camera source, Display display) throws CenallocException;
    }

    private void use(Use use) throws CenallocException {
        try (var cenalloc = kernel.open();
                var source = Camera.open(cenalloc, VIDEO);
                var display = Display.open(cenalloc, CARD)) {
            use.of(cenalloc, source, display);
        }
    }

    @Test
    void v4l2CannotExpressOnePitchOfThreePlanes() throws Exception {
        card.wantsOnePitch = true;
        use((cenalloc, source, display) -> {
            var e = assertThrows(
                    NoCommonImageException.class,
                    () -> Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(source.port(), display.port())));
            assertTrue(
                    e.reason().contains("fake platform:fake needs pitches that follow from that of the first plane")
                            && e.reason().contains("fake card0 needs one pitch for all planes"),
                    e::reason);
        });
    }

    @Test
    void onePitchIsFoundOutAndUsedWhereItCanBe() throws Exception {
        card.wantsOnePitch = true;
        use((cenalloc, source, display) -> {
            Agreement three = Agreement.negotiate(
                    cenalloc,
                    ImageRequest.ANY,
                    List.of(declared(PixelFormat.YUV420, Constraints.NONE), display.port()));
            assertEquals(List.of(600L, 600L, 600L), pitches(three));
            try (Ring ring = Ring.allocate(cenalloc, three, 2)) {
                display.use(ring);
            }
            // No camera streams into it.
            var e = assertThrows(CenallocException.class, () -> source.configure(three));
            assertTrue(e.reason().contains("V4L2 cannot be told"), e::reason);
        });
        both(PixelFormat.NV12);
        use((cenalloc, source, display) -> {
            Agreement two = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(source.port(), display.port()));
            assertEquals(List.of(600L, 600L), pitches(two));
        });
    }

    /** A pitch that must be aligned is found first, though one pitch for all planes would be taken. */
    @Test
    void anAlignmentIsNoWishForOnePitch() throws Exception {
        card.pitchMultiple = 64;
        camera.sizes = List.of(new int[] {640, 400}); // 640 is a multiple of 64, and 320 too
        use((cenalloc, source, display) -> assertEquals(
                List.of(640L, 320L, 320L),
                pitches(Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(source.port(), display.port())))));
        card.pitchMultiple = 128;
        use((cenalloc, source, display) -> assertEquals(
                List.of(768L, 384L, 384L),
                pitches(Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(source.port(), display.port())))));
    }

    /** So far it was refused: V4L2 cannot be told of the gap that the offset leaves. */
    @Test
    void aPlaneAtACertainOffsetHasAPitchWithWhichItIsThere() throws Exception {
        both(PixelFormat.NV12);
        Port encoder = declared(PixelFormat.NV12, Constraints.NONE.offsetAlignment(4096));
        use((cenalloc, source, _) -> {
            Agreement agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(source.port(), encoder));
            assertEquals(List.of(768L, 768L), pitches(agreement));
            assertEquals(75 * 4096, agreement.layout().planes().get(1).offset());
            source.configure(agreement);
        });
        // A camera that has one pitch alone cannot.
        camera.pitchMultiple = 0;
        use((cenalloc, source, _) -> {
            var e = assertThrows(
                    NoCommonImageException.class,
                    () -> Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(source.port(), encoder)));
            String reason = e.rejected().getFirst().reason();
            assertTrue(
                    reason.contains("fake platform:fake needs a pitch of at most 600 bytes")
                            && reason.contains("fake platform:fake needs planes from byte 0 on without gaps")
                            && reason.contains("isp needs planes at multiples of 4096 bytes"),
                    reason);
        });
    }
}
