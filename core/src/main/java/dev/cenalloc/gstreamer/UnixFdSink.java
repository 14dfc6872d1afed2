package dev.cenalloc.gstreamer;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Log;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.Times;
import dev.cenalloc.kernel.UnixSocket;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.Listener;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Gives frames to GStreamer pipelines that begin with {@code unixfdsrc}, any number of them: the part of {@code
 * unixfdsink}. The caller closes it. For one thread at a time.
 *
 * {@snippet :
 * // gst-launch-1.0 unixfdsrc socket-path=/run/frames ! videoconvert ! autovideosink
 * try (var sink = UnixFdSink.open(cenalloc, Address.of(Path.of("/run/frames")), agreement)) {
 *     camera.start();
 *     while (running) {
 *         sink.send(camera.next(Duration.ofSeconds(1))); // and the camera gets it back when the last pipeline has
 *     }
 *     sink.finish(Duration.ofSeconds(1));
 * }
 * }
 *
 * <p>Nothing that a pipeline does stops the stream. Two frames of a ring stay with its producer ({@link #setMostAway}),
 * and each pipeline gets an equal share of the others; one that has its share gets no frame until it gives one back
 * ({@link #missed}). A ring for n pipelines that each keep two frames has at least 2 + 2n.
 *
 * <p>A frame comes back to its stream, by its {@link Frame#close}, in a later call of this object, in the thread that
 * makes it. In steady state a frame takes one system call (poll), two for each pipeline (sendmsg, recvmsg), and no Java
 * objects.
 *
 * <p>If the planes lie elsewhere than GStreamer expects them, a GstVideoMeta tells. In GStreamer 1.26, a receiver knows
 * that meta only after its first element has used it, and then misreads the first frame. {@link #layout} makes such a
 * meta needless.
 */
@SuppressWarnings("ReferenceEquality") // a frame is one object, handed out again and again
public final class UnixFdSink implements AutoCloseable {
    /** How many pipelines at a time; more are turned away. */
    static final int MOST_CLIENTS = 32;
    /** How many connections one call accepts. */
    private static final int MOST_ACCEPTS = 8;

    private static final int MOST_FRAMES = 64;

    private final Kernel kernel;
    private final Listener listener;
    /** Has the frames that are away, by the word of their ring. */
    private final String holder;

    private final Descriptor listening;
    private final Agreement agreement;
    private final List<Layout> layouts;
    private final MemorySegment caps;
    private final Outgoing outgoing;
    private final long durationNanos;

    private final @Nullable Client[] clients = new Client[MOST_CLIENTS];
    private int clientCount;
    /** One is always free. */
    private final Loan[] loans = new Loan[MOST_FRAMES + 1];

    private int away;

    private final MemorySegment polled;
    /** Of each polled descriptor but the first, whose it is. */
    private final @Nullable Client[] polledClients = new Client[MOST_CLIENTS];
    /** What goes with the message that is sent now, to need no new list. */
    private final List<Descriptor> passed = new ArrayList<>(UnixSocket.MOST_DESCRIPTORS);

    private int mostAway;
    private long patienceNanos = TimeUnit.SECONDS.toNanos(2);
    private long latencyNanos;
    /** The next number by which a frame is known; none comes twice. */
    private long nextId = 1;

    private long missed;
    private long returned;
    private boolean finished;
    private boolean closed;
    private boolean turnedAway;
    /** What giving back a frame failed with, until it is thrown. */
    private @Nullable CenallocException failure;

    /** A frame that pipelines have, or none. */
    private static final class Loan {
        private @Nullable Frame frame;
        private long loan;
        private long id;
        /** Bits of the clients' numbers. */
        private int holders;
    }

    private UnixFdSink(Cenalloc cenalloc, Listener listener, String text, Agreement agreement) {
        this.kernel = Seam.kernel(cenalloc);
        this.listener = listener;
        this.holder = "pipelines at " + listener.address();
        this.listening = Seam.listener(listener);
        this.agreement = agreement;
        this.layouts = agreement.layouts();
        this.outgoing = new Outgoing(layouts);
        FrameRate rate = agreement.rate();
        this.durationNanos = Math.round(1e9 * rate.seconds() / rate.frames());
        this.latencyNanos = durationNanos;
        byte[] bytes = (text + "\0").getBytes(StandardCharsets.ISO_8859_1);
        this.caps = Arena.ofAuto().allocate(Wire.HEADER + bytes.length, Long.BYTES);
        caps.set(Wire.INT, 0, Wire.CAPS);
        caps.set(Wire.INT, 4, bytes.length);
        MemorySegment.copy(bytes, 0, caps, Wire.BYTE, Wire.HEADER, bytes.length);
        this.polled = Arena.ofAuto().allocate(Linux.POLLFD.byteSize() * (1 + MOST_CLIENTS), Long.BYTES);
        for (int i = 0; i < loans.length; i++) {
            loans[i] = new Loan();
        }
    }

    /**
     * Listens for pipelines. Does not block. They may connect from now on, and before there are frames.
     *
     * @param cenalloc a context, which stays the caller's
     * @param address the property {@code socket-path} of unixfdsrc; a file that a dead process left is replaced
     * @param agreement on the images that come: their format, layouts and rate
     * @return the sink, which the caller closes
     * @throws IllegalArgumentException if GStreamer has no name for the format
     * @throws CenallocException as {@link Listener#open}
     */
    public static UnixFdSink open(Cenalloc cenalloc, Address address, Agreement agreement) throws CenallocException {
        Objects.requireNonNull(cenalloc, "cenalloc");
        Objects.requireNonNull(address, "address");
        Objects.requireNonNull(agreement, "agreement");
        String text = Caps.write(agreement.image(), agreement.rate());
        if (text == null) {
            throw new IllegalArgumentException("GStreamer has no name for the format of " + agreement.image());
        }
        Listener listener = Listener.open(cenalloc, address);
        UnixFdSink sink = null;
        try {
            sink = new UnixFdSink(cenalloc, listener, text, agreement);
            return sink;
        } finally {
            if (sink == null) {
                listener.close();
            }
        }
    }

    /**
     * {@return where GStreamer expects the planes of an image, so that a frame needs no GstVideoMeta} For {@link
     * Agreement#of}.
     *
     * @param image a linear image in a format of one buffer
     * @throws IllegalArgumentException if it is another image, or GStreamer has no name for its format
     */
    public static Layout layout(Image image) {
        Objects.requireNonNull(image, "image");
        if (image.modifier() != Image.LINEAR
                || image.format().buffers() != 1
                || VideoFormat.of(image.format()).isEmpty()) {
            throw new IllegalArgumentException("GStreamer expects the planes of " + image
                    + " nowhere: take a linear format that it has, in one" + " buffer");
        }
        return Strides.of(image.format(), image.width(), image.height(), false).layout(image);
    }

    /**
     * Says how many frames all pipelines together may have. At first all of the ring but two, or one. Frames of a {@link
     * UnixFdSource} have a ring each: pass them on with as many as the pipeline that makes them can spare, two at least,
     * since many sinks keep the last one.
     *
     * @param frames from 1 to 64; 0 for all of the ring but two
     * @throws IllegalArgumentException if it is out of its range
     */
    public void setMostAway(int frames) {
        if (frames < 0 || frames > MOST_FRAMES) {
            throw new IllegalArgumentException("frames must be from 0 to " + MOST_FRAMES + ", not " + frames);
        }
        mostAway = frames;
    }

    /**
     * Says how long a pipeline may keep its frames, and give none back, while another gets none since no more can be
     * sent: then it is disconnected. At first 2 seconds.
     *
     * @param time zero disconnects at once
     */
    public void setPatience(Duration time) {
        patienceNanos = Times.nanos(Objects.requireNonNull(time, "time"));
    }

    /**
     * Says how long after its {@linkplain Frame#timestampNanos timestamp} a frame is to be shown: as long as it takes
     * to come to a screen. At first the time from frame to frame. A pipeline drops what comes too late.
     *
     * @param time added to the timestamps
     */
    public void setLatency(Duration time) {
        latencyNanos = Times.nanos(Objects.requireNonNull(time, "time"));
    }

    /**
     * Gives a frame to each pipeline that has not its share already. Takes it over, also if it throws, unless that is
     * one of the first two below: it is given back to its stream when the last pipeline has given it back, or at once
     * if none took it. Takes what pipelines gave back, and accepts new ones. Does not block.
     *
     * @param frame lent, in the layouts of the agreement; the CPU must not access it any more
     * @return to how many pipelines it went
     * @throws IllegalArgumentException if it is of other images than agreed on
     * @throws IllegalStateException if it was given back, or the sink has it already, or was finished or closed
     * @throws CenallocException with the errno of poll, or that of the stream to which a frame went back
     */
    public int send(Frame frame) throws CenallocException {
        check(frame);
        int sent = 0;
        Loan loan = freeLoan();
        try {
            serve(0);
            int most = mostAway > 0 ? mostAway : Math.max(1, frame.ring().size() - 2);
            int share = Math.max(1, most / Math.max(1, clientCount));
            if (away >= most && isWanted(share)) {
                dropStuck();
            }
            if (away < most && clientCount > 0) {
                sent = sendToAll(frame, loan, share);
            } else {
                missAll();
            }
        } finally {
            if (loan.frame == null) {
                giveBack(frame, frame.loans());
            }
        }
        throwFailure();
        return sent;
    }

    private void missAll() {
        for (Client client : clients) {
            if (client != null) {
                miss(client);
            }
        }
    }

    private void miss(Client client) {
        missed++;
        client.isDiscontinuous = true;
    }

    private void check(Frame frame) {
        Objects.requireNonNull(frame, "frame");
        checkOpen();
        if (finished) {
            throw new IllegalStateException("the sink was finished");
        }
        if (frame.ring().agreement() != agreement && !isSame(frame.layouts())) {
            throw new IllegalArgumentException(
                    "the frame is laid out as " + frame.layouts() + ", and the sink was opened for " + layouts);
        }
        if (!frame.isLent()) {
            throw new IllegalStateException(frame + " was given back, or its stream has ended");
        }
        for (Loan loan : loans) {
            if (loan.frame == frame && loan.loan == frame.loans()) {
                throw new IllegalStateException(frame + " was handed to the sink already");
            }
        }
    }

    /** There may be more memory. */
    private boolean isSame(List<Layout> others) {
        for (int i = 0; i < layouts.size(); i++) {
            if (others.size() != layouts.size()
                    || !others.get(i).image().equals(layouts.get(i).image())
                    || !others.get(i).planes().equals(layouts.get(i).planes())
                    || others.get(i).size() < layouts.get(i).size()) {
                return false;
            }
        }
        return true;
    }

    private Loan freeLoan() {
        for (Loan loan : loans) {
            if (loan.frame == null) {
                return loan;
            }
        }
        throw new IllegalStateException(MOST_FRAMES + " frames are away");
    }

    /** Sends a frame to those that have less than their share; returns to how many it went. */
    private int sendToAll(Frame frame, Loan loan, int share) {
        long id = nextId++;
        long timestamp = frame.timestampNanos();
        outgoing.set(id, timestamp == 0 ? Wire.NONE : timestamp + latencyNanos, durationNanos, frame.sequence());
        int flags = Wire.LIVE | (frame.isDamaged() ? Wire.CORRUPTED : 0);
        passed.clear();
        List<DmaBuf> buffers = frame.buffers();
        for (int i = 0; i < buffers.size(); i++) { // no iterator: it would be an object a frame
            passed.add(Seam.descriptor(buffers.get(i)));
        }
        int sent = 0;
        long now = System.nanoTime();
        for (int i = 0; i < MOST_CLIENTS; i++) {
            Client client = clients[i];
            if (client == null) {
                continue;
            }
            if (client.away >= share) {
                miss(client);
                continue;
            }
            outgoing.setFlags(client.isDiscontinuous ? flags | Wire.DISCONTINUITY : flags);
            MemorySegment message = outgoing.message();
            int result = client.socket.send(message, 0, message.byteSize(), passed, 0);
            if (result == 0) {
                if (client.away++ == 0) {
                    client.progressNanos = now;
                }
                client.isDiscontinuous = false;
                if (loan.frame == null) {
                    lend(loan, frame, id);
                }
                loan.holders |= 1 << i;
                sent++;
            } else if (result == -Errno.EAGAIN) {
                miss(client);
            } else {
                drop(client, result == -Errno.EPIPE ? null : Errno.name(-result) + " of sendmsg");
            }
        }
        return sent;
    }

    private void lend(Loan loan, Frame frame, long id) {
        frame.handTo(holder);
        loan.frame = frame;
        loan.loan = frame.loans();
        loan.id = id;
        loan.holders = 0;
        away++;
    }

    // ---- what pipelines say ----

    /** Waits for something from the pipelines, takes what is there, and accepts new ones. */
    private void serve(long timeoutNanos) throws CenallocException {
        int count = 0;
        setPolled(count++, fd(listening));
        for (Client client : clients) {
            if (client != null) {
                polledClients[count - 1] = client;
                setPolled(count++, client.fd());
            }
        }
        int result = kernel.poll(polled, count, Times.millis(timeoutNanos));
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

    private static int fd(Descriptor descriptor) {
        int fd = descriptor.acquire();
        descriptor.release();
        return fd;
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
            client.inbox.fillNow();
            while (client.inbox.advance()) {
                take(client);
            }
        } catch (DisconnectedException e) {
            drop(client, null);
        } catch (CenallocException e) {
            drop(client, e.reason());
        }
    }

    private void take(Client client) throws CenallocException {
        switch (client.inbox.type()) {
            case Wire.RELEASE_BUFFER -> {
                if (client.inbox.payloadSize() < Wire.RELEASE_PAYLOAD) {
                    throw Wire.lie("a release has " + client.inbox.payloadSize() + " bytes, and not 8");
                }
                release(client, client.inbox.message().get(Wire.LONG, Wire.HEADER));
            }
            case Wire.EOS -> {} // as unixfdsink, which ignores it
            default -> throw Wire.lie("a pipeline that takes frames sent one, or caps");
        }
    }

    private void release(Client client, long id) throws CenallocException {
        int bit = 1 << client.index;
        for (Loan loan : loans) {
            if (loan.frame != null && loan.id == id && (loan.holders & bit) != 0) {
                client.away--;
                client.progressNanos = System.nanoTime();
                end(loan, bit);
                return;
            }
        }
        throw Wire.lie("a pipeline gives back buffer " + Long.toUnsignedString(id) + ", which it does not have");
    }

    /** A pipeline has a frame no more. */
    private void end(Loan loan, int bit) {
        loan.holders &= ~bit;
        Frame frame = loan.frame;
        if (loan.holders == 0 && frame != null) {
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

    /** Ends a connection, which gives back what the pipeline has. */
    private void drop(Client client, @Nullable String why) {
        if (clients[client.index] != client) {
            return;
        }
        if (why != null) {
            Log.warn("{} is disconnected from {}: {}", client.name(), listener.address(), why);
        }
        clients[client.index] = null;
        clientCount--;
        client.close();
        for (Loan loan : loans) {
            if (loan.frame != null && (loan.holders & 1 << client.index) != 0) {
                end(loan, 1 << client.index);
            }
        }
    }

    /** Whether a pipeline has less than its share. */
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
        for (int i = 0; i < MOST_CLIENTS; i++) {
            Client client = clients[i];
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
                return;
            }
            if (connection == null) {
                return;
            }
            int index = 0;
            while (index < MOST_CLIENTS && clients[index] != null) {
                index++;
            }
            if (index == MOST_CLIENTS) {
                connection.close();
                warnOnce("there are " + MOST_CLIENTS + " pipelines already");
                continue;
            }
            add(connection, index);
        }
    }

    /** A program that connects again and again must not fill the log. */
    private void warnOnce(String why) {
        if (!turnedAway) {
            turnedAway = true;
            Log.warn("a pipeline cannot connect to {}: {}", listener.address(), why);
        }
    }

    private void add(Connection connection, int index) {
        Client client = null;
        try {
            client = new Client(connection, index);
        } finally {
            if (client == null) {
                connection.close();
            }
        }
        clients[index] = client;
        clientCount++;
        int result = client.socket.send(caps, 0, caps.byteSize(), List.of(), 0);
        if (result != 0) {
            drop(client, result == -Errno.EPIPE ? null : Errno.name(-result) + " of sendmsg");
        }
    }

    // ---- waits ----

    /**
     * Waits until a frame comes back from the pipelines, and gives it back to its stream. Accepts new pipelines
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
     * Waits until a pipeline is connected. Blocks, and pins the carrier of a virtual thread.
     *
     * @param timeout how long at most, in steps of a millisecond; zero does not wait
     * @return whether one is
     * @throws IllegalStateException if closed
     * @throws CenallocException as {@link #send}
     */
    public boolean awaitPipeline(Duration timeout) throws CenallocException {
        long deadline = System.nanoTime() + Times.nanos(timeout);
        checkOpen();
        do {
            serve(clientCount > 0 ? 0 : deadline - System.nanoTime());
        } while (clientCount == 0 && deadline - System.nanoTime() > 0);
        throwFailure();
        return clientCount > 0;
    }

    /**
     * Tells all pipelines that the stream has ended, and waits until all frames are back. {@link #close} gives back the
     * rest. No frame can be sent any more. Blocks, and pins the carrier of a virtual thread.
     *
     * @param timeout how long at most, in steps of a millisecond; zero does not wait
     * @return whether all are back
     * @throws IllegalStateException if closed
     * @throws CenallocException as {@link #send}
     */
    public boolean finish(Duration timeout) throws CenallocException {
        long deadline = System.nanoTime() + Times.nanos(timeout);
        checkOpen();
        sendEnd();
        do {
            serve(away == 0 ? 0 : deadline - System.nanoTime());
        } while (away > 0 && deadline - System.nanoTime() > 0);
        throwFailure();
        return away == 0;
    }

    private void sendEnd() {
        if (finished) {
            return;
        }
        finished = true;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment end = arena.allocate(Wire.HEADER, Long.BYTES);
            end.set(Wire.INT, 0, Wire.EOS);
            for (Client client : clients) {
                if (client != null && client.socket.send(end, 0, Wire.HEADER, List.of(), 0) != 0) {
                    drop(client, null);
                }
            }
        }
    }

    // ---- counts ----

    /** {@return how many pipelines are connected, as of the last call} */
    public int pipelines() {
        return clientCount;
    }

    /** {@return how many frames pipelines have, as of the last call} */
    public int away() {
        return away;
    }

    /** {@return how many frames pipelines did not get, since they had too many; two count for two pipelines} */
    public long missed() {
        return missed;
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the sink is closed");
        }
    }

    /**
     * Ends the stream, unless it was {@linkplain #finish finished}, and the connections, and gives back all frames: a
     * pipeline may still read what it has, while the stream fills it again. Idempotent.
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
            sendEnd();
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
}
