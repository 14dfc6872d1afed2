// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.FirstFailure;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.Times;
import dev.cenalloc.kernel.UnixSocket;
import dev.cenalloc.lending.Audience;
import dev.cenalloc.lending.Protocol;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.Listener;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
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
public final class UnixFdSink implements AutoCloseable {
    static {
        FirstFailure.prepare(MethodHandles.lookup(), EndOfStreamException.class, UnusableFrameException.class);
    }

    private final Listener listener;
    private final Agreement agreement;
    private final List<Layout> layouts;
    private final MemorySegment caps;
    private final long durationNanos;
    private final Audience<Client> pipelines;

    private long latencyNanos;
    private boolean finished;
    private boolean closed;

    /** GStreamer's protocol: each frame is described anew. */
    private final class UnixFd implements Protocol<Client> {
        private final Descriptor listening = Seam.listener(listener);
        private final Outgoing outgoing = new Outgoing(layouts);
        /** What goes with the message that is sent now, to need no new list. */
        private final List<Descriptor> passed = new ArrayList<>(UnixSocket.MOST_DESCRIPTORS);

        @Override
        public int listening() {
            return listening.number();
        }

        @Override
        public @Nullable Client accept() throws CenallocException {
            Connection connection = listener.accept(Duration.ZERO);
            return connection == null ? null : Client.greeted(connection, caps);
        }

        @Override
        public void prepare(Frame frame, long id) {
            long timestamp = frame.timestampNanos();
            outgoing.set(id, timestamp == 0 ? Wire.NONE : timestamp + latencyNanos, durationNanos, frame.sequence());
            passed.clear();
            List<DmaBuf> buffers = frame.buffers();
            for (int i = 0; i < buffers.size(); i++) { // no iterator: it would be an object a frame
                passed.add(Seam.descriptor(buffers.get(i)));
            }
        }

        @Override
        public boolean send(Client pipeline, Frame frame, long id) throws CenallocException {
            outgoing.setFlags(Wire.LIVE
                    | (frame.isDamaged() ? Wire.CORRUPTED : 0)
                    | (pipeline.hasMissed() ? Wire.DISCONTINUITY : 0));
            return pipeline.send(outgoing.message(), passed);
        }

        @Override
        public void receive(Client pipeline) throws CenallocException {
            boolean _ = pipeline.inbox.fill(0);
            while (pipeline.inbox.advance()) {
                take(pipeline);
            }
        }

        private void take(Client pipeline) throws CenallocException {
            switch (pipeline.inbox.type()) {
                case Wire.RELEASE_BUFFER -> {
                    if (pipeline.inbox.payloadSize() < Wire.RELEASE_PAYLOAD) {
                        throw Wire.lie("a release has " + pipeline.inbox.payloadSize() + " bytes, and not 8");
                    }
                    long id = pipeline.inbox.message().get(Wire.LONG, Wire.HEADER);
                    if (!pipelines.release(pipeline, id)) {
                        throw Wire.lie("a pipeline gives back buffer " + Long.toUnsignedString(id)
                                + ", which it does not have");
                    }
                }
                case Wire.EOS -> {} // as unixfdsink, which ignores it
                default -> throw Wire.lie("a pipeline that takes frames sent one, or caps");
            }
        }
    }

    private UnixFdSink(Cenalloc cenalloc, Listener listener, String text, Agreement agreement) {
        this.listener = listener;
        this.agreement = agreement;
        this.layouts = agreement.layouts();
        FrameRate rate = agreement.rate();
        this.durationNanos = Math.round(1e9 * rate.seconds() / rate.frames());
        this.latencyNanos = durationNanos;
        byte[] bytes = (text + "\0").getBytes(StandardCharsets.ISO_8859_1);
        this.caps = Arena.ofAuto().allocate(Wire.HEADER + bytes.length, Long.BYTES);
        caps.set(Wire.INT, 0, Wire.CAPS);
        caps.set(Wire.INT, 4, bytes.length);
        MemorySegment.copy(bytes, 0, caps, Wire.BYTE, Wire.HEADER, bytes.length);
        this.pipelines = new Audience<>(Seam.kernel(cenalloc), new UnixFd(), "pipelines at " + listener.address());
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
                    + " nowhere: take a linear format that it has, in one buffer");
        }
        return Strides.of(image.format(), image.width(), image.height(), false).layout(image);
    }

    /**
     * Says how many frames all pipelines together may have. At first all of the ring but two, or one. Frames of a
     * {@link UnixFdSource} have a ring each: pass them on with as many as the pipeline that makes them can spare, two
     * at least, since many sinks keep the last one.
     *
     * @param frames from 1 to 64; 0 for all of the ring but two
     * @throws IllegalArgumentException if it is out of its range
     */
    public void setMostAway(int frames) {
        pipelines.setMostAway(frames);
    }

    /**
     * Says how long a pipeline may keep its frames, and give none back, while another gets none since no more can be
     * sent: then it is disconnected. At first 2 seconds.
     *
     * @param time zero disconnects at once
     */
    public void setPatience(Duration time) {
        pipelines.setPatience(time);
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
        Objects.requireNonNull(frame, "frame");
        checkOpen();
        if (finished) {
            throw new IllegalStateException("the sink was finished");
        }
        if (frame.ring().agreement() != agreement && !isSame(frame.layouts())) {
            throw new IllegalArgumentException(
                    "the frame is laid out as " + frame.layouts() + ", and the sink was opened for " + layouts);
        }
        return pipelines.send(frame);
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
        Objects.requireNonNull(timeout, "timeout");
        checkOpen();
        return pipelines.collect(timeout);
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
        Objects.requireNonNull(timeout, "timeout");
        checkOpen();
        return pipelines.awaitMembers(1, timeout);
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
        Objects.requireNonNull(timeout, "timeout");
        checkOpen();
        sendEnd();
        return pipelines.awaitAll(timeout);
    }

    private void sendEnd() {
        if (finished) {
            return;
        }
        finished = true;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment end = arena.allocate(Wire.HEADER, Long.BYTES);
            end.set(Wire.INT, 0, Wire.EOS);
            for (Client pipeline : pipelines.members()) {
                if (!pipeline.tryTell(end)) {
                    pipelines.dismiss(pipeline);
                }
            }
        }
    }

    // ---- counts ----

    /** {@return how many pipelines are connected, as of the last call} */
    public int pipelines() {
        return pipelines.size();
    }

    /** {@return how many frames pipelines have, as of the last call} */
    public int away() {
        return pipelines.away();
    }

    /** {@return how many frames pipelines did not get, since they had too many; two count for two pipelines} */
    public long missed() {
        return pipelines.missed();
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
        boolean isFirst = !closed;
        closed = true;
        try {
            if (isFirst) {
                sendEnd();
            }
            pipelines.close();
        } finally {
            listener.close();
        }
    }
}
