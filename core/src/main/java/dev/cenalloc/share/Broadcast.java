package dev.cenalloc.share;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Log;
import dev.cenalloc.kernel.Times;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
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
@SuppressWarnings("ReferenceEquality") // a frame is one object, handed out again and again
public final class Broadcast implements AutoCloseable {
    /** How many receivers at a time; more are turned away. */
    static final int MOST_RECEIVERS = 32;
    /** A program that connects again and again must not fill the log. */
    private static final int MOST_WARNINGS = 100;

    /** Of a receiver's device, after a frame came back. */
    private static final Duration LONGEST_WORK = Duration.ofMillis(100);

    private static final long ACCEPT_PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    /** How many connections one call accepts. */
    private static final int MOST_ACCEPTS = 8;

    private final Kernel kernel;
    private final Listener listener;
    private final Ring ring;
    private final String name;

    private final @Nullable Client[] clients = new Client[MOST_RECEIVERS];
    private int clientCount;
    /** By the number in the ring, what receivers have. */
    private final Loan[] loans = new Loan[Wire.MOST_FRAMES];

    private int away;

    private final MemorySegment polled =
            Arena.ofAuto().allocate(Linux.POLLFD.byteSize() * (1 + MOST_RECEIVERS), Long.BYTES);
    /** Of each polled descriptor but the first, whose it is. */
    private final @Nullable Client[] polledClients = new Client[MOST_RECEIVERS];

    private int mostAway;
    private long patienceNanos = TimeUnit.SECONDS.toNanos(2);

    private long missed;
    private long returned;
    private boolean closed;
    private boolean turnedAway;
    private int warnings;
    /** Until then no connection is accepted, since this process has too many files open. */
    private long acceptNanos;
    /** What giving back a frame failed with, until it is thrown. */
    private @Nullable CenallocException failure;

    /** A receiver. */
    private static final class Client {
        final Sender sender;
        final int index;
        /** By the number in the ring, made when the frame is sent first. */
        final @Nullable SentFrame[] frames = new SentFrame[Wire.MOST_FRAMES];
        /** How many frames it has. */
        int away;
        /** When it gave one back, or got the first while it had none. */
        long progressNanos;

        Client(Connection connection, int index) {
            this.sender = new Sender(connection);
            this.index = index;
        }
    }

    /** A frame that receivers have, or none. */
    private static final class Loan {
        @Nullable
        Frame frame;

        long loan;
        /** Bits of the receivers' numbers. */
        int holders;
    }

    private Broadcast(Listener listener, Ring ring, String name) {
        this.kernel = listener.kernel();
        this.listener = listener;
        this.ring = ring;
        this.name = name;
        for (int i = 0; i < loans.length; i++) {
            loans[i] = new Loan();
        }
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
        return new Broadcast(listener, ring, "receivers at " + listener.address());
    }

    /**
     * Says how many frames all receivers together may have. At first all of the ring but two, or one.
     *
     * @param frames from 1 to 64; 0 for all of the ring but two
     * @throws IllegalArgumentException if it is out of its range
     */
    public void setMostAway(int frames) {
        if (frames < 0 || frames > Wire.MOST_FRAMES) {
            throw new IllegalArgumentException("frames must be from 0 to " + Wire.MOST_FRAMES + ", not " + frames);
        }
        mostAway = frames;
    }

    /**
     * Says how long a receiver may keep its frames, and give none back, while another gets none since no more can be
     * sent: then it is disconnected. At first 2 seconds.
     *
     * @param time zero disconnects at once
     */
    public void setPatience(Duration time) {
        patienceNanos = Times.nanos(Objects.requireNonNull(time, "time"));
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
        Loan loan = check(frame);
        int sent = 0;
        try {
            serve(0);
            int most = mostAway > 0 ? mostAway : Math.max(1, ring.size() - 2);
            int share = Math.max(1, most / Math.max(1, clientCount));
            if (away >= most && isWanted(share)) {
                dropStuck();
            }
            if (away < most && clientCount > 0) {
                sent = sendToAll(frame, loan, share);
            } else {
                missed += clientCount;
            }
        } finally {
            if (loan.frame == null) {
                giveBack(frame, frame.loans());
            }
        }
        throwFailure();
        return sent;
    }

    private Loan check(Frame frame) {
        Objects.requireNonNull(frame, "frame");
        checkOpen();
        if (frame.ring() != ring || frame.index() >= loans.length) {
            throw new IllegalArgumentException(frame + " is of another ring than " + ring);
        }
        Loan loan = loans[frame.index()];
        if (!frame.isLent()) {
            throw new IllegalStateException(frame + " was given back, or its stream has ended");
        }
        if (loan.frame == frame && loan.loan == frame.loans()) {
            throw new IllegalStateException(frame + " was sent already");
        }
        if (frame.memory().isAccessed()) {
            throw new IllegalStateException("a CPU access to " + frame + " is open: close it first");
        }
        if (loan.frame != null) {
            // Its stream began anew: who has the old image reads the new one.
            endAll(loan);
        }
        return loan;
    }

