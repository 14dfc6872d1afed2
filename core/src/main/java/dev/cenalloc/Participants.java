// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.plan.Device;
import dev.cenalloc.text.Printable;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** The attached devices of a {@link SharedBuffer}, and those that it expects. Guarded by the buffer's lock. */
final class Participants {
    private final List<Attachment> attachments = new ArrayList<>();
    private Expectation expectation = Expectation.NONE;
    private boolean complete;

    /** Two equal devices may be two real ones, such as two displays. Only the same object is an error. */
    @SuppressWarnings("ReferenceEquality")
    void checkNew(Device device) {
        Objects.requireNonNull(device, "device");
        if (attachments.stream().anyMatch(attachment -> attachment.device() == device)) {
            throw new IllegalArgumentException(Printable.of(device.name()) + " is attached already");
        }
    }

    void add(Attachment attachment) {
        attachments.add(attachment);
    }

    void remove(Attachment attachment) {
        attachments.remove(attachment);
    }

    boolean contains(Attachment attachment) {
        return attachments.contains(attachment);
    }

    void clear() {
        attachments.clear();
    }

    /** In the order of attaching. */
    List<Attachment> attachments() {
        return List.copyOf(attachments);
    }

    /** In the order of attaching. */
    List<Device> devices() {
        var devices = new ArrayList<Device>(attachments.size() + 1);
        attachments.forEach(attachment -> devices.add(attachment.device()));
        return devices;
    }

    /** The devices, and one more. */
    List<Device> with(Device device) {
        List<Device> devices = devices();
        devices.add(device);
        return devices;
    }

    void expect(Expectation expected) {
        if (complete) {
            throw new IllegalStateException("the buffer is complete: complete() was called");
        }
        expectation = expected;
    }

    void complete() {
        complete = true;
    }

    /** Names the missing devices; empty if none is missing. */
    String missing() {
        return complete ? "" : expectation.missing(devices());
    }

    /** Whether missing devices forbid the first use. */
    boolean isStrict() {
        return expectation.isStrict();
    }
}
