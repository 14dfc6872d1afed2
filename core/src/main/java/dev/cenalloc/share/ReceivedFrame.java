// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.CenallocException;
import dev.cenalloc.Fence;
import dev.cenalloc.MappedAccess;
import dev.cenalloc.Pool;
import dev.cenalloc.PoolBuffer;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.Direction;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A frame of another process, with the same object each time that it comes. The caller gives it back by {@link #close};
 * its buffers belong to the {@link Receiver}. Safe for any number of threads.
 */
public final class ReceivedFrame implements AutoCloseable {
    private final Receiver receiver;
    private final int id;
    private final Pool pool;
    private final PoolBuffer memory;
    private final Wire.Description description;
    /** Signalled if the sender gave none. */
    private final Fence acquire;

    private volatile boolean lent;
    private volatile boolean removed;
    private long sequence;
    private long timestampNanos;
    private boolean damaged;

    /** Of a pool of its memory alone, which the receiver closes. */
    ReceivedFrame(Receiver receiver, int id, Pool pool, Wire.Description description, Fence acquire) {
        this.receiver = receiver;
        this.id = id;
        this.pool = pool;
        this.memory = pool.buffers().getFirst();
        this.description = description;
        this.acquire = acquire;
    }

    /**
     * {@return the buffers: one, or one for each plane of the image} They stay the same until the sender removes the
     * frame or the receiver is closed: attach devices once. Closed by the receiver.
     */
    public List<SharedBuffer> buffers() {
        return memory.sharedBuffers();
    }

    Pool pool() {
        return pool;
    }

    boolean isAccessed() {
        return memory.isAccessed();
    }

    /**
     * Begins an access of the CPU: {@code try (var pixels = frame.access(READ)) { … }}. The first access of a frame
     * maps its buffers; the mapping is kept until the sender removes the frame. Later ones make two system calls for
     * each buffer and allocate nothing. Await {@link #acquire} before.
     *
     * @param direction what the CPU will do
     * @return the access, closed by the caller; the same object for each access of a direction, one at a time
     * @throws IllegalStateException if the frame was given back, or an access of this direction is open
     * @throws CenallocException as {@link dev.cenalloc.DmaBuf#map} and {@link dev.cenalloc.DmaBuf#access}
     */
    public MappedAccess access(Direction direction) throws CenallocException {
        return memory.access(direction);
    }

    /** {@return the layout of the image in each buffer; empty if they hold bytes} */
    public List<Layout> layouts() {
        return description.layouts();
    }

    /** {@return what the sender calls it; may be empty} Any text: escape it before it is printed. */
    public String name() {
        return description.name();
    }

    /** {@return what else the sender says of it, such as constraints in JSON; may be empty} Any text. */
    public String record() {
        return description.record();
    }

    /** {@return its number at the sender, from 0 to 63} */
    public int id() {
        return id;
    }

    /** {@return the number of the image in the stream; -1 if there is none} */
    public long sequence() {
        return sequence;
    }

    /** {@return when the image was made, in nanoseconds of the monotonic clock; -1 if it is not known} */
    public long timestampNanos() {
        return timestampNanos;
    }

    /** {@return whether the sender says that the image is damaged} */
    public boolean isDamaged() {
        return damaged;
    }

    /**
     * {@return the end of the sender's work on it: before it is signalled, nobody may read the buffers} It is signalled
     * already if the sender gave none. The receiver closes it; its descriptor changes with each frame, so no thread may
     * wait for it after the frame was given back: that would end the connection.
     */
    public Fence acquire() {
        return acquire;
    }

    /**
     * {@return whether the sender has removed it, or the receiver is closed} Then it does not come again: what the
     * program has mapped itself can be closed. The memory of that stays until then.
     */
    public boolean isRemoved() {
        return removed;
    }

    void removed() {
        removed = true;
    }

    /** {@return whether it was not given back yet} */
    public boolean isLent() {
        return lent;
    }

    void lend(long number, long time, int flags) {
        sequence = number;
        timestampNanos = time;
        damaged = (flags & Wire.DAMAGED) != 0;
        lent(true);
    }

    void lent(boolean now) {
        if (now) {
            memory.tryLend("the program");
        } else {
            memory.giveUp();
        }
        lent = now;
    }

    /**
     * Gives the frame back: the work on it has ended. One system call; allocates no objects. Waits up to a second for a
     * sender that does not read, and for calls of other threads that give back.
     *
     * @throws IllegalStateException if it was given back before, or an access of the CPU is open, or its receiver is
     *     closed
     * @throws DisconnectedException EPIPE: the sender is gone
     * @throws CenallocException with the errno of sendmsg; EAGAIN if the sender does not read: the frame is still lent;
     *     ETIMEDOUT if it stopped reading in the middle of the message, so that the connection has been ended
     */
    @Override
    public void close() throws CenallocException {
        close(null);
    }

    /**
     * Gives the frame back, before the work on it has ended.
     *
     * @param release the end of the work; the sender waits for it before it writes. Null if it has ended. The caller
     *     closes it, at once if it likes
     * @throws IllegalArgumentException if it is {@link #acquire} of this frame
     * @throws IllegalStateException if it was given back before, or an access of the CPU is open, or its receiver or
     *     the fence is closed
     * @throws CenallocException as {@link #close()}
     */
    public void close(@Nullable Fence release) throws CenallocException {
        receiver.giveBack(this, release);
    }

    @Override
    public String toString() {
        return "frame " + id + (lent ? ", number " + sequence + " of the stream" : ", given back");
    }
}
