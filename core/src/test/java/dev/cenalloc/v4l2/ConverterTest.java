// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import static dev.cenalloc.v4l2.VideoWorld.CAMERA;
import static dev.cenalloc.v4l2.VideoWorld.CONVERTER;
import static dev.cenalloc.v4l2.VideoWorld.OUTPUT;
import static dev.cenalloc.v4l2.VideoWorld.REQUEST;
import static dev.cenalloc.v4l2.VideoWorld.SECOND;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Converters, and outputs, on the fake kernel. */
class ConverterTest {
    private final VideoWorld world = new VideoWorld();
    private final Cenalloc cenalloc = world.open();

    @AfterEach
    void everythingIsGivenBack() {
        cenalloc.close();
        assertEquals(0, world.kernel.openFiles());
        assertEquals(0, world.kernel.openMappings());
        assertEquals(VideoWorld.MEMORY, world.kernel.free());
    }

    /** A camera with a converter behind it, both started. */
    private final class Chain implements AutoCloseable {
        final Camera camera = Camera.open(cenalloc, CAMERA, REQUEST);
        final Converter converter = Converter.open(cenalloc, CONVERTER);
        final Agreement taken;
        final Agreement given;
        final Ring ring;

        Chain() throws CenallocException {
            taken = camera.ring().agreement();
            given = Agreement.negotiate(
                    cenalloc, ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480), List.of(converter.output()));
            converter.configure(taken, given);
            ring = Ring.allocate(cenalloc, given, 2);
            converter.use(camera.ring(), ring);
            camera.start();
            converter.start();
        }

