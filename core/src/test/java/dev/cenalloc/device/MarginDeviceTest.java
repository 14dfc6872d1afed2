// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_rect;
import dev.cenalloc.bindings.v4l2.v4l2_selection;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.kms.Display;
import dev.cenalloc.node.v4l2.VideoNode;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Images with memory before their first pixel, with drivers of the kernel: vivid fills 640x480 at 32,16 of its buffers,
 * in each format that it and vkms have, and vkms shows that part.
 */
@RequiresDevices
class MarginDeviceTest {
    private static final Duration SECONDS = Duration.ofSeconds(20);
    private static final int HDMI = 3;
    private static final byte UNTOUCHED = (byte) 0xA5;

    /** What vkms may have of what vivid has; the second camera has the last. */
    private static final List<PixelFormat> FORMATS =
            List.of(PixelFormat.XR24, PixelFormat.RG16, PixelFormat.NV12, PixelFormat.YUV420, PixelFormat.NV12M);

    @Test
    void thePartThatIsFilledIsShown() throws Exception {
        var seen = new ArrayList<PixelFormat>();
        try (var cenalloc = Cenalloc.open()) {
            Path card = Devices.display(cenalloc, "vkms");
            for (PixelFormat format : FORMATS) {
                String name = format.buffers() == 1 ? "vivid-000" : "vivid-002";
                if (shows(cenalloc, card, format)) {
                    show(cenalloc, Devices.camera(cenalloc, name), card, format);
                    seen.add(format);
                }
            }
        }
        System.out.println("shown: " + seen);
        // Linux 6.12 has these, 6.16 all.
        assertTrue(seen.containsAll(List.of(PixelFormat.XR24, PixelFormat.RG16)), seen::toString);
        assertEquals(seen.contains(PixelFormat.NV12), seen.equals(FORMATS), seen::toString);
    }

    private static boolean shows(Cenalloc cenalloc, Path card, PixelFormat format) throws Exception {
        PixelFormat together = format.withPlanesTogether().orElse(format);
        try (var display = Display.open(cenalloc, card)) {
            return display.port().images().stream().anyMatch(range -> range.format() == together);
        }
    }

    private static void show(Cenalloc cenalloc, Path path, Path card, PixelFormat format) throws Exception {
        ByteBuffer planes;
        int[] picture;
        try (var input = new Input(path);
                var camera = Camera.open(cenalloc, path);
                var display = Display.open(cenalloc, card)) {
            // Rounded up to whole samples; vivid itself takes even numbers only.
            boolean halved = format.planes().size() > 1;
            Constraints margins = halved
                    ? Constraints.NONE.leftMargin(31).topMargin(15)
                    : Constraints.NONE.leftMargin(32).topMargin(16);
            Port encoder =
                    Port.of(Device.of("encoder", margins, "test"), List.of(new ImageRange(format, Sizes.of(640, 480))));
            var request = ImageRequest.ANY.format(format).size(640, 480).rate(30);
            Agreement agreement =
                    Agreement.negotiate(cenalloc, request, List.of(camera.port(), encoder, display.port()));
            camera.configure(agreement);
            assertEquals("640x480 at 32,16", input.part());
            try (Ring ring = Ring.allocate(cenalloc, agreement, 4)) {
                fill(ring);
                camera.use(ring);
                display.use(ring);
                camera.start();
                display.show(camera.next(SECONDS));
                Frame frame = camera.next(SECONDS);
                try (Frame written = display.writeback().orElseThrow().capture(frame, SECONDS)) {
                    picture = Pictures.colours(written);
                }
                planes = Pictures.planes(frame);
                for (int i = 0; i < agreement.layouts().size(); i++) {
                    assertEquals(32, agreement.layouts().get(i).leftMargin());
                    assertEquals(16, agreement.layouts().get(i).topMargin());
                    checkUntouched(frame, i);
                }
                camera.stop();
            }
        }
        assertTrue(Arrays.stream(picture).distinct().count() > 6, "colour bars");
        PixelFormat together = format.withPlanesTogether().orElse(format);
        try (var display =
                Display.open(cenalloc, card, ImageRequest.ANY.format(together).size(640, 480))) {
            assertArrayEquals(Pictures.ofPlanes(display, planes), picture, format::toString);
        }
    }

    private static void fill(Ring ring) throws CenallocException {
        for (int i = 0; i < ring.size(); i++) {
            for (DmaBuf buffer : ring.buffers(i)) {
                try (var mapping = buffer.map(Direction.READ_WRITE);
                        var _ = buffer.access(Direction.WRITE)) {
                    mapping.segment().fill(UNTOUCHED);
                }
            }
        }
    }

    /** Each byte of the image was written, and none before and between its lines. */
    private static void checkUntouched(Frame frame, int buffer) throws Exception {
        Layout layout = frame.layouts().get(buffer);
        Layout whole = layout.whole().orElseThrow();
        Image all = whole.image();
        try (var pixels = frame.access(Direction.READ)) {
            MemorySegment memory = pixels.segment(buffer);
            var ours = new boolean[(int) layout.size()];
            for (int plane = 0; plane < layout.planes().size(); plane++) {
                for (int row = 0; row < layout.rows(plane); row++) {
                    long line = layout.row(memory, plane, row).address() - memory.address();
                    Arrays.fill(ours, (int) line, (int) (line + layout.rowBytes(plane)), true);
                }
            }
            int written = 0;
            int outside = 0;
            for (int i = 0; i < ours.length; i++) {
                boolean isTouched = memory.get(ValueLayout.JAVA_BYTE, i) != UNTOUCHED;
                written += ours[i] && isTouched ? 1 : 0;
                outside += !ours[i] && isTouched ? 1 : 0;
            }
            assertEquals(0, outside, () -> "bytes outside of " + layout + " of " + all);
            assertTrue(written > layout.size() * 3 / 4, "bytes of the image: " + written);
        }
    }

    /** The HDMI input of vivid, which alone has parts. Back to the one before when it is closed. */
    private static final class Input implements AutoCloseable {
        private final Arena arena = Arena.ofShared();
        private final MemorySegment number = arena.allocate(ValueLayout.JAVA_INT);
        private final VideoNode node;
        private final int before;

        Input(Path path) throws CenallocException {
            node = VideoNode.open(LinuxKernel.instance(), path);
            node.node().ioctl("VIDIOC_G_INPUT", v4l2_h.VIDIOC_G_INPUT(), number);
            before = number.get(ValueLayout.JAVA_INT, 0);
            select(HDMI);
        }

        private void select(int input) throws CenallocException {
            number.set(ValueLayout.JAVA_INT, 0, input);
            node.node().ioctl("VIDIOC_S_INPUT", v4l2_h.VIDIOC_S_INPUT(), number);
        }

        String part() throws CenallocException {
            MemorySegment selection = v4l2_selection.allocate(arena);
            v4l2_selection.type(selection, v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE());
            v4l2_selection.target(selection, v4l2_h.V4L2_SEL_TGT_COMPOSE());
            node.node().ioctl("VIDIOC_G_SELECTION", v4l2_h.VIDIOC_G_SELECTION(), selection);
            MemorySegment part = v4l2_selection.r(selection);
            return v4l2_rect.width(part) + "x" + v4l2_rect.height(part) + " at " + v4l2_rect.left(part) + ","
                    + v4l2_rect.top(part);
        }

        @Override
        public void close() throws CenallocException {
            select(before);
            node.close();
            arena.close();
        }
    }
}
