// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import static dev.cenalloc.v4l2.VideoWorld.CAMERA;
import static dev.cenalloc.v4l2.VideoWorld.CONVERTER;
import static dev.cenalloc.v4l2.VideoWorld.MULTIPLANAR;
import static dev.cenalloc.v4l2.VideoWorld.OUTPUT;
import static dev.cenalloc.v4l2.VideoWorld.REQUEST;
import static dev.cenalloc.v4l2.VideoWorld.SECOND;
import static dev.cenalloc.v4l2.VideoWorld.agreement;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.device.Probe;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device.Origin;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Ring;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** A camera's life on the fake kernel: what works, and what each misuse and each fault of the device says. */
class CameraTest {
    private static final int VBI_CAPTURE = 0x10; // V4L2_CAP_VBI_CAPTURE

    private final VideoWorld world = new VideoWorld();
    private final Cenalloc cenalloc = world.open();

    @AfterEach
    void everythingIsGivenBack() {
        cenalloc.close();
        assertEquals(0, world.kernel.openFiles());
        assertEquals(0, world.kernel.openMappings());
        assertEquals(VideoWorld.MEMORY, world.kernel.free());
    }

    private Camera started() throws CenallocException {
        Camera camera = Camera.open(cenalloc, CAMERA, REQUEST);
        camera.start();
        return camera;
    }

    private static <T extends Throwable> T fails(Class<T> type, String words, Executable what) {
        T e = assertThrows(type, what);
        assertTrue(String.valueOf(e.getMessage()).contains(words), () -> words + " in " + e);
        return e;
    }

    private static <T extends CenallocException> T fails(Class<T> type, int errno, String words, Executable what) {
        T e = fails(type, words, what);
        assertEquals(errno, e.errno(), e::toString);
        assertFalse(e.remedy().isEmpty(), "what to do");
        return e;
    }

    // ---- what works ----

    @Test
    void itStreamsWithBuffersOfItsOwn() throws Exception {
        long opens = world.kernel.calls.stream().filter("open"::equals).count();
        try (Camera camera = started()) {
            assertEquals("YUYV 320x240", camera.image().toString());
            assertEquals(FrameRate.of(15), camera.rate());
            assertEquals(4, camera.ring().size());
            assertEquals("fake", camera.driver());
            assertEquals("fake platform:fake", camera.name());
            assertEquals(CAMERA, camera.node());
            long camerasOpens =
                    world.kernel.calls.stream().filter("open"::equals).count() - opens;
            assertTrue(camerasOpens <= 1 + 2, camerasOpens + " opens: the node once, the heaps once each");
            var seen = new HashSet<Frame>();
            long last = 0;
            for (int i = 0; i < 20; i++) {
                try (Frame frame = camera.next(SECOND)) {
                    assertEquals(i, frame.sequence());
                    assertTrue(frame.timestampNanos() > last, "time goes on");
                    last = frame.timestampNanos();
                    assertFalse(frame.isDamaged());
                    assertSame(camera.ring(), frame.ring());
                    seen.add(frame);
                    try (var pixels = frame.access(Direction.READ)) {
                        assertEquals(320 * 240 * 2, pixels.layout().size());
                        assertTrue(
                                pixels.segment().byteSize() >= pixels.layout().size());
                    }
                }
            }
            assertEquals(4, seen.size(), "the same objects again and again");
            assertEquals(1_019_000_000, last);
            assertEquals(0, camera.dropped());
        }
    }

    @Test
    void itsOwnRingIsKeptWhenItIsUsedAgain() throws Exception {
        try (Camera camera = started()) {
            camera.stop();
            camera.use(camera.ring());
            camera.start();
            try (Frame frame = camera.next(SECOND);
                    var pixels = frame.access(Direction.READ)) {
                assertTrue(pixels.segment().byteSize() > 0);
            }
        }
    }