        @Override
        public void close() {
            converter.close();
            ring.close();
            camera.close();
        }
    }

    @Test
    void aFrameOfACameraIsReadAndGivenBack() throws Exception {
        try (var chain = new Chain()) {
            for (int i = 0; i < 20; i++) {
                Frame raw = chain.camera.next(SECOND);
                long time = raw.timestampNanos();
                chain.converter.put(raw);
                assertTrue(raw.isLent(), "the converter has it");
                try (Frame converted = chain.converter.next(SECOND)) {
                    assertFalse(raw.isLent(), "the camera has it again");
                    assertSame(chain.ring, converted.ring());
                    assertEquals(i, converted.sequence());
                    assertEquals(time, converted.timestampNanos());
                    assertEquals(640, converted.layout().image().width());
                }
            }
        }
    }

    /** Its two sides may take different images and memory. */
    @Test
    void aTrialOfOneSideLeavesTheOtherAlone() throws Exception {
        var types = new HashSet<Integer>();
        world.kernel.device(CONVERTER.toString(), new FakeKernel.Device() {
            @Override
            public long number() {
                return world.converter.number();
            }

            @Override
            public int ioctl(int fd, long request, MemorySegment argument) {
                if (request == v4l2_h.VIDIOC_TRY_FMT() || request == v4l2_h.VIDIOC_S_FMT()) {
                    types.add(v4l2_format.type(argument));
                }
                return world.converter.ioctl(fd, request, argument);
            }

            @Override
            public void closed(int fd) {
                world.converter.closed(fd);
            }
        });
        try (var converter = Converter.open(cenalloc, CONVERTER)) {
            Agreement.negotiate(cenalloc, REQUEST, List.of(converter.input()));
            assertEquals(Set.of(v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT()), types);
            types.clear();
            Agreement.negotiate(cenalloc, REQUEST, List.of(converter.output()));
            assertEquals(
                    Set.of(v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE()), types, "what was found of the other tells nothing");
        }
    }

    /** As where its format depends on that of the other side, which a trial set and put back. */
    @Test
    void aFormatThatWasLostIsSetAgain() throws Exception {
        try (var converter = Converter.open(cenalloc, CONVERTER)) {
            Agreement taken = Agreement.negotiate(cenalloc, REQUEST, List.of(converter.input()));
            Agreement given = Agreement.negotiate(cenalloc, REQUEST, List.of(converter.output()));
            converter.configure(taken, given);
            try (Arena arena = Arena.ofConfined();
                    var other = DeviceNode.open(world.kernel, CONVERTER);
                    Ring first = Ring.allocate(cenalloc, taken, 2);
                    Ring second = Ring.allocate(cenalloc, given, 2)) {
                MemorySegment format = v4l2_format.allocate(arena);
                v4l2_format.type(format, v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE());
                other.ioctl("VIDIOC_G_FMT", v4l2_h.VIDIOC_G_FMT(), format);
                MemorySegment agreed = arena.allocate(format.byteSize()).copyFrom(format);
                v4l2_pix_format.width(v4l2_format.fmt.pix(v4l2_format.fmt(format)), 16);
                v4l2_pix_format.height(v4l2_format.fmt.pix(v4l2_format.fmt(format)), 16);
                other.ioctl("VIDIOC_S_FMT", v4l2_h.VIDIOC_S_FMT(), format);
                converter.use(first, second);
                other.ioctl("VIDIOC_G_FMT", v4l2_h.VIDIOC_G_FMT(), format);
                assertEquals(-1, agreed.mismatch(format));
            }
        }
    }

    @Test
    void aFrameTakesEightSystemCallsThroughBoth() throws Exception {
        try (var chain = new Chain()) {
            // One is converted while the next is captured.
            chain.converter.put(chain.camera.next(SECOND));
            int before = 0;
            for (int i = 0; i < 11; i++) {
                before = i == 1 ? world.kernel.calls.size() : before;
                chain.converter.put(chain.camera.next(SECOND));
                chain.converter.next(SECOND).close();
            }
            assertEquals(80, world.kernel.calls.size() - before);
        }
    }

    /** The converted frame cannot go back either; that is told beside it. */
    @Test
    void ofTwoFailuresTheFirstIsTold() throws Exception {
        try (var chain = new Chain()) {
            chain.converter.put(chain.camera.next(SECOND));
            world.converter.errors.put(v4l2_h.VIDIOC_QBUF(), Errno.EBUSY);
            world.kernel.failCall(2, Errno.ENODEV); // after poll and the dequeuing of the converted frame
            var gone = assertThrows(DeviceGoneException.class, () -> chain.converter.next(SECOND));
            assertEquals("VIDIOC_DQBUF", gone.call());
            assertEquals(1, gone.getSuppressed().length);
            assertEquals("VIDIOC_QBUF", ((CenallocException) gone.getSuppressed()[0]).call());
        }
    }

    @Test
    void whatIsReadAtTheEndGoesBack() throws Exception {
        try (var chain = new Chain()) {
            world.converter.works = false;
            Frame one = chain.camera.next(SECOND);
            Frame two = chain.camera.next(SECOND);
            chain.converter.put(one);
            chain.converter.put(two);
            var late = assertThrows(NoFrameException.class, () -> chain.converter.next(SECOND));
            assertTrue(late.remedy().contains("put a frame"), late.remedy());
            assertTrue(one.isLent());
            chain.converter.stop();
            assertFalse(one.isLent());
            assertFalse(two.isLent());
            world.converter.works = true;
            chain.converter.start();
            chain.converter.put(chain.camera.next(SECOND));
            chain.converter.next(SECOND).close();
            // Of a stream that has ended, nothing is to be given back.
            chain.converter.put(chain.camera.next(SECOND));
            chain.camera.stop();
            chain.converter.stop();
        }
    }

    /** The numbers of a stream begin anew with it, and its frames are the same objects. */
    @Test
    void aFrameThatWasLentAgainIsNotTaken() throws Exception {
        try (var chain = new Chain()) {
            world.converter.works = false;
            Frame one = chain.camera.next(SECOND);
            long number = one.sequence();
            chain.converter.put(one);
            chain.camera.stop();
            chain.camera.start();
            Frame again = chain.camera.next(SECOND);
            assertSame(one, again);
            assertEquals(number, again.sequence());
            chain.converter.stop();
            assertTrue(again.isLent(), "it is the caller's");
            again.close();
        }
    }

    @Test
    void anAccessToAFrameThatIsReadKeepsNothingElse() throws Exception {
        try (var chain = new Chain()) {
            world.converter.works = false;
            Frame one = chain.camera.next(SECOND);
            Frame two = chain.camera.next(SECOND);
            chain.converter.put(one);
            chain.converter.put(two);
            int files = world.kernel.openFiles();
            try (var _ = one.access(Direction.READ)) {
                var e = assertThrows(IllegalStateException.class, chain.converter::close);
                assertTrue(e.toString().contains("CPU access"), e.toString());
            }
            assertFalse(two.isLent());
            assertTrue(one.isLent());
            assertEquals(files - 1, world.kernel.openFiles(), "the node is closed");
            assertThrows(IllegalStateException.class, chain.converter::input);
            one.close();
            chain.converter.close();
        }
    }

    @Test
    void ringsOfWhichOneIsRefusedLeaveNoFrameUntracked() throws Exception {
        try (var chain = new Chain();
                Ring small = Ring.allocate(cenalloc, chain.taken, 2);
                Ring other = Ring.allocate(cenalloc, chain.given, 2)) {
            chain.converter.stop();
            chain.camera.stop();
            int failed = 0;
            for (boolean used = false; !used; ) {
                chain.converter.use(small, chain.ring);
                world.kernel.failCall(failed, Errno.ENOMEM);
                try {
                    chain.converter.use(chain.camera.ring(), other);
                    used = true;
                } catch (CenallocException e) {
                    failed++;
                }
                world.kernel.failNoCall();
                takeAllOrNothing(chain);
            }
            assertTrue(failed > 1, failed + " calls");
        }
    }

    /** Puts all frames of the camera, if the converter can be started with the rings that it has. */
    private static void takeAllOrNothing(Chain chain) throws CenallocException {
        try {
            chain.converter.start();
        } catch (CenallocException | IllegalStateException e) {
            return; // it has no ring on one side
        }
        chain.camera.start();
        for (int i = 0; i < 2; i++) {
            try {
                chain.converter.put(chain.camera.next(SECOND));
            } catch (IllegalArgumentException e) {
                break; // it has the small ring
            }
        }
        chain.converter.stop();
        chain.camera.stop();
    }

    @Test
    void onlyLentFramesOfTheRightRingArePut() throws Exception {
        try (var chain = new Chain();
                Camera other = Camera.open(cenalloc, VideoWorld.MULTIPLANAR, ImageRequest.ANY)) {
            other.start();
            Frame strange = other.next(SECOND);
            assertThrows(IllegalArgumentException.class, () -> chain.converter.put(strange));
            Frame frame = chain.camera.next(SECOND);
            frame.close();
            assertThrows(IllegalStateException.class, () -> chain.converter.put(frame));
            Frame again = chain.camera.next(SECOND);
            chain.converter.put(again);
            var twice = assertThrows(IllegalStateException.class, () -> chain.converter.put(again));
            assertTrue(twice.toString().contains("is being read"), twice::toString);
            Frame converted = chain.converter.next(SECOND);
            assertThrows(IllegalArgumentException.class, () -> chain.converter.put(converted));
            converted.close();
            chain.converter.stop();
            Frame late = chain.camera.next(SECOND);
            assertThrows(IllegalStateException.class, () -> chain.converter.put(late));
            assertTrue(late.isLent(), "it stays the caller's");
            late.close();
        }
    }

    @Test
    void itReadsOneRingAndWritesAnother() throws Exception {
        try (var chain = new Chain()) {
            chain.converter.stop();
            Agreement same = chain.taken;
            chain.converter.configure(same, same);
            Ring ring = chain.camera.ring();
            assertThrows(IllegalArgumentException.class, () -> chain.converter.use(ring, ring));
            assertThrows(IllegalArgumentException.class, () -> chain.converter.use(ring, chain.ring));
            assertThrows(IllegalStateException.class, chain.converter::start);
            try (Ring second = Ring.allocate(cenalloc, same, 2)) {
                chain.converter.use(ring, second);
                chain.converter.start();
                assertThrows(IllegalStateException.class, () -> chain.converter.configure(same, same));
                assertThrows(IllegalStateException.class, () -> chain.converter.use(ring, second));
                chain.converter.put(chain.camera.next(SECOND));
                assertSame(second, chain.converter.next(SECOND).ring());
            }
        }
    }

    @Test
    void aConverterWhoseSecondQueueDoesNotStartIsStoppedAgain() throws Exception {
        try (var chain = new Chain()) {
            chain.converter.stop();
            for (int call = 0; call < 4; call++) {
                world.kernel.failCall(call, Errno.ENOMEM);
                var e = assertThrows(CenallocException.class, chain.converter::start);
                assertEquals(Errno.ENOMEM, e.errno());
                world.kernel.failNoCall();
            }
            chain.converter.start();
            chain.converter.put(chain.camera.next(SECOND));
            chain.converter.next(SECOND).close();
        }
    }

    @Test
    void anUnpluggedConverterIsTold() throws Exception {
        try (var chain = new Chain()) {
            Frame frame = chain.camera.next(SECOND);
            world.converter.gone = true;
            assertThrows(DeviceGoneException.class, () -> chain.converter.put(frame));
            assertTrue(frame.isLent(), "it stays the caller's");
            frame.close();
            assertThrows(DeviceGoneException.class, () -> chain.converter.next(SECOND));
        }
    }

    // ---- outputs ----

    private VideoOutput output(Ring[] ring) throws CenallocException {
        VideoOutput output = VideoOutput.open(cenalloc, OUTPUT);
        Agreement agreement = Agreement.negotiate(cenalloc, REQUEST, List.of(output.port()));
        output.configure(agreement);
        ring[0] = Ring.allocate(cenalloc, agreement, 3);
        output.use(ring[0]);
        output.start();
        return output;
    }

    @Test
    void aTrialDoesNotChangeTheRateOfAnOutput() throws Exception {
        var ring = new Ring[1];
        try (VideoOutput output = output(ring)) {
            output.stop();
            Agreement _ = Agreement.negotiate(
                    cenalloc, ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480), List.of(output.port()));
            assertEquals(30, world.output.rate, "the driver has set it back");
            output.start();
            assertEquals(15, world.output.rate);
            assertEquals(FrameRate.of(15), output.rate());
        }
        ring[0].close();
    }

    @Test
    void anOutputGivesEmptyFramesToDrawInto() throws Exception {
        var ring = new Ring[1];
        try (VideoOutput output = output(ring)) {
            assertEquals("YUYV 320x240", output.image().toString());
            assertEquals(15, output.rate().frames());
            var seen = new HashSet<Frame>();
            for (int i = 0; i < 12; i++) {
                try (Frame frame = output.next(SECOND)) {
                    assertEquals(i, frame.sequence());
                    assertEquals(i < 3, frame.timestampNanos() == 0, "shown before");
                    seen.add(frame);
                    try (var pixels = frame.access(Direction.WRITE)) {
                        pixels.segment().fill((byte) i);
                    }
                }
            }
            assertEquals(3, seen.size());
            assertTrue(world.output.finished().size() >= 9, "they were shown");
            int before = world.kernel.calls.size();
            output.next(SECOND).close();
            assertEquals(3, world.kernel.calls.size() - before);
            output.stop();
            output.start();
            assertEquals(0, output.next(SECOND).sequence());
        }
        ring[0].close();
    }

    @Test
    void anOutputThatShowsNothingIsToldApartFromOneWithoutFrames() throws Exception {
        var ring = new Ring[1];
        try (VideoOutput output = output(ring)) {
            world.output.works = false;
            for (int i = 0; i < 3; i++) {
                output.next(SECOND).close();
            }
            var late = assertThrows(NoFrameException.class, () -> output.next(SECOND));
            assertEquals(Errno.ETIMEDOUT, late.errno());
            world.output.works = true;
            Frame one = output.next(SECOND);
            Frame two = output.next(SECOND);
            Frame three = output.next(SECOND);
            assertThrows(IllegalStateException.class, () -> output.next(SECOND));
            two.close();
            assertEquals(two.index(), output.next(SECOND).index());
            one.close();
            three.close();
            assertThrows(IllegalArgumentException.class, () -> output.next(Duration.ZERO));
            world.output.errors.put(v4l2_h.VIDIOC_DQBUF(), Errno.EIO);
            assertThrows(DamagedStreamException.class, () -> output.next(SECOND));
            world.output.gone = true;
            assertThrows(DeviceGoneException.class, () -> output.next(SECOND));
        }
        ring[0].close();
    }
}