    /** Sends a frame to those that have less than their share; returns to how many it went. */
    private int sendToAll(Frame frame, Loan loan, int share) {
        int sent = 0;
        long now = System.nanoTime();
        for (int i = 0; i < MOST_RECEIVERS; i++) {
            Client client = clients[i];
            if (client == null) {
                continue;
            }
            if (client.away >= share) {
                missed++;
                continue;
            }
            try {
                if (!send(client, frame)) {
                    missed++;
                    continue;
                }
            } catch (DisconnectedException e) {
                drop(client, null);
                continue;
            } catch (CenallocException e) {
                drop(client, e.reason());
                continue;
            }
            if (client.away++ == 0) {
                client.progressNanos = now;
            }
            if (loan.frame == null) {
                loan.frame = frame;
                loan.loan = frame.loans();
                loan.holders = 0;
                away++;
                frame.handTo(name);
            }
            loan.holders |= 1 << i;
            sent++;
        }
        return sent;
    }

    private static boolean send(Client client, Frame frame) throws CenallocException {
        SentFrame known = client.frames[frame.index()];
        if (known != null && known.buffers() != frame.memory().sharedBuffers() && !known.isAway()) {
            client.sender.remove(known); // the ring was trimmed, and has grown
            known = null;
        }
        if (known == null) {
            known = client.sender.add(frame.memory().sharedBuffers(), frame.layouts(), "", "");
            client.frames[frame.index()] = known;
        }
        if (known.isAway()) {
            return false; // of a stream that began anew
        }
        known.damaged(frame.isDamaged());
        long nanos = frame.timestampNanos();
        return client.sender.send(known, frame.sequence(), nanos == 0 ? -1 : nanos, null, Duration.ZERO);
    }

    // ---- what receivers say ----

    /** Waits for something from the receivers, takes what is there, and accepts new ones. */
    private void serve(long timeoutNanos) throws CenallocException {
        int count = 0;
        setPolled(count++, acceptNanos - System.nanoTime() > 0 ? -1 : listener.fd());
        for (Client client : clients) {
            if (client != null) {
                polledClients[count - 1] = client;
                setPolled(count++, client.sender.fd());
            }
        }
        long limit = acceptNanos - System.nanoTime() > 0 ? Math.min(timeoutNanos, ACCEPT_PAUSE_NANOS) : timeoutNanos;
        int result = kernel.poll(polled, count, Times.millis(limit));
        if (result == -Errno.EINTR) {
            return;
        }
        if (result < 0) {
            throw CenallocException.ofCall(-result, "poll", null, -1);
        }
        for (int i = 1; i < count && result > 0; i++) {
            if (isReady(i)) {
                receive(Objects.requireNonNull(polledClients[i - 1]));
            }
        }
        if (result > 0 && isReady(0)) {
            accept();
        }
    }

    private void setPolled(int index, int fd) {
        long at = index * Linux.POLLFD.byteSize();
        polled.set(ValueLayout.JAVA_INT, at, fd);
        polled.set(ValueLayout.JAVA_SHORT, at + 4, Linux.POLLIN);
        polled.set(ValueLayout.JAVA_SHORT, at + 6, (short) 0);
    }

    private boolean isReady(int index) {
        return polled.get(ValueLayout.JAVA_SHORT, index * Linux.POLLFD.byteSize() + 6) != 0;
    }

    private void receive(Client client) {
        if (clients[client.index] != client) {
            return; // dropped meanwhile
        }
        try {
            SentFrame back = client.sender.returnedNow(true);
            while (back != null) {
                release(client, back);
                back = client.sender.returnedNow(false);
            }
        } catch (DisconnectedException e) {
            drop(client, null);
        } catch (CenallocException e) {
            drop(client, e.reason());
        }
    }

    private void release(Client client, SentFrame back) throws CenallocException {
        for (int i = 0; i < loans.length; i++) {
            if (client.frames[i] == back) {
                client.away--;
                client.progressNanos = System.nanoTime();
                awaitEnd(back);
                if ((loans[i].holders & 1 << client.index) != 0) {
                    end(loans[i], 1 << client.index);
                }
                return;
            }
        }
    }

    /** A receiver whose device works still on what it gave back may hold up the others for a moment, not for long. */
    private static void awaitEnd(SentFrame back) throws CenallocException {
        boolean ended;
        try {
            ended = back.released().await(LONGEST_WORK);
        } catch (CenallocException e) {
            if (!e.call().equals("fence")) {
                throw e;
            }
            ended = true; // the receiver's work failed, which is no concern of the stream
        }
        if (!ended) {
            throw CenallocException.ofRefusal(
                    Errno.ETIMEDOUT, "returned", null, -1, "the work on a frame that came back does not end", "");
        }
    }

