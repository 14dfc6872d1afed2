// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.gstreamer.ScriptedPeer.Framing;
import dev.cenalloc.gstreamer.ScriptedPeer.Memory;
import dev.cenalloc.gstreamer.ScriptedPeer.Meta;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.ProtocolException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A source on the fake kernel, at a peer that says what unixfdsink says. */
class UnixFdSourceTest {
    private static final Duration NOW = Duration.ZERO;
    private static final String NV12 = "video/x-raw, format=(string)NV12, width=(int)64, height=(int)48,"
            + " framerate=(fraction)25/1, interlace-mode=(string)progressive";
    private static final long SIZE = 64 * 48 * 3 / 2;

    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20);
    private final List<Integer> memory = new ArrayList<>();
    private final Cenalloc cenalloc = kernel.open();
    private final ScriptedPeer.Pair ends = ScriptedPeer.connect(kernel);
    private final ScriptedPeer peer = ends.peer();
    private UnixFdSource source = openSource(ends.ours());

    private UnixFdSource openSource(int fd) {
        try {
            return UnixFdSource.of(cenalloc, Connection.adopt(cenalloc, fd));
        } catch (CenallocException e) {
            throw new AssertionError(e);
        }
    }

    @BeforeEach
    void begin() {
        for (int i = 0; i < 3; i++) {
            memory.add(peer.dmaBuf(8192));
        }
    }

    @AfterEach
    void nothingIsLeft() {
        kernel.failNoCall();
        source.close();
        peer.close();
        memory.forEach(kernel::close);
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
    }

    private void send(long id, int which) {
        peer.send(
                ScriptedPeer.frame(id, 1000 + id, 0, 1, List.of(new Memory(0, SIZE, 0)), List.of()), memory.get(which));
    }

    private UnixFdFrame next() throws CenallocException {
        return Objects.requireNonNull(source.next(NOW), "a frame");
    }

    @ParameterizedTest
    @EnumSource(Framing.class)
    void aFrameArrivesHoweverItIsCut(Framing framing) throws Exception {
        peer.framing = framing;
        peer.send(ScriptedPeer.caps("NULL"));
        assertNull(source.next(NOW));
        assertEquals("", source.caps());
        peer.send(ScriptedPeer.caps(NV12));
        var image = new Image(PixelFormat.NV12, 64, 48);
        for (int round = 0; round < 3; round++) {
            send(7, 0);
            send(7, 1);
            try (UnixFdFrame frame = next();
                    UnixFdFrame other = next()) {
                assertEquals(image, frame.layout().image());
                assertEquals(
                        List.of(new Layout.Plane(0, 64, 48), new Layout.Plane(64 * 48, 64, 24)),
                        frame.layout().planes());
                assertEquals(1007, frame.timestampNanos());
                assertEquals(33_333_333, frame.durationNanos());
                assertEquals(2L * round, frame.sequence());
                assertNotEquals(
                        frame.buffers().getFirst().inode(),
                        other.buffers().getFirst().inode());
                assertSame(frame.ring().agreement(), other.ring().agreement());
            }
            assertEquals(List.of(7L, 7L), peer.released());
        }
        assertEquals(Optional.of(image), source.image());
        assertEquals(Optional.of(FrameRate.of(25)), source.rate());
        assertEquals(NV12, source.caps());
    }

    /** The frame is the same object, and stays mapped; its descriptor is a new one each time. */
    @Test
    void memoryThatComesAgainIsKnown() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        var seen = new ArrayList<UnixFdFrame>();
        for (int i = 0; i < 9; i++) {
            send(i, i % 3);
            try (UnixFdFrame frame = next();
                    var pixels = frame.access(Direction.READ)) {
                assertEquals(8192, pixels.segment().byteSize());
                if (i < 3) {
                    seen.add(frame);
                }
                assertSame(seen.get(i % 3), frame);
            }
        }
        int files = kernel.openFiles();
        assertEquals(3, kernel.openMappings());
        send(9, 0);
        kernel.calls.clear();
        next().close();
        assertEquals(List.of("recvmsg", "fstat", "close", "sendmsg"), kernel.calls);
        assertEquals(files, kernel.openFiles());
        assertEquals(10, peer.released().size());
    }

    /** As videorate does: one memory in two buffers. */
    @Test
    void memoryThatComesTwiceIsTwoFrames() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        send(1, 0);
        send(2, 0);
        UnixFdFrame first = next();
        UnixFdFrame second = next();
        assertNotSame(first, second);
        assertEquals(
                first.buffers().getFirst().inode(), second.buffers().getFirst().inode());
        second.close();
        first.close();
        assertEquals(List.of(2L, 1L), peer.released());
        assertThrows(IllegalStateException.class, first::close);
        assertEquals(List.of(), peer.released(), "each is given back once");
    }

    @Test
    void aMetaSaysWhereThePlanesLie() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        var meta = new Meta(23, 64, 48, List.of(0L, 80L * 50), List.of(80, 80));
        byte[] other = ScriptedPeer.meta("GstParentBufferMeta", 3, new byte[11]);
        peer.send(
                ScriptedPeer.frame(
                        5,
                        -1,
                        Wire.CORRUPTED | Wire.DISCONTINUITY,
                        1,
                        List.of(new Memory(0, 80 * 75, 0)),
                        List.of(other, ScriptedPeer.video(meta))),
                memory.getFirst());
        try (UnixFdFrame frame = next()) {
            // The second plane begins after 50 lines: the image has as many in memory.
            assertEquals(
                    List.of(new Layout.Plane(0, 80, 50), new Layout.Plane(80 * 50, 80, 25)),
                    frame.layout().planes());
            assertEquals(50, frame.layout().storedLines());
            assertEquals(0, frame.timestampNanos());
            assertTrue(frame.isDamaged());
            assertTrue(frame.isDiscontinuity());
        }
        // Without the meta it is another frame, in the same memory.
        send(6, 0);
        try (UnixFdFrame frame = next()) {
            assertEquals(64, frame.layout().planes().getFirst().pitch());
            assertFalse(frame.isDamaged());
        }
    }

    /** What libcamera's virtual camera sends. */
    @Test
    void threeMemoriesOfOneDmaBufAreOneBuffer() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        long luma = 64 * 48;
        for (int i = 0; i < 2; i++) {
            int fd = memory.getFirst();
            peer.send(
                    ScriptedPeer.frame(
                            5,
                            1,
                            0,
                            1,
                            List.of(new Memory(0, luma, 0), new Memory(0, luma / 2, luma), new Memory(0, 0, SIZE)),
                            List.of()),
                    fd,
                    fd,
                    fd);
            try (UnixFdFrame frame = next()) {
                assertEquals(new Image(PixelFormat.NV12, 64, 48), frame.layout().image());
                assertEquals(luma, frame.layout().planes().getLast().offset());
                assertEquals(1, frame.buffers().size());
            }
        }
    }

    @Test
    void anOffsetOfAMemoryCounts() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        peer.send(ScriptedPeer.frame(5, 1, 0, 1, List.of(new Memory(0, SIZE, 1024)), List.of()), memory.getFirst());
        try (UnixFdFrame frame = next()) {
            assertEquals(1024, frame.layout().planes().getFirst().offset());
            assertEquals(1024 + 64 * 48, frame.layout().planes().getLast().offset());
        }
    }

    @Test
    void planesInDmaBufsOfTheirOwnAreBuffers() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        long luma = 64 * 48;
        var message = ScriptedPeer.frame(
                5, 1, 0, 1, List.of(new Memory(0, luma, 0), new Memory(1, luma / 2, 512)), List.of());
        for (int i = 0; i < 2; i++) {
            peer.send(message, memory.get(0), memory.get(1));
            try (UnixFdFrame frame = next()) {
                assertEquals(
                        new Image(PixelFormat.NV12M, 64, 48),
                        frame.layouts().getFirst().image());
                assertEquals(2, frame.buffers().size());
                assertEquals(512, frame.layouts().getLast().planes().getFirst().offset());
            }
        }
    }

    @Test
    void modifiersArrive() throws Exception {
        peer.send(ScriptedPeer.caps("video/x-raw(memory:DMABuf), format=(string)DMA_DRM,"
                + " drm-format=(string)XR24:0x0100000000000004, width=(int)32, height=(int)16"));
        var meta = new Meta(114, 32, 16, List.of(0L, 4096L), List.of(128, 64));
        peer.send(
                ScriptedPeer.frame(5, 1, 0, 1, List.of(new Memory(0, 8192, 0)), List.of(ScriptedPeer.video(meta))),
                memory.getFirst());
        try (UnixFdFrame frame = next()) {
            assertEquals(0x0100000000000004L, frame.layout().image().modifier());
            assertEquals(2, frame.layout().planes().size());
        }
        peer.send(ScriptedPeer.frame(6, 1, 0, 1, List.of(new Memory(0, 8192, 0)), List.of()), memory.getFirst());
        var e = assertThrows(UnusableFrameException.class, () -> source.next(NOW));
        assertTrue(e.reason().contains("no GstVideoMeta"), e::reason);
        assertEquals(List.of(5L, 6L), peer.released());
    }

    @Test
    void plainMemoryIsToldAndGivenBack() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        int plain = kernel.memfdCreate("plain", 0);
        peer.send(ScriptedPeer.frame(5, 1, 0, 0, List.of(new Memory(0, SIZE, 0)), List.of()), plain);
        var e = assertThrows(UnusableFrameException.class, () -> source.next(NOW));
        assertEquals(Errno.ENOTTY, e.errno());
        assertTrue(e.remedy().contains("io-mode=dmabuf"), e::remedy);
        assertEquals(List.of(5L), peer.released());
        send(6, 0);
        next().close();
        kernel.close(plain);
    }

    @Test
    void otherThingsThanImagesAreToldAndGivenBack() throws Exception {
        peer.send(ScriptedPeer.caps("video/x-h264, width=(int)64"));
        send(5, 0);
        var e = assertThrows(UnusableFrameException.class, () -> source.next(NOW));
        assertEquals(Errno.EINVAL, e.errno());
        assertTrue(e.reason().contains("video/x-h264"), e::reason);
        assertTrue(source.image().isEmpty());
        peer.send(ScriptedPeer.caps(NV12));
        send(6, 0);
        next().close();
        assertEquals(List.of(5L, 6L), peer.released());
    }

    @Test
    void buffersWithoutMemoryArePassedOver() throws Exception {
        peer.send(ScriptedPeer.frame(4, 1, 0, 0, List.of(), List.of()));
        peer.send(ScriptedPeer.caps(NV12));
        send(5, 0);
        next().close();
        assertEquals(List.of(4L, 5L), peer.released());
    }

    @Test
    void changedCapsMakeOtherFrames() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        send(1, 0);
        send(2, 1);
        UnixFdFrame lent = next();
        try (var pixels = lent.access(Direction.READ)) {
            assertEquals(8192, pixels.segment().byteSize());
        }
        next().close();
        int files = kernel.openFiles();
        peer.send(ScriptedPeer.caps("video/x-raw, format=(string)BGRx, width=(int)32, height=(int)16"));
        assertNull(source.next(NOW));
        assertEquals(files - 1, kernel.openFiles(), "what is not lent is forgotten");
        send(3, 0);
        try (UnixFdFrame other = next()) {
            assertEquals(PixelFormat.XR24, other.layout().image().format());
            assertEquals(PixelFormat.NV12, lent.layout().image().format());
        }
        lent.close();
        assertNull(source.next(NOW));
        assertEquals(0, kernel.openMappings(), "and what was, when it has come back");
        assertEquals(List.of(2L, 3L, 1L), peer.released());
        // The same caps once more change nothing.
        peer.send(ScriptedPeer.caps("video/x-raw, format=(string)BGRx, width=(int)32, height=(int)16"));
        int before = kernel.openFiles();
        assertNull(source.next(NOW));
        assertEquals(before, kernel.openFiles());
    }

    @Test
    void theEndOfTheStreamIsTold() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        send(1, 0);
        peer.send(ScriptedPeer.message(Wire.EOS, new byte[0]));
        UnixFdFrame frame = next();
        assertThrows(EndOfStreamException.class, () -> source.next(NOW));
        frame.close();
        assertEquals(List.of(1L), peer.released());
        peer.close();
        assertThrows(DisconnectedException.class, () -> source.next(NOW));
    }

    @Test
    void aPipelineThatIsGoneLeavesItsFrames() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        send(1, 0);
        UnixFdFrame frame = next();
        peer.close();
        assertThrows(DisconnectedException.class, () -> source.next(NOW));
        assertThrows(DisconnectedException.class, () -> source.next(NOW), "again");
        try (var pixels = frame.access(Direction.READ)) {
            assertEquals(8192, pixels.segment().byteSize());
        }
        frame.close();
    }

    @Test
    void messagesOfLaterVersionsAreSkipped() throws Exception {
        for (Framing framing : Framing.values()) {
            peer.framing = framing;
            peer.send(ScriptedPeer.message(77, new byte[3000]), memory.get(1), memory.get(2));
            peer.send(ScriptedPeer.caps(NV12));
            send(1, 0);
            UnixFdFrame frame = null;
            for (int calls = 0; frame == null; calls++) {
                assertTrue(calls < 20, "each call takes some of many pieces");
                frame = source.next(NOW);
            }
            assertEquals(1001, frame.timestampNanos());
            frame.close();
        }
    }

    /** A pipeline that allocates each frame. */
    @Test
    void whatDoesNotComeAgainIsForgotten() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        var fresh = new ArrayList<Integer>();
        for (int i = 0; i < 3 * UnixFdSource.MOST_FRAMES; i++) {
            fresh.add(peer.dmaBuf(8192));
            peer.send(ScriptedPeer.frame(i, 1, 0, 1, List.of(new Memory(0, SIZE, 0)), List.of()), fresh.getLast());
            next().close();
        }
        int ours = kernel.openFiles() - fresh.size();
        assertTrue(ours <= UnixFdSource.MOST_FRAMES + memory.size() + 3, () -> ours + " files");
        fresh.forEach(kernel::close);
    }

    @Test
    void notMoreThanAPoolIsLent() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        var frames = new ArrayList<UnixFdFrame>();
        for (int i = 0; i < UnixFdSource.MOST_FRAMES; i++) {
            send(i, 0);
            frames.add(next());
        }
        send(99, 0);
        assertThrows(IllegalStateException.class, () -> source.next(NOW));
        frames.getFirst().close();
        next().close();
        for (UnixFdFrame frame : frames.subList(1, frames.size())) {
            frame.close();
        }
        assertEquals(UnixFdSource.MOST_FRAMES + 1, peer.released().size());
    }

    @Test
    void aPeerThatDoesNotReadGetsTheFrameLater() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        send(1, 0);
        UnixFdFrame frame = next();
        kernel.socketRoom = 0;
        var e = assertThrows(CenallocException.class, frame::close);
        assertEquals(Errno.EAGAIN, e.errno());
        assertTrue(frame.isLent());
        kernel.socketRoom = 1 << 16;
        frame.close();
        assertEquals(List.of(1L), peer.released());
    }

    @Test
    void aClosedSourceRefusesAndItsFramesEnd() throws Exception {
        peer.send(ScriptedPeer.caps(NV12));
        send(1, 0);
        UnixFdFrame frame = next();
        var pixels = frame.access(Direction.READ);
        assertThrows(IllegalStateException.class, source::close, "an access is open");
        pixels.close();
        source.close();
        assertFalse(frame.isLent());
        assertThrows(IllegalStateException.class, frame::close);
        assertThrows(IllegalStateException.class, () -> source.next(NOW));
    }

    /** Each call of a good run fails in turn: an error that is documented, and nothing is left. */
    @Test
    void eachCallMayFail() throws Exception {
        for (int errno : new int[] {Errno.EMFILE, Errno.ENOMEM, Errno.EIO, Errno.EINTR}) {
            int failures = 0;
            for (int n = 0; n < 40; n++) {
                var pair = ScriptedPeer.connect(kernel);
                pair.peer().send(ScriptedPeer.caps(NV12));
                for (int i = 0; i < 2; i++) {
                    pair.peer()
                            .send(
                                    ScriptedPeer.frame(i, 1, 0, 1, List.of(new Memory(0, SIZE, 0)), List.of()),
                                    memory.getFirst());
                }
                UnixFdSource one = openSource(pair.ours());
                kernel.failCall(n, errno);
                try {
                    for (int i = 0; i < 2; i++) {
                        try (UnixFdFrame frame = one.next(NOW)) {
                            if (frame != null) {
                                frame.access(Direction.READ).close();
                            }
                        }
                    }
                } catch (CenallocException e) {
                    // The kind of a descriptor is read from a file of /proc.
                    assertTrue(e.errno() == errno || e.reason().contains(Errno.name(errno)), e::toString);
                    failures++;
                } catch (IllegalStateException e) {
                    failures++; // the frame in try-with-resources, after its connection has ended
                }
                kernel.failNoCall();
                one.close();
                pair.peer().close();
            }
            int failed = failures;
            assertTrue(errno == Errno.EINTR || failed > 8, () -> failed + " of " + Errno.name(errno));
        }
    }

    @Test
    void protocolErrorsEndTheConnection() {
        peer.send(ScriptedPeer.release(1));
        assertThrows(ProtocolException.class, () -> source.next(NOW));
        assertThrows(IllegalStateException.class, () -> source.next(NOW));
    }
}
