// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.MappedAccess;
import dev.cenalloc.PoolBuffer;
import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.text.Printable;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One image of a stream, in the buffers of a {@link Ring}. Borrowed from the stream: {@link #close} gives it back. A
 * stream has one object for each frame of its ring and hands it out again and again, so that it allocates nothing; keep
 * no frame after giving it back. For one thread at a time.
 */
public abstract class Frame implements AutoCloseable {
    /** Has a frame that a stream has lent, until it says another name. */
    private static final String PROGRAM = "the program";

    private final Ring ring;
    private final PoolBuffer memory;
    /** Has it when it is not lent; null: then it is free. */
    private @Nullable String stream;

    /** Whether the memory was free when this was lent, so that it is to be free again. */
    private boolean took;

    private boolean lent;
    private long loans;

    /**
     * A frame that is not lent yet.
     *
     * @param ring whose buffers it has
     * @param index which of them
     */
    protected Frame(Ring ring, int index) {
        this.ring = Objects.requireNonNull(ring, "ring");
        this.memory = ring.pool().buffers().get(Objects.checkIndex(index, ring.size()));
    }

    /** {@return the ring whose buffers it has} */
    public final Ring ring() {
        return ring;
    }

    /** {@return its number in the ring} */
    public final int index() {
        return memory.index();
    }

    /** {@return its buffers, closed by the ring; one, unless the planes of the format have buffers of their own} */
    public final List<DmaBuf> buffers() {
        return memory.buffers();
    }

    /** {@return where the image lies in each buffer} */
    public final List<Layout> layouts() {
        return ring.layouts();
    }

    /**
     * {@return where the image lies}
     *
     * @throws IllegalStateException if it lies in several buffers; see {@link #layouts}
     */
    public final Layout layout() {
        return ring.agreement().layout();
    }

    /** {@return the number of the image in the stream, from 0; a gap is an image that was lost} */
    public abstract long sequence();

    /**
     * {@return when the image was made or shown, in nanoseconds of the monotonic clock; 0 if the device does not tell}
     */
    public abstract long timestampNanos();

    /** {@return whether the device says that the image is damaged} */
    public abstract boolean isDamaged();

    /**
     * Begins an access of the CPU to the image: {@code try (var pixels = frame.access(READ)) { … }}. The first access
     * of a frame maps its buffers, which costs one mmap each; the mapping is kept until the ring is closed. An access
     * in steady state makes two system calls for each buffer and allocates nothing.
     *
     * @param direction what the CPU will do
     * @return the access, closed by the caller; the same object for each access of a direction, one at a time
     * @throws IllegalStateException if the frame is not lent, or an access of this direction is open
     * @throws CenallocException as {@link DmaBuf#map} and {@link DmaBuf#access}
     */
    public final MappedAccess access(Direction direction) throws CenallocException {
        Objects.requireNonNull(direction, "direction");
        checkLent();
        return memory.access(direction);
    }

    /** {@return its memory in the pool of the ring, which says who has it} Closed by the stream, not by the caller. */
    public final PoolBuffer memory() {
        return memory;
    }

    /**
     * Says that another part of the program has it from now on. For messages, as {@link PoolBuffer#handTo}.
     *
     * @param holder the name of the new holder
     * @throws IllegalStateException if it is not lent
     */
    public final void handTo(String holder) {
        Objects.requireNonNull(holder, "holder");
        checkLent();
        memory.handTo(holder);
    }

    /**
     * Has it belong to the stream while it is not lent, until {@link #revoke}. For the stream.
     *
     * @param name of the stream
     * @throws IllegalStateException if it belongs to another stream, or is lent
     */
    protected final void hold(String name) {
        if (!memory.tryLend(Objects.requireNonNull(name, "name"))) {
            throw notFree();
        }
        stream = name;
    }

    /** {@return whether it is lent, and not given back yet} */
    public final boolean isLent() {
        return lent;
    }

    /**
     * {@return how many times it was lent} It tells one loan from another: the numbers of a stream begin anew with it.
     */
    public final long loans() {
        return loans;
    }

    /**
     * Marks the frame as lent. For the stream; or for one that passes on the frames of another stream as frames of its
     * own, whose memory is lent already.
     *
     * @throws IllegalStateException if a device works on the memory, or the ring is closed
     */
    protected final void lend() {
        if (stream != null) {
            memory.handTo(PROGRAM);
            markLent();
        } else if (!tryLend()) {
            if (!memory.isLent()) {
                throw notFree();
            }
            markLent();
        }
    }

    /**
     * Marks the frame as lent, if its memory is free. For a stream that does not {@link #hold} its frames.
     *
     * @return whether it is lent now
     * @throws IllegalStateException if the ring is closed
     */
    protected final boolean tryLend() {
        if (!memory.tryLend(PROGRAM)) {
            return false;
        }
        took = true;
        markLent();
        return true;
    }

    /** Of memory that is lent to the caller already. */
    final void markLent() {
        lent = true;
        loans++;
    }

    private IllegalStateException notFree() {
        return new IllegalStateException("frame " + index() + " is not free ("
                + memory.holder().map(name -> Printable.of(name) + " has it").orElse("a device works on it")
                + "): give it back, or stop the stream that has it");
    }

    /** Marks the frame as lent still, where {@link #giveBack} refuses it. For the stream. */
    protected final void keepLent() {
        lent = true;
    }

    /**
     * Marks the frame as given back, whatever became of it: its stream has ended. The memory is free when no access of
     * the CPU is open. For the stream.
     */
    protected final void revoke() {
        lent = false;
        if (stream != null || took) {
            stream = null;
            took = false;
            memory.giveUp();
        }
    }

    private void checkLent() {
        if (!lent) {
            throw new IllegalStateException("frame " + index() + " was given back, or its stream has ended");
        }
    }

    /**
     * Gives the frame back to its stream: a camera fills it again. One system call; allocates nothing.
     *
     * @throws IllegalStateException if it was given back before, or its stream has ended, or a CPU access is open
     * @throws CenallocException with the errno of the driver
     */
    @Override
    public final void close() throws CenallocException {
        checkLent();
        if (memory.isAccessed()) {
            throw new IllegalStateException("a CPU access to frame " + index() + " is open: close it first");
        }
        lent = false;
        try {
            giveBack();
        } finally {
            if (!lent) {
                returned();
            }
        }
    }

    /** Another may have the memory by now, unless this took it. */
    private void returned() {
        if (stream != null && memory.isLent()) {
            memory.handTo(stream);
        } else if (took) {
            took = false;
            memory.giveUp();
        }
    }

    /**
     * Gives the frame back. For the stream.
     *
     * @throws CenallocException with the errno of the driver
     */
    protected abstract void giveBack() throws CenallocException;

    @Override
    public String toString() {
        return "frame " + index() + ", number " + sequence() + " of the stream";
    }
}
