package dev.cenalloc.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Image;
import dev.cenalloc.Layout;
import dev.cenalloc.PixelFormat;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_buffer;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format_mplane;
import dev.cenalloc.bindings.v4l2.v4l2_plane_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_requestbuffers;
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

    private List<Layout> configure(int type, Image image, Consumer<MemorySegment> format) throws IOException {
        try (var driver = new Driver(format)) {
            return new VideoQueue(driver, "the driver", type, arena).configure(image, 0);
        }
    }

    private List<Layout> single(Image image, Consumer<MemorySegment> answer) throws IOException {
        return configure(
                v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE(), image, format -> answer.accept(v4l2_format.fmt.pix(format)));
    }

    private List<Layout> multi(Image image, Consumer<MemorySegment> answer) throws IOException {
        return configure(
                v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE(),
                image,
                format -> answer.accept(v4l2_format.fmt.pix_mp(format)));
    }

    private static Consumer<MemorySegment> lines(long pitch, long size) {
        return pixels -> {
            v4l2_pix_format.bytesperline(pixels, (int) pitch);
            v4l2_pix_format.sizeimage(pixels, (int) size);
        };
    }

    private void refused(String why, Image image, Consumer<MemorySegment> answer) {
        var e = assertThrows(IOException.class, () -> single(image, answer), why);
        assertTrue(e.toString().contains(why), e.toString());
        assertTrue(e.toString().contains("another --"), () -> "what to do: " + e);
    }

    @Test
    void theLayoutIsTheDrivers() throws IOException {
        Layout padded = single(IMAGE, lines(4096, 4096 * 480 + 100)).getFirst();
        assertEquals(List.of(new Layout.Plane(0, 4096, 480)), padded.planes());
        assertEquals(4096 * 480 + 100, padded.size());
        // Half as wide in chroma, so half as far apart.
        Layout planar = single(new Image(PixelFormat.YUV420, 640, 480), lines(700, 700 * 480 * 3 / 2))
                .getFirst();
        assertEquals(
                List.of(
                        new Layout.Plane(0, 700, 480),
                        new Layout.Plane(700 * 480, 350, 240),
                        new Layout.Plane(700 * 480 + 350 * 240, 350, 240)),
                planar.planes());
    }

    @Test
    void aPitchBelowTheWidthIsRefused() {
        refused("are 2559 bytes apart, and each has 2560", IMAGE, lines(PITCH - 1, PITCH * 480));
        refused("are 0 bytes apart", IMAGE, lines(0, PITCH * 480));
        refused("and each has 1280", new Image(PixelFormat.RG16, 640, 480), lines(1279, PITCH * 480));
    }

    @Test
    void aSizeBelowWhatTheLinesNeedIsRefused() {
        refused("has 1228799 bytes, and it has 1228800", IMAGE, lines(PITCH, PITCH * 480 - 1));
        refused("has 1228800 bytes, and it has 1966080", IMAGE, lines(4096, PITCH * 480));
        refused("has 0 bytes", IMAGE, lines(PITCH, 0));
        refused("and it has 460800", new Image(PixelFormat.NV12, 640, 480), lines(640, 640 * 480));
        // Both are unsigned for the kernel: 2 GiB from line to line is no small pitch, but not in this size.
        refused("2147483648 bytes apart has 4294967295 bytes", IMAGE, lines(1L << 31, -1));
    }

    @Test
    void anotherImageIsRefused() {
        refused("does not give XR24 640x480 but XR24 320x480", IMAGE, pixels -> v4l2_pix_format.width(pixels, 320));
        refused("does not give XR24 640x480 but XR24 640x240", IMAGE, pixels -> v4l2_pix_format.height(pixels, 240));
        refused(
                "does not give XR24 640x480 but RG16 640x480",
                IMAGE,
                pixels -> v4l2_pix_format.pixelformat(pixels, PixelFormat.RG16.v4l2Fourcc()));
        refused(
                "does not give XR24 640x480 but H264 640x480",
                IMAGE,
                pixels -> v4l2_pix_format.pixelformat(pixels, 0x34363248));
    }

    @Test
    void eachBufferOfAnImageIsChecked() throws IOException {
        var image = new Image(PixelFormat.NV16M, 640, 480);
        List<Layout> layouts = multi(image, format -> planes(format, 640, 640 * 480, 640 * 480 + 128));
        assertEquals(
                List.of(640L * 480, 640L * 480 + 128),
                layouts.stream().map(Layout::size).toList());
        assertEquals(List.of(0, 1), layouts.stream().map(Layout::buffer).toList());
        var small = assertThrows(
                IOException.class, () -> multi(image, format -> planes(format, 640, 640 * 480, 640 * 480 - 1)));
        assertTrue(small.toString().contains("has 307199 bytes, and it has 307200"), small.toString());
        var fewer = assertThrows(
                IOException.class,
                () -> multi(image, format -> {
                    planes(format, 640, 640 * 480, 640 * 480);
                    v4l2_pix_format_mplane.num_planes(format, (byte) 1);
                }));
        assertTrue(fewer.toString().contains("wants 1 buffers for NV16M 640x480, which lies in 2"), fewer.toString());
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
