// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.node.v4l2.VideoNode;
import dev.cenalloc.node.v4l2.VideoNode.Kind;
import dev.cenalloc.node.v4l2.VideoQueue;
import dev.cenalloc.node.v4l2.VideoQueue.State;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A V4L2 queue with the ring that it works on and the frames that it lends. Closed by the object that made it, after
 * the node. For one thread at a time.
 */
final class FrameQueue {
    /** No frame. */
    static final int NONE = -1;

    /** Frames in a row, after which there is no hope: a few seconds' worth. */
    static final int MOST_DAMAGED = 100;

    /** VIDEO_MAX_FRAME of videodev2.h: as many as most drivers have. */
    private static final int MOST_FRAMES = 32;

    /** Longer than anybody waits; as nanoseconds it can be added to a time. */
    private static final Duration LONGEST = Duration.ofDays(20);

    private final VideoNode video;
    private final VideoQueue queue;

    private @Nullable Image image;
    private @Nullable Agreement configured;
    private @Nullable Ring ring;
    /** Closed here when it is given up; the caller's rings are not. */
    private @Nullable Ring own;

    private VideoFrame[] frames = {};
    private int lent;

    private final FrameCount count = new FrameCount();
    /** How many of the last frames, in a row. */
    private int damaged;

    private boolean acceptsDamaged;
    private boolean acceptsHeaders;

    FrameQueue(VideoNode video, VideoQueue queue) {
        this.video = video;
        this.queue = queue;
    }

    boolean isOutput() {
        return queue.isOutput();
    }

    // ---- the states ----

    private boolean isStreaming() {
        return queue.state() == State.STREAMING;
    }

    void requireStreaming() {
        if (!isStreaming()) {
            throw new IllegalStateException(video.name() + " does not stream: start() it first");
        }
    }

    void requireStopped() {
        if (isStreaming()) {
            throw new IllegalStateException(video.name() + " streams: stop() it first");
        }
    }

    private void requireConfigured() {
        if (queue.state() == State.BLANK) {
            throw new IllegalStateException(video.name() + " has no format yet: configure(agreement) first");
        }
    }

    Image image() {
        requireConfigured();
        return Objects.requireNonNull(image);
    }

    Ring ring() {
        if (ring == null) {
            throw new IllegalStateException(video.name() + " has no buffers yet: use(ring) first");
        }
        return ring;
    }

    int size() {
        return frames.length;
    }

    /** Whether the driver knows the memory of a frame. The ring may have been trimmed, and have grown. */
    @SuppressWarnings("ReferenceEquality") // a buffer is one object
    boolean uses(Frame frame) {
        int index = frame.index();
        return frame.ring() == ring() && index < frames.length && frames[index].memory() == frame.memory();
    }

    int lent() {
        return lent;
    }

    FrameRate rate() {
        requireConfigured();
        return queue.rate();
    }

    VideoQueue queue() {
        return queue;
    }

    // ---- formats and buffers ----

    /** Sets format and size, and of a device that does not convert the rate. */
    void configure(Agreement agreement) throws CenallocException {
        Objects.requireNonNull(agreement, "agreement");
        requireStopped();
        if (isLendingFor(agreement)) {
            return; // it was configured when it lent its memory
        }
        forgetRing();
        Optional<String> changed = queue.configure(own(agreement));
        if (changed.isPresent()) {
            throw new FormatChangedException("VIDIOC_S_FMT", video.node().path(), changed.get());
        }
        image = agreement.image();
        configured = agreement;
        // What a converter gives comes as fast as what it takes.
        if (video.kind() != Kind.CONVERTER) {
            queue.setRate(agreement.rate());
        }
        closeOwn();
    }

    /** What was agreed on, in the format that the driver lists. */
    private List<Layout> own(Agreement agreement) throws CenallocException {
        return agreement.image().format().withAlpha().isPresent()
                ? agreement.layoutsIn(video.formats(queue.isOutput()), !queue.isOutput())
                : agreement.layouts();
    }

    /** Checks, before anything is changed, that the queue can work on a ring. */
    void check(Ring other) {
        Objects.requireNonNull(other, "ring");
        requireStopped();
        requireConfigured();
        List<Layout> layouts = queue.layouts();
        if (!other.agreement().image().equals(image)) {
            throw new IllegalArgumentException("the ring is for "
                    + other.agreement().image() + ", and " + video.name() + " is configured for " + image);
        }
        for (int i = 0; i < layouts.size(); i++) {
            if (!other.layouts().get(i).planes().equals(layouts.get(i).planes())) {
                throw new IllegalArgumentException("the ring has "
                        + other.layouts().get(i) + ", and " + video.name() + " is configured for " + layouts.get(i));
            }
            DmaBuf buffer = other.buffers(0).get(i);
            try {
                int _ = buffer.fd();
            } catch (IllegalStateException e) {
                throw new IllegalStateException("the ring is closed", e);
            }
            long bytes = buffer.size();
            if (bytes < queue.size(i)) {
                throw new IllegalArgumentException(
                        "the ring has " + bytes + " bytes a frame, and " + video.name() + " wants " + queue.size(i));
            }
        }
    }

