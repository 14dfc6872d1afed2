// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.Fence;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.Times;
import dev.cenalloc.kernel.UnixSocket;
import dev.cenalloc.text.Count;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * Lends buffers to another process, which gives them back. The caller closes it. The descriptors of a buffer cross
 * once; after that, a frame is a message of 40 bytes, one system call, and no object. Safe for any number of threads:
 * while one waits for a frame to come back, others may send.
 *
 * {@snippet :
 * try (var sender = new Sender(Connection.connect(cenalloc, Address.of(Path.of("/run/frames"))))) {
 *     SentFrame frame = sender.add(List.of(buffer), "left eye", "");
 *     sender.send(frame, number, System.nanoTime(), null, Duration.ofSeconds(1));
 *     SentFrame back = sender.returned(Duration.ofSeconds(1)); // null if the receiver still has all
 * }
 * }
 */
public final class Sender implements AutoCloseable {
    private final Connection connection;
    private final Kernel kernel;
    private final UnixSocket socket;
    private final Inbox inbox;
    /**
     * By their numbers; null where one was removed. Written by threads that send, read by threads that receive, too.
     */
    private final AtomicReferenceArray<@Nullable SentFrame> frames = new AtomicReferenceArray<>(Wire.MOST_FRAMES);

    private final Object sending = new Object();
    private final Object receiving = new Object();
    /** What goes with the message that is sent now, to need no new list. */
    private final List<Descriptor> passed = new ArrayList<>(UnixSocket.MOST_DESCRIPTORS);

    /**
     * Makes the connection one that sends.
     *
     * @param connection owned by the sender from now on
     */
    public Sender(Connection connection) {
        this.connection = Objects.requireNonNull(connection, "connection");
        this.kernel = connection.kernel();
        this.socket = connection.socket();
        boolean made = false;
        try {
            this.inbox = new Inbox(socket);
            made = true;
        } finally {
            if (!made) {
                connection.close();
            }
        }
    }

    /**
     * Makes a frame of buffers. Makes no system call, unless a buffer has no memory yet: then it is allocated.
     *
     * @param buffers one, or one for each plane of an image; the caller closes them, after {@link #remove} or
     *     {@link #close}
     * @param name what it is, for the receiver, at most 255 bytes of UTF-8
     * @param record what else the receiver should know, such as the constraints of the devices here in JSON, at most 32
     *     KiB of UTF-8; may be empty
     * @return the frame, until {@link #remove} or {@link #close}
     * @throws IllegalArgumentException if there is no buffer, or more than 4; if some have a layout and others not, or
     *     they are not all buffers of one image; if the image has no code of DRM; if name or record are too long
     * @throws IllegalStateException if there are 64 frames already, or this or a buffer is closed
     * @throws CenallocException as {@link SharedBuffer#dmaBuf}
     */
    public SentFrame add(List<SharedBuffer> buffers, String name, String record) throws CenallocException {
        Objects.requireNonNull(buffers, "buffers");
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(record, "record");
        return add(List.copyOf(buffers), List.of(), name, record);
    }

    /** As {@link #add}; if layouts are given, they count, and not what the buffers know of theirs. */
    SentFrame add(List<SharedBuffer> all, List<Layout> known, String name, String record) throws CenallocException {
        if (all.isEmpty() || all.size() > Wire.MOST_MEMORIES) {
            throw new IllegalArgumentException(
                    "a frame has 1 to " + Wire.MOST_MEMORIES + " buffers, not " + all.size());
        }
        if (Wire.bytes(name).length > Wire.MOST_NAME || Wire.bytes(record).length > Wire.MOST_RECORD) {
            throw new IllegalArgumentException("name may have " + Wire.MOST_NAME + " bytes of UTF-8, and record "
                    + Wire.MOST_RECORD + "; these have " + Wire.bytes(name).length + " and "
                    + Wire.bytes(record).length);
        }
        var sizes = new ArrayList<Long>();
        var layouts = new ArrayList<Layout>();
        var descriptors = new ArrayList<Descriptor>();
        for (int i = 0; i < all.size(); i++) {
            SharedBuffer buffer = all.get(i);
            DmaBuf memory = buffer.dmaBuf();
            Optional<Layout> layout = known.isEmpty() ? buffer.layout() : Optional.of(known.get(i));
            layout.ifPresent(layouts::add);
            sizes.add(layout.map(Layout::size).orElse(buffer.requestedSize()));
            descriptors.add(Seam.descriptor(memory));
        }
        checkLayouts(layouts, all.size());
        synchronized (sending) {
            connection.checkOpen();
            for (int id = 0; id < frames.length(); id++) {
                if (frames.get(id) == null) {
                    var description = new Wire.Description(sizes, layouts, name, record);
                    var frame = new SentFrame(
                            this,
                            id,
                            all,
                            List.copyOf(descriptors),
                            description,
                            Seam.fence(Fence.class, kernel, Descriptor.NONE));
                    frames.set(id, frame);
                    return frame;
                }
            }
        }
        throw new IllegalStateException(
                "a sender has at most " + Wire.MOST_FRAMES + " frames: remove one that is no longer used");
    }

