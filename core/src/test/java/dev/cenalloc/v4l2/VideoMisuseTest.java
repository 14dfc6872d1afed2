// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import static dev.cenalloc.v4l2.VideoWorld.CAMERA;
import static dev.cenalloc.v4l2.VideoWorld.CONVERTER;
import static dev.cenalloc.v4l2.VideoWorld.OUTPUT;
import static dev.cenalloc.v4l2.VideoWorld.SECOND;
import static dev.cenalloc.v4l2.VideoWorld.agreement;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What each kind of video device says of what it is not, has not, or is asked for at the wrong time. */
class VideoMisuseTest {
    private static final int VBI_CAPTURE = 0x10; // V4L2_CAP_VBI_CAPTURE

    private final VideoWorld world = new VideoWorld();
    private final Cenalloc cenalloc = world.open();

    @BeforeEach
    void openTheNodesOfTheHeaps() throws Exception {
        Ring.allocate(cenalloc, agreement(cenalloc, PixelFormat.YUYV, 320, 240), 1)
                .close();
    }

    @AfterEach
    void everythingIsGivenBack() {
        cenalloc.close();
        assertEquals(0, world.kernel.openFiles());
        assertEquals(0, world.kernel.openMappings());
        assertEquals(VideoWorld.MEMORY, world.kernel.free());
    }

    enum Kind {
        CAMERA(VideoWorld.CAMERA),
        CONVERTER(VideoWorld.CONVERTER),
        OUTPUT(VideoWorld.OUTPUT);

        final Path node;

        Kind(Path node) {
            this.node = node;
        }

        AutoCloseable open(Cenalloc cenalloc, Path path) throws CenallocException {
            return switch (this) {
                case CAMERA -> Camera.open(cenalloc, path);
                case CONVERTER -> Converter.open(cenalloc, path);
                case OUTPUT -> VideoOutput.open(cenalloc, path);
            };
        }

        void configure(AutoCloseable device, Agreement agreement) throws CenallocException {
            switch (device) {
                case Camera camera -> camera.configure(agreement);
                case Converter converter -> converter.configure(agreement, agreement);
                case VideoOutput output -> output.configure(agreement);
                default -> throw new AssertionError(device);
            }
        }
    }

    private FakeCamera fake(Kind kind) {
        return switch (kind) {
            case CAMERA -> world.camera;
            case CONVERTER -> world.converter;
            case OUTPUT -> world.output;
        };
    }

    /** What a refused use may not change. */
    private String state() {
        return world.kernel.free() + " " + world.kernel.openMappings() + " " + world.kernel.openFiles() + " "
                + world.camera.state() + world.converter.state() + world.output.state();
    }

    private <T extends Throwable> T refused(Class<T> type, Executable use) {
        String unchanged = state();
        T e = assertThrows(type, use);
        assertEquals(unchanged, state(), e::toString);
        return e;
    }

    private <T extends CenallocException> void refused(Class<T> type, int errno, String words, Executable use) {
        T e = refused(type, use);
        assertEquals(errno, e.errno(), e::toString);
        assertTrue(e.reason().contains(words), e::toString);
        assertFalse(e.remedy().isEmpty(), e::toString);
    }

    // ---- what it is not ----

    @ParameterizedTest
    @EnumSource
    void nodesOfAnotherKindAreRefused(Kind kind) {
        for (Kind other : Kind.values()) {
            if (other != kind) {
                String is = other == Kind.OUTPUT
                        ? "a video output"
                        : "a " + other.name().toLowerCase(Locale.ROOT);
                refused(CenallocException.class, Errno.EINVAL, "is " + is, () -> kind.open(cenalloc, other.node));
            }
        }
        world.kernel.device("/dev/vbi0", FakeCamera.without(world.kernel, VBI_CAPTURE));
        refused(
                CenallocException.class,
                Errno.EINVAL,
                "is no device for video",
                () -> kind.open(cenalloc, Path.of("/dev/vbi0")));
    }

