// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.lending.Audience;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.stream.RingFrame;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** One stream and many receivers, on the fake kernel: fast ones, slow ones, dead ones, and those that lie. */
@SuppressWarnings("NullAway.Init")
class BroadcastTest {
    private static final Duration NOW = Duration.ZERO;
    private static final Address ADDRESS = Address.ofAbstract("broadcast");

    private final FakeKernel kernel = new FakeKernel().heap("system", 16 << 20);
    private final Cenalloc cenalloc = kernel.open();
    private Ring ring;
    private Broadcast broadcast;
    private long number;

    @BeforeEach
    void open() throws Exception {
        ring = ring();
        broadcast = Broadcast.open(Listener.open(cenalloc, ADDRESS), ring);
    }

    private Ring ring() throws CenallocException {
        var images = List.of(new ImageRange(PixelFormat.XR24, ImageRange.Sizes.of(64, 64)));
        Port port = Port.of(Device.of("declared", Constraints.NONE, "test"), images);
        return Ring.allocate(cenalloc, Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(port)), 6);
    }

    @AfterEach
    void everythingIsGivenBack() throws Exception {
        broadcast.close();
        broadcast.close();
        assertEquals(6, ring.pool().free());
        ring.close();
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
    }

    private Receiver receiver() throws CenallocException {
        return new Receiver(Connection.connect(cenalloc, ADDRESS));
    }

    private RingFrame frame() throws Exception {
        RingFrame frame = ring.lend("camera", NOW);
        frame.stamp(number++, 7);
        return frame;
    }

    private int send() throws Exception {
        return broadcast.send(frame());
    }

    private static ReceivedFrame next(Receiver receiver) throws CenallocException {
        return Objects.requireNonNull(receiver.next(NOW));
    }

    @Test
    void withoutReceiversFramesComeBackAtOnce() throws Exception {
        for (int i = 0; i < 20; i++) {
            assertEquals(0, send());
            assertEquals(6, ring.pool().free());
        }
        assertEquals(0, broadcast.missed());
        assertEquals(0, broadcast.collect(NOW));
        assertFalse(broadcast.awaitReceivers(1, NOW));
    }

    @Test
    void aFrameComesBackWhenTheLastReceiverHasGivenItBack() throws Exception {
        try (Receiver one = receiver();
                Receiver other = receiver()) {
            assertTrue(broadcast.awaitReceivers(2, NOW));
            RingFrame frame = frame();
            assertEquals(2, broadcast.send(frame));
            assertTrue(frame.memory().holder().orElseThrow().contains("receivers at"));
            assertThrows(IllegalStateException.class, () -> broadcast.send(frame));
            ReceivedFrame first = next(one);
            ReceivedFrame second = next(other);
            assertEquals(
                    frame.buffers().getFirst().inode(),
                    first.buffers().getFirst().dmaBuf().inode());
            assertEquals(0, second.sequence());
            assertEquals(7, second.timestampNanos());
            first.close();
            assertEquals(0, broadcast.collect(NOW));
            assertEquals(1, broadcast.away());
            second.close();
            assertEquals(1, broadcast.collect(NOW));
            assertEquals(0, broadcast.away());
            assertFalse(frame.isLent());
            for (int i = 0; i < 20; i++) {
                assertEquals(2, send());
                next(one).close();
                next(other).close();
            }
        }
    }

    /** Poll, and two calls for each receiver. */
    @Test
    void aFrameToTwoReceiversTakesFiveCalls() throws Exception {
        try (Receiver one = receiver();
                Receiver other = receiver()) {
            assertTrue(broadcast.awaitReceivers(2, NOW));
            for (int i = 0; i < 8; i++) {
                RingFrame frame = frame();
                kernel.calls.clear();
                assertEquals(2, broadcast.send(frame));
                if (i > 6) { // each frame was sent before, and comes back before the next
                    assertEquals(List.of("poll", "recvmsg", "recvmsg", "sendmsg", "sendmsg"), kernel.calls);
                }
                next(one).close();
                next(other).close();
            }
        }
    }

    /** The others get every frame, and the producer always has two. */
    @Test
    void aSlowReceiverMissesFramesAlone() throws Exception {
        try (Receiver slow = receiver();
                Receiver fast = receiver()) {
            assertTrue(broadcast.awaitReceivers(2, NOW));
            for (int i = 0; i < 10; i++) {
                assertEquals(i < 2 ? 2 : 1, send());
                ReceivedFrame frame = next(fast);
                assertEquals(i, frame.sequence());
                frame.close();
                assertTrue(ring.pool().free() >= 2);
            }
            assertEquals(8, broadcast.missed());
            assertEquals(0, next(slow).sequence());
            assertEquals(1, next(slow).sequence());
            assertNull(slow.next(NOW));
        }
    }

    /** Alone it may keep its share for ever. */
    @Test
    void aReceiverThatKeepsFramesIsDisconnectedWhenAnotherGetsNone() throws Exception {
        broadcast.setPatience(NOW);
        broadcast.setMostAway(2);
        try (Receiver greedy = receiver()) {
            assertTrue(broadcast.awaitReceivers(1, NOW));
            assertEquals(List.of(1, 1, 0, 0), List.of(send(), send(), send(), send()));
            assertEquals(1, broadcast.receivers());
            try (Receiver other = receiver()) {
                assertTrue(broadcast.awaitReceivers(2, NOW));
                assertEquals(1, send());
                assertEquals(1, broadcast.receivers());
                assertEquals(4, next(other).sequence());
            }
            next(greedy);
            next(greedy);
            assertThrows(DisconnectedException.class, () -> greedy.next(NOW));
        }
    }

    @Test
    void whatADeadReceiverHadComesBackAndItMayComeAgain() throws Exception {
        for (int i = 0; i < 5; i++) {
            try (Receiver mortal = receiver()) {
                assertTrue(broadcast.awaitReceivers(1, NOW));
                assertEquals(1, send());
                next(mortal);
                assertEquals(1, broadcast.away());
            }
            assertEquals(1, broadcast.collect(NOW));
            assertEquals(0, broadcast.receivers());
        }
    }

    /** It never had the frame that it gives back. */
    @Test
    void aReceiverThatLiesIsDisconnectedAndTheOthersGoOn() throws Exception {
        try (Connection liar = Connection.connect(cenalloc, ADDRESS);
                Receiver honest = receiver()) {
            assertTrue(broadcast.awaitReceivers(2, NOW));
            assertTrue(liar.send(new byte[24], List.of(), NOW));
            assertEquals(0, broadcast.collect(NOW));
            assertEquals(1, broadcast.receivers());
            assertEquals(1, send());
            next(honest).close();
        }
    }

    @Test
    void idleConnectionsAreBoundedAndDoNoHarm() throws Exception {
        var idle = new ArrayList<Connection>();
        for (int round = 0; round < 40; round++) {
            for (int i = 0; i < 25; i++) {
                idle.add(Connection.connect(cenalloc, ADDRESS));
            }
            broadcast.awaitReceivers(Integer.MAX_VALUE, NOW);
            broadcast.awaitReceivers(Integer.MAX_VALUE, NOW);
            broadcast.awaitReceivers(Integer.MAX_VALUE, NOW);
            broadcast.awaitReceivers(Integer.MAX_VALUE, NOW);
        }
        assertEquals(1_000, idle.size());
        assertEquals(Audience.MOST_MEMBERS, broadcast.receivers());
        for (int i = 0; i < 4; i++) {
            send();
        }
        for (Connection each : idle) {
            each.close();
        }
        broadcast.collect(NOW);
        assertEquals(0, broadcast.receivers());
        assertEquals(6, ring.pool().free());
    }

    @Test
    void framesOfOthersAreRefused() throws Exception {
        try (Ring other = ring()) {
            RingFrame strange = other.lend("camera", NOW);
            assertThrows(IllegalArgumentException.class, () -> broadcast.send(strange));
            assertTrue(strange.isLent());
            strange.close();
            RingFrame back = frame();
            back.close();
            assertThrows(IllegalStateException.class, () -> broadcast.send(back));
            broadcast.close();
            RingFrame late = frame();
            assertThrows(IllegalStateException.class, () -> broadcast.send(late));
            assertThrows(IllegalStateException.class, () -> broadcast.collect(NOW));
            late.close();
        }
        assertThrows(IllegalArgumentException.class, () -> broadcast.setMostAway(65));
        assertThrows(IllegalArgumentException.class, () -> broadcast.setMostAway(-1));
    }

    /** Each call of the kernel fails in turn; the frame is never lost. */
    @Test
    void everyFaultGivesTheFrameBack() throws Exception {
        for (int call = 0; call < 8; call++) {
            for (int errno : new int[] {Errno.EMFILE, Errno.ENOMEM, Errno.EINTR, Errno.EPIPE, Errno.EINVAL}) {
                try (Receiver one = receiver();
                        Receiver other = receiver()) {
                    kernel.failCall(call, errno);
                    for (int i = 0; i < 3; i++) {
                        try {
                            send();
                        } catch (CenallocException e) {
                            assertEquals(errno, e.errno(), e::toString);
                        }
                    }
                    kernel.failNoCall();
                    assertNotNull(one);
                    assertNotNull(other);
                }
                broadcast.collect(NOW);
                broadcast.collect(NOW);
                broadcast.collect(NOW);
                assertEquals(6, ring.pool().free(), "call " + call);
            }
        }
    }

    @Test
    void receiversComeAndGoAtRandom() throws Exception {
        var random = new Random(5);
        var receivers = new ArrayList<Receiver>();
        var held = new ArrayList<ReceivedFrame>();
        for (int i = 0; i < 3_000; i++) {
            switch (random.nextInt(8)) {
                case 0 -> {
                    if (receivers.size() < 5) {
                        receivers.add(receiver());
                    }
                }
                case 1 -> {
                    if (!receivers.isEmpty() && random.nextInt(4) == 0) {
                        Receiver gone = receivers.remove(random.nextInt(receivers.size()));
                        gone.close();
                        held.removeIf(frame -> !frame.isLent());
                    }
                }
                case 2, 3 -> {
                    if (!held.isEmpty()) {
                        held.remove(random.nextInt(held.size())).close();
                    }
                }
                case 4, 5 -> {
                    if (!receivers.isEmpty()) {
                        ReceivedFrame frame =
                                receivers.get(random.nextInt(receivers.size())).next(NOW);
                        if (frame != null) {
                            held.add(frame);
                        }
                    }
                }
                default -> send();
            }
            assertTrue(ring.pool().free() >= 2);
        }
        for (Receiver each : receivers) {
            each.close();
        }
        broadcast.collect(NOW);
    }
}
