package dev.cenalloc.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_buffer;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format_mplane;
import dev.cenalloc.bindings.v4l2.v4l2_plane_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_requestbuffers;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Constraints;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a driver answers is believed only as far as it can be true. */
class VideoQueueTest {
    private static final Image IMAGE = new Image(PixelFormat.XR24, 640, 480);
    private static final int PITCH = 640 * 4;

    private final Arena arena = Arena.ofShared();

    @AfterEach
    void close() {
        arena.close();
    }

    /** Stands for a driver: takes every request, except for what a test has it say. */
    private static class Driver extends DeviceNode {
        private final Consumer<MemorySegment> format;

        Driver(Consumer<MemorySegment> format) throws IOException {
            super(Path.of("/dev/null"));
            this.format = format;
        }

        @Override
        int tryIoctl(long request, MemorySegment argument) {
            if (request == v4l2_h.VIDIOC_S_FMT()) {
                format.accept(v4l2_format.fmt(argument));
            }
            return 0;
        }
    }

    private static Layout layout(Image image, int buffer, long pitch) {
        return Layout.of(image, buffer, Constraints.NONE.minPitch(pitch));
    }

    private void configure(int type, List<Layout> layouts, Consumer<MemorySegment> format) throws IOException {
        try (var driver = new Driver(format)) {
            new VideoQueue(driver, "the driver", type, arena).configure(layouts);
        }
    }

    private void single(Layout layout, Consumer<MemorySegment> answer) throws IOException {
        configure(
                v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE(),
                List.of(layout),
                format -> answer.accept(v4l2_format.fmt.pix(format)));
    }

    private void multi(List<Layout> layouts, Consumer<MemorySegment> answer) throws IOException {
        configure(
                v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE(),
                layouts,
                format -> answer.accept(v4l2_format.fmt.pix_mp(format)));
    }

    private static Consumer<MemorySegment> lines(long pitch, long size) {
        return pixels -> {
            v4l2_pix_format.bytesperline(pixels, (int) pitch);
            v4l2_pix_format.sizeimage(pixels, (int) size);
        };
    }

    private void refused(String why, Layout layout, Consumer<MemorySegment> answer) {
        var e = assertThrows(IOException.class, () -> single(layout, answer), why);
        assertTrue(e.toString().contains("does not keep its word"), e.toString());
        assertTrue(e.toString().contains(why), e.toString());
        assertTrue(e.toString().contains("another --"), () -> "what to do: " + e);
    }

    @Test
    void whatWasAgreedOnIsAskedFor() throws IOException {
        single(layout(IMAGE, 0, 4096), pixels -> {
            assertEquals(4096, v4l2_pix_format.bytesperline(pixels));
            v4l2_pix_format.sizeimage(pixels, 4096 * 480);
        });
        // The driver may want less than there is; V4L2 knows the pitch of the first plane.
        var planar = new Image(PixelFormat.YUV420, 640, 480);
        single(layout(planar, 0, 350), pixels -> {
            assertEquals(700, v4l2_pix_format.bytesperline(pixels));
            v4l2_pix_format.sizeimage(pixels, 700 * 480 * 3 / 2);
        });
    }

    @Test
    void anotherPitchIsRefused() {
        Layout agreed = layout(IMAGE, 0, PITCH);
        refused("it has lines 2559 bytes apart", agreed, lines(PITCH - 1, PITCH * 480));
        refused("it has lines 4096 bytes apart", agreed, lines(4096, PITCH * 480));
        refused("it has lines 0 bytes apart", agreed, lines(0, PITCH * 480));
        // Unsigned for the kernel.
        refused("it has lines 2147483648 bytes apart", agreed, lines(1L << 31, -1));
    }

    @Test
    void aSizeThatDoesNotFitIsRefused() {
        Layout agreed = layout(IMAGE, 0, PITCH);
        refused("in 1228799 bytes, and agreed on was XR24 640x480", agreed, lines(PITCH, PITCH * 480 - 1));
        refused("in 1228801 bytes, and agreed on was XR24 640x480", agreed, lines(PITCH, PITCH * 480 + 1));
        refused("in 4294967295 bytes", agreed, lines(PITCH, -1));
        refused("in 0 bytes", agreed, lines(PITCH, 0));
        Layout planar = layout(new Image(PixelFormat.NV12, 640, 480), 0, 640);
        refused("in 307200 bytes", planar, lines(640, 640 * 480));
    }

    @Test
    void anotherImageIsRefused() {
        Layout agreed = layout(IMAGE, 0, PITCH);
        refused("it has XR24 320x480", agreed, pixels -> v4l2_pix_format.width(pixels, 320));
        refused("it has XR24 640x240", agreed, pixels -> v4l2_pix_format.height(pixels, 240));
        refused(
                "it has RG16 640x480",
                agreed,
                pixels -> v4l2_pix_format.pixelformat(pixels, PixelFormat.RG16.v4l2Fourcc()));
        refused("it has H264 640x480", agreed, pixels -> v4l2_pix_format.pixelformat(pixels, 0x34363248));
    }

