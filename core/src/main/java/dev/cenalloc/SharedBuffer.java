// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Log;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.plan.Conflict;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.Objection;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.text.Printable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A buffer for several devices. Closed by the caller that created it. Until the first use it has a size and
 * attachments, and no memory. The first use makes the plan and allocates from the first heap of the plan that has
 * enough memory; then the buffer has a {@link DmaBuf}. Safe for any number of threads: if several race for the first
 * use, one allocation is made. While one thread allocates or moves the memory, the other methods wait, except the
 * lookups after the first use.
 *
 * <p>The first use is the first call of {@link #dmaBuf}, {@link #map} or {@link #access}. A program that attaches
 * devices in different places can {@link #expect} them: a first use before all of them are attached, or before
 * {@link #complete} is called, then logs a warning or throws.
 *
 * <p>Source: cenalloc RFC 2/4, with the corrections of its review: a refused attach has no effect, detaching undoes
 * attaching, and an attach after the first use is checked against the memory.
 */
public final class SharedBuffer implements AutoCloseable {
    private final Cenalloc cenalloc;
    private final Demand demand;
    private final Participants participants = new Participants();
    /** Written under the lock, read without. */
    private volatile String name = "";

    /** Null until the first use. Written under the lock, read without. */
    private volatile @Nullable Storage storage;
    /** Whether the descriptor is known outside: then the memory cannot be moved any more. */
    private volatile boolean handedOut;

    private volatile boolean closed;

    SharedBuffer(Cenalloc cenalloc, Demand demand) {
        this.cenalloc = cenalloc;
        this.demand = demand;
    }

    /** A buffer with existing memory. */
    SharedBuffer(Cenalloc cenalloc, Demand holds, DmaBuf dmaBuf, Heap heap) {
        this(cenalloc, holds);
        Plan plan = cenalloc.plan(demand, List.of());
        this.storage = new Storage(dmaBuf.ownedByBuffer(), Choice.adopted(heap, plan));
        this.handedOut = true;
    }

    /**
     * {@return the requested size in bytes; for an image, its smallest size} The memory has at least that size.
     * {@link Plan#size} is the size with the devices' constraints.
     */
    public long requestedSize() {
        return demand.bytes();
    }

    /**
     * {@return the layout of the image in the memory; empty for a buffer of bytes} Before the first use it is the
     * layout for the devices that are attached now, and empty if no layout suits them.
     *
     * @throws IllegalStateException if closed before the first use
     */
    public Optional<Layout> layout() {
        Storage existing = storage;
        return existing == null ? plan().layout() : existing.choice().plan().layout();
    }

    /**
     * Names the buffer, for {@link Cenalloc#dump} and, when it has memory, for the kernel's lists. As
     * {@link DmaBuf#name(String)}, which says what it is called without a name.
     *
     * @param text any text without NUL
     */
    public synchronized void name(String text) {
        name = Objects.requireNonNull(text, "text");
        Storage existing = storage;
        if (existing != null && !closed) {
            existing.dmaBuf().name(text);
        }
    }

    Cenalloc cenalloc() {
        return cenalloc;
    }

    // ---- devices ----

    /**
     * Adds a device. Before the first use, its constraints take part in the choice of the memory; after it, they are
     * checked against the memory. Waits for a first use that is under way. A refused attach has no effect.
     *
     * @param device the device with its constraints
     * @return the attachment; closing it detaches the device
     * @throws IncompatibleConstraintsException EINVAL: no memory on any machine suits this device and those attached
     *     before
     * @throws BufferBusyException EBUSY: the memory is allocated and does not suit; {@link #relocate(Device)} can move
     *     it
     * @throws IllegalArgumentException if the device is attached already
     * @throws IllegalStateException if closed
     */
    public synchronized Attachment attach(Device device) throws CenallocException {
        checkNew(device);
        Storage existing = storage;
        if (existing == null) {
            checkPossible(participants.with(device));
        } else {
            Objection objection = existing.objection(device).orElse(null);
            if (objection != null && device.isOptional()) {
                Log.info("{} is left out: {}", device.name(), objection);
            } else if (objection != null) {
                throw busy(existing, device, objection);
            }
        }
        return add(device);
    }

    private BufferBusyException busy(Storage existing, Device device, Objection objection) {
        String remedy = handedOut
                ? "create another buffer, attach every device before its first use, and copy; the memory of this one"
                        + " cannot be moved, since dmaBuf() has returned its descriptor"
                : "attach every device before the first use of the buffer, or move it with relocate";
        return new BufferBusyException(
                "attach",
                requestedSize(),
                device.name() + " cannot use the memory, which comes from "
                        + existing.choice().heap().name() + ": " + objection,
                existing.choice().isAdopted()
                        ? "pass the memory's properties to adopt if those assumed here are wrong, or copy to a buffer that"
                                + " suits every device"
                        : remedy);
    }

    private void checkNew(Device device) {
        Objects.requireNonNull(device, "device");
        checkOpen();
        participants.checkNew(device);
    }

    private Attachment add(Device device) {
        if (device.declared().isEmpty()) {
            Log.warn(
                    "{} declares no constraints: any memory is assumed to suit it ({})",
                    device.name(),
                    device.detail());
        }
        var attachment = new Attachment(this, device);
        participants.add(attachment);
        notifyAll();
        return attachment;
    }

    private void checkPossible(List<Device> devices) throws IncompatibleConstraintsException {
        List<Conflict> conflicts = Plan.contradictions(demand, devices, cenalloc.heaps());
        if (!conflicts.isEmpty()) {
            throw new IncompatibleConstraintsException(requestedSize(), conflicts);
        }
    }

    /**
     * Removes a device, as closing its attachment does: plans are made for the remaining devices. Existing memory stays
     * where it is. Idempotent.
     *
     * @param attachment an attachment that {@link #attach} returned
     * @throws IllegalArgumentException if it is an attachment of another buffer; nothing has changed
     */
    public synchronized void detach(Attachment attachment) {
        Objects.requireNonNull(attachment, "attachment");
        if (attachment.buffer() != this) {
            throw new IllegalArgumentException(
                    "the attachment of " + Printable.of(attachment.device().name()) + " belongs to another buffer");
        }
        participants.remove(attachment);
    }

    synchronized boolean isLeftOut(Attachment attachment) {
        Device device = attachment.device();
        if (!device.isOptional() || !participants.contains(attachment)) {
            return false;
        }
        Storage existing = storage;
        return existing == null
                ? plan().leftOut().contains(device)
                : existing.objection(device).isPresent();
    }

    /** {@return the attachments, in the order of attaching} */
    public synchronized List<Attachment> attachments() {
        return participants.attachments();
    }

    /**
     * Sets the devices that are to be attached before the first use.
     *
     * @param expected replaces the previous expectation
     * @throws IllegalStateException if closed or {@link #complete}, or after the first use
     */
    public synchronized void expect(Expectation expected) {
        Objects.requireNonNull(expected, "expected");
        checkOpen();
        if (storage != null) {
            throw new IllegalStateException("the buffer has its memory already: expect devices before the first use");
        }
        participants.expect(expected);
        notifyAll();
    }

    /**
     * Ends the expectation: all devices have been attached. A device that is attached later is still accepted if the
     * memory suits it.
     *
     * @throws IllegalStateException if closed
     */
    public synchronized void complete() {
        checkOpen();
        participants.complete();
        notifyAll();
    }

    /** {@return whether every expected device is attached; true if none is expected} */
    public synchronized boolean isComplete() {
        return participants.missing().isEmpty();
    }

    /**
     * Waits until every expected device is attached. After the timeout, a warning names the missing devices. Blocks; an
     * interrupt ends it.
     *
     * @param timeout the longest time to wait; zero or less does not wait
     * @return whether all are attached
     * @throws InterruptedException if the thread is interrupted
     * @throws IllegalStateException if closed, before or during the wait
     */
    public synchronized boolean awaitComplete(Duration timeout) throws InterruptedException {
        Objects.requireNonNull(timeout, "timeout");
        // Saturates at 292 years.
        long deadline = System.nanoTime() + TimeUnit.NANOSECONDS.convert(timeout);
        checkOpen();
        while (!isComplete()) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                Log.warn("after {} the buffer of {} still waits for {}", timeout, demand, participants.missing());
                return false;
            }
            wait(left / 1_000_000, (int) (left % 1_000_000));
            checkOpen();
        }
        return true;
    }

    // ---- memory ----

    /**
     * {@return the plan for the devices that are attached now} Makes no system call.
     *
     * @throws IllegalStateException if closed
     */
    public synchronized Plan plan() {
        checkOpen();
        return cenalloc.plan(demand, participants.devices());
    }

    /** {@return the heap that the memory came from, with the reasons; empty before the first use} */
    public Optional<Choice> choice() {
        return Optional.ofNullable(storage).map(Storage::choice);
    }

    /**
     * {@return the explanation of the plan, or after the first use of the choice, in lines}
     *
     * @throws IllegalStateException if closed
     */
    public String explain() {
        Storage existing = storage;
        if (existing == null) {
            return plan().explain();
        }
        var text = new StringBuilder(existing.choice().explain());
        List<Device> planned = existing.choice().plan().attached();
        for (Attachment attachment : attachments()) {
            if (!planned.contains(attachment.device())) {
                text.append("\nAttached later: ").append(attachment.device());
            }
        }
        return Printable.wrapped(text.toString());
    }

    /**
     * Returns the memory. The first call allocates it and blocks while the kernel finds and clears it. It tries the
     * heaps of the plan in order: if one is out of memory, the next is tried, and never a heap outside the plan. Later
     * calls return the same object and make no system call. After this call the memory cannot be moved any more: its
     * descriptor is known.
     *
     * @return the memory; this object owns it and closes it
     * @throws NoSuitableHeapException ENODEV: no heap of this machine suits the devices
     * @throws MemoryExhaustedException ENOMEM: the heaps that suit have not enough memory
     * @throws NoPermissionException EACCES, EPERM: this process may not open the heap's node
     * @throws MissingDeviceException ENOENT: the heap's node is gone
     * @throws CenallocException any other errno of the kernel
     * @throws IllegalStateException if closed, or if strictly expected devices are missing
     */
    public DmaBuf dmaBuf() throws CenallocException {
        checkOpen();
        Storage existing = storage;
        return existing != null && handedOut ? existing.dmaBuf() : handOut();
    }

    private synchronized DmaBuf handOut() throws CenallocException {
        DmaBuf dmaBuf = storage(null);
        handedOut = true;
        return dmaBuf;
    }

    private DmaBuf storage(@Nullable Direction cpu) throws CenallocException {
        Storage existing = storage;
        return existing != null ? existing.dmaBuf() : firstUse(cpu);
    }

    /** For a first use by the CPU, the CPU takes part in the choice like a device. */
    private synchronized DmaBuf firstUse(@Nullable Direction cpu) throws CenallocException {
        checkOpen();
        Storage existing = storage;
        if (existing == null) {
            checkComplete();
            existing = allocation()
                    .run(cenalloc.plan(
                            demand, cpu == null ? participants.devices() : participants.with(Device.cpu(cpu))));
            storage = existing;
        }
        return existing.dmaBuf();
    }

    /**
     * As {@link #dmaBuf}, for a buffer of the same demand as another that has its memory: for the same devices, by the
     * same plan, which is not made again.
     */
    synchronized DmaBuf dmaBuf(SharedBuffer other) throws CenallocException {
        checkOpen();
        for (Attachment attachment : other.attachments()) {
            participants.add(new Attachment(this, attachment.device()));
        }
        storage = allocation().run(other.choice().orElseThrow().plan());
        return handOut();
    }

    private void checkComplete() {
        String missing = participants.missing();
        if (!missing.isEmpty()) {
            if (participants.isStrict()) {
                throw new IllegalStateException(
                        "first use before all expected devices are attached; missing: " + Printable.of(missing));
            }
            Log.warn(
                    "first use of the buffer of {} before all expected devices are attached; missing: {}",
                    demand,
                    missing);
        }
    }

    private Allocation allocation() {
        return new Allocation(cenalloc, name);
    }

    /**
     * Maps the memory for the CPU. The first use allocates it, with the CPU as a device, {@link Device#cpu}. Otherwise
     * as {@link DmaBuf#map}. The memory can still be moved when the mapping is closed.
     *
     * @param direction what the CPU will do
     * @return a mapping, which the caller closes before this buffer
     * @throws NoPermissionException EACCES: the memory is protected, or the descriptor is read-only
     * @throws CenallocException as {@link #dmaBuf()} and {@link DmaBuf#map}
     * @throws IllegalStateException if closed, or if strictly expected devices are missing
     */
    public Mapping map(Direction direction) throws CenallocException {
        Objects.requireNonNull(direction, "direction");
        while (true) {
            DmaBuf dmaBuf = forCpu(direction, "mmap");
            try {
                return dmaBuf.map(direction);
            } catch (IllegalStateException e) {
                retryIfMoved(dmaBuf, e);
            }
        }
    }

    /**
     * Begins an access of the CPU. The first use allocates the memory, with the CPU as a device, {@link Device#cpu}.
     * Otherwise as {@link DmaBuf#access}.
     *
     * @param direction what the CPU will do
     * @return the bracket, which the caller closes once
     * @throws NoPermissionException EACCES: the memory is protected
     * @throws CenallocException as {@link #dmaBuf()} and {@link DmaBuf#access}
     * @throws IllegalStateException if closed, or if strictly expected devices are missing
     */
    public CpuAccess access(Direction direction) throws CenallocException {
        Objects.requireNonNull(direction, "direction");
        while (true) {
            DmaBuf dmaBuf = forCpu(direction, "DMA_BUF_IOCTL_SYNC");
            try {
                return dmaBuf.access(direction);
            } catch (IllegalStateException e) {
                retryIfMoved(dmaBuf, e);
            }
        }
    }

    private DmaBuf forCpu(Direction direction, String call) throws CenallocException {
        checkOpen();
        DmaBuf dmaBuf = storage(direction);
        Storage existing = storage;
        if (existing != null && existing.choice().heap().properties().isProtected()) {
            throw new NoPermissionException(
                    Errno.EACCES,
                    call,
                    null,
                    requestedSize(),
                    "the memory is protected: let a device that accepts it do the work, or copy to another buffer");
        }
        return dmaBuf;
    }

    /** A move closes the old memory while it copies: wait for its end. Without a move, the buffer was closed. */
    private synchronized void retryIfMoved(DmaBuf dmaBuf, IllegalStateException shut) {
        Storage existing = storage;
        if (closed || existing == null || (existing.dmaBuf() == dmaBuf && !dmaBuf.isOpen())) {
            throw shut;
        }
    }

    /**
     * Moves the memory, with its content, to the best heap for the devices that are attached now. An image is copied
     * line by line to its new {@link #layout}. Does nothing before the first use, or if the memory suits and no better
     * heap has enough memory. The CPU copies, so only memory that the CPU can map is used. Blocks while it allocates
     * and copies.
     *
     * @throws BufferBusyException EBUSY: a mapping or a CPU access is open, or {@link #dmaBuf} was called, so that
     *     devices may use the memory; nothing has changed
     * @throws CenallocException as {@link #dmaBuf()}; the memory stays where it was
     * @throws IllegalStateException if closed
     */
    public synchronized void relocate() throws CenallocException {
        checkOpen();
        Storage old = storage;
        if (old == null) {
            return;
        }
        Plan plan = planForMoving(participants.devices());
        boolean suits = old.suits(plan);
        Heap enough = suits ? old.choice().heap() : null;
        if (!suits || !plan.candidates().getFirst().equals(enough)) {
            move(old, participants.devices(), enough);
        }
    }

    /**
     * Adds a device, and moves the memory if it does not suit. As {@link #attach} and {@link #relocate()}.
     *
     * @param device the device with its constraints
     * @return the attachment; closing it detaches the device
     * @throws IncompatibleConstraintsException EINVAL: no memory on any machine suits this device and those attached
     *     before
     * @throws BufferBusyException EBUSY: as {@link #relocate()}
     * @throws CenallocException as {@link #dmaBuf()}; the memory stays where it was
     * @throws IllegalArgumentException if the device is attached already
     * @throws IllegalStateException if closed
     */
    public synchronized Attachment relocate(Device device) throws CenallocException {
        checkNew(device);
        checkPossible(participants.with(device));
        Storage existing = storage;
        if (existing != null && existing.objection(device).isPresent()) {
            move(existing, participants.with(device), null);
        }
        return add(device);
    }

    /** The CPU copies, so the new memory must suit it too. */
    private Plan planForMoving(List<Device> devices) {
        var all = new ArrayList<>(devices);
        all.add(Device.cpu(Direction.READ_WRITE));
        return cenalloc.plan(demand, all);
    }

    /** Moves to the first heap of the plan that has enough memory, unless that is not better than {@code enough}. */
    private void move(Storage old, List<Device> devices, @Nullable Heap enough) throws CenallocException {
        var move = handedOut ? null : Relocation.begin(Seam.kernel(cenalloc), old.dmaBuf());
        if (move == null) {
            throw new BufferBusyException(
                    "relocate",
                    requestedSize(),
                    handedOut
                            ? "the memory cannot be moved, since dmaBuf() has returned its descriptor"
                            : "the memory cannot be moved while it is mapped or in CPU access",
                    handedOut ? "create another buffer and copy" : "close the mappings and accesses first");
        }
        Events.Relocate event = Events.relocate();
        try (move) {
            Storage fresh = allocation().run(planForMoving(devices), enough).orElse(null);
            if (fresh != null) {
                // The copy needed the CPU. The plan of the buffer lists the attached devices only.
                move.to(old, fresh);
                storage = fresh.withPlan(cenalloc.plan(demand, devices));
                if (event != null) {
                    event.commit(old.dmaBuf().held(), fresh.dmaBuf().held());
                }
            }
        }
    }

    /**
     * Releases the memory and ends the attachments. Idempotent. A buffer without memory can be closed too.
     *
     * @throws IllegalStateException if a mapping or a CPU access is open; nothing has changed
     */
    @Override
    public synchronized void close() {
        Storage existing = storage;
        if (existing != null) {
            existing.dmaBuf().release();
        }
        participants.clear();
        closed = true;
        cenalloc.forget(this);
        notifyAll();
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the buffer is closed");
        }
    }

    /** As {@link Cenalloc#buffers} lists it; empty if it is closed. */
    synchronized Optional<BufferInfo> info() {
        if (closed) {
            return Optional.empty();
        }
        Optional<HeldBuffer> held =
                Optional.ofNullable(storage).map(existing -> existing.dmaBuf().held());
        List<Device> devices = participants.devices();
        return Optional.of(new BufferInfo(
                demand,
                name.isEmpty() ? held.map(known -> known.name).orElse("") : name,
                held.map(HeldBuffer::info),
                cenalloc.plan(demand, devices).constraints(),
                devices));
    }

    private String quotedName() {
        return name.isEmpty() ? "" : " \"" + Printable.of(name) + '"';
    }

    /** {@return the size or image, and the name} Makes no system call. */
    @Override
    public String toString() {
        return "buffer of " + demand + quotedName();
    }
}