    @Test
    void aFormatThatItHasOnlyWithAlphaIsSetWithAlpha() throws Exception {
        world.camera.fourccs = List.of(fourcc(PixelFormat.AR24));
        try (Camera camera = Camera.open(
                cenalloc, CAMERA, ImageRequest.ANY.format(PixelFormat.XR24).size(320, 240))) {
            assertEquals("XR24 320x240", camera.image().toString());
            assertTrue(
                    camera.ring().agreement().explain().contains("fake platform:fake gives it as AR24"),
                    () -> camera.ring().agreement().explain());
            assertTrue(world.camera.state().contains(String.valueOf(fourcc(PixelFormat.AR24))), world.camera::state);
            camera.start();
            try (Frame frame = camera.next(SECOND)) {
                assertEquals(PixelFormat.XR24, frame.layout().image().format());
            }
        }
        // In the driver's own memory, too.
        try (Camera camera = Camera.open(cenalloc, CAMERA)) {
            Agreement agreement = Agreement.negotiate(
                    cenalloc, ImageRequest.ANY.format(PixelFormat.XR24).size(320, 240), List.of(camera.exports()));
            camera.configure(agreement);
            try (Ring ring = camera.lend(agreement, 2)) {
                assertEquals("XR24 320x240", ring.agreement().image().toString());
            }
        }
        // Without the format that has alpha, there is no such image.
        world.camera.fourccs = List.of(fourcc(PixelFormat.YUYV));
        var e = fails(FormatChangedException.class, "XR24 320x240", () -> {
            try (Camera camera = Camera.open(cenalloc, CAMERA)) {
                camera.configure(agreement(cenalloc, PixelFormat.XR24, 320, 240));
            }
        });
        assertTrue(e.reason().contains("YUYV"), e::reason);
    }

    private static int fourcc(PixelFormat format) {
        return format.v4l2Fourcc().orElseThrow();
    }

    @Test
    void aFormatThatOnlyDrmDefinesIsRefused() throws Exception {
        try (Camera camera = Camera.open(cenalloc, CAMERA)) {
            fails(
                    CenallocException.class,
                    Errno.EINVAL,
                    "has no images of XR30, which only DRM defines",
                    () -> camera.configure(agreement(cenalloc, PixelFormat.XR30, 320, 240)));
        }
    }

    @Test
    void aFrameTakesThreeSystemCalls() throws Exception {
        try (Camera camera = started()) {
            camera.next(SECOND).close();
            int before = world.kernel.calls.size();
            for (int i = 0; i < 10; i++) {
                camera.next(SECOND).close();
            }
            assertEquals(30, world.kernel.calls.size() - before);
            assertEquals(List.of("poll", "ioctl", "ioctl"), world.kernel.calls.subList(before, before + 3));
        }
    }