    private static void checkLayouts(List<Layout> layouts, int buffers) {
        if (layouts.isEmpty()) {
            return;
        }
        if (layouts.size() != buffers) {
            throw new IllegalArgumentException("buffers must all hold parts of one image, or all bytes");
        }
        for (int i = 0; i < buffers; i++) {
            Layout layout = layouts.get(i);
            if (!layout.image().equals(layouts.getFirst().image())
                    || layout.buffer() != i
                    || layout.image().format().buffers() != buffers) {
                throw new IllegalArgumentException("buffers must be those of one image, in order: " + layout.image()
                        + " has " + layout.image().format().buffers() + ", and buffer " + i + " of "
                        + layouts.getFirst().image() + " is expected");
            }
        }
        if (layouts.getFirst().image().format().drmFourcc().isEmpty()) {
            throw new IllegalArgumentException(
                    layouts.getFirst().image() + " cannot be described: DRM defines no code for its format");
        }
    }

    /**
     * Lends a frame to the receiver. From now on until it comes back, nobody here may write to its buffers. One system
     * call; allocates no objects. Blocks while the receiver's socket is full.
     *
     * @param frame of this sender, not lent
     * @param sequence the number of the image in the stream; -1 if there is none
     * @param timestampNanos when the image was made, in nanoseconds of the monotonic clock; -1 if it is not known
     * @param acquire the end of the work that writes the buffers, for which the receiver waits; null if it has ended.
     *     The caller closes it, at once if it likes
     * @param timeout the longest time to wait for a receiver that does not read; zero does not wait
     * @return whether it was sent; false after the timeout, when nothing has changed
     * @throws IllegalArgumentException if the frame is of another sender, or was removed, or the fence is its own
     * @throws IllegalStateException if the receiver has it, or this, a buffer or the fence is closed
     * @throws DisconnectedException EPIPE: the receiver is gone
     * @throws CenallocException with the errno of sendmsg; ETOOMANYREFS if more descriptors of this user are under way
     *     than a process may have open: wait for receivers to read; ETIMEDOUT if the receiver stopped reading in the
     *     middle of the message, so that the connection has been ended
     */
    public boolean send(SentFrame frame, long sequence, long timestampNanos, @Nullable Fence acquire, Duration timeout)
            throws CenallocException {
        Objects.requireNonNull(frame, "frame");
        long nanos = Times.nanos(timeout);
        synchronized (sending) {
            checkMine(frame);
            if (acquire == frame.released) {
                throw new IllegalArgumentException("acquire must not be released() of the frame, which the next return"
                        + " replaces: wait for it before the buffers are written");
            }
            if (frame.isAway()) {
                throw new IllegalStateException("the receiver has frame " + frame.id() + ": wait for its return");
            }
            Descriptor fence = Fences.pending(acquire);
            long from = frame.isKnown ? frame.descriptionSize : 0;
            var message = frame.messages;
            long at = frame.descriptionSize;
            Wire.header(message, at, Wire.FRAME, fence != null ? 1 : 0, Wire.FRAME_PAYLOAD, frame.id());
            message.set(Wire.LONG, at + Wire.HEADER, sequence);
            message.set(Wire.LONG, at + Wire.HEADER + 8, timestampNanos);
            message.set(
                    Wire.INT,
                    at + Wire.HEADER + 16,
                    (fence != null ? Wire.HAS_FENCE : 0) | (frame.isDamaged() ? Wire.DAMAGED : 0));
            message.set(Wire.INT, at + Wire.HEADER + 20, 0);
            passed.clear();
            if (!frame.isKnown) {
                passed.addAll(frame.descriptors);
            }
            if (fence != null) {
                passed.add(fence);
            }
            // Before the receiver can have given it back.
            frame.away(true);
            boolean sent = false;
            try {
                int result = socket.send(message, from, message.byteSize() - from, passed, nanos);
                sent = result == 0;
                if (result == -Errno.EAGAIN) {
                    return false;
                }
                connection.checkSent(result);
                frame.isKnown = true;
                return true;
            } finally {
                if (!sent) {
                    frame.away(false);
                }
            }
        }
    }

    /**
     * Waits for a frame to come back. Blocks, and pins the carrier of a virtual thread; a call of another thread waits
     * for it, beyond its own timeout. One system call, and a second one if the timeout is another than before;
     * allocates no objects. Every exception but the first two below
     * ends the connection.
     *
     * @param timeout the longest time to wait, in steps of a millisecond; zero does not wait
     * @return a frame; null after the timeout. {@link SentFrame#released} is to be waited for before it is written
     * @throws IllegalStateException if closed, also during the wait; or the frame's {@link SentFrame#released} is in
     *     use by another thread: then the connection has been ended
     * @throws DisconnectedException EPIPE: the receiver is gone. What it had is free when {@link #close} has returned
     * @throws ProtocolException EPROTO: it sent something else; the connection has been ended
     * @throws CenallocException EMFILE: this process may not have the descriptors that came; raise its limit and connect
     *     again; else with the errno of recvmsg or poll
     */
    public @Nullable SentFrame returned(Duration timeout) throws CenallocException {
        return returned(true, Times.nanos(timeout), false);
    }

