// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.text.Unwrapped;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Images with memory before their first pixel: a decoder that fills 1856x1072 at 32,8 of 1920x1088. */
class MarginTest {
    private static final Image IMAGE = new Image(PixelFormat.NV12, 1856, 1072);

    private final VideoWorld world = new VideoWorld();
    private final FakeCamera camera = world.camera;

    private MarginTest() {
        frame(camera, PixelFormat.NV12, 32, 8);
    }

    @AfterEach
    void everythingIsGivenBack() {
        assertEquals(0, world.kernel.openFiles());
        assertEquals(VideoWorld.MEMORY, world.kernel.free());
    }

    /** Has a device fill, or read, a part of what is in memory, always. */
    private static void frame(FakeCamera device, PixelFormat format, int left, int top) {
        device.fourccs = List.of(format.v4l2Fourcc().orElseThrow());
        device.sizes = List.<int[]>of(new int[] {1856, 1072});
        device.columnMultiple = 1920;
        device.heightMultiple = 1088;
        device.part = new int[] {left, top, 1856, 1072};
    }

    private static Port declared(PixelFormat format, Constraints constraints) {
        return Port.of(
                Device.of("display", constraints, "test"), List.of(new ImageRange(format, Sizes.of(1856, 1072))));
    }

    private static Agreement negotiate(Cenalloc cenalloc, Port... ports) throws CenallocException {
        return Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(ports));
    }

    /** Streams one frame: the bytes of the image. */
    private static int streamed(Cenalloc cenalloc, Camera source, Agreement agreement) throws CenallocException {
        source.configure(agreement);
        try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
            source.use(ring);
            source.start();
            try (Frame frame = source.next(VideoWorld.SECOND);
                    var pixels = frame.access(Direction.READ)) {
                return pixels.layout().packed(pixels.segment()).remaining();
            } finally {
                source.stop();
            }
        }
    }

    private String refusal(Port... others) throws CenallocException {
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            int[] part = camera.part.clone();
            var ports = new ArrayList<>(List.of(source.port()));
            ports.addAll(List.of(others));
            var e = assertThrows(
                    NoCommonImageException.class, () -> Agreement.negotiate(cenalloc, ImageRequest.ANY, ports));
            assertArrayEquals(part, camera.part);
            return Unwrapped.of(e.toString());
        }
    }

    private static void assertContains(String part, String text) {
        assertTrue(text.contains(part), () -> part + " in " + text);
    }

    private static void assertAt32And8(Agreement agreement) {
        assertEquals(IMAGE, agreement.image());
        Layout layout = agreement.layouts().getFirst();
        assertEquals(32, layout.leftMargin());
        assertEquals(8, layout.topMargin());
        assertEquals(
                List.of(
                        new Layout.Plane(1920 * 8 + 32, 1920, 1080),
                        new Layout.Plane(1920 * 1088 + 1920 * 4 + 32, 1920, 540)),
                layout.planes());
        assertEquals(1920 * 1088 * 3 / 2, layout.size());
    }

    // ---- a driver that fills a part elsewhere, and cannot move it ----

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theImageBeginsWhereTheDriverPutsIt(boolean importing) throws Exception {
        camera.importing = importing;
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port(), declared(PixelFormat.NV12, Constraints.NONE));
            assertEquals(importing, agreement.memory().isEmpty());
            assertAt32And8(agreement);
            assertContains(
                    "32 columns before the image, 8 lines before the image",
                    Unwrapped.of(agreement.plans().getFirst().toString()));
            assertEquals(1856 * 1072 * 3 / 2, streamed(cenalloc, source, agreement));
            assertArrayEquals(new int[] {32, 8, 1856, 1072}, camera.part);
        }
    }

    /** The samples of NV12 are of two columns and two lines. */
    @ParameterizedTest
    @CsvSource({"31, 8", "32, 7", "1, 1"})
    void noImageBeginsInTheMiddleOfItsSamples(int left, int top) throws Exception {
        camera.part = new int[] {left, top, 1856, 1072};
        assertContains(
                "it fills 1856x1072 at " + left + "," + top + " of NV12 1920x1088, which is in the middle of a sample,"
                        + " and not NV12 1856x1072 at 0,0",
                refusal(declared(PixelFormat.NV12, Constraints.NONE)));
    }

    @Test
    void pixelsOfOneSampleBeginAnywhere() throws Exception {
        frame(camera, PixelFormat.XR24, 31, 7);
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port(), declared(PixelFormat.XR24, Constraints.NONE));
            Layout layout = agreement.layouts().getFirst();
            assertEquals(1920 * 4 * 7 + 31 * 4, layout.planes().getFirst().offset());
            assertEquals(1856 * 1072 * 4, streamed(cenalloc, source, agreement));
        }
    }

    /** An alignment of planes holds for the first pixel of the image, which the driver cannot move. */
    @Test
    void aPlaceThatAnotherDeviceDoesNotTakeIsRefused() throws Exception {
        assertContains(
                "it fills 1856x1072 at 32,8 of NV12 1920x1088, and not NV12 1856x1072 at 64,8",
                refusal(declared(PixelFormat.NV12, Constraints.NONE.offsetAlignment(64))));
    }

    @Test
    void anotherPlaceThanAgreedOnIsTold() throws Exception {
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port(), declared(PixelFormat.NV12, Constraints.NONE));
            camera.part = new int[] {0, 0, 1856, 1072};
            var e = assertThrows(FormatChangedException.class, () -> source.configure(agreement));
            assertContains("it fills 1856x1072 at 0,0 of NV12 1920x1088, and not NV12 1856x1072 at 32,8", e.reason());
        }
    }

    // ---- a driver that fills what it is told ----

    @Test
    void theDriverIsToldWhereAnotherDeviceWantsTheImage() throws Exception {
        camera.columnMultiple = 1;
        camera.heightMultiple = 1;
        camera.part = new int[] {8, 8, 16, 16};
        camera.partIsFree = true;
        // Rounded up to whole samples.
        Port encoder =
                declared(PixelFormat.NV12, Constraints.NONE.leftMargin(15).topMargin(7));
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port(), encoder);
            assertArrayEquals(new int[] {8, 8, 16, 16}, camera.part, "a trial leaves it as it was");
            assertEquals(16, agreement.layouts().getFirst().leftMargin());
            assertEquals(8, agreement.layouts().getFirst().topMargin());
            assertEquals(1856 * 1072 * 3 / 2, streamed(cenalloc, source, agreement));
            assertArrayEquals(new int[] {16, 8, 1856, 1072}, camera.part);
            assertTrue(camera.state().contains("1872x1080"), camera::state);
        }
        camera.part = new int[0];
        assertContains(
                "it has NV12 1872x1080, and does not tell in which part of it NV12 1856x1072 is", refusal(encoder));
    }

    // ---- outputs ----

    @Test
    void anOutputReadsFromWhereItIsTold() throws Exception {
        frame(world.output, PixelFormat.NV12, 32, 8);
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA);
                VideoOutput output = VideoOutput.open(cenalloc, VideoWorld.OUTPUT)) {
            Agreement agreement = negotiate(cenalloc, source.port(), output.port());
            assertAt32And8(agreement);
            output.configure(agreement);
            assertEquals(1856 * 1072 * 3 / 2, streamed(cenalloc, source, agreement));
        }
    }

    @Test
    void aPlaceBeforeWhereAnotherDeviceWantsTheImageIsRefused() throws Exception {
        assertContains(
                "it fills 1856x1072 at 32,8 of NV12 1920x1088, and not NV12 1856x1072 at 34,8",
                refusal(declared(PixelFormat.NV12, Constraints.NONE.leftMargin(34))));
    }
}
