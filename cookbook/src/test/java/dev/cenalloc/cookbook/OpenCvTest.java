// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.device.Devices;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.v4l2.Camera;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Scalar;

@OnDevices
class OpenCvTest {
    private static final int WIDTH = 100;
    private static final int HEIGHT = 50;

    private static SharedBuffer buffer(Cenalloc cenalloc, PixelFormat format) throws Exception {
        SharedBuffer buffer = cenalloc.create(new Image(format, WIDTH, HEIGHT));
        buffer.attach(Device.of("scaler", Constraints.NONE.pitchAlignment(256), "its data sheet"));
        buffer.dmaBuf();
        return buffer;
    }

    @Test
    void aMatIsThePlaneAndNoByteMore() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var buffer = buffer(cenalloc, PixelFormat.NV12);
                var mapping = buffer.map(Direction.READ_WRITE);
                var _ = buffer.access(Direction.READ_WRITE)) {
            Layout layout = buffer.layout().orElseThrow();
            assertEquals(256, layout.planes().getFirst().pitch());
            MemorySegment memory = mapping.segment().fill((byte) 7);
            Mat luma = OpenCv.mat(layout, 0, CvType.CV_8UC1, memory);
            Mat chroma = OpenCv.mat(layout, 1, CvType.CV_8UC2, memory);
            assertEquals(WIDTH, luma.cols());
            assertEquals(HEIGHT, luma.rows());
            assertEquals(256, luma.step1());
            assertEquals(WIDTH / 2, chroma.cols());
            assertEquals(HEIGHT / 2, chroma.rows());
            assertEquals(memory.address(), luma.dataAddr());
            assertEquals(memory.address() + layout.planes().get(1).offset(), chroma.dataAddr());

            // What Java writes afterwards, OpenCV sees.
            memory.set(ValueLayout.JAVA_BYTE, 49 * 256 + 99, (byte) 200);
            assertArrayEquals(new double[] {200}, luma.get(49, 99));
            assertEquals(7L * (WIDTH * HEIGHT - 1) + 200, (long) Core.sumElems(luma).val[0]);
            // What OpenCV writes, Java sees; the padding of the lines stays.
            luma.setTo(new Scalar(1));
            chroma.setTo(new Scalar(2, 3));
            luma.release();
            chroma.release();
            for (int plane = 0; plane < 2; plane++) {
                var place = layout.planes().get(plane);
                for (long i = 0; i < place.size(); i++) {
                    long column = i % 256;
                    int expected = column >= WIDTH ? 7 : plane == 0 ? 1 : column % 2 == 0 ? 2 : 3;
                    assertEquals(expected, memory.get(ValueLayout.JAVA_BYTE, place.offset() + i));
                }
            }
        }
    }

    @Test
    void oneBufferIsConvertedIntoAnother() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var from = buffer(cenalloc, PixelFormat.NV12);
                var to = buffer(cenalloc, PixelFormat.XR24);
                var source = from.map(Direction.READ_WRITE);
                var target = to.map(Direction.READ_WRITE)) {
            Layout nv12 = from.layout().orElseThrow();
            Layout xr24 = to.layout().orElseThrow();
            try (var _ = from.access(Direction.READ_WRITE)) {
                source.segment().fill((byte) 128);
                for (int row = 0; row < HEIGHT; row++) {
                    nv12.row(source.segment(), 0, row).fill((byte) (16 + 4 * row));
                }
            }
            try (var reading = from.map(Direction.READ);
                    var _ = from.access(Direction.READ);
                    var _ = to.access(Direction.READ_WRITE)) {
                target.segment().fill((byte) 9);
                OpenCv.convert(nv12, reading.segment(), xr24, target.segment());
                for (int row = 0; row < HEIGHT; row++) {
                    // Without colour, BT.601: 1.164 times what is above black.
                    int grey = Math.clamp(Math.round(1.164 * 4 * row), 0, 255);
                    MemorySegment line = target.segment().asSlice(row * 512L, 512);
                    for (long i = 0; i < 512; i++) {
                        int found = Byte.toUnsignedInt(line.get(ValueLayout.JAVA_BYTE, i));
                        int expected = i >= 4 * WIDTH ? 9 : i % 4 == 3 ? 255 : grey;
                        assertTrue(Math.abs(found - expected) <= 1, row + ", " + i + ": " + found);
                    }
                }
            }
            assertThrows(
                    IllegalArgumentException.class,
                    () -> OpenCv.mat(
                            Layout.of(new Image(PixelFormat.RG24, 1, 1)), 0, CvType.CV_8UC4, source.segment()));
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> OpenCv.mat(
                            nv12,
                            1,
                            CvType.CV_8UC2,
                            source.segment().asSlice(0, nv12.planes().get(1).end() - 157)));
        }
    }

    @Test
    void aCamerasFrameIsReadWhereItIs() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var camera = Camera.open(
                        cenalloc,
                        Devices.camera(cenalloc),
                        ImageRequest.ANY.size(640, 480).rate(30))) {
            camera.start();
            try (var frame = camera.next(Duration.ofSeconds(10));
                    var pixels = frame.access(Direction.READ)) {
                Layout layout = pixels.layout();
                Mat mat = OpenCv.mat(layout, 0, CvType.CV_8UC1, pixels.segment());
                assertEquals(
                        pixels.segment().address() + layout.planes().getFirst().offset(), mat.dataAddr());
                long sum = 0;
                for (int row = 0; row < layout.rows(0); row++) {
                    byte[] line = layout.row(pixels.segment(), 0, row).toArray(ValueLayout.JAVA_BYTE);
                    for (byte one : line) {
                        sum += Byte.toUnsignedInt(one);
                    }
                }
                assertTrue(sum > 0);
                assertEquals(sum, (long) Core.sumElems(mat).val[0]);
                mat.release();
            }
        }
    }
}
