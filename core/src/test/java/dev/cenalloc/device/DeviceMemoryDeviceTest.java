// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.MappedAccess;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.TestContext;
import dev.cenalloc.Traces;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.kms.Display;
import dev.cenalloc.kms.Writeback;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import dev.cenalloc.v4l2.Converter;
import dev.cenalloc.v4l2.VideoOutput;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Real drivers on a machine without heaps: the memory is their own. */
@RequiresDevices
class DeviceMemoryDeviceTest {
    private static final Duration SECONDS = Duration.ofSeconds(10);
    private static final ImageRequest REQUEST =
            ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480).rate(30);

    private int files;
    private String buffers = "";

    /** Everything of this machine but its heaps. */
    private static Cenalloc withoutHeaps() throws Exception {
        Kernel real = LinuxKernel.instance();
        var kernel = (Kernel) Proxy.newProxyInstance(
                Kernel.class.getClassLoader(), new Class<?>[] {Kernel.class}, (_, method, arguments) -> {
                    if (method.getName().equals("exists")) {
                        return false; // of udmabuf
                    }
                    try {
                        return method.invoke(real, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
        Cenalloc cenalloc = TestContext.open(kernel, Path.of("/dev/no-heaps"));
        assertEquals(List.of(), cenalloc.heaps());
        return cenalloc;
    }

    @BeforeEach
    void count() throws Exception {
        files = Traces.openFiles();
        buffers = Traces.dmaBufs();
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        assertEquals(files, Traces.openFiles());
        assertEquals(buffers, Traces.dmaBufs());
        assertEquals(0, Traces.mappedDmaBufs());
    }

    @ParameterizedTest
    @ValueSource(strings = {"vivid-000", "vivid-001"})
    void theCamerasOwnMemoryIsShown(String name) throws Exception {
        try (var cenalloc = withoutHeaps();
                var camera = Camera.open(cenalloc, Devices.camera(cenalloc, name));
                var display = Display.open(cenalloc, Devices.display(cenalloc, "vkms"))) {
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(camera.port(), display.port()));
            System.out.println(agreement.explain());
            assertEquals(
                    "memory of " + camera.name(),
                    agreement.memory().orElseThrow().name());
            camera.configure(agreement);
            try (Ring ring = Ring.allocate(cenalloc, agreement, 4)) {
                assertTrue(ring.buffers(0).getFirst().exporter().startsWith("videobuf2"), ring::toString);
                camera.use(ring);
                display.use(ring);
                var writeback = display.writeback().orElseThrow();
                camera.start();
                for (int i = 0; i < 10; i++) {
                    Frame frame = camera.next(SECONDS);
                    if (i < 9) {
                        display.show(frame);
                        continue;
                    }
                    try (Frame picture = writeback.capture(frame, SECONDS);
                            MappedAccess seen = picture.access(Direction.READ);
                            MappedAccess shown = frame.access(Direction.READ)) {
                        int differing = 0;
                        for (int pixel = 0; pixel < 640 * 480; pixel++) {
                            // The fourth byte of a pixel means nothing.
                            int difference = shown.segment().getAtIndex(ValueLayout.JAVA_INT, pixel)
                                    ^ seen.segment().getAtIndex(ValueLayout.JAVA_INT, pixel);
                            differing += (difference & 0xFFFFFF) == 0 ? 0 : 1;
                        }
                        assertEquals(0, differing, "pixels");
                    }
                }
                camera.stop();
            }
        }
    }

    /** The 16-bit pixels of a frame. */
    private static short[] pixels(Frame frame) throws CenallocException {
        try (MappedAccess access = frame.access(Direction.READ)) {
            return access.segment().asSlice(0, 640 * 480 * Short.BYTES).toArray(ValueLayout.JAVA_SHORT);
        }
    }

    /** Pixels of a picture in 24 bits that differ from those in 16 bits, in the bits that those have. */
    private static int differences(Frame picture, short[] shown) throws CenallocException {
        int differing = 0;
        try (MappedAccess seen = picture.access(Direction.READ)) {
            for (int pixel = 0; pixel < shown.length; pixel++) {
                int expected = (shown[pixel] & 0xF800) << 8 | (shown[pixel] & 0x7E0) << 5 | (shown[pixel] & 0x1F) << 3;
                int there = seen.segment().getAtIndex(ValueLayout.JAVA_INT, pixel) & 0xF8FCF8;
                differing += there == expected ? 0 : 1;
            }
        }
        return differing;
    }

    /** The first port is the one whose memory is offered first. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void convertedFramesAreShownWithoutAnyHeap(boolean ofCamera) throws Exception {
        ImageRequest request = REQUEST.format(PixelFormat.RG16);
        try (var cenalloc = withoutHeaps();
                var camera = Camera.open(cenalloc, Devices.camera(cenalloc, "vivid-000"));
                var converter = Converter.open(cenalloc, Devices.converter(cenalloc, "vim2m"));
                var display = Display.open(cenalloc, Devices.display(cenalloc, "vkms"))) {
            Agreement taken = Agreement.negotiate(
                    cenalloc,
                    request,
                    ofCamera ? List.of(camera.port(), converter.input()) : List.of(converter.input(), camera.port()));
            Agreement given = Agreement.negotiate(cenalloc, request, List.of(converter.output(), display.port()));
            System.out.println(taken.explain() + System.lineSeparator() + given.explain());
            assertEquals(
                    "memory of " + (ofCamera ? camera.name() : converter.name() + " (input)"),
                    taken.memory().orElseThrow().name());
            assertEquals(
                    "memory of " + converter.name() + " (output)",
                    given.memory().orElseThrow().name());
            camera.configure(taken);
            converter.configure(taken, given);
            try (Ring from = Ring.allocate(cenalloc, taken, 4);
                    Ring to = Ring.allocate(cenalloc, given, 4)) {
                camera.use(from);
                converter.use(from, to);
                display.use(to);
                camera.start();
                converter.start();
                Writeback writeback = null;
                for (int i = 0; i < 5; i++) {
                    Frame frame = camera.next(SECONDS);
                    short[] before = pixels(frame);
                    converter.put(frame);
                    Frame converted = converter.next(SECONDS);
                    assertArrayEquals(before, pixels(converted), "frame " + i);
                    if (writeback == null) {
                        display.show(converted);
                        writeback = display.writeback().orElseThrow();
                    } else {
                        try (Frame picture = writeback.capture(converted, SECONDS)) {
                            assertEquals(0, differences(picture, before), "pixels of frame " + i);
                        }
                    }
                }
                converter.stop();
                camera.stop();
            }
        }
    }

    /** As the example Convert has it: two rings of one agreement, the second allocated while the first is lent. */
    @Test
    void threeDevicesShareTheMemoryOfOne() throws Exception {
        try (var cenalloc = withoutHeaps();
                var camera = Camera.open(cenalloc, Devices.camera(cenalloc, "vivid-000"));
                var converter = Converter.open(cenalloc, Devices.converter(cenalloc, "vim2m"));
                var display = Display.open(cenalloc, Devices.display(cenalloc, "vkms"))) {
            Agreement agreement = Agreement.negotiate(
                    cenalloc,
                    ImageRequest.ANY.size(640, 480),
                    List.of(converter.input(), camera.port(), converter.output(), display.port()));
            assertEquals(
                    "memory of " + converter.name() + " (input)",
                    agreement.memory().orElseThrow().name());
            try (Ring from = Ring.allocate(cenalloc, agreement, 4);
                    Ring to = Ring.allocate(cenalloc, agreement, 4)) {
                camera.configure(agreement);
                camera.use(from);
                converter.configure(agreement, agreement);
                converter.use(from, to);
                display.use(to);
                camera.start();
                converter.start();
                for (int i = 0; i < 5; i++) {
                    Frame frame = camera.next(SECONDS);
                    short[] before = pixels(frame);
                    converter.put(frame);
                    Frame converted = converter.next(SECONDS);
                    assertArrayEquals(before, pixels(converted), "frame " + i);
                    display.show(converted);
                }
            }
        }
    }

    @Test
    void anOutputShowsItsOwnMemory() throws Exception {
        try (var cenalloc = withoutHeaps();
                var output = VideoOutput.open(cenalloc, Devices.output(cenalloc, "vivid-000"))) {
            Agreement agreement =
                    Agreement.negotiate(cenalloc, ImageRequest.ANY.format(PixelFormat.YUYV), List.of(output.port()));
            assertEquals(
                    "memory of " + output.name(),
                    agreement.memory().orElseThrow().name());
            output.configure(agreement);
            try (Ring ring = Ring.allocate(cenalloc, agreement, 3)) {
                output.use(ring);
                output.start();
                long time = 0;
                for (int i = 0; i < 6; i++) {
                    try (Frame frame = output.next(SECONDS);
                            MappedAccess pixels = frame.access(Direction.WRITE)) {
                        pixels.segment().fill((byte) i);
                        assertEquals(i < 3, frame.timestampNanos() == 0);
                        time = frame.timestampNanos();
                    }
                }
                assertTrue(time > 0, "the first were shown");
            }
        }
    }

    @Test
    void theCpuDrawsInTheDisplaysOwnMemory() throws Exception {
        try (var cenalloc = withoutHeaps();
                var display = Display.open(cenalloc, Devices.display(cenalloc, "vkms"), REQUEST);
                var canvas = display.canvas(2)) {
            assertEquals(
                    "memory of " + display.name(),
                    canvas.ring().agreement().memory().orElseThrow().name());
            var writeback = display.writeback().orElseThrow();
            for (int i = 1; i < 5; i++) {
                try (Frame frame = canvas.next(SECONDS);
                        var pixels = frame.access(Direction.WRITE)) {
                    pixels.segment().fill((byte) (50 * i));
                }
                display.awaitShown(SECONDS);
                try (Frame picture = writeback.capture(SECONDS);
                        MappedAccess seen = picture.access(Direction.READ)) {
                    assertEquals((byte) (50 * i), seen.segment().get(ValueLayout.JAVA_BYTE, 1000));
                }
            }
        }
    }
}
