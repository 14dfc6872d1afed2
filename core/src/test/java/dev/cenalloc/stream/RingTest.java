// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Fence;
import dev.cenalloc.MappedAccess;
import dev.cenalloc.PoolExhaustedException;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Faults;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Rings and their frames: what is refused, what a close gives back, and what it leaves alone. */
@SuppressWarnings("NullAway") // null elements are some of the tests
class RingTest {
    private static final long MEMORY = 16 << 20;

    private final FakeKernel kernel = new FakeKernel().heap("system", MEMORY);
    private final Cenalloc cenalloc = kernel.open();

    @BeforeEach
    void openTheNodeOfTheHeap() throws Exception {
        try (var buffer = cenalloc.create(1)) {
            buffer.dmaBuf();
        }
    }

    @AfterEach
    void everythingIsGivenBack() {
        assertEquals(1, kernel.openFiles(), "the node of the heap");
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        assertEquals(MEMORY, kernel.free());
    }

    private Agreement agreement(PixelFormat format) throws CenallocException {
        var images = List.of(new ImageRange(format, ImageRange.Sizes.of(64, 64)));
        return Agreement.negotiate(
                cenalloc, ImageRequest.ANY, List.of(Port.of(Device.of("declared", Constraints.NONE, "test"), images)));
    }

    /** A frame of no stream, which counts how often it comes back. */
    private static final class Lent extends Frame {
        int returns;

        Lent(Ring ring, int index) {
            super(ring, index);
            lend();
        }

        /** A stream has it. */
        Lent(Ring ring, int index, String stream) {
            super(ring, index);
            hold(stream);
        }

        void lendAgain() {
            lend();
        }

        void begin(String stream) {
            hold(stream);
        }

        void end() {
            revoke();
        }

        @Override
        public long sequence() {
            return 0;
        }

        @Override
        public long timestampNanos() {
            return 0;
        }

        @Override
        public boolean isDamaged() {
            return false;
        }

        @Override
        protected void giveBack() {
            returns++;
        }
    }

    private static void refused(String words, Executable use) {
        var e = assertThrows(IllegalStateException.class, use);
        assertTrue(String.valueOf(e.getMessage()).contains(words), e::toString);
    }

    @Test
    void countsOutOfRangeAllocateNothing() throws Exception {
        Agreement agreement = agreement(PixelFormat.XR24);
        int calls = kernel.calls.size();
        for (int count : new int[] {Integer.MIN_VALUE, -1, 0, 65, Integer.MAX_VALUE}) {
            var e = assertThrows(IllegalArgumentException.class, () -> Ring.allocate(cenalloc, agreement, count));
            assertTrue(e.getMessage().contains("from 1 to 64, not " + count), e::toString);
        }
        assertEquals(calls, kernel.calls.size());
    }

    /** The buffers are the ring's once it has checked that they are some. */
    @Test
    void buffersThatMakeNoRingAreClosed() throws Exception {
        Agreement agreement = agreement(PixelFormat.NV12M);
        SharedBuffer one = cenalloc.create(4096);
        one.dmaBuf();
        assertThrows(IllegalArgumentException.class, () -> Ring.of(agreement, List.of(List.of(one))));
        assertThrows(IllegalStateException.class, one::dmaBuf);
        assertThrows(IllegalArgumentException.class, () -> Ring.of(agreement, List.of()));
        SharedBuffer small = cenalloc.create(4096);
        SharedBuffer other = cenalloc.create(4096);
        var e = assertThrows(
                IllegalArgumentException.class,
                () -> Ring.of(agreement(PixelFormat.XR24), List.of(List.of(other), List.of(small))));
        assertTrue(e.getMessage().contains("has 4096 bytes, and XR24 64x64 needs 16384"), e::toString);
        assertThrows(IllegalStateException.class, small::dmaBuf);
        assertThrows(IllegalStateException.class, other::dmaBuf);
    }

