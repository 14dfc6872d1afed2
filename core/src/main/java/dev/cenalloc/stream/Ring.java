// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Choice;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.Pool;
import dev.cenalloc.PoolBuffer;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.text.Count;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Equal buffers for the images of an {@link Agreement}, by number: a stream fills them by turns, or the program
 * {@linkplain #lend borrows} and fills them. A frame of an image in several buffers has one buffer for each. Closed by
 * the caller that allocated it. Safe for any number of threads.
 */
public final class Ring implements AutoCloseable {
    private final Agreement agreement;
    private final Pool pool;
    /** For {@link #lend}, made at the first use of each. Guarded by the list. */
    private final List<@Nullable RingFrame> lendable = new ArrayList<>();

    private Ring(Agreement agreement, Pool pool) {
        this.agreement = agreement;
        this.pool = pool;
    }

    /**
     * Allocates buffers that suit all devices of an agreement. Blocks while the kernel finds and clears the memory. If
     * the agreement is on {@linkplain Agreement#memory() the memory of a device}, that device allocates them, perhaps
     * more than {@code count}.
     *
     * @param cenalloc whose heaps the memory comes from
     * @param agreement which images, for which devices
     * @param count how many frames, from 1 to 64
     * @return the ring, which the caller closes
     * @throws IllegalArgumentException if the count is out of its range
     * @throws CenallocException as {@link SharedBuffer#attach} and {@link SharedBuffer#dmaBuf}; nothing stays allocated
     */
    public static Ring allocate(Cenalloc cenalloc, Agreement agreement, int count) throws CenallocException {
        Objects.requireNonNull(cenalloc, "cenalloc");
        Objects.requireNonNull(agreement, "agreement");
        if (agreement.memory().isPresent()) {
            checkCount(count);
            return agreement.memory().get().allocate(agreement, count);
        }
        var parts = new ArrayList<Demand>();
        var devices = new ArrayList<List<Device>>();
        for (int i = 0; i < agreement.image().format().buffers(); i++) {
            parts.add(agreement.plans().get(i).demand());
            devices.add(agreement.devices(i));
        }
        return checked(agreement, Pool.allocate(cenalloc, "frame", parts, devices, count));
    }

    /**
     * {@return a ring of buffers that have their memory: a device's own, or memory from another process} The devices of
     * the agreement are attached to them.
     *
     * @param agreement which images, for which devices
     * @param frames of each frame its buffers; the ring's from now on, and closed if this method throws
     * @throws IllegalArgumentException if there are no frames, more than 64, or a frame has another number of buffers
     *     than the image, or one that is too small for it
     * @throws CenallocException as {@link SharedBuffer#attach}
     */
    public static Ring of(Agreement agreement, List<List<SharedBuffer>> frames) throws CenallocException {
        Objects.requireNonNull(agreement, "agreement");
        for (List<SharedBuffer> buffers : Objects.requireNonNull(frames, "frames")) {
            Objects.requireNonNull(buffers, "an element of frames");
            buffers.forEach(buffer -> Objects.requireNonNull(buffer, "an element of an element of frames"));
        }
        int buffers = agreement.image().format().buffers();
        List<List<SharedBuffer>> all = frames.stream().map(List::copyOf).toList();
        boolean complete = false;
        try {
            checkCount(all.size());
            if (all.stream().anyMatch(frame -> frame.size() != buffers)) {
                throw new IllegalArgumentException(
                        "each frame of " + agreement.image() + " has " + Count.of(buffers, "buffer"));
            }
            for (int i = 0; i < all.size(); i++) {
                for (int j = 0; j < buffers; j++) {
                    SharedBuffer buffer = all.get(i).get(j);
                    buffer.name("frame " + i + (buffers == 1 ? "" : "." + j));
                    for (Device device : agreement.devices(j)) {
                        buffer.attach(device);
                    }
                }
            }
            Ring ring = checked(agreement, Pool.of("frame", agreement.layouts(), all));
            complete = true;
            return ring;
        } finally {
            if (!complete) {
                all.forEach(frame -> frame.forEach(SharedBuffer::close));
            }
        }
    }

    private static void checkCount(int count) {
        if (count < 1 || count > Pool.MOST) {
            throw new IllegalArgumentException("count must be from 1 to " + Pool.MOST + ", not " + count);
        }
    }

    /** Owns a pool, or closes it. */
    private static Ring checked(Agreement agreement, Pool pool) {
        boolean complete = false;
        try {
            for (PoolBuffer frame : pool.buffers()) {
                for (int j = 0; j < frame.buffers().size(); j++) {
                    long size = frame.buffers().get(j).size();
                    long needed = agreement.layouts().get(j).end();
                    if (size < needed) {
                        throw new IllegalArgumentException("buffer " + j + " of frame " + frame.index() + " has " + size
                                + " bytes, and " + agreement.image() + " needs " + needed);
                    }
                }
            }
            complete = true;
            return new Ring(agreement, pool);
        } finally {
            if (!complete) {
                pool.close();
            }
        }
    }

    /** {@return which images the buffers are for} */
    public Agreement agreement() {
        return agreement;
    }

    /** {@return how many frames there are} */
    public int size() {
        return pool.size();
    }

    /**
     * {@return the frames as a pool, closed by this ring: which holder has which, more and fewer of them} A stream that
     * uses the ring has the frames that were there when it took the ring.
     */
    public Pool pool() {
        return pool;
    }

    /**
     * {@return the buffers of a frame, closed by this ring}
     *
     * @param index from 0
     * @throws IndexOutOfBoundsException if there is no such frame
     */
    public List<DmaBuf> buffers(int index) {
        return pool.buffers().get(index).buffers();
    }

    /**
     * Lends a frame that the program fills itself, to be given to a display, to another process, or back. As
     * {@link Pool#lend}. A stream that uses the ring has all its frames.
     *
     * @param holder the name of the holder, for messages
     * @param timeout the longest time to wait; zero or less does not wait
     * @return a frame, which the caller gives back by closing it
     * @throws dev.cenalloc.PoolExhaustedException ETIMEDOUT: none came back within the timeout
     * @throws InterruptedException if the thread is interrupted while it waits
     * @throws IllegalStateException if the ring is closed, also during the wait
     * @throws CenallocException with the errno of poll
     */
    public RingFrame lend(String holder, Duration timeout) throws CenallocException, InterruptedException {
        PoolBuffer buffer = pool.lend(holder, timeout);
        RingFrame frame = null;
        try {
            frame = frame(buffer);
            frame.begin();
            return frame;
        } finally {
            if (frame == null) {
                buffer.close();
            }
        }
    }

    private RingFrame frame(PoolBuffer buffer) {
        int index = buffer.index();
        synchronized (lendable) {
            while (lendable.size() <= index) {
                lendable.add(null);
            }
            RingFrame frame = lendable.get(index);
            if (frame == null || !frame.isOf(buffer)) {
                frame = new RingFrame(this, index);
                lendable.set(index, frame);
            }
            return frame;
        }
    }

    /** {@return where the image lies in each buffer of a frame} */
    public List<Layout> layouts() {
        return agreement.layouts();
    }

    /** {@return how the memory of the first buffer was found; the others are alike} */
    public Choice choice() {
        return first().choice().orElseThrow();
    }

    /** {@return why these images and this memory, in words, in lines} */
    public String explain() {
        return agreement.explain() + "\n" + first().explain();
    }

    private SharedBuffer first() {
        return pool.buffers().getFirst().sharedBuffers().getFirst();
    }

    /**
     * Unmaps and releases the buffers. What a device still uses is released when the device is closed or uses another
     * ring. Idempotent.
     *
     * @throws IllegalStateException if a CPU access to a frame is open, or a mapping of the program's own: that memory
     *     stays as it is, the rest is released. The caller closes the access and calls this again
     */
    @Override
    public void close() {
        pool.close();
    }

    @Override
    public String toString() {
        return Count.of(size(), "frame") + " of " + agreement.image();
    }
}
