// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.Fence;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.kernel.Descriptor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The buffers of an image, or of bytes, that a {@link Sender} sends again and again. The receiver has them between
 * {@link Sender#send} and their return. Belongs to its sender. Safe for any number of threads.
 */
public final class SentFrame {
    private final Sender sender;
    private final int id;
    private final List<SharedBuffer> buffers;
    /** Of the memory, in the order of the buffers. */
    final List<Descriptor> descriptors;
    /** The description, followed by the message of a frame. */
    final MemorySegment messages;

    final long descriptionSize;
    /** Whether the receiver knows the buffers. */
    boolean isKnown;
    /** Of the receiver; signalled if it gave none. */
    final Fence released;

    private volatile boolean away;
    private volatile boolean damaged;

    SentFrame(
            Sender sender,
            int id,
            List<SharedBuffer> buffers,
            List<Descriptor> descriptors,
            Wire.Description description,
            Fence released) {
        this.sender = sender;
        this.id = id;
        this.buffers = buffers;
        this.descriptors = descriptors;
        this.released = released;
        this.descriptionSize = Wire.HEADER + description.payload();
        this.messages = Arena.ofAuto().allocate(descriptionSize + Wire.HEADER + Wire.FRAME_PAYLOAD, Long.BYTES);
        Wire.write(messages, description, id);
    }

    /** {@return the buffers, in the order of the image's} */
    public List<SharedBuffer> buffers() {
        return buffers;
    }

    /** {@return its number at this sender, from 0} */
    public int id() {
        return id;
    }

    /** {@return whether the receiver has it} */
    public boolean isAway() {
        return away;
    }

    /**
     * {@return the end of the receiver's work on it: before it is signalled, nobody may write to the buffers} It is
     * signalled if the receiver had finished when it gave the frame back. The sender closes it; its descriptor changes
     * with each return, so no thread may wait for it after the frame was sent again: that would end the connection.
     */
    public Fence released() {
        return released;
    }

    /**
     * States whether the images that are sent from now on are damaged, such as those of a camera that lost data.
     *
     * @param now until it is stated again; false at first
     */
    public void damaged(boolean now) {
        damaged = now;
    }

    boolean isDamaged() {
        return damaged;
    }

    void away(boolean now) {
        away = now;
    }

    Sender sender() {
        return sender;
    }

    @Override
    public String toString() {
        return "frame " + id + (away ? ", at the receiver" : "");
    }
}