    /** As {@link #returned(Duration)}, without a wait; of what has come, if this is not to receive. */
    @Nullable
    SentFrame returnedNow(boolean receive) throws CenallocException {
        return returned(receive, 0, true);
    }

    private @Nullable SentFrame returned(boolean receive, long nanos, boolean once) throws CenallocException {
        synchronized (receiving) {
            connection.checkOpen();
            boolean well = false;
            try {
                boolean came;
                if (once) {
                    came = inbox.nextNow(receive);
                } else {
                    inbox.begin(nanos);
                    came = inbox.next();
                }
                SentFrame back = came ? release() : null;
                well = true;
                return back;
            } catch (DisconnectedException e) {
                well = true;
                connection.checkOpen(); // else this end was closed
                throw e;
            } finally {
                if (!well) {
                    socket.discard();
                    connection.close();
                }
            }
        }
    }

    /** The descriptor for poll; valid while the caller keeps this open. */
    int fd() {
        return socket.descriptor().number();
    }

    private SentFrame release() throws CenallocException {
        if (inbox.type() != Wire.RELEASE || inbox.payloadSize() != Wire.RELEASE_PAYLOAD) {
            throw new ProtocolException("a sender takes releases of " + Wire.RELEASE_PAYLOAD
                    + " bytes only; the peer sent type " + inbox.type() + " of " + inbox.payloadSize());
        }
        int fences = (inbox.payloadInt(0) & Wire.HAS_FENCE) != 0 ? 1 : 0;
        if (inbox.descriptors() != fences) {
            throw new ProtocolException("a release announces " + Count.of(fences, "fence") + " and has "
                    + Count.of(inbox.descriptors(), "descriptor"));
        }
        int id = inbox.id();
        SentFrame frame = id >= 0 && id < frames.length() ? frames.get(id) : null;
        if (frame == null || !frame.isAway()) {
            throw new ProtocolException(
                    "the peer gives back frame " + Integer.toUnsignedString(id) + ", which it does not have");
        }
        frame.released.replace(fences == 0 ? Descriptor.NONE : Fences.take(kernel, socket));
        frame.away(false);
        return frame;
    }

    /**
     * Ends the use of a frame: the receiver closes its descriptors. One system call, if the receiver knows the frame.
     * Waits up to a second for a receiver that does not read, and for calls that send.
     *
     * @param frame of this sender, not lent
     * @throws IllegalArgumentException if it is of another sender, or was removed
     * @throws IllegalStateException if the receiver has it
     * @throws CenallocException as {@link #send}; EAGAIN if the receiver does not read; nothing has changed
     */
    public void remove(SentFrame frame) throws CenallocException {
        Objects.requireNonNull(frame, "frame");
        synchronized (sending) {
            checkMine(frame);
            if (frame.isAway()) {
                throw new IllegalStateException("the receiver has frame " + frame.id() + ": wait for its return");
            }
            if (frame.isKnown) {
                Wire.header(frame.messages, 0, Wire.FORGET, 0, 0, frame.id());
                passed.clear();
                try {
                    connection.checkSent(socket.send(frame.messages, 0, Wire.HEADER, passed, Times.SHORT));
                    frame.isKnown = false;
                } finally {
                    // The description, whose header this was.
                    Wire.header(
                            frame.messages,
                            0,
                            Wire.BUFFERS,
                            frame.descriptors.size(),
                            frame.descriptionSize - Wire.HEADER,
                            frame.id());
                }
            }
            frame.released.close();
            frames.set(frame.id(), null);
        }
    }

    private void checkMine(SentFrame frame) {
        connection.checkOpen();
        if (frame.sender() != this || frames.get(frame.id()) != frame) {
            throw new IllegalArgumentException("frame must be one of this sender that was not removed: " + frame);
        }
    }

    /** {@return the connection, for {@link Connection#peer}} */
    public Connection connection() {
        return connection;
    }

    /**
     * Ends the connection. Frames that the receiver has come back thereby: its descriptors keep the memory, so it can
     * still read it, and write to it. Does not close the buffers. Idempotent.
     */
    @Override
    public void close() {
        connection.close();
        synchronized (receiving) {
            socket.discard();
        }
        synchronized (sending) {
            for (int id = 0; id < frames.length(); id++) {
                SentFrame frame = frames.get(id);
                if (frame != null) {
                    // If this fails, the next call continues.
                    frame.away(false);
                    frame.released.close();
                    frames.set(id, null);
                }
            }
        }
    }
}