    @Test
    void eachBufferOfAnImageIsChecked() throws IOException {
        var image = new Image(PixelFormat.NV16M, 640, 480);
        var layouts = List.of(
                Layout.of(image, 0, Constraints.NONE), Layout.of(image, 1, Constraints.NONE.minSize(640 * 480 + 128)));
        multi(layouts, format -> planes(format, 640, 640 * 480, 640 * 480 + 128));
        var small = assertThrows(
                IOException.class, () -> multi(layouts, format -> planes(format, 640, 640 * 480, 640 * 480 - 1)));
        assertTrue(small.toString().contains("in 307199 bytes"), small.toString());
        var fewer = assertThrows(
                IOException.class,
                () -> multi(layouts, format -> {
                    planes(format, 640, 640 * 480, 640 * 480);
                    v4l2_pix_format_mplane.num_planes(format, (byte) 1);
                }));
        assertTrue(fewer.toString().contains("in 1 buffers, and NV16M 640x480"), fewer.toString());
    }

    private static void planes(MemorySegment format, int pitch, int... sizes) {
        for (int i = 0; i < sizes.length; i++) {
            MemorySegment plane = v4l2_pix_format_mplane.plane_fmt(format, i);
            v4l2_plane_pix_format.bytesperline(plane, pitch);
            v4l2_plane_pix_format.sizeimage(plane, sizes[i]);
        }
    }

    @Test
    void fewerBuffersThanAskedForAreRefused() throws IOException {
        try (var driver = new Driver(format -> {}) {
            @Override
            int tryIoctl(long request, MemorySegment argument) {
                if (request == v4l2_h.VIDIOC_REQBUFS()) {
                    v4l2_requestbuffers.count(argument, 3);
                }
                return request == v4l2_h.VIDIOC_EXPBUF() ? -Errno.EINVAL : 0;
            }
        }) {
            var queue = new VideoQueue(driver, "the driver", v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE(), arena);
            var few = assertThrows(IOException.class, () -> queue.request(4));
            assertTrue(few.toString().contains("takes only 3 buffers of 4"), few.toString());
            queue.request(3);
            var refused = assertThrows(IOException.class, () -> queue.export(0));
            assertTrue(
                    refused.toString().contains("VIDIOC_EXPBUF gave EINVAL; use memory from heaps"),
                    refused.toString());
        }
    }

    /** A camera without a signal is not waited for for ever; one that has it now and then is. */
    @Test
    void onlyDamagedFramesAreAnError() throws IOException {
        int[] flags = {v4l2_h.V4L2_BUF_FLAG_ERROR()};
        try (var driver = new Driver(format -> {}) {
            @Override
            int tryFrameIoctl(long request, MemorySegment argument) {
                v4l2_buffer.flags(argument, flags[0]);
                return 0;
            }
        }) {
            var queue = new VideoQueue(driver, "the driver", v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE(), arena);
            queue.request(1);
            for (int turn = 0; turn < 2; turn++) {
                flags[0] = v4l2_h.V4L2_BUF_FLAG_ERROR();
                for (int i = 0; i < VideoQueue.MOST_DAMAGED; i++) {
                    assertEquals(0, queue.dequeue());
                }
                flags[0] = 0;
                assertEquals(0, queue.dequeue());
            }
            flags[0] = v4l2_h.V4L2_BUF_FLAG_ERROR();
            for (int i = 0; i < VideoQueue.MOST_DAMAGED; i++) {
                assertEquals(0, queue.dequeue());
            }
            var hopeless = assertThrows(IOException.class, queue::dequeue);
            assertTrue(
                    hopeless.toString().contains("the driver gives only damaged frames: see whether it has a signal"),
                    hopeless.toString());
        }
    }

    /** A frame that is not there yet, one that is damaged, and a stream that broke. */
    @Test
    void whatIsDequeuedIsToldApart() throws IOException {
        int[] result = {-Errno.EAGAIN};
        int[] flags = {0};
        try (var driver = new Driver(format -> {}) {
            @Override
            int tryFrameIoctl(long request, MemorySegment argument) {
                v4l2_buffer.index(argument, 2);
                v4l2_buffer.flags(argument, flags[0]);
                return result[0];
            }
        }) {
            var queue = new VideoQueue(driver, "the driver", v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE(), arena);
            queue.request(3);
            assertEquals(VideoQueue.NONE, queue.dequeue());
            result[0] = 0;
            assertEquals(2, queue.dequeue());
            assertTrue(!queue.isDamaged());
            flags[0] = v4l2_h.V4L2_BUF_FLAG_ERROR();
            assertEquals(2, queue.dequeue());
            assertTrue(queue.isDamaged());
            result[0] = -Errno.ENODEV;
            var gone = assertThrows(IOException.class, queue::dequeue);
            assertTrue(gone.toString().contains("VIDIOC_DQBUF on the driver gave ENODEV"), gone.toString());
        }
    }
}
