// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format_mplane;
import dev.cenalloc.bindings.v4l2.v4l2_plane_pix_format;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.LayoutRules;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.node.v4l2.VideoQueue.State;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a driver answers is believed only as far as it can be true. */
class VideoQueueTest {
    private static final Path NODE = Path.of("/dev/video7");
    private static final Image IMAGE = new Image(PixelFormat.XR24, 640, 480);
    private static final int PITCH = 640 * 4;

    private final FakeKernel kernel = new FakeKernel();

    @AfterEach
    void nothingIsLeft() {
        assertEquals(0, kernel.openFiles());
    }

    private static Layout layout(Image image, int buffer, long pitch) {
        return Layout.of(image, buffer, new LayoutRules(1, pitch, Long.MAX_VALUE, 1))
                .orElseThrow();
    }

    private FakeCamera camera() {
        FakeCamera camera = FakeCamera.capturing(kernel, FakeCamera::anything);
        kernel.device(NODE.toString(), camera);
        return camera;
    }

    private Optional<String> configure(FakeCamera camera, List<Layout> layouts, Consumer<MemorySegment> answer)
            throws CenallocException {
        camera.settled = answer;
        try (VideoNode video = VideoNode.open(kernel, NODE)) {
            VideoQueue queue = video.queue(false);
            Optional<String> changed = queue.configure(layouts);
            assertEquals(changed.isEmpty() ? State.CONFIGURED : State.BLANK, queue.state());
            return changed;
        }
    }

    private Optional<String> single(Layout layout, Consumer<MemorySegment> answer) throws CenallocException {
        return configure(camera(), List.of(layout), format -> answer.accept(v4l2_format.fmt.pix(format)));
    }

    private Optional<String> multi(List<Layout> layouts, Consumer<MemorySegment> answer) throws CenallocException {
        FakeCamera camera = FakeCamera.multiplanar(kernel, FakeCamera::anything);
        kernel.device(NODE.toString(), camera);
        return configure(camera, layouts, format -> answer.accept(v4l2_format.fmt.pix_mp(format)));
    }

    private static Consumer<MemorySegment> lines(long pitch, long size) {
        return pixels -> {
            v4l2_pix_format.bytesperline(pixels, (int) pitch);
            v4l2_pix_format.sizeimage(pixels, (int) size);
        };
    }

    private void refused(String why, Layout layout, Consumer<MemorySegment> answer) throws CenallocException {
        String changed = single(layout, answer).orElse("nothing changed");
        assertTrue(changed.contains(why), () -> why + " in " + changed);
    }

    @Test
    void whatWasAgreedOnIsAskedFor() throws Exception {
        assertEquals(Optional.empty(), single(layout(IMAGE, 0, 4096), pixels -> {
            assertEquals(4096, v4l2_pix_format.bytesperline(pixels));
            assertEquals(v4l2_h.V4L2_FIELD_NONE(), v4l2_pix_format.field(pixels));
        }));
        // The driver may want less than there is.
        assertEquals(Optional.empty(), single(layout(IMAGE, 0, PITCH).withSize(1 << 22), _ -> {}));
    }

    @Test
    void anotherPitchIsTold() throws Exception {
        Layout agreed = layout(IMAGE, 0, PITCH);
        refused("it has lines 2559 bytes apart", agreed, lines(PITCH - 1, PITCH * 480));
        refused("it has lines 4096 bytes apart", agreed, lines(4096, PITCH * 480));
        refused("it has lines 0 bytes apart", agreed, lines(0, PITCH * 480));
        // Unsigned for the kernel.
        refused("it has lines 2147483648 bytes apart", agreed, lines(1L << 31, -1));
    }

    @Test
    void aSizeThatDoesNotFitIsTold() throws Exception {
        Layout agreed = layout(IMAGE, 0, PITCH);
        refused("in 1228799 bytes, and agreed on was XR24 640x480", agreed, lines(PITCH, PITCH * 480 - 1));
        refused("in 1228801 bytes, and agreed on was XR24 640x480", agreed, lines(PITCH, PITCH * 480 + 1));
        refused("in 4294967295 bytes", agreed, lines(PITCH, -1));
        refused("in 0 bytes", agreed, lines(PITCH, 0));
    }

    @Test
    void anotherImageIsTold() throws Exception {
        Layout agreed = layout(IMAGE, 0, PITCH);
        refused("it has XR24 320x480", agreed, pixels -> v4l2_pix_format.width(pixels, 320));
        refused("it has XR24 640x240", agreed, pixels -> v4l2_pix_format.height(pixels, 240));
        refused(
                "it has RG16 640x480",
                agreed,
                pixels -> v4l2_pix_format.pixelformat(
                        pixels, PixelFormat.RG16.v4l2Fourcc().orElseThrow()));
        refused("it has H264 640x480", agreed, pixels -> v4l2_pix_format.pixelformat(pixels, 0x34363248));
    }

