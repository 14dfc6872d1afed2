// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
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
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Drivers with more lines and columns in memory than are to be seen: 1920x1088 where 1920x1080 is asked for. */
class CodedSizeTest {
    private static final int NV12 = PixelFormat.NV12.v4l2Fourcc().orElseThrow();
    private static final Image HD = new Image(PixelFormat.NV12, 1920, 1080);

    private final VideoWorld world = new VideoWorld();
    private final FakeCamera camera = world.camera;

    private CodedSizeTest() {
        pad(camera);
    }

    @AfterEach
    void everythingIsGivenBack() {
        assertEquals(0, world.kernel.openFiles());
        assertEquals(VideoWorld.MEMORY, world.kernel.free());
    }

    private static void pad(FakeCamera device) {
        device.fourccs = List.of(NV12);
        device.sizes = List.<int[]>of(new int[] {1920, 1080});
        device.heightMultiple = 16;
        device.part = new int[] {0, 0, 1920, 1080};
    }

    private static Port declared(Constraints constraints) {
        return Port.of(
                Device.of("display", constraints, "test"),
                List.of(new ImageRange(PixelFormat.NV12, Sizes.upTo(1920, 1080))));
    }

    private static Agreement negotiate(Cenalloc cenalloc, Port... ports) throws CenallocException {
        return Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(ports));
    }

    private static void assertPadded(Agreement agreement) {
        assertEquals(HD, agreement.image());
        Layout layout = agreement.layouts().getFirst();
        assertEquals(1088, layout.storedLines());
        assertEquals(1920 * 1088, layout.planes().get(1).offset());
        assertEquals(1080, layout.rows(0));
        assertEquals(540, layout.rows(1));
        assertEquals(1920 * 1088 * 3 / 2, layout.size());
    }

    /** Streams one frame: the bytes that are to be seen. */
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

    private String refusal(Port... others) {
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            String before = camera.state();
            int[] part = camera.part.clone();
            var ports = new ArrayList<>(List.of(source.port()));
            ports.addAll(List.of(others));
            var e = assertThrows(
                    NoCommonImageException.class, () -> Agreement.negotiate(cenalloc, ImageRequest.ANY, ports));
            assertEquals(before, camera.state());
            assertArrayEquals(part, camera.part);
            return Unwrapped.of(e.toString());
        } catch (CenallocException e) {
            throw new AssertionError(e);
        }
    }

    private static void assertContains(String part, String text) {
        assertTrue(text.contains(part), () -> part + " in " + text);
    }

    @Test
    void linesThatAreNotSeenAreLinesOfTheLayout() throws Exception {
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port(), declared(Constraints.NONE));
            assertPadded(agreement);
            assertEquals(1920 * 1080 * 3 / 2, streamed(cenalloc, source, agreement));
            assertEquals(HD, source.image());
        }
    }

    @Test
    void theDriversOwnMemoryHasThemToo() throws Exception {
        camera.importing = false;
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port(), declared(Constraints.NONE));
            assertTrue(agreement.memory().isPresent());
            assertPadded(agreement);
            assertEquals(1920 * 1080 * 3 / 2, streamed(cenalloc, source, agreement));
        }
    }

    /** A number that is no multiple of the step is said as it is. */
    @Test
    void linesWithoutAMultipleAreSaidAsTheyAre() throws Exception {
        camera.heightMultiple = 1084;
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port(), declared(Constraints.NONE));
            assertEquals(1084, agreement.layouts().getFirst().storedLines());
            assertEquals(1920 * 1080 * 3 / 2, streamed(cenalloc, source, agreement));
        }
    }

    @Test
    void columnsThatAreNotSeenArePitch() throws Exception {
        camera.sizes = List.<int[]>of(new int[] {1080, 1920});
        camera.columnMultiple = 32;
        camera.part = new int[] {0, 0, 1080, 1920};
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port());
            assertEquals(new Image(PixelFormat.NV12, 1080, 1920), agreement.image());
            assertEquals(
                    1088, agreement.layouts().getFirst().planes().getFirst().pitch());
            assertEquals(1080 * 1920 * 3 / 2, streamed(cenalloc, source, agreement));
        }
    }

    @Test
    void behindASinglePlaneThereIsRoomForThem() throws Exception {
        camera.fourccs = List.of(PixelFormat.XR24.v4l2Fourcc().orElseThrow());
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port());
            assertEquals(new Image(PixelFormat.XR24, 1920, 1080), agreement.image());
            assertEquals(1920 * 4 * 1088, agreement.layouts().getFirst().size());
            assertEquals(1920 * 4 * 1080, streamed(cenalloc, source, agreement));
        }
    }

    // ---- drivers that list what is in memory ----

    /** As a decoder does, which has the size of its stream. */
    @Test
    void thePartThatADriverHasNowIsAmongItsSizes() throws Exception {
        camera.sizes = List.<int[]>of(new int[] {1920, 1088});
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            source.configure(
                    VideoWorld.agreement(cenalloc, PixelFormat.NV12, 1920, 1080, Constraints.NONE.lineAlignment(16)));
            assertEquals(
                    List.of(Sizes.of(1920, 1088), Sizes.of(1920, 1080)),
                    source.port().images().stream().map(ImageRange::sizes).toList());
            Agreement agreement = negotiate(cenalloc, source.port(), declared(Constraints.NONE));
            assertPadded(agreement);
            assertEquals(1920 * 1080 * 3 / 2, streamed(cenalloc, source, agreement));
            // All lines are none of its images.
            assertPadded(negotiate(cenalloc, source.port()));
        }
    }

    @Test
    void sizesBetweenTheStepsAreTried() throws Exception {
        camera.range = new int[] {32, 1920, 32, 32, 1088, 16};
        camera.partIsFree = true;
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port(), declared(Constraints.NONE));
            assertPadded(agreement);
            assertEquals(1920 * 1080 * 3 / 2, streamed(cenalloc, source, agreement));
        }
        camera.part = new int[0];
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            assertEquals(
                    new Image(PixelFormat.NV12, 1920, 1072),
                    negotiate(cenalloc, source.port(), declared(Constraints.NONE))
                            .image());
        }
    }

    /** A driver that fills all lines, always. */
    @Test
    void ifAPartCannotBeTheNextSizeIsTaken() throws Exception {
        camera.range = new int[] {32, 1920, 32, 32, 1088, 16};
        camera.part = new int[] {0, 0, 1920, 1072};
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            assertEquals(
                    new Image(PixelFormat.NV12, 1920, 1072),
                    negotiate(cenalloc, source.port(), declared(Constraints.NONE))
                            .image());
        }
    }

    // ---- what the driver tells of the part ----

    @Test
    void aDriverThatDoesNotTellThePartIsRefused() {
        camera.part = new int[0];
        assertContains("it has NV12 1920x1088, and does not tell in which part of it NV12 1920x1080 is", refusal());
        camera.part = new int[] {Errno.ENODATA};
        assertContains("does not tell in which part", refusal());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"0 0 1920 1089", "0 8 1920 1088", "-8 0 1920 1080", "0 0 -1 1080", "0 0 0 0", "16 0 2147483647 1"
            })
    void aPartThatIsNotInsideIsRefused(String part) {
        camera.part = Arrays.stream(part.split(" ")).mapToInt(Integer::parseInt).toArray();
        assertContains("which is not inside", refusal());
    }

    @ParameterizedTest
    @ValueSource(ints = {Integer.MAX_VALUE, -1, 65_537})
    void noDeviceHasSuchSizes(int number) {
        camera.tried = format -> {
            v4l2_pix_format.width(v4l2_format.fmt.pix(format), number);
            v4l2_pix_format.height(v4l2_format.fmt.pix(format), number);
        };
        assertContains("has no images of NV12 1920x1080 (", refusal());
    }

    @Test
    void aPartElsewhereIsMoved() throws Exception {
        camera.part = new int[] {0, 8, 1920, 1080};
        camera.partIsFree = true;
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port());
            assertPadded(agreement);
            source.configure(agreement);
            assertArrayEquals(new int[] {0, 0, 1920, 1080}, camera.part);
            // A trial leaves it as it was.
            camera.part = new int[] {0, 8, 1920, 1080};
            assertPadded(negotiate(cenalloc, source.exports()));
            assertArrayEquals(new int[] {0, 8, 1920, 1080}, camera.part);
            int _ = streamed(cenalloc, source, agreement);
            assertArrayEquals(new int[] {0, 0, 1920, 1080}, camera.part);
        }
    }

    /** As vivid keeps it: what another program composed stays when the format is set. */
    @Test
    void aPartThatWasLeftSmallerGrowsOrIsRefused() throws Exception {
        camera.heightMultiple = 1;
        camera.part = new int[] {0, 0, 640, 480};
        assertContains("it fills 640x480 at 0,0 of NV12 1920x1080", refusal());
        camera.partIsFree = true;
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            int _ = streamed(cenalloc, source, negotiate(cenalloc, source.port()));
            assertArrayEquals(new int[] {0, 0, 1920, 1080}, camera.part);
        }
    }

    @Test
    void anotherPartThanAgreedOnIsTold() throws Exception {
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port());
            camera.part = new int[] {0, 0, 1280, 720};
            var e = assertThrows(FormatChangedException.class, () -> source.configure(agreement));
            assertContains("it fills 1280x720 at 0,0 of NV12 1920x1088", Unwrapped.of(e.toString()));
            camera.part = new int[0];
            e = assertThrows(FormatChangedException.class, () -> source.configure(agreement));
            assertContains("does not tell in which part", Unwrapped.of(e.toString()));
            camera.part = new int[] {0, 0, 1920, 1080};
            source.configure(agreement);
            // As long as the stream rests, another program may change it.
            try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
                source.use(ring);
                Agreement _ = negotiate(cenalloc, source.exports());
                camera.part = new int[] {0, 0, 1280, 720};
                assertThrows(FormatChangedException.class, source::start);
            }
        }
    }

    @Test
    void anErrorOfTheRequestIsTold() throws Exception {
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port());
            camera.errors.put(v4l2_h.VIDIOC_G_SELECTION(), Errno.EIO);
            for (Executable use : List.<Executable>of(source::port, () -> source.configure(agreement))) {
                var e = assertThrows(CenallocException.class, use);
                assertEquals("VIDIOC_G_SELECTION", e.call());
                assertEquals(Errno.EIO, e.errno());
            }
            camera.errors.clear();
            camera.part = new int[] {0, 0, 1920, 1088};
            camera.errors.put(v4l2_h.VIDIOC_S_SELECTION(), Errno.EBUSY);
            var e = assertThrows(CenallocException.class, () -> source.configure(agreement));
            assertEquals("VIDIOC_S_SELECTION", e.call());
            camera.errors.put(v4l2_h.VIDIOC_S_SELECTION(), Errno.ERANGE);
            assertThrows(FormatChangedException.class, () -> source.configure(agreement));
        }
    }

    // ---- lines that another device wants ----

    @Test
    void linesOfAnotherDeviceAreLinesOfTheCamera() throws Exception {
        camera.heightMultiple = 1;
        camera.partIsFree = true;
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port(), declared(Constraints.NONE.lineAlignment(16)));
            assertPadded(agreement);
            assertEquals(1920 * 1080 * 3 / 2, streamed(cenalloc, source, agreement));
            assertTrue(camera.state().contains("1920x1088"), camera::state);
        }
    }

    /** Below the only plane of a buffer they are nothing that the camera must know. */
    @Test
    void linesBelowASinglePlaneNeedNoWord() throws Exception {
        camera.fourccs = List.of(PixelFormat.XR24.v4l2Fourcc().orElseThrow());
        camera.heightMultiple = 1;
        camera.part = new int[0];
        Port encoder = Port.of(
                Device.of("encoder", Constraints.NONE.lineAlignment(16), "test"),
                List.of(new ImageRange(PixelFormat.XR24, Sizes.of(1920, 1080))));
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA)) {
            Agreement agreement = negotiate(cenalloc, source.port(), encoder);
            assertEquals(1088, agreement.layouts().getFirst().storedLines());
            assertEquals(1920 * 1080 * 4, streamed(cenalloc, source, agreement));
            assertTrue(camera.state().contains("1920x1080"), camera::state);
        }
    }

    @Test
    void linesOfAnotherDeviceAreRefusedByACameraThatCannotBeTold() {
        camera.heightMultiple = 1;
        camera.part = new int[0];
        String told = refusal(declared(Constraints.NONE.lineAlignment(16)));
        assertContains("has no images of NV12 1920x1080 with room for 1088 lines before the next plane", told);
        assertContains("it has NV12 1920x1088, and does not tell", told);
    }

    // ---- outputs ----

    @Test
    void aConverterReadsThePart() throws Exception {
        pad(world.converter);
        world.converter.part = new int[] {0, 0, 1920, 1088};
        world.converter.partIsFree = true;
        try (Cenalloc cenalloc = world.open();
                Camera source = Camera.open(cenalloc, VideoWorld.CAMERA);
                Converter converter = Converter.open(cenalloc, VideoWorld.CONVERTER)) {
            Agreement taken = negotiate(cenalloc, source.port(), converter.input());
            assertPadded(taken);
            Agreement given = negotiate(cenalloc, converter.output(), declared(Constraints.NONE));
            assertPadded(given);
            converter.configure(taken, given);
            assertArrayEquals(new int[] {0, 0, 1920, 1080}, world.converter.part);
        }
    }

    @Test
    void anOutputThatReadsAllLinesIsRefused() throws Exception {
        pad(world.output);
        world.output.part = new int[] {0, 0, 1920, 1088};
        try (Cenalloc cenalloc = world.open();
                VideoOutput output = VideoOutput.open(cenalloc, VideoWorld.OUTPUT)) {
            Port port = output.port();
            var e = assertThrows(
                    NoCommonImageException.class, () -> negotiate(cenalloc, declared(Constraints.NONE), port));
            assertContains("it reads 1920x1088 at 0,0 of NV12 1920x1088", Unwrapped.of(e.toString()));
        }
    }
}