    @Test
    void nullElementsAreRefusedByName() throws Exception {
        Agreement agreement = agreement(PixelFormat.XR24);
        Device device = Device.of("declared", Constraints.NONE, "test");
        List<@Nullable SharedBuffer> noBuffer = Arrays.asList((SharedBuffer) null);
        List<@Nullable Port> noPort = Arrays.asList((Port) null);
        List<@Nullable ImageRange> noImages = Arrays.asList((ImageRange) null);
        try (SharedBuffer kept = cenalloc.create(1)) {
            var refused = new ArrayList<String>();
            for (Executable use : List.<Executable>of(
                    () -> Ring.of(agreement, List.of(List.of(kept), noBuffer)),
                    () -> Ring.of(agreement, Arrays.asList(List.of(kept), null)),
                    () -> Agreement.negotiate(cenalloc, ImageRequest.ANY, noPort),
                    () -> Port.of(device, noImages))) {
                refused.add(assertThrows(NullPointerException.class, use).getMessage());
            }
            assertEquals(
                    List.of(
                            "an element of an element of frames",
                            "an element of frames",
                            "an element of ports",
                            "an element of images"),
                    refused);
            kept.dmaBuf(); // it is the caller's still
        }
    }

    @Test
    void theListsOfARingAreItsOwn() throws Exception {
        var buffers = new ArrayList<SharedBuffer>();
        buffers.add(cenalloc.create(4096 * 4));
        Ring ring = Ring.of(agreement(PixelFormat.XR24), List.of(buffers));
        buffers.clear();
        ring.close();
        assertEquals(MEMORY, kernel.free());
    }

    @Test
    void aFrameIsGivenBackOnceAndWhileItsStreamLasts() throws Exception {
        try (Ring ring = Ring.allocate(cenalloc, agreement(PixelFormat.XR24), 2)) {
            assertThrows(IndexOutOfBoundsException.class, () -> new Lent(ring, 2));
            var frame = new Lent(ring, 0);
            frame.close();
            refused("was given back", frame::close);
            refused("was given back", () -> frame.access(Direction.READ));
            assertEquals(1, frame.returns);
            var other = new Lent(ring, 1);
            other.end();
            refused("its stream has ended", other::close);
            refused("its stream has ended", () -> other.access(Direction.READ));
            assertEquals(0, other.returns);
        }
    }

    @Test
    void aFrameIsNotGivenBackDuringAnAccess() throws Exception {
        try (Ring ring = Ring.allocate(cenalloc, agreement(PixelFormat.XR24), 1)) {
            var frame = new Lent(ring, 0);
            MappedAccess access = frame.access(Direction.READ);
            refused("open already", () -> frame.access(Direction.READ));
            refused("close it first", frame::close);
            assertTrue(frame.isLent());
            access.close();
            access.close();
            refused("is closed", access::segment);
            assertThrows(IllegalStateException.class, () -> access.segment(0));
            frame.close();
            assertEquals(1, frame.returns);
        }
    }

    /** The program may be drawing at this moment. */
    @ParameterizedTest
    @EnumSource(Direction.class)
    void closingLeavesTheMemoryOfAnAccessAlone(Direction direction) throws Exception {
        Ring ring = Ring.allocate(cenalloc, agreement(PixelFormat.NV12M), 3);
        var frame = new Lent(ring, 1);
        new Lent(ring, 0).access(Direction.READ).close();
        MappedAccess access = frame.access(direction);
        MemorySegment pixels = access.segment(1);
        long all = MEMORY - kernel.free();
        for (int i = 0; i < 2; i++) {
            refused("a CPU access to frame 1 is open", ring::close);
            assertEquals(2, kernel.openMappings(), "those of the access");
            assertEquals(all / 3, MEMORY - kernel.free());
            assertTrue(pixels.scope().isAlive());
        }
        access.close();
        ring.close();
        assertFalse(pixels.scope().isAlive());
        assertEquals(MEMORY, kernel.free());
        ring.close();
        refused("closed", () -> frame.access(direction));
        assertThrows(
                IllegalStateException.class, () -> ring.buffers(0).getFirst().fd());
    }

    /** A stream has its frames while it runs, also those that it has not lent. */
    @Test
    void twoStreamsDoNotShareAFrame() throws Exception {
        try (Ring ring = Ring.allocate(cenalloc, agreement(PixelFormat.XR24), 2)) {
            var frame = new Lent(ring, 0);
            assertEquals("the program", frame.memory().holder().orElseThrow());
            refused("frame 0 is not free (the program has it)", () -> new Lent(ring, 0, "camera"));
            var passedOn = new Lent(ring, 0);
            passedOn.close();
            assertTrue(frame.memory().isLent(), "a frame that passes it on does not give it back");
            frame.close();
            frame.begin("camera");
            assertEquals("camera", frame.memory().holder().orElseThrow());
            frame.lendAgain();
            frame.handTo("display");
            refused("frame 0 is not free (display has it)", () -> new Lent(ring, 0, "other"));
            frame.close();
            assertEquals("camera", frame.memory().holder().orElseThrow());
            assertEquals(1, ring.lend("painter", Duration.ZERO).index());
            assertThrows(PoolExhaustedException.class, () -> ring.lend("painter", Duration.ZERO));
            frame.end();
            assertEquals(0, ring.lend("painter", Duration.ZERO).index());
        }
    }