    /** A receiver has a frame no more. */
    private void end(Loan loan, int bit) {
        loan.holders &= ~bit;
        if (loan.holders == 0) {
            endAll(loan);
        }
    }

    private void endAll(Loan loan) {
        Frame frame = loan.frame;
        loan.holders = 0;
        if (frame != null) {
            loan.frame = null;
            away--;
            returned++;
            giveBack(frame, loan.loan);
        }
    }

    private void giveBack(Frame frame, long loan) {
        // Its stream may have ended meanwhile.
        if (!frame.isLent() || frame.loans() != loan) {
            return;
        }
        try {
            frame.close();
        } catch (CenallocException e) {
            failure = failure == null ? e : failure;
        } catch (IllegalStateException e) {
            Log.warn("{} cannot be given back: {}", frame, e.toString()); // it is the program's own fault
        }
    }

    private void throwFailure() throws CenallocException {
        CenallocException thrown = failure;
        if (thrown != null) {
            failure = null;
            throw thrown;
        }
    }

    /** Ends a connection, which gives back what the receiver has. */
    private void drop(Client client, @Nullable String why) {
        if (clients[client.index] != client) {
            return;
        }
        if (why != null && warnings++ < MOST_WARNINGS) {
            Log.warn("a receiver is disconnected from {}: {}", listener.address(), why);
        }
        clients[client.index] = null;
        clientCount--;
        client.sender.close();
        for (Loan loan : loans) {
            if (loan.frame != null && (loan.holders & 1 << client.index) != 0) {
                end(loan, 1 << client.index);
            }
        }
    }

    /** Whether a receiver has less than its share. */
    private boolean isWanted(int share) {
        for (Client client : clients) {
            if (client != null && client.away < share) {
                return true;
            }
        }
        return false;
    }

    /** Of those that hold frames, ends the connections of those that gave none back for long. */
    private void dropStuck() {
        long now = System.nanoTime();
        for (Client client : clients) {
            if (client != null && client.away > 0 && now - client.progressNanos >= patienceNanos) {
                drop(
                        client,
                        "it has had " + client.away + " frames for "
                                + TimeUnit.NANOSECONDS.toMillis(now - client.progressNanos)
                                + " ms, and others get none");
            }
        }
    }

    private void accept() {
        for (int i = 0; i < MOST_ACCEPTS; i++) {
            Connection connection;
            try {
                connection = listener.accept(Duration.ZERO);
            } catch (CenallocException e) {
                warnOnce(e.reason());
                acceptNanos = System.nanoTime() + ACCEPT_PAUSE_NANOS;
                return;
            }
            if (connection == null) {
                return;
            }
            int index = 0;
            while (index < MOST_RECEIVERS && clients[index] != null) {
                index++;
            }
            if (index == MOST_RECEIVERS) {
                connection.close();
                warnOnce("there are " + MOST_RECEIVERS + " receivers already");
                continue;
            }
            clients[index] = new Client(connection, index);
            clientCount++;
        }
    }

    /** A program that connects again and again must not fill the log. */
    private void warnOnce(String why) {
        if (!turnedAway) {
            turnedAway = true;
            Log.warn("a receiver cannot connect to {}: {}", listener.address(), why);
        }
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
        long deadline = System.nanoTime() + Times.nanos(timeout);
        checkOpen();
        long before = returned;
        do {
            serve(away == 0 ? 0 : deadline - System.nanoTime());
        } while (returned == before && away > 0 && deadline - System.nanoTime() > 0);
        throwFailure();
        return (int) (returned - before);
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
        long deadline = System.nanoTime() + Times.nanos(timeout);
        checkOpen();
        do {
            serve(clientCount >= count ? 0 : deadline - System.nanoTime());
        } while (clientCount < count && deadline - System.nanoTime() > 0);
        throwFailure();
        return clientCount >= count;
    }

    /** {@return how many receivers are connected, as of the last call} */
    public int receivers() {
        return clientCount;
    }

    /** {@return how many frames receivers have, as of the last call} */
    public int away() {
        return away;
    }

    /** {@return how many frames receivers did not get, since they had too many; two count for two receivers} */
    public long missed() {
        return missed;
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
        if (closed) {
            return;
        }
        closed = true;
        try {
            for (Client client : clients) {
                if (client != null) {
                    drop(client, null);
                }
            }
        } finally {
            listener.close();
        }
        throwFailure();
    }

    @Override
    public String toString() {
        return "broadcast of " + ring + " to " + clientCount + " receivers";
    }
}
