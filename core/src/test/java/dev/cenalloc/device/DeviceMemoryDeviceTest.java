package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.TestContext;
import dev.cenalloc.Traces;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.kms.Display;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.FrameAccess;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Real drivers on a machine without heaps: the memory is their own. */
@EnabledIfSystemProperty(
        named = "cenalloc.devices",
        matches = "required",
        disabledReason = "takes over camera and display, so it runs only where -Dcenalloc.devices=required says so")
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
                        return false;
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
                            FrameAccess seen = picture.access(Direction.READ);
                            FrameAccess shown = frame.access(Direction.READ)) {
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
                        FrameAccess seen = picture.access(Direction.READ)) {
                    assertEquals((byte) (50 * i), seen.segment().get(ValueLayout.JAVA_BYTE, 1000));
                }
            }
        }
    }
}