    /** Whether the format was set for this agreement. */
    boolean isConfiguredFor(Agreement agreement) {
        return queue.state() != State.BLANK && configured == agreement;
    }

    /** Whether it lends the driver's memory for this agreement. */
    private boolean isLendingFor(Agreement agreement) {
        return queue.isLending() && isConfiguredFor(agreement);
    }

    /** Uses a ring, and closes it when it is given up. */
    void useOwn(Ring other) throws CenallocException {
        own = other;
        use(other);
    }

    private void closeOwn() {
        Ring before = own;
        if (before != null) {
            before.close(); // if it refuses, a later call tries again
            own = null;
        }
    }

    void use(Ring other) throws CenallocException {
        if (other == ring && queue.isLending()) {
            requireStopped();
            return;
        }
        check(other);
        try {
            queue.use(IntStream.range(0, other.size()).mapToObj(other::buffers).toList());
        } finally {
            // The ring of before is given up, whether the driver takes the other or not.
            if (queue.frames() == 0) {
                forgetFrames();
            }
        }
        take(other);
        if (other != own) {
            closeOwn();
        }
    }

    private void forgetFrames() {
        ring = null;
        frames = new VideoFrame[0];
        lent = 0;
    }

    private void take(Ring other) {
        ring = other;
        frames = IntStream.range(0, other.size())
                .mapToObj(i -> new VideoFrame(this, other, i))
                .toArray(VideoFrame[]::new);
    }

    private void forgetRing() throws CenallocException {
        queue.release();
        forgetFrames();
    }

    static void checkCount(int count) {
        if (count < 1 || count > MOST_FRAMES) {
            throw new IllegalArgumentException("count must be from 1 to " + MOST_FRAMES + ", not " + count);
        }
    }

    /** The driver's memory as a ring, closed by the caller. */
    Ring lend(Cenalloc cenalloc, Agreement agreement, int count) throws CenallocException {
        Objects.requireNonNull(agreement, "agreement");
        checkCount(count);
        requireStopped();
        requireConfigured();
        if (!agreement.image().equals(image) || !own(agreement).equals(queue.layouts())) {
            throw new IllegalArgumentException("the agreement is on " + agreement.layouts() + ", and " + video.name()
                    + " is configured for " + queue.layouts());
        }
        forgetRing();
        Ring lent = null;
        boolean complete = false;
        try {
            int granted = queue.lend(count);
            lent = Ring.of(
                    agreement,
                    QueueMemory.exported(
                            cenalloc, queue, granted, agreement.layouts().size()));
            closeOwn();
            take(lent);
            complete = true;
            return lent;
        } finally {
            if (!complete) {
                queue.rest();
                queue.drop();
                if (lent != null) {
                    lent.close();
                }
            }
        }
    }

    // ---- the stream ----

    /**
     * Starts the stream, which has all frames of the ring.
     *
     * @param full whether the device gets all frames first
     */
    void start(boolean full) throws CenallocException {
        prepareToStart();
        boolean started = false;
        try {
            for (VideoFrame frame : frames) {
                frame.begin(video.name());
            }
            for (int i = 0; full && i < frames.length; i++) {
                queue(i);
            }
            run();
            started = true;
        } finally {
            if (!started) {
                int _ = queue.takeBack();
                for (VideoFrame frame : frames) {
                    frame.end();
                }
            }
        }
    }

    /** Starts a stream that works on frames of another. */
    void startReading() throws CenallocException {
        prepareToStart();
        run();
    }

    private void run() throws CenallocException {
        int result = queue.start();
        if (result < 0) {
            throw failure(-result, "VIDIOC_STREAMON");
        }
    }

    /** Checks, before anything is done, that it can start. */
    void requireReady() {
        requireStopped();
        requireConfigured();
        Ring _ = ring();
    }

    private void prepareToStart() throws CenallocException {
        requireReady();
        Optional<String> changed = queue.resume();
        if (changed.isPresent()) {
            throw new FormatChangedException("VIDIOC_S_FMT", video.node().path(), changed.get());
        }
        lent = 0;
        count.begin();
        damaged = 0;
    }

    /** Stops the stream: the frames that are lent are nobody's any more. */
    void stop() throws CenallocException {
        int result = end();
        if (result < 0) {
            throw failure(-result, "VIDIOC_STREAMOFF");
        }
    }

