// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.cenalloc.CenallocException;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.bindings.v4l2.v4l2_fmtdesc;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.LayoutRules;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.node.v4l2.VideoNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/**
 * The layouts against those of a driver of the kernel: vivid, which has nearly every format and takes any size and
 * pitch.
 */
@RequiresDevices
class LayoutDeviceTest {
    private static final int CAPTURE = v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE();
    /**
     * Of vivid's inputs, the one whose sizes are not from a list: HDMI, by the default of its parameter input_types.
     */
    private static final int ANY_SIZE = 3;

    /** Shared: each method has a thread of its own, for the time limit. */
    private final Arena arena = Arena.ofShared();

    private final MemorySegment input = arena.allocate(ValueLayout.JAVA_INT);
    private VideoNode camera;
    private DeviceNode node;
    private int inputBefore;

    @BeforeEach
    void open() throws Exception {
        camera = find();
        node = camera.node();
        node.ioctl("VIDIOC_G_INPUT", v4l2_h.VIDIOC_G_INPUT(), input);
        inputBefore = input.get(ValueLayout.JAVA_INT, 0);
        selectInput(ANY_SIZE);
    }

    private static VideoNode find() throws Exception {
        try (var entries = Files.list(Path.of("/dev"))) {
            for (Path path : entries.filter(entry -> entry.toString().matches("/dev/video\\d+"))
                    .sorted()
                    .toList()) {
                VideoNode found = VideoNode.open(LinuxKernel.instance(), path);
                if (found.name().endsWith("vivid-000") && found.kind() == VideoNode.Kind.CAMERA) {
                    return found;
                }
                found.close();
            }
        }
        return fail("there is no camera vivid-000");
    }

    @AfterEach
    void close() throws CenallocException {
        selectInput(inputBefore);
        camera.close();
        arena.close();
    }

    private void selectInput(int number) throws CenallocException {
        input.set(ValueLayout.JAVA_INT, 0, number);
        node.ioctl("VIDIOC_S_INPUT", v4l2_h.VIDIOC_S_INPUT(), input);
    }

    /** What the driver makes of a request. */
    private record Answer(int width, int height, long pitch, long size) {}

    private Answer set(Image image, long pitch) throws CenallocException {
        MemorySegment format = v4l2_format.allocate(arena);
        v4l2_format.type(format, CAPTURE);
        MemorySegment pixels = v4l2_format.fmt.pix(v4l2_format.fmt(format));
        v4l2_pix_format.width(pixels, image.width());
        v4l2_pix_format.height(pixels, image.height());
        v4l2_pix_format.pixelformat(pixels, image.format().v4l2Fourcc().orElseThrow());
        v4l2_pix_format.field(pixels, v4l2_h.V4L2_FIELD_NONE());
        v4l2_pix_format.bytesperline(pixels, (int) pitch);
        node.ioctl("VIDIOC_S_FMT", v4l2_h.VIDIOC_S_FMT(), format);
        assertEquals(image.format().v4l2Fourcc().orElseThrow(), v4l2_pix_format.pixelformat(pixels), image::toString);
        return new Answer(
                v4l2_pix_format.width(pixels),
                v4l2_pix_format.height(pixels),
                Integer.toUnsignedLong(v4l2_pix_format.bytesperline(pixels)),
                Integer.toUnsignedLong(v4l2_pix_format.sizeimage(pixels)));
    }

    private static Layout layout(Image image, LayoutRules rules) {
        return Layout.of(image, 0, rules).orElseThrow();
    }

    private static Answer of(Layout layout) {
        return new Answer(
                layout.image().width(),
                layout.image().height(),
                layout.planes().getFirst().pitch(),
                layout.size());
    }

    /** Those of our formats that the driver has, which are all that lie in one buffer: it has one plane for V4L2. */
    private Set<PixelFormat> formats() throws CenallocException {
        var formats = EnumSet.noneOf(PixelFormat.class);
        MemorySegment described = v4l2_fmtdesc.allocate(arena);
        v4l2_fmtdesc.type(described, CAPTURE);
        for (int i = 0; ; i++) {
            v4l2_fmtdesc.index(described, i);
            if (node.tryIoctl(v4l2_h.VIDIOC_ENUM_FMT(), described) < 0) {
                return formats;
            }
            PixelFormat.ofV4l2(v4l2_fmtdesc.pixelformat(described)).ifPresent(formats::add);
        }
    }

    @Test
    void theDriverHasMostFormatsOfOneBuffer() throws Exception {
        var expected = EnumSet.allOf(PixelFormat.class);
        expected.removeIf(format -> format.buffers() > 1);
        // What vivid of 6.12 lacks: 10 bits of colour, samples packed across bytes, 4:4:4 in three planes.
        expected.removeAll(
                EnumSet.of(PixelFormat.XR30, PixelFormat.AR30, PixelFormat.NV15, PixelFormat.P010, PixelFormat.YUV444));
        expected.removeIf(format -> format.name().matches("S....1[02]P"));
        assertEquals(expected, formats());
    }

    @Test
    void theDriverLaysImagesOutInTheSameWay() throws Exception {
        var checks = new ArrayList<Executable>();
        for (PixelFormat format : formats()) {
            for (int[] size : new int[][] {{640, 480}, {322, 182}, {1366, 768}, {1920, 1080}}) {
                var image = new Image(format, size[0], size[1]);
                Answer answer = set(image, 0);
                checks.add(() -> assertEquals(answer, of(layout(image, LayoutRules.NONE)), image::toString));
            }
        }
        assertAll(checks);
    }

    /** The driver is told the pitch of the first plane; the size shows what it makes of the others. */
    @Test
    void theDriverDerivesTheOtherPitchesInTheSameWay() throws Exception {
        var checks = new ArrayList<Executable>();
        for (PixelFormat format : formats()) {
            for (LayoutRules rules : List.of(
                    new LayoutRules(256, 0, Long.MAX_VALUE, 1),
                    new LayoutRules(96, 0, Long.MAX_VALUE, 1),
                    new LayoutRules(1, 3001, Long.MAX_VALUE, 1))) {
                Layout layout = layout(new Image(format, 322, 182), rules);
                Answer answer = set(layout.image(), of(layout).pitch());
                checks.add(() -> assertEquals(answer, of(layout), layout::toString));
            }
        }
        assertAll(checks);
    }

    /**
     * Odd sizes, where drivers differ. This one rounds the height of 4:2:0 down and widths not at all, so its pitch of
     * YUYV and NV12 is that of a line whose last chroma is cut off; at the pitch that it is told, there is room for
     * what it writes.
     */
    @Test
    void oddSizesHaveRoom() throws Exception {
        var checks = new ArrayList<Executable>();
        for (PixelFormat format : formats()) {
            for (int[] size : new int[][] {{641, 480}, {640, 481}, {641, 481}, {17, 17}}) {
                Layout layout = layout(new Image(format, size[0], size[1]), LayoutRules.NONE);
                Answer own = set(layout.image(), 0);
                Answer told = set(layout.image(), of(layout).pitch());
                checks.add(() -> assertTrue(own.pitch <= of(layout).pitch, layout::toString));
                checks.add(() -> assertEquals(told.pitch, of(layout).pitch, layout::toString));
                checks.add(() -> assertTrue(told.size <= layout.size(), layout::toString));
            }
        }
        assertAll(checks);
    }
}