    /** The camera must not write what the program reads. */
    @Test
    void aFrameOfAStreamThatEndedIsFreeWhenItsAccessIsClosed() throws Exception {
        try (Ring ring = Ring.allocate(cenalloc, agreement(PixelFormat.XR24), 1)) {
            var frame = new Lent(ring, 0);
            MappedAccess access = frame.access(Direction.READ);
            frame.end();
            refused("is not free", () -> new Lent(ring, 0, "camera"));
            access.close();
            assertEquals(0, new Lent(ring, 0, "camera").index());
        }
    }

    @Test
    void aFrameComesBackBeforeTheWorkOnItHasEnded() throws Exception {
        try (Ring ring = Ring.allocate(cenalloc, agreement(PixelFormat.XR24), 1)) {
            var work = new FakeKernel.Work();
            RingFrame frame = ring.lend("gpu", Duration.ZERO);
            try (Fence fence = Seam.fence(Fence.class, kernel, kernel.fence(work))) {
                kernel.failCall(0, Errno.EIO);
                assertThrows(CenallocException.class, () -> frame.close(fence));
                kernel.failNoCall();
                assertTrue(frame.isLent());
                frame.close(fence);
                assertFalse(frame.isLent());
            }
            assertThrows(PoolExhaustedException.class, () -> ring.lend("gpu", Duration.ZERO));
            work.status = 1;
            assertEquals(frame, ring.lend("gpu", Duration.ZERO));
        }
    }

    /** Objects are for one thread at a time, and not for one thread only. */
    @Test
    void anotherThreadGoesOn() throws Exception {
        Ring ring = Ring.allocate(cenalloc, agreement(PixelFormat.XR24), 1);
        var frame = new Lent(ring, 0);
        MappedAccess access = frame.access(Direction.WRITE);
        CompletableFuture.runAsync(() -> {
                    try {
                        access.segment().fill((byte) 1);
                        access.close();
                        frame.close();
                        ring.close();
                    } catch (CenallocException e) {
                        throw new AssertionError(e);
                    }
                })
                .join();
        assertEquals(1, frame.returns);
    }

    /** Every call fails in turn: allocation, the first access and the second, and their ends. */
    @Test
    void everyFaultOfEveryCallGivesEverythingBack() throws Exception {
        Agreement agreement = agreement(PixelFormat.NV12M);
        int before = kernel.calls.size();
        use(agreement);
        int calls = kernel.calls.size() - before;
        int told = 0;
        for (int call = 0; call < calls; call++) {
            for (int errno : Faults.ERRNOS) {
                kernel.failCall(call, errno);
                try {
                    use(agreement);
                } catch (CenallocException e) {
                    told++;
                    // What /proc does not tell is ENOENT, whatever the reason.
                    assertTrue(e.errno() == errno || e.errno() == Errno.ENOENT, e::toString);
                }
                kernel.failNoCall();
                assertEquals(MEMORY, kernel.free());
                assertEquals(0, kernel.openMappings());
                assertEquals(1, kernel.openFiles());
            }
        }
        assertTrue(told > calls, told + " of " + calls + " calls");
    }

    private void use(Agreement agreement) throws CenallocException {
        try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
            var frame = new Lent(ring, 1);
            for (int i = 0; i < 2; i++) {
                try (MappedAccess access = frame.access(Direction.READ_WRITE)) {
                    access.segment(1).fill((byte) i);
                }
            }
            frame.close();
        }
    }

    @Test
    void anImageInSeveralBuffersHasNoOneLayout() throws Exception {
        assertEquals(2, agreement(PixelFormat.NV12M).layouts().size());
        assertThrows(
                IllegalStateException.class, () -> agreement(PixelFormat.NV12M).layout());
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> agreement(PixelFormat.NV12M).layout(2));
        assertEquals(
                new Image(PixelFormat.NV12M, 64, 64),
                agreement(PixelFormat.NV12M).image());
    }
}
