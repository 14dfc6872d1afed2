// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.MappedAccess;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_rect;
import dev.cenalloc.bindings.v4l2.v4l2_selection;
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
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** More lines in memory than are to be seen, with a driver of the kernel: the HDMI input of vivid. */
@RequiresDevices
class CodedSizeDeviceTest {
    private static final Duration SECONDS = Duration.ofSeconds(20);
    /** HDMI, by the default of vivid's parameter input_types. */
    private static final int HDMI = 3;
    /** What no picture of vivid is full of. */
    private static final byte UNTOUCHED = (byte) 0xA5;

    /** Shared: each method has a thread of its own, for the time limit. */
    private final Arena arena = Arena.ofShared();

    private final MemorySegment input = arena.allocate(ValueLayout.JAVA_INT);
    private Cenalloc cenalloc;
    private Path path;
    private VideoNode node;
    private int inputBefore;

    @BeforeEach
    void open() throws Exception {
        cenalloc = Cenalloc.open();
        path = Devices.camera(cenalloc, "vivid-000");
        node = VideoNode.open(LinuxKernel.instance(), path);
        node.node().ioctl("VIDIOC_G_INPUT", v4l2_h.VIDIOC_G_INPUT(), input);
        inputBefore = input.get(ValueLayout.JAVA_INT, 0);
        selectInput(HDMI);
    }

    @AfterEach
    void close() throws CenallocException {
        selectInput(inputBefore);
        node.close();
        cenalloc.close();
        arena.close();
    }

    private void selectInput(int number) throws CenallocException {
        input.set(ValueLayout.JAVA_INT, 0, number);
        node.node().ioctl("VIDIOC_S_INPUT", v4l2_h.VIDIOC_S_INPUT(), input);
    }

    /** As another program does; or tells what it is. */
    private String part(int... wanted) throws CenallocException {
        MemorySegment selection = v4l2_selection.allocate(arena);
        v4l2_selection.type(selection, v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE());
        v4l2_selection.target(selection, v4l2_h.V4L2_SEL_TGT_COMPOSE());
        MemorySegment rectangle = v4l2_selection.r(selection);
        if (wanted.length == 0) {
            node.node().ioctl("VIDIOC_G_SELECTION", v4l2_h.VIDIOC_G_SELECTION(), selection);
        } else {
            MemorySegment.copy(wanted, 0, rectangle, ValueLayout.JAVA_INT, 0, 4);
            node.node().ioctl("VIDIOC_S_SELECTION", v4l2_h.VIDIOC_S_SELECTION(), selection);
        }
        return v4l2_rect.width(rectangle) + "x" + v4l2_rect.height(rectangle) + " at " + v4l2_rect.left(rectangle) + ","
                + v4l2_rect.top(rectangle);
    }

    /** A device that wants as many lines in memory as are a multiple of 64. */
    private static Port encoder(PixelFormat format) {
        return Port.of(
                Device.of("encoder", Constraints.NONE.lineAlignment(64), "test"),
                List.of(new ImageRange(format, Sizes.of(640, 480))));
    }

    private static void fill(Ring ring) throws CenallocException {
        for (int i = 0; i < ring.size(); i++) {
            DmaBuf buffer = ring.buffers(i).getFirst();
            try (var mapping = buffer.map(Direction.READ_WRITE);
                    var _ = buffer.access(Direction.WRITE)) {
                mapping.segment().fill(UNTOUCHED);
            }
        }
    }

    private static boolean isUntouched(MemorySegment line) {
        return line.elements(ValueLayout.JAVA_BYTE).allMatch(one -> one.get(ValueLayout.JAVA_BYTE, 0) == UNTOUCHED);
    }

    private static ImageRequest request(PixelFormat format) {
        return ImageRequest.ANY.format(format).size(640, 480).rate(30);
    }

    @Test
    void theDriverLeavesOutTheLinesBetweenThePlanes() throws Exception {
        try (var camera = Camera.open(cenalloc, path)) {
            Agreement agreement = Agreement.negotiate(
                    cenalloc, request(PixelFormat.NV12), List.of(camera.port(), encoder(PixelFormat.NV12)));
            Layout layout = agreement.layouts().getFirst();
            assertEquals(512, layout.storedLines());
            assertEquals(640 * 512, layout.planes().get(1).offset());
            camera.configure(agreement);
            assertEquals("640x480 at 0,0", part());
            try (Ring ring = Ring.allocate(cenalloc, agreement, 3)) {
                fill(ring);
                camera.use(ring);
                camera.start();
                try (Frame frame = camera.next(SECONDS);
                        MappedAccess pixels = frame.access(Direction.READ)) {
                    MemorySegment memory = pixels.segment();
                    for (int y = 0; y < 480; y++) {
                        assertFalse(isUntouched(layout.row(memory, 0, y)), "line " + y);
                        assertFalse(isUntouched(layout.row(memory, 1, y / 2)), "chroma of line " + y);
                    }
                    assertTrue(isUntouched(memory.asSlice(640 * 480, 640 * 32)), "between the planes");
                    assertTrue(isUntouched(memory.asSlice(640 * (512 + 240), 640 * 16)), "behind the second plane");
                }
                camera.stop();
            }
        }
    }

    /** The driver keeps what was composed before when a format is set: the picture in a corner of old memory. */
    @Test
    void allOfTheImageIsFilledAndShownAndNoMore() throws Exception {
        assertEquals("320x240 at 32,16", part(32, 16, 320, 240));
        try (var camera = Camera.open(cenalloc, path);
                var display = Display.open(cenalloc, Devices.display(cenalloc, "vkms"))) {
            Agreement agreement = Agreement.negotiate(
                    cenalloc,
                    request(PixelFormat.XR24),
                    List.of(camera.port(), encoder(PixelFormat.XR24), display.port()));
            Layout layout = agreement.layouts().getFirst();
            assertEquals(512, layout.storedLines());
            assertEquals("320x240 at 32,16", part(), "a trial leaves it as it was");
            camera.configure(agreement);
            assertEquals("640x480 at 0,0", part());
            try (Ring ring = Ring.allocate(cenalloc, agreement, 4)) {
                fill(ring);
                camera.use(ring);
                display.use(ring);
                var writeback = display.writeback().orElseThrow();
                camera.start();
                display.show(camera.next(SECONDS));
                Frame frame = camera.next(SECONDS);
                try (Frame picture = writeback.capture(frame, SECONDS);
                        MappedAccess seen = picture.access(Direction.READ);
                        MappedAccess shown = frame.access(Direction.READ)) {
                    Layout written = picture.ring().layouts().getFirst();
                    int differing = 0;
                    for (int y = 0; y < 480; y++) {
                        MemorySegment line = layout.row(shown.segment(), 0, y);
                        assertFalse(isUntouched(line), "line " + y);
                        MemorySegment other = written.row(seen.segment(), 0, y);
                        for (int x = 0; x < 640; x++) {
                            int difference = line.getAtIndex(ValueLayout.JAVA_INT, x)
                                    ^ other.getAtIndex(ValueLayout.JAVA_INT, x);
                            // The fourth byte of a pixel means nothing.
                            differing += (difference & 0xFFFFFF) == 0 ? 0 : 1;
                        }
                    }
                    assertEquals(0, differing, "pixels");
                    assertTrue(isUntouched(shown.segment().asSlice(640 * 4 * 480, 640 * 4 * 32)), "below the image");
                }
                camera.stop();
            }
        }
    }
}
