// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.LayoutRules;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.lending.Audience;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Ring;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A sink on the fake kernel: with sources of ours, and with clients that say what they like. */
class UnixFdSinkTest {
    private static final Duration NOW = Duration.ZERO;
    private static final Address ADDRESS = Address.ofAbstract("frames");
    private static final Image PICTURE = new Image(PixelFormat.XR24, 16, 16);

    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 24);
    private final Cenalloc cenalloc = kernel.open();
    private final List<AutoCloseable> open = new ArrayList<>();

    private <T extends AutoCloseable> T opened(T object) {
        open.add(object);
        return object;
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        kernel.failNoCall();
        for (AutoCloseable object : open.reversed()) {
            object.close();
        }
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
    }

    private Agreement agreement(List<Layout> layouts) throws CenallocException {
        return Agreement.of(cenalloc, layouts, FrameRate.of(25), List.of());
    }

    private Agreement plain() throws CenallocException {
        return agreement(List.of(UnixFdSink.layout(PICTURE)));
    }

    private List<Picture> pictures(Agreement images, int count) throws CenallocException {
        return Picture.of(opened(Ring.allocate(cenalloc, images, count)));
    }

    private UnixFdSource source() throws CenallocException {
        return opened(UnixFdSource.open(cenalloc, ADDRESS));
    }

    /** A client of the test's own. */
    private ScriptedPeer client() {
        var peer = ScriptedPeer.connect(kernel, "frames");
        open.add(peer::close);
        return peer;
    }

    /** The ids of the buffers that have come, after caps. */
    private static List<Long> ids(ScriptedPeer peer) {
        var ids = new ArrayList<Long>();
        for (byte[] message = peer.receive(4096); message.length > 0; message = peer.receive(4096)) {
            ByteBuffer words = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
            if (words.getInt(0) == Wire.NEW_BUFFER) {
                ids.add(words.getLong(8));
            }
        }
        return ids;
    }

    @Test
    void framesCrossAndComeBack() throws Exception {
        var pictures = pictures(plain(), 4);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        assertEquals(0, sink.send(pictures.get(0).lendAgain()), "nobody is there");
        assertEquals(1, pictures.get(0).returns);
        UnixFdSource source = source();
        for (int round = 0; round < 12; round++) {
            Picture picture = pictures.get(round % 4);
            picture.damaged = round == 3;
            int before = picture.returns;
            try (var pixels = picture.lendAgain().access(Direction.WRITE)) {
                pixels.segment().set(ValueLayout.JAVA_INT, 0, 1000 + round);
            }
            assertEquals(1, sink.send(picture));
            try (UnixFdFrame frame = Objects.requireNonNull(source.next(NOW));
                    var pixels = frame.access(Direction.READ)) {
                assertEquals(1000 + round, pixels.segment().get(ValueLayout.JAVA_INT, 0));
                assertEquals(UnixFdSink.layout(PICTURE).planes(), frame.layout().planes());
                assertEquals(PICTURE, frame.layout().image());
                // The time of a frame later: so long it takes to a screen.
                assertEquals(5_040_000_000L, frame.timestampNanos());
                assertEquals(40_000_000, frame.durationNanos());
                assertEquals(round == 0, frame.isDiscontinuity());
                assertEquals(round == 3, frame.isDamaged());
            }
            assertEquals(before, picture.returns, "it comes back in a call of the sink");
            assertEquals(1, sink.collect(NOW));
            assertEquals(before + 1, picture.returns);
        }
        assertEquals(FrameRate.of(25), source.rate().orElseThrow());
        pictures.get(0).timestamp = 0;
        sink.setLatency(Duration.ofMillis(7));
        sink.send(pictures.get(0).lendAgain());
        try (UnixFdFrame frame = Objects.requireNonNull(source.next(NOW))) {
            assertEquals(0, frame.timestampNanos());
        }
        kernel.calls.clear();
        sink.send(pictures.get(1).lendAgain());
        assertEquals(List.of("poll", "recvmsg", "sendmsg"), kernel.calls);
        assertEquals(0, sink.missed());
    }

    @ParameterizedTest
    @EnumSource(VideoFormat.class)
    void allFormatsCross(VideoFormat format) throws Exception {
        var image = new Image(format.pixels(), 36, 18);
        var layouts = new ArrayList<List<Layout>>();
        layouts.add(List.of(UnixFdSink.layout(image)));
        layouts.add(List.of(
                Layout.of(image, 0, new LayoutRules(64, 0, Long.MAX_VALUE, 512)).orElseThrow()));
        format.pixels().withPlanesApart().ifPresent(apart -> {
            var other = new Image(apart, 36, 18);
            var planes = new ArrayList<Layout>();
            for (int i = 0; i < apart.buffers(); i++) {
                planes.add(Layout.of(other, i, new LayoutRules(32, 0, Long.MAX_VALUE, 1))
                        .orElseThrow());
            }
            layouts.add(planes);
        });
        for (List<Layout> each : layouts) {
            Agreement images = agreement(each);
            try (Ring ring = Ring.allocate(cenalloc, images, 3);
                    var sink = UnixFdSink.open(cenalloc, ADDRESS, images);
                    var source = UnixFdSource.open(cenalloc, ADDRESS)) {
                assertEquals(1, sink.send(new Picture(ring, 0).lendAgain()));
                try (UnixFdFrame frame = Objects.requireNonNull(source.next(NOW))) {
                    for (int i = 0; i < each.size(); i++) {
                        assertEquals(each.get(i).image(), frame.layouts().get(i).image());
                        assertEquals(
                                each.get(i).planes(), frame.layouts().get(i).planes());
                    }
                }
            }
        }
    }

    @Test
    void modifiersCross() throws Exception {
        var image = new Image(PixelFormat.XR24, 32, 16, 0x0100000000000004L);
        var layout = new Layout(image, 0, List.of(new Layout.Plane(0, 128, 16), new Layout.Plane(4096, 64, 16)), 8192);
        Agreement images = agreement(List.of(layout));
        Ring ring = opened(Ring.allocate(cenalloc, images, 3));
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, images));
        UnixFdSource source = source();
        assertEquals(1, sink.send(new Picture(ring, 0).lendAgain()));
        try (UnixFdFrame frame = Objects.requireNonNull(source.next(NOW))) {
            assertEquals(image, frame.layout().image());
            assertEquals(4096, frame.layout().planes().getLast().offset());
        }
        assertThrows(IllegalArgumentException.class, () -> UnixFdSink.layout(image));
        var bayer = agreement(List.of(Layout.of(new Image(PixelFormat.SBGGR8, 32, 16))));
        assertThrows(IllegalArgumentException.class, () -> UnixFdSink.open(cenalloc, ADDRESS, bayer));
    }

    /** A frame of one pipeline for others. */
    @Test
    void whatASourceTookASinkGivesOn() throws Exception {
        var pictures = pictures(plain(), 4);
        var first = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        UnixFdSource source = source();
        Address next = Address.ofAbstract("next");
        var second = opened(UnixFdSink.open(cenalloc, next, plain()));
        var last = opened(UnixFdSource.open(cenalloc, next));
        for (int i = 0; i < 5; i++) {
            Picture picture = pictures.get(i % 4).lendAgain();
            first.send(picture);
            assertEquals(1, second.send(Objects.requireNonNull(source.next(NOW))));
            Objects.requireNonNull(last.next(NOW)).close();
            assertTrue(picture.isLent());
            second.collect(NOW);
            first.collect(NOW);
            assertFalse(picture.isLent());
        }
    }

    @Test
    void aFrameIsBackWhenTheLastPipelineHasGivenItBack() throws Exception {
        var pictures = pictures(plain(), 6);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        UnixFdSource one = source();
        UnixFdSource other = source();
        assertEquals(2, sink.send(pictures.getFirst().lendAgain()));
        assertEquals(2, sink.pipelines());
        Objects.requireNonNull(one.next(NOW)).close();
        UnixFdFrame kept = Objects.requireNonNull(other.next(NOW));
        assertEquals(0, sink.collect(NOW));
        assertEquals(1, sink.away());
        kept.close();
        assertEquals(1, sink.collect(NOW));
        assertEquals(1, pictures.getFirst().returns);
        // One that goes has given everything back.
        sink.send(pictures.getFirst().lendAgain());
        Objects.requireNonNull(one.next(NOW)).close();
        other.close();
        assertEquals(1, sink.collect(NOW));
        assertEquals(1, sink.pipelines());
    }

    @Test
    void aSlowPipelineGetsItsShareAndNoMore() throws Exception {
        var pictures = pictures(plain(), 6);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        UnixFdSource quick = source();
        UnixFdSource slow = source();
        int taken = 0;
        for (int i = 0; i < 40; i++) {
            Picture picture = pictures.stream()
                    .filter(one -> !one.isLent())
                    .findFirst()
                    .orElseThrow(() -> new AssertionError("no frame is left for the producer"));
            sink.send(picture.lendAgain());
            assertTrue(sink.away() <= 4, "two stay");
            try (UnixFdFrame frame = quick.next(NOW)) {
                taken += frame == null ? 0 : 1;
            }
        }
        assertEquals(40, taken, "the quick one gets all");
        assertEquals(38, sink.missed(), "the slow one its share of two");
        // And it gets others when it gives some back.
        Objects.requireNonNull(slow.next(NOW)).close();
        Picture free =
                pictures.stream().filter(one -> !one.isLent()).findFirst().orElseThrow();
        assertEquals(2, sink.send(free.lendAgain()));
        Objects.requireNonNull(slow.next(NOW)).close();
        try (UnixFdFrame frame = Objects.requireNonNull(slow.next(NOW))) {
            assertTrue(frame.isDiscontinuity(), "frames are missing before it");
        }
    }

    /** Alone it may keep its share for ever. */
    @Test
    void onePipelineThatKeepsAllIsDisconnectedWhenAnotherGetsNone() throws Exception {
        var pictures = pictures(plain(), 4);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        UnixFdSource stuck = source();
        sink.setPatience(Duration.ofHours(1));
        sink.send(pictures.get(0).lendAgain());
        sink.send(pictures.get(1).lendAgain());
        assertEquals(0, sink.send(pictures.get(2).lendAgain()), "it has all that it may have");
        assertEquals(1, pictures.get(2).returns, "which comes back at once");
        assertEquals(1, sink.pipelines());
        UnixFdSource hungry = source();
        assertEquals(0, sink.send(pictures.get(2).lendAgain()));
        assertEquals(2, sink.pipelines());
        sink.setPatience(NOW);
        assertEquals(1, sink.send(pictures.get(2).lendAgain()));
        assertEquals(1, sink.pipelines());
        Objects.requireNonNull(hungry.next(NOW)).close();
        assertEquals(1, pictures.get(0).returns);
        assertEquals(1, pictures.get(1).returns);
        UnixFdFrame frame = Objects.requireNonNull(stuck.next(NOW));
        frame.close();
        Objects.requireNonNull(stuck.next(NOW)).close();
        assertThrows(DisconnectedException.class, () -> stuck.next(NOW));
        UnixFdSource again = source();
        assertEquals(2, sink.send(pictures.get(0).lendAgain()));
        Objects.requireNonNull(again.next(NOW)).close();
    }

    @Test
    void howManyAreAwayCanBeSaid() throws Exception {
        var pictures = pictures(plain(), 4);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        UnixFdSource source = source();
        sink.setMostAway(4);
        for (Picture picture : pictures) {
            assertEquals(1, sink.send(picture.lendAgain()));
        }
        for (int i = 0; i < 4; i++) {
            Objects.requireNonNull(source.next(NOW)).close();
        }
        int back = 0;
        for (int i = 0; i < 4; i++) {
            back += sink.collect(NOW);
        }
        assertEquals(4, back);
        assertThrows(IllegalArgumentException.class, () -> sink.setMostAway(65));
        assertThrows(IllegalArgumentException.class, () -> sink.setMostAway(-1));
    }

    @Test
    void theEndIsToldAndWaitsForFrames() throws Exception {
        var pictures = pictures(plain(), 4);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        UnixFdSource source = source();
        sink.send(pictures.getFirst().lendAgain());
        assertFalse(sink.finish(NOW));
        UnixFdFrame frame = Objects.requireNonNull(source.next(NOW));
        assertThrows(EndOfStreamException.class, () -> source.next(NOW));
        frame.close();
        assertTrue(sink.finish(NOW));
        assertEquals(1, pictures.getFirst().returns);
        assertThrows(
                IllegalStateException.class, () -> sink.send(pictures.get(1).lendAgain()));
        assertTrue(pictures.get(1).isLent());
        sink.close();
        assertThrows(DisconnectedException.class, () -> source.next(NOW));
        assertThrows(IllegalStateException.class, () -> sink.collect(NOW));
    }

    @Test
    void aClosedSinkGivesEverythingBack() throws Exception {
        var pictures = pictures(plain(), 4);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        UnixFdSource source = source();
        sink.send(pictures.get(0).lendAgain());
        sink.send(pictures.get(1).lendAgain());
        pictures.get(0).failure = CenallocException.of(Errno.EIO, "ioctl TEST", 1);
        assertThrows(CenallocException.class, sink::close);
        assertEquals(1, pictures.get(0).returns);
        assertEquals(1, pictures.get(1).returns);
        Objects.requireNonNull(source.next(NOW)).close();
        Objects.requireNonNull(source.next(NOW)).close();
        assertThrows(EndOfStreamException.class, () -> source.next(NOW));
        assertThrows(DisconnectedException.class, () -> source.next(NOW));
    }

    @Test
    void aStreamThatHasEndedGetsNothingBack() throws Exception {
        var pictures = pictures(plain(), 4);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        UnixFdSource source = source();
        Picture picture = pictures.getFirst();
        sink.send(picture.lendAgain());
        picture.end();
        picture.lendAgain(); // it has begun anew
        Objects.requireNonNull(source.next(NOW)).close();
        sink.collect(NOW);
        assertEquals(0, picture.returns);
        assertTrue(picture.isLent());
    }

    @Test
    void misuseIsRefused() throws Exception {
        var pictures = pictures(plain(), 4);
        var others = pictures(agreement(List.of(UnixFdSink.layout(new Image(PixelFormat.XR24, 16, 8)))), 1);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        UnixFdSource _ = source();
        assertThrows(IllegalStateException.class, () -> sink.send(pictures.getFirst()), "it is not lent");
        assertThrows(
                IllegalArgumentException.class,
                () -> sink.send(others.getFirst().lendAgain()));
        sink.send(pictures.getFirst().lendAgain());
        assertThrows(IllegalStateException.class, () -> sink.send(pictures.getFirst()), "twice");
        assertEquals(1, sink.away());
        sink.close();
        assertThrows(
                IllegalStateException.class, () -> sink.send(pictures.getFirst().lendAgain()));
    }

    @Test
    void aFailureOfAStreamIsToldOnceAndNothingIsKept() throws Exception {
        var pictures = pictures(plain(), 4);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        UnixFdSource source = source();
        sink.send(pictures.getFirst().lendAgain());
        pictures.getFirst().failure = CenallocException.of(Errno.EIO, "ioctl TEST", 1);
        Objects.requireNonNull(source.next(NOW)).close();
        assertThrows(CenallocException.class, () -> sink.send(pictures.get(1).lendAgain()));
        pictures.getFirst().failure = null;
        assertEquals(1, sink.away(), "the other one was sent");
        Objects.requireNonNull(source.next(NOW)).close();
        assertEquals(1, sink.collect(NOW));
    }

    // ---- clients that say what they like ----

    /** What is wrong is told by the end of the connection; another client sees nothing of it. */
    @ParameterizedTest
    @ValueSource(strings = {"unknown", "second", "short", "buffer", "caps", "large", "long", "random", "half"})
    void aClientThatLiesIsDropped(String lie) throws Exception {
        var pictures = pictures(plain(), 8);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        ScriptedPeer liar = client();
        UnixFdSource good = source();
        assertEquals(2, sink.send(pictures.getFirst().lendAgain()));
        long id = ids(liar).getFirst();
        Objects.requireNonNull(good.next(NOW)).close();
        sink.collect(NOW);
        int files = kernel.openFiles();
        liar.send(
                switch (lie) {
                    case "unknown" -> ScriptedPeer.release(id + 1);
                    case "second" -> both(ScriptedPeer.release(id), ScriptedPeer.release(id));
                    case "short" -> ScriptedPeer.message(Wire.RELEASE_BUFFER, new byte[7]);
                    case "buffer" -> ScriptedPeer.message(Wire.NEW_BUFFER, new byte[56]);
                    case "caps" -> ScriptedPeer.caps("video/x-raw");
                    case "large" -> new byte[] {1, 0, 0, 0, -1, -1, -1, -1};
                    case "long" -> ScriptedPeer.message(Wire.RELEASE_BUFFER, new byte[2000]);
                    case "half" -> Arrays.copyOf(ScriptedPeer.release(id), 11);
                    default -> new byte[] {7, 7, 7, 7, 7, 7, 7, 7, 7, 7};
                });
        if (lie.equals("half")) {
            liar.close();
        }
        for (int i = 0; i < 2; i++) { // what came, and the end
            sink.collect(NOW);
        }
        assertEquals(1, sink.pipelines(), lie);
        assertEquals(1, pictures.getFirst().returns, "its frame is back, once");
        // The end here; there, if it was closed, its own and the memory that it had received.
        assertEquals(files - (lie.equals("half") ? 3 : 1), kernel.openFiles());
        assertEquals(1, sink.send(pictures.getFirst().lendAgain()));
        Objects.requireNonNull(good.next(NOW)).close();
        assertEquals(1, sink.collect(NOW));
    }

    private static byte[] both(byte[] one, byte[] other) {
        byte[] all = Arrays.copyOf(one, one.length + other.length);
        System.arraycopy(other, 0, all, one.length, other.length);
        return all;
    }

    /** By bytes, longer than it must be, between messages of later versions, with descriptors that nobody asked for. */
    @Test
    void oddClientsAreUnderstood() throws Exception {
        var pictures = pictures(plain(), 8);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        ScriptedPeer odd = client();
        int memory = odd.dmaBuf(4096);
        for (var framing : ScriptedPeer.Framing.values()) {
            sink.send(pictures.getFirst().lendAgain());
            long id = ids(odd).getFirst();
            int files = kernel.openFiles();
            odd.framing = framing;
            odd.send(ScriptedPeer.message(99, new byte[100]), memory);
            odd.send(ScriptedPeer.message(Wire.EOS, new byte[0]));
            byte[] release = ScriptedPeer.release(id);
            release = Arrays.copyOf(release, 20);
            release[4] = 12;
            odd.send(release, memory, memory);
            for (int i = 0; i < 200 && sink.away() > 0; i++) {
                sink.collect(NOW);
            }
            assertEquals(0, sink.away(), framing.toString());
            assertEquals(1, sink.pipelines());
            sink.collect(NOW);
            assertEquals(files, kernel.openFiles(), "their descriptors are closed");
        }
        kernel.close(memory);
    }

    @Test
    void aClientThatDoesNotReadMissesFrames() throws Exception {
        var pictures = pictures(plain(), 8);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        ScriptedPeer mute = client();
        UnixFdSource good = source();
        assertTrue(sink.awaitPipeline(NOW));
        assertEquals(List.of(), ids(mute), "caps only");
        assertNull(good.next(NOW));
        kernel.socketRoom = 2 * 80; // two frames
        for (int i = 0; i < 5; i++) {
            sink.send(pictures.get(i).lendAgain());
            Objects.requireNonNull(good.next(NOW)).close();
        }
        assertEquals(2, sink.pipelines());
        assertEquals(3, sink.missed());
        kernel.socketRoom = 1 << 16;
        assertEquals(2, ids(mute).size());
        assertEquals(2, sink.send(pictures.get(6).lendAgain()));
        Objects.requireNonNull(good.next(NOW)).close();
    }

    /** A part of a message is of no use to anybody. */
    @Test
    void aClientThatStopsReadingInTheMiddleIsDropped() throws Exception {
        var pictures = pictures(plain(), 8);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        UnixFdSource source = source();
        assertTrue(sink.awaitPipeline(NOW));
        assertNull(source.next(NOW));
        kernel.socketPiece = 20;
        kernel.socketRoom = 30;
        assertEquals(0, sink.send(pictures.getFirst().lendAgain()));
        kernel.socketPiece = Integer.MAX_VALUE;
        kernel.socketRoom = 1 << 16;
        assertEquals(0, sink.pipelines());
        assertEquals(0, sink.away());
        assertEquals(1, pictures.getFirst().returns);
        assertThrows(CenallocException.class, () -> source.next(NOW));
    }

    @Test
    void clientsAreBounded() throws Exception {
        var pictures = pictures(plain(), 4);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        var idle = new ArrayList<ScriptedPeer>();
        for (int i = 0; i < 100; i++) {
            idle.add(client());
        }
        for (int i = 0; i < 20; i++) {
            sink.collect(NOW);
        }
        assertEquals(Audience.MOST_MEMBERS, sink.pipelines());
        assertEquals(Audience.MOST_MEMBERS, sink.send(pictures.getFirst().lendAgain()));
        idle.forEach(ScriptedPeer::close);
        sink.collect(NOW);
        assertEquals(0, sink.pipelines());
        assertEquals(1, pictures.getFirst().returns);
        UnixFdSource source = source();
        assertEquals(1, sink.send(pictures.getFirst().lendAgain()));
        Objects.requireNonNull(source.next(NOW)).close();
    }

    @Test
    void tooManyOpenFilesDoNotStopTheStream() throws Exception {
        var pictures = pictures(plain(), 4);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        UnixFdSource source = source();
        sink.send(pictures.getFirst().lendAgain());
        Objects.requireNonNull(source.next(NOW)).close();
        UnixFdSource other = source();
        kernel.failCall(3, Errno.EMFILE); // poll, recvmsg, poll, accept
        assertEquals(1, sink.send(pictures.get(1).lendAgain()));
        Objects.requireNonNull(source.next(NOW)).close();
        assertEquals(2, sink.send(pictures.get(2).lendAgain()), "the next time it can");
        Objects.requireNonNull(other.next(NOW)).close();
    }

    @Test
    void eachCallMayFail() throws Exception {
        for (int errno : new int[] {Errno.ENOMEM, Errno.EMFILE, Errno.EPIPE, Errno.EINTR, Errno.ECONNRESET}) {
            for (int n = 0; n < 30; n++) {
                Agreement images = plain();
                try (Ring ring = Ring.allocate(cenalloc, images, 4)) {
                    List<Picture> pictures = Picture.of(ring);
                    Address address = Address.ofAbstract("failing");
                    try (var sink = UnixFdSink.open(cenalloc, address, images);
                            var source = UnixFdSource.of(cenalloc, Connection.connect(cenalloc, address))) {
                        kernel.failCall(n, errno);
                        for (Picture picture : pictures) {
                            sink.send(picture.lendAgain());
                            UnixFdFrame frame = source.next(NOW);
                            if (frame != null) {
                                frame.close();
                            }
                        }
                        sink.finish(NOW);
                    } catch (CenallocException | IllegalStateException e) {
                        assertTrue(kernel.calls.size() > 0, e::toString);
                    }
                    kernel.failNoCall();
                    for (Picture picture : pictures) {
                        assertFalse(picture.isLent(), () -> "call " + picture.index() + " " + Errno.name(errno));
                    }
                }
            }
        }
    }

    /**
     * A client that sends releases with bytes changed, between those of a good one. {@code
     * -Dcenalloc.conversations=1000000} for more.
     */
    @Test
    void mutatedReleasesHarmNobodyElse() throws Exception {
        var random = new Random(14);
        int rounds = Integer.getInteger("cenalloc.conversations", 20_000) / 4;
        var pictures = pictures(plain(), 8);
        var sink = opened(UnixFdSink.open(cenalloc, ADDRESS, plain()));
        UnixFdSource good = source();
        assertTrue(sink.awaitPipeline(NOW));
        int files = kernel.openFiles();
        int dropped = 0;
        for (int round = 0; round < rounds; round++) {
            ScriptedPeer liar = client();
            for (int i = 0; i < 3; i++) {
                Picture picture = pictures.stream()
                        .filter(one -> !one.isLent())
                        .findFirst()
                        .orElseThrow();
                assertTrue(sink.send(picture.lendAgain()) >= 1);
                Objects.requireNonNull(good.next(NOW)).close();
                for (long id : ids(liar)) {
                    byte[] message = ScriptedPeer.release(id);
                    switch (random.nextInt(4)) {
                        case 0 -> message[random.nextInt(16)] ^= (byte) (1 << random.nextInt(8));
                        case 1 -> message = Arrays.copyOf(message, 1 + random.nextInt(30));
                        default -> {}
                    }
                    if (liar.socket.isOpen() && sink.pipelines() == 2) {
                        liar.send(message);
                    }
                }
                sink.collect(NOW);
            }
            dropped += 2 - sink.pipelines();
            liar.close();
            open.removeLast();
            sink.collect(NOW);
            assertEquals(1, sink.pipelines());
            assertEquals(0, sink.away());
            kernel.calls.clear();
            kernel.timeouts.clear();
        }
        int more = kernel.openFiles() - files;
        assertTrue(more <= pictures.size(), () -> more + " more than the memory that the good one knows");
        assertTrue(dropped > rounds / 4, "many lies: " + dropped);
    }
}
