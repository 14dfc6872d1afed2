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
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A buffer for several devices, closed by whoever created it. It is a size and its attachments until the first use;
 * then the plan is made, memory is allocated from the first heap in it that has some, and the buffer is a
 * {@link DmaBuf}. Safe for any number of threads; however many race for the first use, one allocation is made. While one
 * thread allocates or moves the memory, the other methods wait, except the lookups after the first use.
 *
 * <p>The first use is the first of {@link #dmaBuf}, {@link #map} and {@link #access}. A program whose devices are attached
 * in different places can {@link #expect} them: then a first use before all of them are attached, or before {@link #complete}
 * is called, is reported.
 *
 * <p>Source: cenalloc RFC 2/4, with the corrections of its review: a refused attach leaves no trace, detach forgets, and
 * an attach after the first use is checked against the storage.
 */
public final class SharedBuffer implements AutoCloseable {
    private final Cenalloc cenalloc;
    private final Demand demand;
    private final List<Attachment> attachments = new ArrayList<>();
    private String name = "";

    private Expectation expectation = Expectation.NONE;
    private boolean complete;

    /** Null until the first use. Written under the lock, read without. */
    private volatile @Nullable Storage storage;
    /** Whether somebody may know the descriptor: then the memory cannot be moved any more. */
    private volatile boolean handedOut;

    private volatile boolean closed;

    SharedBuffer(Cenalloc cenalloc, Demand demand) {
        this.cenalloc = cenalloc;
        this.demand = demand;
    }

    /** A buffer that has its storage already. */
    SharedBuffer(Cenalloc cenalloc, DmaBuf dmaBuf, Heap heap) {
        this(cenalloc, Demand.ofBytes(dmaBuf.size()));
        Plan plan = cenalloc.plan(demand, List.of());
        this.storage = new Storage(dmaBuf.ownedByBuffer(), Choice.adopted(heap, plan));
        this.handedOut = true;
    }

    /**
     * {@return the size that was asked for, in bytes; of an image, its smallest size} The storage has at least that;
     * {@link Plan#size} tells what the devices make of it.
     */
    public long requestedSize() {
        return demand.bytes();
    }

    /**
     * {@return where the image lies in the memory; empty for a buffer of bytes} Before the first use it is what the devices
     * attached now lead to, and empty too if no layout suits them.
     *
     * @throws IllegalStateException if closed before the first use
     */
    public Optional<Layout> layout() {
        Storage existing = storage;
        return existing == null ? plan().layout() : existing.choice().plan().layout();
    }

    /**
     * Names the buffer, for {@link Cenalloc#dump} and, once there is memory, for the kernel's lists. As
     * {@link DmaBuf#name(String)}.
     *
     * @param text any text without NUL
     */
    public synchronized void name(String text) {
        name = Objects.requireNonNull(text);
        Storage existing = storage;
        if (existing != null && !closed) {
            existing.dmaBuf().name(text);
        }
    }

    // ---- who takes part ----

    /**
     * Adds a device. Before the first use, its constraints take part in the choice; after it, they are checked against
     * the memory that there is. Waits for a first use that is under way. A refused attach leaves the buffer as it was.
     *
     * @param device who, and what it needs
     * @return the attachment; closing it detaches
     * @throws IncompatibleConstraintsException EINVAL: with the devices attached before, no memory can suit
     * @throws BufferBusyException EBUSY: the memory is allocated and does not suit; {@link #relocate(Device)} may help
     * @throws IllegalArgumentException if the device is attached already
     * @throws IllegalStateException if closed
     */
    public synchronized Attachment attach(Device device) throws CenallocException {
        checkNew(device);
        Storage existing = storage;
        if (existing == null) {
            checkPossible(with(device));
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
                        + " cannot move, since its descriptor is known"
                : "attach every device before the first use of the buffer, or move it with relocate";
        return new BufferBusyException(
                "attach",
                requestedSize(),
                device.name() + " cannot use the memory, which comes from "
                        + existing.choice().heap().name() + ": " + objection,
                existing.choice().isAdopted()
                        ? "tell adopt what is known of the memory if that is wrong, or copy to a buffer that suits every"
                                + " device"
                        : remedy);
    }

    /** Two devices may be described alike, two displays say: only the very same one is an error. */
    @SuppressWarnings("ReferenceEquality")
    private void checkNew(Device device) {
        Objects.requireNonNull(device, "device");
        checkOpen();
        if (devices().stream().anyMatch(attached -> attached == device)) {
            throw new IllegalArgumentException(device.name() + " is attached already");
        }
    }

    private Attachment add(Device device) {
        if (device.declared().isEmpty()) {
            Log.warn(
                    "{} declares no constraints: it is taken to accept any memory ({})",
                    device.name(),
                    device.detail());
        }
        var attachment = new Attachment(this, device);
        attachments.add(attachment);
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
     * Takes a device away, as closing its attachment does: the plan is what the remaining devices say. Storage that exists
     * stays where it is. Idempotent.
     *
     * @param attachment what {@link #attach} returned
     * @throws IllegalArgumentException if it is an attachment of another buffer; nothing has changed
     */
    public synchronized void detach(Attachment attachment) {
        if (attachment.buffer() != this) {
            throw new IllegalArgumentException(
                    "the attachment of " + attachment.device().name() + " belongs to another buffer");
        }
        attachments.remove(attachment);
    }

    synchronized boolean isLeftOut(Attachment attachment) {
        Device device = attachment.device();
        if (!device.isOptional() || !attachments.contains(attachment)) {
            return false;
        }
        Storage existing = storage;
        return existing == null
                ? plan().leftOut().contains(device)
                : existing.objection(device).isPresent();
    }

    private List<Device> devices() {
        var devices = new ArrayList<Device>(attachments.size() + 1);
        attachments.forEach(attachment -> devices.add(attachment.device()));
        return devices;
    }

    private List<Device> with(Device device) {
        List<Device> devices = devices();
        devices.add(device);
        return devices;
    }

    /** {@return what is attached, in that order} */
    public synchronized List<Attachment> attachments() {
        return List.copyOf(attachments);
    }

    /**
     * Says which devices are to be attached before the first use.
     *
     * @param expected replaces what was expected before
     * @throws IllegalStateException if closed or {@link #complete}, or after the first use
     */
    public synchronized void expect(Expectation expected) {
        Objects.requireNonNull(expected, "expected");
        checkOpen();
        if (storage != null || complete) {
            throw new IllegalStateException("the buffer is complete, or has its memory already");
        }
        expectation = expected;
        notifyAll();
    }

    /**
     * Says that all devices have been attached, whatever was expected. A device that comes later is still accepted if the
     * memory suits it.
     *
     * @throws IllegalStateException if closed
     */
    public synchronized void complete() {
        checkOpen();
        complete = true;
        notifyAll();
    }

    /** {@return whether every expected device has been attached; true if none is expected} */
    public synchronized boolean isComplete() {
        return missing().isEmpty();
    }

    /** Names the missing devices; empty if none is missing. */
    private String missing() {
        return complete ? "" : expectation.missing(devices());
    }

    /**
     * Waits until every expected device has been attached. If the time ends before, a warning names the missing devices.
     *
     * @param timeout how long to wait at most
     * @return whether all are attached
     * @throws InterruptedException if the thread is interrupted
     * @throws IllegalStateException if closed, before or meanwhile
     */
    public synchronized boolean awaitComplete(Duration timeout) throws InterruptedException {
        // Saturates: what is longer than 292 years is for ever.
        long deadline = System.nanoTime() + TimeUnit.NANOSECONDS.convert(timeout);
        checkOpen();
        while (!isComplete()) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                Log.warn("after {} the buffer of {} still waits for {}", timeout, demand, missing());
                return false;
            }
            wait(left / 1_000_000, (int) (left % 1_000_000));
            checkOpen();
        }
        return true;
    }

    // ---- memory ----

    /**
     * {@return which heaps would be tried for the devices attached now} Asks nothing of the kernel, allocates nothing.
     *
     * @throws IllegalStateException if closed
     */
    public synchronized Plan plan() {
        checkOpen();
        return cenalloc.plan(demand, devices());
    }

    /** {@return where the memory came from and why; empty before the first use} */
    public Optional<Choice> choice() {
        return Optional.ofNullable(storage).map(Storage::choice);
    }

    /**
     * {@return the plan, or after the first use the choice, in words, in lines}
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
        return text.toString();
    }

    /**
     * The memory. The first call allocates it, from the heaps of the plan in order, and blocks while the kernel finds and
     * clears it; a heap out of memory passes it on to the next that satisfies everyone, never to one that does not. Later
     * calls return the same buffer and cost nothing. From then on the memory cannot be moved: its descriptor is known.
     *
     * @return the buffer, which belongs to this object and is closed with it
     * @throws NoSuitableHeapException ENODEV: no heap here satisfies the devices
     * @throws MemoryExhaustedException ENOMEM: those that do have no memory
     * @throws NoPermissionException EACCES, EPERM: the heap's node may not be opened
     * @throws MissingDeviceException ENOENT: the heap's node is gone
     * @throws CenallocException any other errno of the kernel
     * @throws IllegalStateException if closed, or if devices are missing that are expected strictly
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

    /** If it is the CPU's, that is a participant like any other. */
    private synchronized DmaBuf firstUse(@Nullable Direction cpu) throws CenallocException {
        checkOpen();
        Storage existing = storage;
        if (existing == null) {
            checkComplete();
            existing = allocation().run(cenalloc.plan(demand, cpu == null ? devices() : with(Device.cpu(cpu))));
            storage = existing;
        }
        return existing.dmaBuf();
    }

    private void checkComplete() {
        String missing = missing();
        if (!missing.isEmpty()) {
            if (expectation.isStrict()) {
                throw new IllegalStateException("first use before all are attached; missing: " + missing);
            }
            Log.warn("first use of the buffer of {} before all are attached; missing: {}", demand, missing);
        }
    }

    private Allocation allocation() {
        return new Allocation(cenalloc, name);
    }

    /**
     * Maps the memory for the CPU, allocating it if this is the first use: then the CPU takes part in the choice like a
     * device, {@link Device#cpu}. As {@link DmaBuf#map}.
     *
     * @param direction what the CPU will do
     * @return a mapping that the caller closes, before this buffer
     * @throws NoPermissionException EACCES: the memory is protected, or the descriptor for reading only
     * @throws CenallocException as {@link #dmaBuf()} and {@link DmaBuf#map}
     * @throws IllegalStateException if closed, or if devices are missing that are expected strictly
     */
    public Mapping map(Direction direction) throws CenallocException {
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
     * Begins an access of the CPU, allocating the memory if this is the first use, with the CPU as {@link Device#cpu}. As
     * {@link DmaBuf#access}.
     *
     * @param direction what the CPU will do
     * @return the bracket, to be closed once
     * @throws NoPermissionException EACCES: the memory is protected
     * @throws CenallocException as {@link #dmaBuf()} and {@link DmaBuf#access}
     * @throws IllegalStateException if closed, or if devices are missing that are expected strictly
     */
    public CpuAccess access(Direction direction) throws CenallocException {
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

    /** A move shuts the old storage while it copies: wait for its end. If there was none, the buffer was closed. */
    private synchronized void retryIfMoved(DmaBuf dmaBuf, IllegalStateException shut) {
        Storage existing = storage;
        if (closed || existing == null || (existing.dmaBuf() == dmaBuf && !dmaBuf.isOpen())) {
            throw shut;
        }
    }

    /**
     * Moves the memory to the best heap for the devices attached now that has some, with what it holds: an
     * image line by line, to where the {@link #layout} then has it. Does nothing before the first use, or if the memory suits and
     * no better heap has any. The CPU copies, so the memory stays mappable. Blocks for the allocation and the copying.
     *
     * @throws BufferBusyException EBUSY: something is mapped or in CPU access, or {@link #dmaBuf} was called, so that devices may
     *     use the memory; nothing has changed
     * @throws CenallocException as {@link #dmaBuf()}; the memory is where it was
     * @throws IllegalStateException if closed
     */
    public synchronized void relocate() throws CenallocException {
        checkOpen();
        Storage old = storage;
        if (old == null) {
            return;
        }
        Plan plan = planForMoving(devices());
        boolean suits = old.suits(plan);
        Heap enough = suits ? old.choice().heap() : null;
        if (!suits || !plan.candidates().getFirst().equals(enough)) {
            move(old, devices(), enough);
        }
    }

    /**
     * Adds a device, and moves the memory if it does not suit. As {@link #attach} and {@link #relocate()}.
     *
     * @param newcomer who, and what it needs
     * @return the attachment; closing it detaches
     * @throws IncompatibleConstraintsException EINVAL: with the devices attached before, no memory can suit
     * @throws BufferBusyException EBUSY: as {@link #relocate()}
     * @throws CenallocException as {@link #dmaBuf()}; the memory is where it was
     * @throws IllegalArgumentException if the device is attached already
     * @throws IllegalStateException if closed
     */
    public synchronized Attachment relocate(Device newcomer) throws CenallocException {
        checkNew(newcomer);
        checkPossible(with(newcomer));
        Storage existing = storage;
        if (existing != null && existing.objection(newcomer).isPresent()) {
            move(existing, with(newcomer), null);
        }
        return add(newcomer);
    }

    /** The CPU takes part in a move: it copies. */
    private Plan planForMoving(List<Device> devices) {
        var all = new ArrayList<>(devices);
        all.add(Device.cpu(Direction.READ_WRITE));
        return cenalloc.plan(demand, all);
    }

    /** To the first heap of the plan that has memory, unless that is no better than {@code enough}. */
    private void move(Storage old, List<Device> devices, @Nullable Heap enough) throws CenallocException {
        var move = handedOut ? null : Relocation.begin(Seam.kernel(cenalloc), old.dmaBuf());
        if (move == null) {
            throw new BufferBusyException(
                    "relocate",
                    requestedSize(),
                    handedOut
                            ? "the memory cannot be moved, its descriptor was handed out"
                            : "the memory cannot be moved while it is mapped or in CPU access",
                    handedOut ? "create another buffer and copy" : "close the mappings and accesses first");
        }
        try (move) {
            Storage fresh = allocation().run(planForMoving(devices), enough).orElse(null);
            if (fresh != null) {
                // The copy needed the CPU; the plan that is kept lists only the devices.
                move.to(old, fresh);
                storage = fresh.withPlan(cenalloc.plan(demand, devices));
            }
        }
    }

    /**
     * Releases the memory and ends the attachments. Idempotent. A buffer that was never used closes too.
     *
     * @throws IllegalStateException if a mapping or a CPU access is open; nothing has changed
     */
    @Override
    public synchronized void close() {
        Storage existing = storage;
        if (existing != null) {
            existing.dmaBuf().release();
        }
        attachments.clear();
        closed = true;
        cenalloc.forget(this);
        notifyAll();
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the buffer is closed");
        }
    }

    /** Size, name, memory and devices, in lines (RFC 1/4, what bufinfo shows). */
    synchronized String dump() {
        Storage existing = storage;
        var text = new StringBuilder(demand.toString());
        if (!name.isEmpty()) {
            text.append(" \"").append(name).append('"');
        }
        text.append(
                existing == null
                        ? ", no memory yet"
                        : ": " + existing.dmaBuf() + " from heap "
                                + existing.choice().heap().name()
                                + existing.dmaBuf().references());
        text.append(", constraints: ").append(cenalloc.plan(demand, devices()).constraints());
        for (Attachment attachment : attachments) {
            text.append("\n  ").append(attachment.device());
        }
        return text.toString();
    }

    /** The bytes of memory it holds now. */
    long storageSize() {
        Storage existing = storage;
        return existing == null || closed ? 0 : existing.dmaBuf().size();
    }

    @Override
    public String toString() {
        return "buffer of " + demand;
    }
}