    @Test
    void itStopsRestartsAndTakesAnotherSizeWithoutClosing() throws Exception {
        try (Camera camera = started()) {
            camera.next(SECOND).close();
            camera.stop();
            camera.stop();
            camera.start();
            assertEquals(0, camera.next(SECOND).sequence());
            camera.stop();
            // The port asks the node that is open, between two streams.
            Agreement other = Agreement.negotiate(
                    cenalloc, ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480), List.of(camera.port()));
            assertEquals(Origin.TRIAL_IMPORT, other.devices().getFirst().origin());
            camera.start();
            assertEquals(
                    "YUYV 320x240",
                    camera.next(SECOND).ring().agreement().image().toString());
            camera.stop();
            camera.configure(other);
            try (Ring ring = Ring.allocate(cenalloc, other, 3)) {
                camera.use(ring);
                camera.start();
                try (Frame frame = camera.next(SECOND)) {
                    assertSame(ring, frame.ring());
                }
                assertEquals("XR24 640x480", camera.image().toString());
            }
            // The ring is closed, and its memory lasts as long as the camera uses it.
            camera.next(SECOND).close();
        }
    }

    @Test
    void itLendsItsOwnMemory() throws Exception {
        try (Camera camera = Camera.open(cenalloc, CAMERA)) {
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(camera.exports()));
            camera.configure(agreement);
            world.camera.least = 5;
            try (Ring ring = camera.lend(agreement, 3)) {
                assertEquals(5, ring.size(), "the driver gives more");
                assertEquals("fake", ring.buffers(0).getFirst().exporter());
                camera.start();
                for (int i = 0; i < 10; i++) {
                    try (Frame frame = camera.next(SECOND)) {
                        assertSame(ring, frame.ring());
                    }
                }
            }
        }
    }

    @Test
    void imagesInSeveralBuffersStreamToo() throws Exception {
        try (Camera camera = Camera.open(
                cenalloc, MULTIPLANAR, ImageRequest.ANY.size(640, 480).rate(30))) {
            camera.start();
            try (Frame frame = camera.next(SECOND);
                    var pixels = frame.access(Direction.READ_WRITE)) {
                assertEquals(2, frame.buffers().size());
                assertEquals(2, frame.layouts().size());
                assertTrue(pixels.segment(1).byteSize() >= 640 * 480);
            }
            camera.stop();
            Agreement agreement =
                    Agreement.negotiate(cenalloc, ImageRequest.ANY.size(320, 240), List.of(camera.exports()));
            camera.configure(agreement);
            try (Ring ring = camera.lend(agreement, 2)) {
                camera.start();
                camera.next(SECOND).close();
                assertEquals(2, ring.buffers(0).size());
            }
        }
    }

    @Test
    void lostFramesAreCountedByTheirNumbers() throws Exception {
        world.camera.firstSequence = -3; // unsigned for the driver: it wraps
        try (Camera camera = started()) {
            assertEquals(0xFFFF_FFFDL, camera.next(SECOND).sequence());
            camera.next(SECOND).close();
            world.camera.lose(2);
            assertEquals(0x1_0000_0001L, camera.next(SECOND).sequence());
            assertEquals(2, camera.dropped());
        }
    }

    @Test
    void damagedFramesArePassedOverUnlessTheyAreWanted() throws Exception {
        try (Camera camera = started()) {
            camera.next(SECOND).close();
            world.camera.flags = v4l2_h.V4L2_BUF_FLAG_ERROR();
            world.camera.works = false;
            world.camera.work();
            world.camera.flags = 0;
            world.camera.work();
            world.camera.works = true;
            try (Frame frame = camera.next(SECOND)) {
                assertEquals(2, frame.sequence());
            }
            assertEquals(1, camera.dropped());
            camera.acceptDamaged(true);
            world.camera.flags = v4l2_h.V4L2_BUF_FLAG_ERROR();
            for (int i = 0; i < 200; i++) {
                try (Frame frame = camera.next(SECOND)) {
                    assertTrue(frame.isDamaged());
                }
            }
            assertEquals(1, camera.dropped());
        }
    }

    @Test
    void timeOfAnotherClockIsNotTold() throws Exception {
        world.camera.clock = 0;
        try (Camera camera = started()) {
            assertEquals(0, camera.next(SECOND).timestampNanos());
        }
    }

    @Test
    void aCameraOfFixedRateTellsTheAgreedOne() throws Exception {
        world.camera.rates = List.of();
        try (Camera camera = Camera.open(cenalloc, CAMERA, REQUEST)) {
            assertEquals(FrameRate.of(15), camera.rate());
        }
    }

    private void tryOthers(Camera camera) throws CenallocException {
        Agreement others = Agreement.negotiate(
                cenalloc, ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480), List.of(camera.port()));
        assertEquals(Origin.TRIAL_IMPORT, others.devices().getFirst().origin());
        assertEquals(30, world.camera.rate, "the driver has set it back");
    }

    private void streamsAt15(Camera camera) throws CenallocException {
        camera.start();
        assertEquals(15, world.camera.rate);
        assertEquals(FrameRate.of(15), camera.rate());
        camera.next(SECOND).close();
    }

    @Test
    void aTrialBeforeItHasBuffersDoesNotChangeTheRate() throws Exception {
        try (Camera camera = Camera.open(cenalloc, CAMERA)) {
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(camera.port()));
            camera.configure(agreement);
            tryOthers(camera);
            try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
                camera.use(ring);
                streamsAt15(camera);
            }
        }
    }

    @Test
    void aTrialBeforeItLendsItsOwnMemoryDoesNotChangeTheRate() throws Exception {
        try (Camera camera = Camera.open(cenalloc, CAMERA)) {
            Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(camera.exports()));
            camera.configure(agreement);
            tryOthers(camera);
            try (Ring _ = camera.lend(agreement, 2)) {
                streamsAt15(camera);
            }
        }
    }

    @Test
    void aTrialBeforeTheStartDoesNotChangeTheRate() throws Exception {
        try (Camera camera = Camera.open(cenalloc, CAMERA, REQUEST)) {
            tryOthers(camera);
            streamsAt15(camera);
        }
    }

    @Test
    void aTrialBetweenTwoStreamsDoesNotChangeTheRate() throws Exception {
        try (Camera camera = started()) {
            camera.stop();
            tryOthers(camera);
            streamsAt15(camera);
        }
    }

    @Test
    void aRateThatCannotBeSetAgainIsToldAtTheStart() throws Exception {
        try (Camera camera = Camera.open(cenalloc, CAMERA, REQUEST)) {
            tryOthers(camera);
            world.camera.errors.put(v4l2_h.VIDIOC_S_PARM(), Errno.EIO);
            var told = fails(CenallocException.class, Errno.EIO, "VIDIOC_S_PARM", camera::start);
            assertEquals("VIDIOC_S_PARM", told.call());
            world.camera.errors.clear();
            streamsAt15(camera);
        }
    }

    /** Else a trial would be of images that the stream does not ask for. */
    @Test
    void aTrialAsksForTheFieldThatTheStreamAsksFor() throws Exception {
        var fields = new ArrayList<Integer>();
        world.camera.settled = format -> fields.add(v4l2_pix_format.field(v4l2_format.fmt.pix(format)));
        Agreement agreement = Agreement.negotiate(
                cenalloc, REQUEST, List.of(Probe.of(cenalloc, CAMERA).produces().orElseThrow()));
        assertEquals(Origin.TRIAL_IMPORT, agreement.devices().getFirst().origin());
        int ofTrial = fields.getFirst(); // the last puts back what was there
        fields.clear();
        try (Camera camera = Camera.open(cenalloc, CAMERA)) {
            camera.configure(agreement);
        }
        assertEquals(List.of(v4l2_h.V4L2_FIELD_NONE()), fields);
        assertEquals(v4l2_h.V4L2_FIELD_NONE(), ofTrial);
    }

    // ---- what is no camera ----

    @Test
    void whatIsNoCameraIsTold() throws Exception {
        fails(CenallocException.class, Errno.EINVAL, "is a converter", () -> Camera.open(cenalloc, CONVERTER));
        fails(CenallocException.class, Errno.EINVAL, "is a video output", () -> Camera.open(cenalloc, OUTPUT));
        fails(CenallocException.class, Errno.EINVAL, "is a camera", () -> Converter.open(cenalloc, CAMERA));
        fails(CenallocException.class, Errno.EINVAL, "is a camera", () -> VideoOutput.open(cenalloc, CAMERA));
        world.kernel.device("/dev/vbi0", FakeCamera.without(world.kernel, VBI_CAPTURE));
        fails(
                CenallocException.class,
                Errno.EINVAL,
                "is no device for video in buffers",
                () -> Camera.open(cenalloc, Path.of("/dev/vbi0")));
        world.camera.errors.put(v4l2_h.VIDIOC_QUERYCAP(), Errno.ENOTTY);
        fails(CenallocException.class, Errno.ENOTTY, "no V4L2 video node", () -> Camera.open(cenalloc, CAMERA));
        fails(
                MissingDeviceException.class,
                Errno.ENOENT,
                "/dev/video9",
                () -> Camera.open(cenalloc, Path.of("/dev/video9")));
        world.kernel.refuse(OUTPUT, Errno.EACCES);
        fails(NoPermissionException.class, Errno.EACCES, "/dev/video2", () -> Camera.open(cenalloc, OUTPUT));
        world.kernel.refuse(OUTPUT, Errno.EBUSY);
        fails(CenallocException.class, Errno.EBUSY, "in use", () -> Camera.open(cenalloc, OUTPUT));
    }

    @Test
    void aBusyCameraSaysSoWhenItIsConfigured() throws Exception {
        world.camera.use();
        String before = world.camera.state();
        fails(CenallocException.class, Errno.EBUSY, "in use", () -> Camera.open(cenalloc, CAMERA, REQUEST));
        assertEquals(before, world.camera.state());
    }

    @Test
    void imagesThatItHasNotAreRefused() throws Exception {
        assertThrows(
                NoCommonImageException.class, () -> Camera.open(cenalloc, CAMERA, ImageRequest.ANY.size(641, 480)));
        assertThrows(
                NoCommonImageException.class,
                () -> Camera.open(cenalloc, CAMERA, ImageRequest.ANY.format(PixelFormat.NV12)));
        try (Camera camera = Camera.open(cenalloc, CAMERA)) {
            Agreement other = agreement(cenalloc, PixelFormat.NV12, 640, 480);
            fails(FormatChangedException.class, Errno.EINVAL, "it has YUYV", () -> camera.configure(other));
            assertThrows(IllegalStateException.class, camera::image);
            Agreement wide = agreement(cenalloc, PixelFormat.YUYV, 640, 480, Constraints.NONE.minPitch(4096));
            world.camera.pitchMultiple = 0;
            fails(FormatChangedException.class, Errno.EINVAL, "1280 bytes apart", () -> camera.configure(wide));
            world.camera.errors.put(v4l2_h.VIDIOC_S_FMT(), Errno.EINVAL);
            fails(CenallocException.class, Errno.EINVAL, "refuses NV12 640x480", () -> camera.configure(other));
        }
    }

    // ---- misuse ----

    @Test
    void eachStepNeedsTheOneBefore() throws Exception {
        try (Camera camera = Camera.open(cenalloc, CAMERA)) {
            Agreement agreement = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
            Agreement larger = agreement(cenalloc, PixelFormat.YUYV, 640, 480);
            try (Ring ring = Ring.allocate(cenalloc, agreement, 2);
                    Ring other = Ring.allocate(cenalloc, larger, 2)) {
                int before = world.kernel.calls.size();
                fails(IllegalStateException.class, "configure(agreement) first", camera::start);
                fails(IllegalStateException.class, "configure(agreement) first", () -> camera.use(ring));
                fails(IllegalStateException.class, "configure(agreement) first", () -> camera.lend(agreement, 2));
                fails(IllegalStateException.class, "configure(agreement) first", camera::image);
                fails(IllegalStateException.class, "configure(agreement) first", camera::rate);
                fails(IllegalStateException.class, "use(ring) first", camera::ring);
                fails(IllegalStateException.class, "start() it first", () -> camera.next(SECOND));
                camera.stop();
                assertEquals(before, world.kernel.calls.size(), "nothing was asked of the kernel");
                camera.configure(agreement);
                before = world.kernel.calls.size();
                fails(IllegalStateException.class, "use(ring) first", camera::start);
                fails(IllegalArgumentException.class, "the ring is for YUYV 640x480", () -> camera.use(other));
                fails(IllegalArgumentException.class, "the agreement is on", () -> camera.lend(larger, 2));
                fails(IllegalArgumentException.class, "from 1 to 32", () -> camera.lend(agreement, 0));
                fails(IllegalArgumentException.class, "from 1 to 32", () -> camera.lend(agreement, 33));
                assertEquals(before, world.kernel.calls.size(), "nothing was asked of the kernel");
                camera.use(ring);
                camera.start();
                before = world.kernel.calls.size();
                fails(IllegalStateException.class, "stop() it first", camera::start);
                fails(IllegalStateException.class, "stop() it first", () -> camera.configure(agreement));
                fails(IllegalStateException.class, "stop() it first", () -> camera.use(ring));
                fails(IllegalStateException.class, "stop() it first", () -> camera.lend(agreement, 2));
                fails(IllegalArgumentException.class, "positive", () -> camera.next(Duration.ZERO));
                fails(IllegalArgumentException.class, "positive", () -> camera.next(Duration.ofNanos(-1)));
                assertEquals(before, world.kernel.calls.size(), "nothing was asked of the kernel");
                Frame one = camera.next(Duration.ofSeconds(Long.MAX_VALUE));
                Frame two = camera.next(Duration.ofNanos(1));
                fails(IllegalStateException.class, "all 2 frames", () -> camera.next(SECOND));
                one.close();
                two.close();
                camera.next(SECOND).close();
            }
        }
    }

    @Test
    void ringsOfAnotherLayoutAndClosedRingsAreRefused() throws Exception {
        try (Camera camera = Camera.open(cenalloc, CAMERA)) {
            Agreement agreement = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
            Agreement wide = agreement(cenalloc, PixelFormat.YUYV, 320, 240, Constraints.NONE.minPitch(1024));
            Ring closed = Ring.allocate(cenalloc, agreement, 2);
            closed.close();
            camera.configure(agreement);
            fails(IllegalStateException.class, "the ring is closed", () -> camera.use(closed));
            try (Ring other = Ring.allocate(cenalloc, wide, 2)) {
                fails(IllegalArgumentException.class, "pitch of 1024 bytes", () -> camera.use(other));
            }
        }
    }

    @Test
    void aFrameIsGivenBackOnceAndWhileItsStreamLasts() throws Exception {
        var ended = new ArrayList<Frame>();
        try (Camera camera = started()) {
            Frame frame = camera.next(SECOND);
            frame.close();
            int before = world.kernel.calls.size();
            fails(IllegalStateException.class, "was given back", frame::close);
            fails(IllegalStateException.class, "was given back", () -> frame.access(Direction.READ));
            ended.add(camera.next(SECOND));
            camera.stop();
            fails(IllegalStateException.class, "its stream has ended", ended.getFirst()::close);
            camera.start();
            ended.add(camera.next(SECOND));
            assertEquals(0, camera.next(SECOND).index() - ended.getLast().index() - 1, "all are queued again");
            assertTrue(world.kernel.calls.size() > before);
        }
        int before = world.kernel.calls.size();
        for (Frame frame : ended) {
            fails(IllegalStateException.class, "its stream has ended", frame::close);
            fails(IllegalStateException.class, "its stream has ended", () -> frame.access(Direction.READ));
        }
        assertEquals(before, world.kernel.calls.size());
    }

    @Test
    void aClosedCameraSaysSo() throws Exception {
        Camera camera = started();
        camera.close();
        camera.close();
        int before = world.kernel.calls.size();
        Agreement agreement = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
        for (Executable use : List.<Executable>of(
                camera::start,
                camera::port,
                camera::exports,
                () -> camera.configure(agreement),
                () -> camera.lend(agreement, 2))) {
            fails(IllegalStateException.class, "is closed", use);
        }
        assertThrows(IllegalStateException.class, () -> camera.next(SECOND));
        camera.stop();
        assertEquals(before, world.kernel.calls.size());
    }

    /** A port outlives the camera, as a value; its questions do not. */
    @Test
    void thePortOfACameraThatStreamsKnowsNothing() throws Exception {
        try (Camera camera = started()) {
            String before = world.camera.state();
            Agreement agreement = Agreement.negotiate(
                    cenalloc, ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480), List.of(camera.port()));
            assertEquals(Origin.UNKNOWN, agreement.devices().getFirst().origin());
            assertTrue(agreement.plans().getFirst().explain().contains("streams"), agreement::explain);
            assertEquals(before, world.camera.state(), "the stream was not disturbed");
        }
    }

    // ---- what goes wrong at the device ----

    /** The camera has what it may fill; a program that is short of frames reads where they are. */
    @Test
    void aCameraWithoutFramesTellsWhoHasThem() throws Exception {
        try (Camera camera = started()) {
            var frames = new ArrayList<Frame>();
            frames.add(camera.next(SECOND));
            frames.getFirst().handTo("encoder");
            world.camera.works = false;
            var late = fails(NoFrameException.class, Errno.ETIMEDOUT, "no frame in time", () -> camera.next(SECOND));
            String told = late.toString().replaceAll("\\d+ ms", "N ms");
            assertTrue(told.contains("frame 0: encoder for N ms; frames 1, 2, 3: " + camera.name()), told);
            world.camera.works = true;
            while (frames.size() < camera.ring().size()) {
                frames.add(camera.next(SECOND));
            }
            var none = assertThrows(IllegalStateException.class, () -> camera.next(SECOND));
            told = none.toString().replaceAll("\\d+ ms", "N ms");
            assertTrue(told.contains("frames 1, 2, 3: the program for up to N ms"), told);
            assertEquals(0, camera.ring().pool().free());
            frames.getFirst().close();
            camera.stop();
            assertEquals(4, camera.ring().pool().free());
        }
    }

    @Test
    void aTimeThatIsOverIsToldAndTheStreamGoesOn() throws Exception {
        try (Camera camera = started()) {
            world.camera.works = false;
            var late = fails(NoFrameException.class, Errno.ETIMEDOUT, "no frame in time", () -> camera.next(SECOND));
            assertEquals(CAMERA, late.path().orElseThrow());
            world.camera.inputStatus = 2;
            fails(NoSignalException.class, Errno.ETIMEDOUT, "HDMI has no signal", () -> camera.next(SECOND));
            world.camera.inputStatus = 1;
            fails(NoSignalException.class, Errno.ETIMEDOUT, "HDMI has no power", () -> camera.next(SECOND));
            world.camera.inputStatus = 0x100;
            fails(NoSignalException.class, Errno.ETIMEDOUT, "cannot lock", () -> camera.next(SECOND));
            world.camera.works = true;
            camera.next(SECOND).close();
        }
    }

    @Test
    void noSignalAtTheStartIsTold() throws Exception {
        try (Camera camera = Camera.open(cenalloc, CAMERA, REQUEST)) {
            for (int errno : new int[] {Errno.ENOLINK, Errno.ENODATA, Errno.ENOLCK}) {
                world.camera.errors.put(v4l2_h.VIDIOC_STREAMON(), errno);
                fails(NoSignalException.class, errno, "signal", camera::start);
            }
            world.camera.errors.put(v4l2_h.VIDIOC_STREAMON(), Errno.EPIPE);
            var pipe = fails(CenallocException.class, Errno.EPIPE, "media pipeline", camera::start);
            assertSame(CenallocException.class, pipe.getClass());
            world.camera.errors.clear();
            camera.start();
            camera.next(SECOND).close();
        }
    }

    @Test
    void anUnpluggedCameraIsTold() throws Exception {
        try (Camera camera = started()) {
            Frame frame = camera.next(SECOND);
            world.camera.gone = true;
            fails(DeviceGoneException.class, Errno.ENODEV, "unplugged", () -> camera.next(SECOND));
            fails(DeviceGoneException.class, Errno.ENODEV, "/dev/video0", frame::close);
            fails(DeviceGoneException.class, Errno.ENODEV, "unplugged", camera::stop);
            fails(DeviceGoneException.class, Errno.ENODEV, "unplugged", camera::start);
            fails(DeviceGoneException.class, Errno.ENODEV, "unplugged", camera::port);
        }
    }

    @Test
    void theEndOfAStreamIsTold() throws Exception {
        try (Camera camera = started()) {
            world.camera.flags = v4l2_h.V4L2_BUF_FLAG_LAST();
            fails(StreamEndedException.class, Errno.EPIPE, "ended", () -> camera.next(SECOND));
            world.camera.flags = 0;
            world.camera.errors.put(v4l2_h.VIDIOC_DQBUF(), Errno.EPIPE);
            fails(StreamEndedException.class, Errno.EPIPE, "ended", () -> camera.next(SECOND));
            world.camera.errors.clear();
            camera.stop();
            camera.start();
            camera.next(SECOND).close();
        }
    }

    @Test
    void aBrokenStreamIsTold() throws Exception {
        try (Camera camera = started()) {
            world.camera.broken = true;
            var poll = fails(DamagedStreamException.class, Errno.EIO, "reports an error", () -> camera.next(SECOND));
            assertEquals("poll", poll.call());
            world.camera.broken = false;
            world.camera.errors.put(v4l2_h.VIDIOC_DQBUF(), Errno.EIO);
            fails(DamagedStreamException.class, Errno.EIO, "reports an error", () -> camera.next(SECOND));
            world.camera.errors.clear();
            camera.next(SECOND).close();
            // A camera without a signal is not waited for for ever; one that has it now and then is.
            for (int turn = 0; turn < 2; turn++) {
                world.camera.flags = v4l2_h.V4L2_BUF_FLAG_ERROR();
                fails(DamagedStreamException.class, Errno.EIO, "100 damaged frames", () -> camera.next(SECOND));
                world.camera.flags = 0;
                camera.next(SECOND).close();
            }
        }
    }

    @Test
    void anImageThatBeginsElsewhereIsTold() throws Exception {
        try (Camera camera = Camera.open(cenalloc, MULTIPLANAR, ImageRequest.ANY.size(640, 480))) {
            world.multiplanar.header = 64;
            camera.start();
            fails(FormatChangedException.class, Errno.EINVAL, "64 bytes before", () -> camera.next(SECOND));
            camera.acceptHeaders(true);
            try (Frame frame = camera.next(SECOND)) {
                assertEquals(64, camera.headerBytes(frame, 0));
                assertEquals(64, camera.headerBytes(frame, 1));
                assertThrows(IndexOutOfBoundsException.class, () -> camera.headerBytes(frame, 2));
                try (Camera other = Camera.open(cenalloc, CAMERA)) {
                    fails(IllegalArgumentException.class, "not of fake", () -> other.headerBytes(frame, 0));
                }
            }
            camera.acceptHeaders(false);
            world.multiplanar.header = 0;
            camera.next(SECOND).close();
        }
    }

    /** A trial of other images changes the format; another program may, too. */
    @Test
    void aFormatThatIsNotTheAgreedOneAnyMoreIsToldAtTheStart() throws Exception {
        try (Camera camera = Camera.open(cenalloc, CAMERA, REQUEST)) {
            Agreement.negotiate(
                    cenalloc, ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480), List.of(camera.port()));
            world.camera.settled = format -> v4l2_pix_format.width(v4l2_format.fmt.pix(format), 16);
            fails(FormatChangedException.class, Errno.EINVAL, "it has YUYV 16x240", camera::start);
            world.camera.settled = _ -> {};
            camera.start();
            camera.next(SECOND).close();
        }
    }

    /** The caller closes the access and closes the camera again: nothing stays. */
    @Test
    void anAccessPutsOffNoMoreThanItsFrame() throws Exception {
        Camera camera = started();
        Frame frame = camera.next(SECOND);
        try (var _ = frame.access(Direction.READ)) {
            assertThrows(IllegalStateException.class, camera::close);
        }
        camera.close();
        assertEquals(VideoWorld.MEMORY, world.kernel.free());
    }

    @Test
    void aRateThatCannotBeSetIsTheAgreedOne() throws Exception {
        try (Camera camera = Camera.open(cenalloc, CAMERA)) {
            var agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(camera.port()));
            world.camera.errors.put(v4l2_h.VIDIOC_S_PARM(), Errno.EIO);
            assertThrows(CenallocException.class, () -> camera.configure(agreement));
            assertEquals(agreement.rate(), camera.rate());
        }
    }
}
