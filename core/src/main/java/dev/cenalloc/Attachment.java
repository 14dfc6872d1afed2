package dev.cenalloc;

import dev.cenalloc.plan.Device;

/** One device's stake in one buffer. Closing it detaches the device; closing the buffer ends it too. Thread-safe. */
public final class Attachment implements AutoCloseable {
    private final SharedBuffer buffer;
    private final Device device;

    Attachment(SharedBuffer buffer, Device device) {
        this.buffer = buffer;
        this.device = device;
    }

    /** {@return the buffer that it was attached to} */
    public SharedBuffer buffer() {
        return buffer;
    }

    /** {@return the device that was attached} */
    public Device device() {
        return device;
    }

    /**
     * {@return whether the device is optional and there is, or would be, no memory for all with it} What it does not get, it
     * must not be given.
     */
    public boolean isLeftOut() {
        return buffer.isLeftOut(this);
    }

    /** Detaches: the plan is what the remaining devices say. Storage that exists stays where it is. Idempotent. */
    @Override
    public void close() {
        buffer.detach(this);
    }
}
