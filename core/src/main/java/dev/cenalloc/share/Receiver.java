// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Fence;
import dev.cenalloc.Pool;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.kernel.Times;
import dev.cenalloc.kernel.UnixSocket;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.text.Count;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Takes the frames of a {@link Sender} in another process, and gives them back. The caller closes it. Each buffer is
 * adopted once: it is checked to be a dma-buf of at least the size that the sender promises, and its layout to lie in
 * it. Devices can be attached to it as to any buffer. Safe for any number of threads.
 *
 * {@snippet :
 * try (var receiver = new Receiver(Connection.connect(cenalloc, Address.of(Path.of("/run/frames"))))) {
 *     while (running) {
 *         try (ReceivedFrame frame = receiver.next(Duration.ofSeconds(1))) {
 *             if (frame == null || !frame.acquire().await(Duration.ofSeconds(1))) {
 *                 continue; // the sender is late
 *             }
 *             try (var pixels = frame.access(Direction.READ)) {
 *                 show(pixels.segment(), pixels.layout());
 *             }
 *         }
 *     }
 * }
 * }
 */
public final class Receiver implements AutoCloseable {
    private final Connection connection;
    private final Cenalloc cenalloc;
    private final Kernel kernel;
    private final UnixSocket socket;
    private final Inbox inbox;
    /** By their numbers; null where there is none. Guarded by {@link #receiving}. */
    private final @Nullable ReceivedFrame[] frames = new ReceivedFrame[Wire.MOST_FRAMES];
    /** What the sender has removed while it was mapped here. Guarded by {@link #receiving}. */
    private final List<Pool> leftOver = new ArrayList<>();

    private final Object receiving = new Object();
    private final Object sending = new Object();
    private final MemorySegment release = Arena.ofAuto().allocate(Wire.HEADER + Wire.RELEASE_PAYLOAD, Long.BYTES);
    private final List<Descriptor> passed = new ArrayList<>(1);

