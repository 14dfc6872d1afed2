// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.plan.Device;
import dev.cenalloc.text.Printable;

/**
 * A device that is attached to a buffer. Closing it detaches the device; closing the buffer ends it too. Thread-safe.
 */
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
     * {@return whether the device is optional and the memory, or the memory that the plan leads to, does not suit it}
     * Do not pass the buffer to such a device.
     */
    public boolean isLeftOut() {
        return buffer.isLeftOut(this);
    }

    /** Detaches the device: plans are made for the remaining devices. Existing memory stays where it is. Idempotent. */
    @Override
    public void close() {
        buffer.detach(this);
    }

    @Override
    public String toString() {
        return Printable.of(device.name()) + " on " + buffer;
    }
}