    @ParameterizedTest
    @EnumSource
    void nodesThatAreNoVideoDevicesAreNotEvenOpened(Kind kind) {
        world.kernel.device("/dev/dri/card0", new FakeCard(world.kernel, true, true));
        world.kernel.calls.clear();
        refused(
                CenallocException.class,
                Errno.ENOTTY,
                "no V4L2 video node",
                () -> kind.open(cenalloc, Path.of("/dev/dri/card0")));
        refused(
                MissingDeviceException.class,
                Errno.ENOENT,
                "/dev/video9",
                () -> kind.open(cenalloc, Path.of("/dev/video9")));
        assertEquals(List.of("stat", "stat"), world.kernel.calls);
    }

    @ParameterizedTest
    @EnumSource
    void nodesThatCannotBeOpenedAreTold(Kind kind) {
        Path node = kind.node;
        world.kernel.refuse(node, Errno.EACCES);
        refused(NoPermissionException.class, Errno.EACCES, node.toString(), () -> kind.open(cenalloc, node));
        world.kernel.refuse(node, Errno.EBUSY);
        refused(CenallocException.class, Errno.EBUSY, "in use", () -> kind.open(cenalloc, node));
        world.kernel.refuse(node, Errno.ENODEV);
        refused(DeviceGoneException.class, Errno.ENODEV, "unplugged", () -> kind.open(cenalloc, node));
    }

    // ---- what it has not ----