    /**
     * Makes the connection one that receives.
     *
     * @param connection owned by the receiver from now on
     */
    public Receiver(Connection connection) {
        this.connection = Objects.requireNonNull(connection, "connection");
        this.cenalloc = connection.cenalloc();
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
     * Waits for a frame. Blocks, and pins the carrier of a virtual thread; a call of another thread waits for it,
     * beyond its own timeout. One system call, and a second one if the timeout is another than
     * before; allocates no objects, unless the sender has added buffers. Every
     * exception but the first two below ends the connection.
     *
     * @param timeout the longest time to wait, in steps of a millisecond; zero does not wait
     * @return a frame, which the caller gives back by closing it; null after the timeout
     * @throws IllegalStateException if closed, also during the wait; or the frame's {@link ReceivedFrame#acquire} is in
     *     use by another thread: then the connection has been ended
     * @throws DisconnectedException EPIPE: the sender is gone. Frames that came before can still be used
     * @throws ProtocolException EPROTO: it sent what the protocol does not allow, such as a descriptor that is no
     *     dma-buf; the connection has been ended
     * @throws CenallocException EMFILE: this process may not have the descriptors that came; raise its limit and connect
     *     again; else with the errno of recvmsg or poll
     */
    public @Nullable ReceivedFrame next(Duration timeout) throws CenallocException {
        long nanos = Times.nanos(timeout);
        synchronized (receiving) {
            connection.checkOpen();
            boolean well = false;
            try {
                ReceivedFrame frame = null;
                inbox.begin(nanos);
                while (frame == null && inbox.next()) {
                    frame = take();
                }
                well = true;
                return frame;
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

    /** The frame of a message; null if it has none. */
    private @Nullable ReceivedFrame take() throws CenallocException {
        switch (inbox.type()) {
            case Wire.BUFFERS -> add();
            case Wire.FORGET -> forget();
            case Wire.FRAME -> {
                return lend();
            }
            default -> throw new ProtocolException("a receiver takes buffers and frames; the peer sent a release");
        }
        return null;
    }

    private void add() throws CenallocException {
        int id = inbox.id();
        if (id < 0 || id >= frames.length || frames[id] != null) {
            throw new ProtocolException("the peer adds frame " + Integer.toUnsignedString(id) + ", which is there"
                    + " already or not below " + frames.length);
        }
        leftOver.removeIf(Receiver::closes);
        if (leftOver.size() >= Wire.MOST_FRAMES) {
            throw new ProtocolException(
                    "the peer has removed " + leftOver.size() + " buffers that are still mapped here, and adds more");
        }
        Wire.Description description = Wire.read(inbox.payload(), inbox.descriptors());
        var buffers = new ArrayList<SharedBuffer>();
        Pool pool = null;
        Fence fence = null;
        boolean added = false;
        try {
            for (int i = 0; i < description.sizes().size(); i++) {
                buffers.add(adopt(description, i));
            }
            pool = Pool.of("frame", description.layouts(), List.of(buffers));
            fence = Seam.fence(Fence.class, kernel, Descriptor.NONE);
            frames[id] = new ReceivedFrame(this, id, pool, description, fence);
            added = true;
        } finally {
            if (!added) {
                if (pool != null) {
                    pool.close();
                }
                buffers.forEach(SharedBuffer::close);
                if (fence != null) {
                    fence.close();
                }
            }
        }
    }

    private SharedBuffer adopt(Wire.Description description, int i) throws CenallocException {
        long size = description.sizes().get(i);
        try {
            Demand holds = description.layouts().isEmpty()
                    ? Demand.ofBytes(size)
                    : Demand.ofLayout(description.layouts().get(i));
            StackRoom.requireToOwn();
            return cenalloc.adopt(socket.take(), holds, null);
        } catch (IllegalArgumentException e) {
            throw new ProtocolException("a description of buffers contradicts itself: " + e.getMessage());
        } catch (CenallocException e) {
            if (e.errno() == Errno.ENOTTY || e.errno() == Errno.EINVAL) {
                throw new ProtocolException("the peer sent a buffer that is not what it describes: " + e.reason());
            }
            throw e;
        }
    }

    private void forget() throws CenallocException {
        ReceivedFrame frame = known();
        if (inbox.payloadSize() != 0 || inbox.descriptors() != 0 || frame.isLent()) {
            throw new ProtocolException("the peer removes frame " + frame.id()
                    + (frame.isLent() ? ", which this end has" : ", with more than a header"));
        }
        leftOver.removeIf(Receiver::closes);
        end(frame);
    }

    /** Closes a frame's buffers, or keeps those that are mapped. After an error, the next call continues. */
    private void end(ReceivedFrame frame) {
        frame.removed();
        frame.acquire().close();
        if (!closes(frame.pool()) && !leftOver.contains(frame.pool())) {
            leftOver.add(frame.pool());
        }
        frames[frame.id()] = null;
    }

    private static boolean closes(Pool buffers) {
        try {
            buffers.close();
            return true;
        } catch (IllegalStateException e) {
            return false; // a mapping or a CPU access is open
        }
    }

    private ReceivedFrame known() throws ProtocolException {
        int id = inbox.id();
        ReceivedFrame frame = id >= 0 && id < frames.length ? frames[id] : null;
        if (frame == null) {
            throw new ProtocolException(
                    "the peer names frame " + Integer.toUnsignedString(id) + ", which it has not added");
        }
        return frame;
    }

    private ReceivedFrame lend() throws CenallocException {
        ReceivedFrame frame = known();
        if (inbox.payloadSize() != Wire.FRAME_PAYLOAD) {
            throw new ProtocolException("a frame has " + inbox.payloadSize() + " bytes, not " + Wire.FRAME_PAYLOAD);
        }
        if (frame.isLent()) {
            throw new ProtocolException("the peer sends frame " + frame.id() + " before it has it back");
        }
        int flags = inbox.payloadInt(16);
        int fences = (flags & Wire.HAS_FENCE) != 0 ? 1 : 0;
        if (inbox.descriptors() != fences) {
            throw new ProtocolException("a frame announces " + Count.of(fences, "fence") + " and has "
                    + Count.of(inbox.descriptors(), "descriptor"));
        }
        frame.acquire().replace(fences == 0 ? Descriptor.NONE : Fences.take(kernel, socket));
        frame.lend(inbox.payloadLong(0), inbox.payloadLong(8), flags);
        return frame;
    }

    void giveBack(ReceivedFrame frame, @Nullable Fence fence) throws CenallocException {
        if (fence == frame.acquire()) {
            throw new IllegalArgumentException(
                    "release must not be acquire() of the frame, which the next one replaces:"
                            + " pass null if nothing was begun");
        }
        synchronized (sending) {
            if (!frame.isLent()) {
                throw new IllegalStateException("frame " + frame.id() + " was given back already");
            }
            if (frame.isAccessed()) {
                throw new IllegalStateException("a CPU access to frame " + frame.id() + " is open: close it first");
            }
            connection.checkOpen();
            Descriptor descriptor = Fences.pending(fence);
            Wire.header(release, 0, Wire.RELEASE, descriptor != null ? 1 : 0, Wire.RELEASE_PAYLOAD, frame.id());
            release.set(Wire.LONG, Wire.HEADER, descriptor != null ? Wire.HAS_FENCE : 0);
            passed.clear();
            if (descriptor != null) {
                passed.add(descriptor);
            }
            // Before the sender can send it again.
            frame.lent(false);
            boolean back = false;
            try {
                int result = socket.send(release, 0, release.byteSize(), passed, Times.SHORT);
                // A sender that is gone has all back.
                back = result == 0 || result == -Errno.EPIPE || result == -Errno.ECONNRESET;
                connection.checkSent(result);
            } finally {
                if (!back) {
                    frame.lent(true);
                }
            }
        }
    }

    /** {@return the connection, for {@link Connection#peer}} */
    public Connection connection() {
        return connection;
    }

    /**
     * Ends the connection, and closes the buffers. The sender has all its frames back thereby. Idempotent.
     *
     * @throws IllegalStateException if a buffer is mapped or in CPU access: close these and call again; the connection
     *     is ended, and the other buffers are closed
     */
    @Override
    public void close() {
        connection.close();
        synchronized (receiving) {
            socket.discard();
            for (int id = 0; id < frames.length; id++) {
                ReceivedFrame frame = frames[id];
                if (frame != null) {
                    frame.lent(false);
                    end(frame);
                }
            }
            leftOver.removeIf(Receiver::closes);
            if (!leftOver.isEmpty()) {
                throw new IllegalStateException("buffers are mapped or in CPU access: " + leftOver.size());
            }
        }
    }
}