    @Test
    void singleFieldsAreTold() throws Exception {
        Layout agreed = layout(IMAGE, 0, PITCH);
        for (int field :
                new int[] {v4l2_h.V4L2_FIELD_TOP(), v4l2_h.V4L2_FIELD_BOTTOM(), v4l2_h.V4L2_FIELD_ALTERNATE(), 5, 6}) {
            refused("it has single fields", agreed, pixels -> v4l2_pix_format.field(pixels, field));
        }
        assertEquals(
                Optional.empty(),
                single(agreed, pixels -> v4l2_pix_format.field(pixels, v4l2_h.V4L2_FIELD_INTERLACED())));
    }

    @Test
    void eachBufferOfAnImageIsChecked() throws Exception {
        var image = new Image(PixelFormat.NV16M, 640, 480);
        var layouts = List.of(layout(image, 0, 640), layout(image, 1, 640).withSize(640 * 480 + 128));
        assertEquals(Optional.empty(), multi(layouts, format -> planes(format, 640, 640 * 480, 640 * 480 + 128)));
        String small = multi(layouts, format -> planes(format, 640, 640 * 480, 640 * 480 - 1))
                .orElseThrow();
        assertTrue(small.contains("in 307199 bytes"), small);
        String fewer = multi(layouts, format -> v4l2_pix_format_mplane.num_planes(format, (byte) 1))
                .orElseThrow();
        assertTrue(fewer.contains("in 1 buffer, and NV16M 640x480"), fewer);
    }

    private static void planes(MemorySegment format, int pitch, int... sizes) {
        for (int i = 0; i < sizes.length; i++) {
            MemorySegment plane = v4l2_pix_format_mplane.plane_fmt(format, i);
            v4l2_plane_pix_format.bytesperline(plane, pitch);
            v4l2_plane_pix_format.sizeimage(plane, sizes[i]);
        }
    }

    @Test
    void whatV4l2CannotBeToldIsRefusedUnasked() throws Exception {
        FakeCamera camera = camera();
        String before = camera.state();
        Layout gaps = Layout.of(
                        new Image(PixelFormat.NV12, 640, 480), 0, new LayoutRules(1, 1, Long.MAX_VALUE, 1 << 20))
                .orElseThrow();
        var e = assertThrows(CenallocException.class, () -> configure(camera, List.of(gaps), _ -> {}));
        assertEquals(Errno.EINVAL, e.errno());
        assertTrue(e.toString().contains("gaps between planes"), e.toString());
        assertEquals(before, camera.state());
    }

    @Test
    void fewerBuffersThanAskedForAreRefusedAndMoreIfTheyAreOurs() throws Exception {
        FakeCamera camera = camera();
        try (VideoNode video = VideoNode.open(kernel, NODE)) {
            VideoQueue queue = video.queue(false);
            assertEquals(Optional.empty(), queue.configure(List.of(layout(IMAGE, 0, PITCH))));
            camera.most = 3;
            var few = assertThrows(CenallocException.class, () -> queue.lend(4));
            assertTrue(few.toString().contains("takes only 3 frames of 4"), few.toString());
            assertEquals(State.CONFIGURED, queue.state());
            assertEquals(3, queue.lend(3));
            assertEquals(State.READY, queue.state());
            camera.errors.put(v4l2_h.VIDIOC_EXPBUF(), Errno.EINVAL);
            var refused = assertThrows(CenallocException.class, () -> queue.export(0, 0));
            assertTrue(refused.toString().contains("use memory from heaps"), refused.toString());
            assertEquals("VIDIOC_EXPBUF", refused.call());
            camera.least = 3;
            assertEquals(3, queue.lend(2));
            var more = assertThrows(CenallocException.class, () -> queue.use(List.of(List.of(), List.of())));
            assertTrue(more.toString().contains("wants 3 frames at least, not 2"), more.toString());
            assertFalse(camera.state().contains("3 buffers"), camera.state());
        }
    }

    @Test
    void aRateBeyond32BitsIsAskedForInProportion() throws Exception {
        camera();
        try (VideoNode video = VideoNode.open(kernel, NODE)) {
            VideoQueue queue = video.queue(false);
            long large = (1L << 62) - 1;
            assertEquals(
                    Optional.of(FrameRate.of(15)),
                    StreamParameters.setRate(video, queue, new FrameRate(large, large / 16)));
            assertEquals(Optional.of(FrameRate.of(30)), StreamParameters.setRate(video, queue, new FrameRate(30, 1)));
        }
    }

    @Test
    void anOldDriverTellsItsCapabilitiesForAllNodes() {
        // Without V4L2_CAP_DEVICE_CAPS, the field device_caps means nothing.
        assertEquals(
                List.of(BufferType.CAPTURE),
                BufferType.of(v4l2_h.V4L2_CAP_VIDEO_CAPTURE() | v4l2_h.V4L2_CAP_STREAMING()));
        assertEquals(List.of(), BufferType.of(v4l2_h.V4L2_CAP_VIDEO_CAPTURE()));
        assertEquals(
                List.of(BufferType.OUTPUT_MPLANE, BufferType.CAPTURE_MPLANE),
                BufferType.of(v4l2_h.V4L2_CAP_VIDEO_M2M_MPLANE() | v4l2_h.V4L2_CAP_STREAMING()));
    }
}