    @ParameterizedTest
    @EnumSource
    void imagesThatItHasNotAreRefused(Kind kind) throws Exception {
        Agreement format = agreement(cenalloc, PixelFormat.NV12, 320, 240);
        Agreement size = agreement(cenalloc, PixelFormat.YUYV, 5000, 240);
        try (AutoCloseable device = kind.open(cenalloc, kind.node)) {
            for (Agreement agreement : List.of(format, size)) {
                var e = assertThrows(FormatChangedException.class, () -> kind.configure(device, agreement));
                assertEquals(Errno.EINVAL, e.errno());
                assertTrue(e.reason().contains("it has YUYV"), e::reason);
            }
            kind.configure(device, agreement(cenalloc, PixelFormat.YUYV, 320, 240));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aDeviceInUseIsNotDisturbed(Kind kind) throws Exception {
        Agreement agreement = agreement(cenalloc, PixelFormat.XR24, 640, 480);
        fake(kind).use();
        try (AutoCloseable device = kind.open(cenalloc, kind.node)) {
            refused(CenallocException.class, Errno.EBUSY, "in use", () -> kind.configure(device, agreement));
        }
    }

    @ParameterizedTest
    @EnumSource
    void anUnpluggedDeviceIsTold(Kind kind) throws Exception {
        Agreement agreement = agreement(cenalloc, PixelFormat.XR24, 640, 480);
        try (AutoCloseable device = kind.open(cenalloc, kind.node)) {
            fake(kind).gone = true;
            refused(DeviceGoneException.class, Errno.ENODEV, "unplugged", () -> kind.configure(device, agreement));
            refused(DeviceGoneException.class, Errno.ENODEV, "unplugged", () -> kind.open(cenalloc, kind.node));
        }
    }

    // ---- at the wrong time ----

    @Test
    void aClosedConverterSaysSo() throws Exception {
        Agreement agreement = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
        try (Ring taken = Ring.allocate(cenalloc, agreement, 2);
                Ring given = Ring.allocate(cenalloc, agreement, 2)) {
            Converter converter = Converter.open(cenalloc, CONVERTER);
            converter.configure(agreement, agreement);
            converter.use(taken, given);
            converter.start();
            converter.close();
            converter.close();
            Camera camera = Camera.open(cenalloc, CAMERA);
            camera.configure(agreement);
            camera.use(taken);
            camera.start();
            Frame frame = camera.next(SECOND);
            for (Executable use : List.<Executable>of(
                    converter::input,
                    converter::output,
                    converter::start,
                    () -> converter.configure(agreement, agreement),
                    () -> converter.use(taken, given),
                    () -> converter.put(frame),
                    () -> converter.next(SECOND))) {
                refused(IllegalStateException.class, use);
            }
            converter.stop();
            assertTrue(frame.isLent(), "it stays the caller's");
            camera.close();
        }
    }

    @Test
    void aClosedOutputSaysSo() throws Exception {
        Agreement agreement = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
        try (Ring ring = Ring.allocate(cenalloc, agreement, 3)) {
            VideoOutput output = VideoOutput.open(cenalloc, OUTPUT);
            for (Executable use : List.<Executable>of(
                    output::image, output::rate, output::start, () -> output.use(ring), () -> output.next(SECOND))) {
                refused(IllegalStateException.class, use);
            }
            output.configure(agreement);
            output.use(ring);
            output.start();
            refused(IllegalStateException.class, output::start);
            refused(IllegalStateException.class, () -> output.configure(agreement));
            refused(IllegalStateException.class, () -> output.use(ring));
            output.close();
            output.close();
            for (Executable use : List.<Executable>of(
                    output::port,
                    output::start,
                    () -> output.configure(agreement),
                    () -> output.use(ring),
                    () -> output.next(SECOND))) {
                refused(IllegalStateException.class, use);
            }
            output.stop();
        }
    }

    @Test
    void framesOfAnOutputGoBackOnceAndWhileItStreams() throws Exception {
        Agreement agreement = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
        var ended = new ArrayList<Frame>();
        try (Ring ring = Ring.allocate(cenalloc, agreement, 3);
                VideoOutput output = VideoOutput.open(cenalloc, OUTPUT)) {
            output.configure(agreement);
            output.use(ring);
            output.start();
            Frame frame = output.next(SECOND);
            frame.close();
            refused(IllegalStateException.class, frame::close);
            refused(IllegalStateException.class, () -> frame.access(Direction.WRITE));
            ended.add(output.next(SECOND));
            output.stop();
            refused(IllegalStateException.class, ended.getFirst()::close);
            output.start();
            ended.add(output.next(SECOND));
        }
        for (Frame frame : ended) {
            refused(IllegalStateException.class, frame::close);
            refused(IllegalStateException.class, () -> frame.access(Direction.WRITE));
        }
    }

    @Test
    void convertedFramesGoBackOnceAndWhileTheConverterStreams() throws Exception {
        Agreement agreement = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
        try (Ring taken = Ring.allocate(cenalloc, agreement, 2);
                Ring given = Ring.allocate(cenalloc, agreement, 2);
                Camera camera = Camera.open(cenalloc, CAMERA)) {
            Converter converter = Converter.open(cenalloc, CONVERTER);
            camera.configure(agreement);
            camera.use(taken);
            converter.configure(agreement, agreement);
            converter.use(taken, given);
            camera.start();
            converter.start();
            converter.put(camera.next(SECOND));
            Frame frame = converter.next(SECOND);
            frame.close();
            refused(IllegalStateException.class, frame::close);
            converter.put(camera.next(SECOND));
            Frame last = converter.next(SECOND);
            converter.close();
            refused(IllegalStateException.class, last::close);
            refused(IllegalStateException.class, () -> last.access(Direction.READ));
        }
    }

    // ---- from another thread ----

    /** It is for one thread at a time, and not for one thread only. */
    @Test
    void anotherThreadGoesOnAndCloses() throws Exception {
        Camera camera = Camera.open(cenalloc, CAMERA, VideoWorld.REQUEST);
        camera.start();
        Frame frame = camera.next(SECOND);
        var pixels = frame.access(Direction.READ_WRITE);
        CompletableFuture.runAsync(() -> {
                    try {
                        pixels.segment().fill((byte) 1);
                        pixels.close();
                        frame.close();
                        camera.next(SECOND).close();
                        camera.stop();
                        camera.start();
                        camera.next(SECOND).close();
                        camera.close();
                    } catch (CenallocException e) {
                        throw new AssertionError(e);
                    }
                })
                .join();
        refused(IllegalStateException.class, camera::start);
    }
}
