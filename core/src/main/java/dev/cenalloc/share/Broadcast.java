// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.lending.Audience;
import dev.cenalloc.lending.Member;
import dev.cenalloc.lending.Protocol;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.time.Duration;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Lends the frames of a ring to every process that connects with a {@link Receiver}. The caller closes it. For one
 * thread at a time.
 *
 * {@snippet :
 * try (var broadcast = Broadcast.open(Listener.open(cenalloc, address), camera.ring())) {
 *     camera.start();
 *     while (running) {
 *         broadcast.send(camera.next(Duration.ofSeconds(1))); // the camera gets it back when all receivers have
 *     }
 * }
 * }
 *
 * <p>Nothing that a receiver does stops the stream. Two frames of the ring stay with its producer
 * ({@link #setMostAway}), and each receiver gets an equal share of the others; one that has its share gets no frame
 * until it gives one back ({@link #missed}). A ring for n receivers that each keep two frames has at least 2 + 2n. A
 * receiver that dies gives all back.
 *
 * <p>A frame comes back to its stream, by its {@link Frame#close}, in a later call of this object, in the thread that
 * makes it. In steady state a frame takes one system call (poll), two for each receiver (sendmsg, recvmsg), and no Java
 * objects.
 */
@SuppressWarnings("ReferenceEquality") // rings and frames are objects
public final class Broadcast implements AutoCloseable {
    /** Of a receiver's device, after a frame came back. */
    private static final Duration LONGEST_WORK = Duration.ofMillis(100);

    private final Listener listener;
    private final Ring ring;
    private final Audience<Client> receivers;
    private boolean closed;

    /** A receiver. */
    private static final class Client extends Member {
        final Sender sender;
        /** By the number in the ring, made when the frame is sent first. */
        final @Nullable SentFrame[] frames = new SentFrame[Wire.MOST_FRAMES];
        /** By the number in the ring, what the audience calls the loan. */
        final long[] ids = new long[Wire.MOST_FRAMES];

        Client(Connection connection) {
            this.sender = new Sender(connection);
        }

        @Override
        protected int fd() {
            return sender.fd();
        }

        @Override
        protected String name() {
            return sender.connection().toString();
        }

        @Override
        protected void close() {
            sender.close();
        }
    }

    /** Our protocol: a frame is described to each receiver once. */
    private final class Ours implements Protocol<Client> {
        @Override
        public int listening() {
            return listener.fd();
        }

        @Override
        public @Nullable Client accept() throws CenallocException {
            Connection connection = listener.accept(Duration.ZERO);
            return connection == null ? null : new Client(connection); // which closes it if it fails
        }

        @Override
        public void prepare(Frame frame, long id) {}

        @Override
        public boolean send(Client receiver, Frame frame, long id) throws CenallocException {
            SentFrame known = known(receiver, frame);
            if (known.isAway()) {
                return false; // of a stream that began anew
            }
            receiver.ids[frame.index()] = id;
            known.damaged(frame.isDamaged());
            long nanos = frame.timestampNanos();
            return receiver.sender.send(known, frame.sequence(), nanos == 0 ? -1 : nanos, null, Duration.ZERO);
        }

        @Override
        public void receive(Client receiver) throws CenallocException {
            SentFrame back = receiver.sender.returnedNow(true);
            while (back != null) {
                awaitEnd(back);
                for (int i = 0; i < receiver.frames.length; i++) {
                    if (receiver.frames[i] == back) {
                        receivers.release(receiver, receiver.ids[i]);
                    }
                }
                back = receiver.sender.returnedNow(false);
            }
        }
    }

    private static SentFrame known(Client receiver, Frame frame) throws CenallocException {
        SentFrame known = receiver.frames[frame.index()];
        if (known != null && known.buffers() != frame.memory().sharedBuffers() && !known.isAway()) {
            receiver.sender.remove(known); // the ring was trimmed, and has grown
            known = null;
        }
        if (known == null) {
            known = receiver.sender.add(frame.memory().sharedBuffers(), frame.layouts(), "", "");
            receiver.frames[frame.index()] = known;
        }
        return known;
    }

    /** A receiver whose device works still on what it gave back may hold up the others for a moment, not for long. */
    private static void awaitEnd(SentFrame back) throws CenallocException {
        if (!back.released().awaitEnd(LONGEST_WORK)) {
            throw CenallocException.ofRefusal(
                    Errno.ETIMEDOUT, "returned", null, -1, "its work on a frame that it gave back does not end", "");
        }
    }

    private Broadcast(Listener listener, Ring ring) {
        this.listener = listener;
        this.ring = ring;
        this.receivers = new Audience<>(listener.kernel(), new Ours(), "receivers at " + listener.address());
    }

    /**
     * Waits for receivers, from now on and before there are frames. Does not block.
     *
     * @param listener where they connect, with its policy; owned by the broadcast from now on
     * @param ring whose frames are sent; it stays the caller's
     * @return the broadcast, which the caller closes, before the ring
     * @throws IllegalArgumentException if DRM has no code for the format, by which receivers are told; the listener
     *     stays the caller's
     */
    public static Broadcast open(Listener listener, Ring ring) {
        Objects.requireNonNull(listener, "listener");
        Objects.requireNonNull(ring, "ring");
        if (ring.agreement().image().format().drmFourcc().isEmpty()) {
            throw new IllegalArgumentException(
                    ring.agreement().image() + " cannot be described: DRM defines no code for its format");
        }
        return new Broadcast(listener, ring);
    }

    /**
     * Says how many frames all receivers together may have. At first all of the ring but two, or one.
     *
     * @param frames from 1 to 64; 0 for all of the ring but two
     * @throws IllegalArgumentException if it is out of its range
     */
    public void setMostAway(int frames) {
        receivers.setMostAway(frames);
    }

    /**
     * Says how long a receiver may keep its frames, and give none back, while another gets none since no more can be
     * sent: then it is disconnected. At first 2 seconds.
     *
     * @param time zero disconnects at once
     */
    public void setPatience(Duration time) {
        receivers.setPatience(time);
    }

    /**
     * Sends a frame to each receiver that has not its share already. Takes it over, also if it throws, unless that is
     * one of the first two below: it is given back to its stream when the last receiver has given it back, or at once
     * if none took it. Takes what receivers gave back, and accepts new ones. Waits only for the work of
     * devices on frames that came back with a fence, up to 100 ms each.
     *
     * @param frame of the ring, lent; the CPU must not access it any more
     * @return to how many receivers it went
     * @throws IllegalArgumentException if it is of another ring
     * @throws IllegalStateException if it was given back, or receivers have it already, or an access of the CPU is
     *     open, or this is closed
     * @throws CenallocException with the errno of poll, or that of the stream to which a frame went back
     */
    public int send(Frame frame) throws CenallocException {
        Objects.requireNonNull(frame, "frame");
        checkOpen();
        if (frame.ring() != ring || frame.index() >= Wire.MOST_FRAMES) {
            throw new IllegalArgumentException(frame + " is of another ring than " + ring);
        }
        return receivers.send(frame);
    }

    // ---- waits and counts ----

    /**
     * Waits until a frame comes back from the receivers, and gives it back to its stream. Accepts new receivers
     * meanwhile. Blocks, and pins the carrier of a virtual thread.
     *
     * @param timeout how long at most, in steps of a millisecond; zero does not wait
     * @return how many came back; 0 after the timeout, or if none is away
     * @throws IllegalStateException if closed
     * @throws CenallocException as {@link #send}
     */
    public int collect(Duration timeout) throws CenallocException {
        Objects.requireNonNull(timeout, "timeout");
        checkOpen();
        return receivers.collect(timeout);
    }

    /**
     * Waits until a number of receivers is connected. Blocks, and pins the carrier of a virtual thread.
     *
     * @param count how many
     * @param timeout how long at most, in steps of a millisecond; zero does not wait
     * @return whether they are
     * @throws IllegalStateException if closed
     * @throws CenallocException as {@link #send}
     */
    public boolean awaitReceivers(int count, Duration timeout) throws CenallocException {
        Objects.requireNonNull(timeout, "timeout");
        checkOpen();
        return receivers.awaitMembers(count, timeout);
    }

    /** {@return how many receivers are connected, as of the last call} */
    public int receivers() {
        return receivers.size();
    }

    /** {@return how many frames receivers have, as of the last call} */
    public int away() {
        return receivers.away();
    }

    /** {@return how many frames receivers did not get, since they had too many; two count for two receivers} */
    public long missed() {
        return receivers.missed();
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the broadcast is closed");
        }
    }

    /**
     * Ends the connections, and gives back all frames: a receiver may still read what it has, while the stream fills it
     * again. Idempotent.
     *
     * @throws CenallocException that of a stream to which a frame went back; everything is closed all the same
     */
    @Override
    public void close() throws CenallocException {
        closed = true;
        try {
            receivers.close();
        } finally {
            listener.close();
        }
    }

    @Override
    public String toString() {
        return "broadcast of " + ring + " to " + receivers;
    }
}
