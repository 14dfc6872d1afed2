package dev.cenalloc.stream;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Choice;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.Mapping;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Equal buffers for the images of an {@link Agreement}, by number: a stream fills them by turns. A frame of an image in
 * several buffers has one buffer for each. Closed by the caller that allocated it. Thread-safe.
 */
public final class Ring implements AutoCloseable {
    private static final int MOST = 64;

    private final Agreement agreement;
    /** Of each frame its buffers. */
    private final List<List<SharedBuffer>> frames;

    private final List<List<DmaBuf>> memory = new ArrayList<>();

    /** What {@link FrameAccess} mapped, once a buffer and protection; closed with the ring. */
    private final Map<MappingKey, Mapping> mappings = new HashMap<>();

    /** How many accesses of the CPU are open to each frame. */
    private final int[] accesses;

    private record MappingKey(int index, int buffer, boolean isReadOnly) {}

    private Ring(Agreement agreement, List<List<SharedBuffer>> frames, int count) {
        this.agreement = agreement;
        this.frames = frames;
        this.accesses = new int[count];
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
        checkCount(count);
        if (agreement.memory().isPresent()) {
            return agreement.memory().get().allocate(agreement, count);
        }
        Image image = agreement.image();
        var frames = new ArrayList<List<SharedBuffer>>();
        var ring = new Ring(agreement, frames, count);
        boolean complete = false;
        try {
            for (int i = 0; i < count; i++) {
                var buffers = new ArrayList<SharedBuffer>();
                frames.add(buffers);
                for (int j = 0; j < image.format().buffers(); j++) {
                    buffers.add(cenalloc.create(agreement.plans().get(j).demand()));
                }
            }
            ring.attach();
            complete = true;
            return ring;
        } finally {
            if (!complete) {
                ring.close();
            }
        }
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
        var ring = new Ring(agreement, frames.stream().map(List::copyOf).toList(), frames.size());
        boolean complete = false;
        try {
            checkCount(frames.size());
            int buffers = agreement.image().format().buffers();
            if (frames.stream().anyMatch(frame -> frame.size() != buffers)) {
                throw new IllegalArgumentException(
                        "each frame of " + agreement.image() + " has " + buffers + " buffers");
            }
            ring.attach();
            complete = true;
            return ring;
        } finally {
            if (!complete) {
                ring.close();
            }
        }
    }

    private static void checkCount(int count) {
        if (count < 1 || count > MOST) {
            throw new IllegalArgumentException("count must be from 1 to " + MOST + ", not " + count);
        }
    }

    private void attach() throws CenallocException {
        for (int i = 0; i < frames.size(); i++) {
            List<SharedBuffer> buffers = frames.get(i);
            var taken = new ArrayList<DmaBuf>();
            for (int j = 0; j < buffers.size(); j++) {
                SharedBuffer buffer = buffers.get(j);
                buffer.name("frame " + i + (buffers.size() == 1 ? "" : "." + j));
                for (Device device : agreement.devices(j)) {
                    buffer.attach(device);
                }
                DmaBuf held = buffer.dmaBuf();
                long needed = layouts().get(j).planes().getLast().end();
                if (held.size() < needed) {
                    throw new IllegalArgumentException("buffer " + j + " of frame " + i + " has " + held.size()
                            + " bytes, and " + agreement.image() + " needs " + needed);
                }
                taken.add(held);
            }
            memory.add(List.copyOf(taken));
        }
    }

    /** {@return which images the buffers are for} */
    public Agreement agreement() {
        return agreement;
    }

    /** {@return how many frames there are} */
    public int size() {
        return frames.size();
    }

    /**
     * {@return the buffers of a frame, closed by this ring}
     *
     * @param index from 0
     * @throws IndexOutOfBoundsException if there is no such frame
     */
    public List<DmaBuf> buffers(int index) {
        return memory.get(index);
    }

    /** Keeps the memory of a frame until {@link #endAccess}. */
    synchronized void beginAccess(int index) {
        accesses[index]++;
    }

    synchronized void endAccess(int index) {
        accesses[index]--;
    }

    /** The memory of one buffer, mapped at the first call. */
    synchronized MemorySegment segment(int index, int buffer, Direction direction) throws CenallocException {
        var key = new MappingKey(index, buffer, direction == Direction.READ);
        Mapping mapping = mappings.get(key);
        if (mapping == null) {
            mapping = memory.get(index).get(buffer).map(direction);
            mappings.put(key, mapping);
        }
        return mapping.segment();
    }

    /** {@return where the image lies in each buffer of a frame} */
    public List<Layout> layouts() {
        return agreement.layouts();
    }

    /** {@return how the memory of the first buffer was found; the others are alike} */
    public Choice choice() {
        return frames.getFirst().getFirst().choice().orElseThrow();
    }

    /** {@return why these images and this memory, in words, in lines} */
    public String explain() {
        return agreement.explain() + "\n" + frames.getFirst().getFirst().explain();
    }

    /**
     * Unmaps and releases the buffers. What a device still uses is released when the device is closed or uses another
     * ring. Idempotent.
     *
     * @throws IllegalStateException if a CPU access to a frame is open, or a mapping of the program's own: that memory
     *     stays as it is, the rest is released. The caller closes the access and calls this again
     */
    @Override
    public synchronized void close() {
        RuntimeException failure = null;
        for (var entry : mappings.entrySet()) {
            try {
                if (accesses[entry.getKey().index] == 0) {
                    entry.getValue().close();
                }
            } catch (RuntimeException e) {
                failure = failure == null ? e : failure;
            }
        }
        for (int i = 0; i < frames.size(); i++) {
            if (accesses[i] > 0) {
                var e = new IllegalStateException("a CPU access to frame " + i + " is open: close it first");
                failure = failure == null ? e : failure;
                continue;
            }
            for (SharedBuffer buffer : frames.get(i)) {
                try {
                    buffer.close();
                } catch (RuntimeException e) {
                    failure = failure == null ? e : failure;
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    @Override
    public String toString() {
        return frames.size() + " frames of " + agreement.image();
    }
}