    private int end() {
        int result = queue.stop();
        for (VideoFrame frame : frames) {
            frame.end();
        }
        lent = 0;
        return result;
    }

    /** Ends the stream, before the node is closed. */
    void endForGood() {
        int _ = end();
    }

    /** After the node was closed: gives up the rest, and closes a ring of its own. */
    void close() {
        queue.drop();
        closeOwn();
    }

    /**
     * Waits for the next frame of a capture queue, and takes it. Allocates nothing.
     *
     * @return the frame; null if the time is over
     */
    @Nullable
    VideoFrame await(long nanos) throws CenallocException {
        long left = nanos;
        long end = System.nanoTime() + left;
        while (left > 0) {
            int events = video.node().await(Linux.POLLIN, left);
            if (events == 0) {
                return null;
            }
            VideoFrame frame = take(events);
            if (frame != null) {
                return frame;
            }
            left = end - System.nanoTime();
        }
        return null;
    }

    /** How long to wait. */
    static long nanos(Duration timeout) {
        Objects.requireNonNull(timeout, "timeout");
        if (timeout.isNegative() || timeout.isZero()) {
            throw new IllegalArgumentException("timeout must be positive, not " + timeout);
        }
        return timeout.compareTo(LONGEST) > 0 ? LONGEST.toNanos() : timeout.toNanos();
    }

    /** Checks, before anything is done, that a frame can come. */
    void requireFrame() {
        requireStreaming();
        if (lent == frames.length) {
            throw new IllegalStateException("all " + lent + " frames of " + video.name()
                    + " are lent: close one of them first (" + ring().pool().holders() + ")");
        }
    }

    /**
     * Takes the index of the next frame from the driver.
     *
     * @param events what poll told
     * @param event what it would tell of a frame
     * @return the index, or {@link #NONE}
     */
    int takeIndex(int events, int event) throws CenallocException {
        int index = queue.dequeue();
        if (index == -Errno.EAGAIN) {
            if ((events & event) == 0) {
                throw Failures.ofPoll(video);
            }
            return NONE;
        }
        if (index < 0) {
            throw failure(-index, "VIDIOC_DQBUF");
        }
        return index;
    }

    /**
     * Takes the next frame of a capture queue.
     *
     * @param events what poll told
     * @return the frame; null if there is none yet, or it is damaged
     */
    @Nullable
    VideoFrame take(int events) throws CenallocException {
        int index = takeIndex(events, Linux.POLLIN);
        if (index == NONE) {
            return null;
        }
        if (queue.isEnd()) {
            throw new StreamEndedException("VIDIOC_DQBUF", video.node().path());
        }
        long number = count.number(queue.sequence());
        boolean isDamaged = queue.isDamaged();
        damaged = isDamaged ? damaged + 1 : 0;
        if (isDamaged && !acceptsDamaged) {
            queue(index);
            if (damaged == MOST_DAMAGED) {
                damaged = 0;
                throw new DamagedStreamException(
                        "VIDIOC_DQBUF",
                        video.node().path(),
                        video.name() + " gave " + MOST_DAMAGED + " damaged frames in a row");
            }
            return null;
        }
        readHeaders(index);
        count.returned(number);
        return lend(index, number, queue.timestampNanos(), isDamaged);
    }

    /** Notes how many bytes lie before the image in each buffer of a frame. */
    private void readHeaders(int index) throws CenallocException {
        for (int i = 0; i < queue.layouts().size(); i++) {
            long bytes = queue.headerBytes(i);
            if (bytes > 0 && !acceptsHeaders) {
                queue(index);
                throw new FormatChangedException(
                        "VIDIOC_DQBUF",
                        video.node().path(),
                        "it puts " + bytes + " bytes before each image, which the layout does not tell; a program that"
                                + " skips them says so with acceptHeaders");
            }
            frames[index].setHeaderBytes(i, bytes);
        }
    }

    VideoFrame lend(int index, long number, long timestampNanos, boolean isDamaged) {
        lent++;
        return frames[index].lend(number, timestampNanos, isDamaged);
    }

    private void queue(int index) throws CenallocException {
        int result = queue.queue(index);
        if (result < 0) {
            throw failure(-result, "VIDIOC_QBUF");
        }
    }

    void giveBack(int index) throws CenallocException {
        lent--;
        queue(index);
    }

    long dropped() {
        return count.dropped();
    }

    void acceptDamaged(boolean accepted) {
        acceptsDamaged = accepted;
    }

    void acceptHeaders(boolean accepted) {
        acceptsHeaders = accepted;
    }

    CenallocException failure(int errno, String call) {
        return Failures.of(video, errno, call);
    }

    /** The time is over. */
    CenallocException noFrame(String remedy) {
        return Failures.noFrame(
                video, queue, lent, lent == 0 ? "" : ": " + ring().pool().holders(), remedy);
    }
}
