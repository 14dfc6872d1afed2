package dev.cenalloc;

import dev.cenalloc.HeapProperties.Trait;
import dev.cenalloc.MemoryExhaustedException.Attempt;
import dev.cenalloc.Plan.Cause;
import dev.cenalloc.Plan.Rejection;
import dev.cenalloc.bindings.Errno;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/**
 * A buffer for several devices, closed by whoever created it. It is a size and its attachments until the first use;
 * then the plan is made, memory is allocated from the first heap in it that has some, and the buffer is a
 * {@link DmaBuf}. Safe for any number of threads; however many race for the first use, one allocation is made. While one
 * thread allocates or moves the memory, the other methods wait, except the lookups after the first use.
 *
 * <p>The first use is the first of {@link #dmaBuf}, {@link #map} and {@link #access}. A program whose devices are attached
 * in different places can say whom it expects, with {@link #expect} or {@link #participants}: then a first use before all of
 * them have come, or {@link #seal} was called, is a fault that is reported.
 *
 * <p>Source: cenalloc RFC 2/4, with the corrections of its review: a refused attach leaves no trace, detach forgets, and
 * an attach after the first use is checked against the storage.
 */
public final class SharedBuffer implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(SharedBuffer.class);

    /** What happens at a first use before everyone who is expected has been attached. */
    public enum Strictness {
        /** It throws. */
        STRICT,
        /** It goes on, after a warning that names who is missing. */
        LENIENT
    }

    private record Storage(DmaBuf dmaBuf, Choice choice) {}

    private final Cenalloc cenalloc;
    private final Extent extent;
    private final List<Attachment> attachments = new ArrayList<>();
    private String name = "";

    private Expectation expectation = Expectation.NONE;
    private boolean sealed;

    /** Null until the first use. Written under the lock, read without. */
    private volatile @Nullable Storage storage;
    /** Whether somebody may know the descriptor: then the memory cannot be moved any more. */
    private volatile boolean handedOut;

    private volatile boolean closed;

    SharedBuffer(Cenalloc cenalloc, Extent extent) {
        this.cenalloc = cenalloc;
        this.extent = extent;
    }

    /** A buffer that has its storage already. */
    SharedBuffer(Cenalloc cenalloc, DmaBuf dmaBuf, Heap heap) {
        this(cenalloc, Extent.ofBytes(dmaBuf.size(), 1));
        Plan plan = Plan.solve(extent, List.of(), cenalloc.heaps());
        this.storage = new Storage(dmaBuf.belongingToAnother(), Choice.adopted(heap, plan));
        this.handedOut = true;
    }

    /**
     * {@return the size that was asked for, in bytes; of an image, its smallest size} The storage has at least that;
     * {@link Plan#size} tells what the devices make of it.
     */
    public long size() {
        return extent.bytes();
    }

    /**
     * {@return where the image lies in the memory; empty for a buffer of bytes} Before the first use it is what the devices
     * attached now lead to, and empty too if no layout suits them.
     *
     * @throws IllegalStateException if closed before the first use
     */
    public Optional<Layout> layout() {
        Storage existing = storage;
        return existing == null ? plan().layout() : existing.choice.plan().layout();
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
            existing.dmaBuf.name(text);
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
            String mismatch = mismatch(existing, device);
            if (!mismatch.isEmpty() && device.isOptional()) {
                LOG.info("{} is left out: {}", device.name(), mismatch);
            } else if (!mismatch.isEmpty()) {
                throw new BufferBusyException(
                        "attach",
                        size(),
                        device.name() + " cannot use the memory, which comes from heap "
                                + existing.choice.heap().name() + ": " + mismatch,
                        "attach every device before the first use of the buffer, or move it with relocate");
            }
        }
        return add(device);
    }

    /** Two devices may be described alike, two displays say: only the very same one is an error. */
    @SuppressWarnings("ReferenceEquality")
    private void checkNew(Device device) {
        checkOpen();
        if (devices().stream().anyMatch(attached -> attached == device)) {
            throw new IllegalArgumentException(device.name() + " is attached already");
        }
    }

    private Attachment add(Device device) {
        if (device.declared().isEmpty()) {
            LOG.warn(
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
        var combinations = new Combinations(devices);
        List<Device> first = null;
        while (combinations.hasNext()) {
            combinations.next();
            List<Device> chosen = combinations.devices();
            if (Plan.merge(chosen, cenalloc.heaps()).contradiction(extent) == null) {
                return;
            }
            first = first == null ? chosen : first;
        }
        // Of those that were tried: there may be too many ways for devices with alternatives to take part.
        throw new IncompatibleConstraintsException(
                size(),
                Conflict.onAnyMachine(extent, first == null ? devices : first, cenalloc.heaps()),
                combinations.endedEarly());
    }

    /** Why none of the alternatives suits; empty if one does. */
    private static String mismatch(Storage existing, Device device) {
        String first = "";
        for (int i = 0; i < Math.max(1, device.alternatives().size()); i++) {
            Choice choice = existing.choice;
            String mismatch = choice.plan().mismatch(choice.heap(), device.choosing(i), existing.dmaBuf.size());
            if (mismatch.isEmpty()) {
                return "";
            }
            first = first.isEmpty() ? mismatch : first;
        }
        return first;
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
                : !mismatch(existing, device).isEmpty();
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
     * @param kind what an early first use does
     * @param names of the devices; none: only {@link #seal} ends the waiting
     * @throws IllegalStateException if closed or sealed, or after the first use
     */
    public synchronized void expect(Strictness kind, Collection<String> names) {
        checkUnused();
        expectation = Expectation.of(kind, names);
    }

    /**
     * Says how many devices are to be attached before the first use.
     *
     * @param kind what an early first use does
     * @param count at least 1
     * @throws IllegalStateException if closed or sealed, or after the first use
     */
    public synchronized void participants(Strictness kind, int count) {
        checkUnused();
        expectation = Expectation.of(kind, count);
    }

    private void checkUnused() {
        checkOpen();
        if (storage != null || sealed) {
            throw new IllegalStateException("the buffer is sealed, or has its memory already");
        }
    }

    /**
     * Says that all devices have been attached, whoever was expected. One that comes later is still accepted if it suits.
     *
     * @throws IllegalStateException if closed
     */
    public synchronized void seal() {
        checkOpen();
        sealed = true;
        notifyAll();
    }

    /**
     * {@return whether all that are expected have been attached} Always, if nobody is expected.
     */
    public synchronized boolean isSealed() {
        return missing().isEmpty();
    }

    /** Who has not come, in words; empty if all have, or nobody was expected. */
    private String missing() {
        return sealed ? "" : expectation.missing(devices());
    }

    /**
     * Waits until all that are expected have been attached. If they have not when the time is over, a warning names who is
     * missing.
     *
     * @param timeout how long to wait at most
     * @return whether all are there
     * @throws InterruptedException if the thread is interrupted
     * @throws IllegalStateException if closed, before or meanwhile
     */
    public synchronized boolean awaitSealed(Duration timeout) throws InterruptedException {
        // Saturates: what is longer than 292 years is for ever.
        long deadline = System.nanoTime() + TimeUnit.NANOSECONDS.convert(timeout);
        checkOpen();
        while (!isSealed()) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                LOG.warn("after {} the buffer of {} still waits for {}", timeout, extent, missing());
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
        return Plan.solve(extent, devices(), cenalloc.heaps());
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
        var text = new StringBuilder(existing.choice.explain());
        List<Device> planned = existing.choice.plan().attached();
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
     * @throws AccessDeniedException EACCES, EPERM: the heap's node may not be opened
     * @throws MissingDeviceException ENOENT: the heap's node is gone
     * @throws CenallocException any other errno of the kernel
     * @throws IllegalStateException if closed, or if devices are missing that are expected strictly
     */
    public DmaBuf dmaBuf() throws CenallocException {
        checkOpen();
        Storage existing = storage;
        return existing != null && handedOut ? existing.dmaBuf : handOut();
    }

    private synchronized DmaBuf handOut() throws CenallocException {
        DmaBuf dmaBuf = storage(null);
        handedOut = true;
        return dmaBuf;
    }

    private DmaBuf storage(@Nullable Direction cpu) throws CenallocException {
        Storage existing = storage;
        return existing != null ? existing.dmaBuf : firstUse(cpu);
    }

    /** If it is the CPU's, that is a participant like any other. */
    private synchronized DmaBuf firstUse(@Nullable Direction cpu) throws CenallocException {
        checkOpen();
        Storage existing = storage;
        if (existing == null) {
            checkSealed();
            existing = allocate(cpu == null ? devices() : with(Device.cpu(cpu)));
            storage = existing;
            LOG.debug("{} from heap {}", existing.dmaBuf, existing.choice);
        }
        return existing.dmaBuf;
    }

    private void checkSealed() {
        String missing = missing();
        if (!missing.isEmpty()) {
            if (expectation.strictness() == Strictness.STRICT) {
                throw new IllegalStateException("first use before all are attached; missing: " + missing);
            }
            LOG.warn("first use of the buffer of {} before all are attached; missing: {}", extent, missing);
        }
    }

    private Storage allocate(List<Device> devices) throws CenallocException {
        Storage fresh = allocate(Plan.solve(extent, devices, cenalloc.heaps()), new ArrayList<>(), null);
        return Objects.requireNonNull(fresh);
    }

    /** From the first candidate that has memory; if that is as far down as {@code enough}, null. */
    private @Nullable Storage allocate(Plan plan, List<Attempt> failed, @Nullable Heap enough)
            throws CenallocException {
        if (plan.candidates().isEmpty()) {
            throw noHeap(plan);
        }
        plan.leftOut().forEach(device -> LOG.info("{} is left out: there is no memory for all with it", device.name()));
        var refusals = new ArrayList<CenallocException>();
        for (Heap heap : plan.candidates()) {
            if (heap.equals(enough)) {
                return null;
            }
            if (failed.stream().anyMatch(attempt -> attempt.heap().equals(heap.name()))) {
                continue;
            }
            try {
                // First, so that nothing but the record is made while the memory is nobody's.
                var choice = new Choice(heap, plan, failed);
                return new Storage(allocate(plan, heap), choice);
            } catch (IllegalStateException e) {
                // Unregistered since the plan was made: then there is another plan. If not, the Cenalloc is closed.
                if (cenalloc.heaps().contains(heap)) {
                    throw e;
                }
                return allocate(Plan.solve(extent, plan.attached(), cenalloc.heaps()), failed, enough);
            } catch (CenallocException e) {
                if (e.errno() != Errno.ENOMEM) {
                    failed.forEach(attempt -> e.addSuppressed(new IOException("before it " + attempt)));
                    throw e;
                }
                failed.add(new Attempt(heap.name(), e.errno()));
                refusals.add(e);
            }
        }
        var exhausted = new MemoryExhaustedException(plan, failed, cenalloc.cmaFree(), cenalloc.cmaTotal());
        refusals.forEach(exhausted::addSuppressed);
        throw exhausted;
    }

    /** Allocates, and checks what can be known of the memory only now. */
    private DmaBuf allocate(Plan plan, Heap heap) throws CenallocException {
        DmaBuf dmaBuf = heap.allocate(plan.requestedSize());
        boolean suits = false;
        try {
            dmaBuf.belongingToAnother();
            Constraints constraints = plan.constraints();
            boolean cpu = constraints.flag(Field.CPU_READ) || constraints.flag(Field.CPU_WRITE);
            if (cpu && heap.properties().cpuMappable() != Trait.YES) {
                dmaBuf.map(constraints.flag(Field.CPU_WRITE) ? Direction.WRITE : Direction.READ)
                        .close();
            }
            if (!name.isEmpty()) {
                dmaBuf.name(name);
            }
            suits = true;
            return dmaBuf;
        } finally {
            if (!suits) {
                dmaBuf.release();
            }
        }
    }

    private CenallocException noHeap(Plan plan) {
        for (Rejection rejection : plan.rejected()) {
            if (rejection.cause() == Cause.NO_PERMISSION) {
                return CenallocException.ofCall(
                        Errno.EACCES, "open", rejection.heap().path().orElse(null), plan.requestedSize());
            }
        }
        return new NoSuitableHeapException(plan, cenalloc.remedyForNoHeap(plan));
    }

    /**
     * Maps the memory for the CPU, allocating it if this is the first use: then the CPU takes part in the choice like a
     * device, {@link Device#cpu}. As {@link DmaBuf#map}.
     *
     * @param direction what the CPU will do
     * @return a mapping that the caller closes, before this buffer
     * @throws AccessDeniedException EACCES: the memory is protected, or the descriptor for reading only
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
     * @throws AccessDeniedException EACCES: the memory is protected
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
        if (existing != null && existing.choice.heap().properties().isProtected()) {
            throw new AccessDeniedException(
                    Errno.EACCES,
                    call,
                    null,
                    size(),
                    "the memory is protected: let a device that accepts it do the work, or copy to another buffer");
        }
        return dmaBuf;
    }

    /** A move shuts the old storage while it copies: wait for its end. If there was none, the buffer was closed. */
    private synchronized void retryIfMoved(DmaBuf dmaBuf, IllegalStateException shut) {
        Storage existing = storage;
        if (closed || existing == null || (existing.dmaBuf == dmaBuf && !dmaBuf.isOpen())) {
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
        boolean suits = old.choice.plan().suits(plan, old.choice.heap(), old.dmaBuf.size());
        Heap enough = suits ? old.choice.heap() : null;
        if (!suits || !plan.candidates().getFirst().equals(enough)) {
            move(old, plan, enough);
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
        if (existing != null && !mismatch(existing, newcomer).isEmpty()) {
            move(existing, planForMoving(with(newcomer)), null);
        }
        return add(newcomer);
    }

    /** The CPU takes part in a move: it copies. */
    private Plan planForMoving(List<Device> devices) {
        var all = new ArrayList<>(devices);
        all.add(Device.cpu(Direction.READ_WRITE));
        return Plan.solve(extent, all, cenalloc.heaps());
    }

    /** To the plan's first heap that has memory, unless that is no better than {@code enough}. */
    private void move(Storage old, Plan plan, @Nullable Heap enough) throws CenallocException {
        StackRoom.require();
        int fd = handedOut ? -1 : old.dmaBuf.seize();
        if (fd < 0) {
            throw new BufferBusyException(
                    "relocate",
                    size(),
                    handedOut
                            ? "the memory cannot be moved, its descriptor was handed out"
                            : "the memory cannot be moved while it is mapped or in CPU access",
                    handedOut ? "create another buffer and copy" : "close the mappings and accesses first");
        }
        Storage fresh = null;
        boolean moved = false;
        try {
            fresh = allocate(plan, new ArrayList<>(), enough);
            if (fresh != null) {
                old.dmaBuf.copySeized(fd, fresh.dmaBuf, contents(old, fresh));
                storage = fresh;
                moved = true;
            }
        } finally {
            if (moved) {
                old.dmaBuf.finishSeized();
            } else {
                old.dmaBuf.reopenSeized();
                if (fresh != null) {
                    fresh.dmaBuf.release();
                }
            }
        }
    }

    /** How what one memory holds gets into the other: an image whose lines lie elsewhere there, line by line. */
    private static BiConsumer<MemorySegment, MemorySegment> contents(Storage old, Storage fresh) {
        Layout before = old.choice.plan().layout().orElse(null);
        Layout after = fresh.choice.plan().layout().orElse(null);
        return before == null || after == null || before.planes().equals(after.planes())
                ? (from, to) -> MemorySegment.copy(from, 0, to, 0, Math.min(from.byteSize(), to.byteSize()))
                : (from, to) -> before.copy(from, after, to);
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
            existing.dmaBuf.release();
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
        var text = new StringBuilder(extent.toString());
        if (!name.isEmpty()) {
            text.append(" \"").append(name).append('"');
        }
        text.append(
                existing == null
                        ? ", no memory yet"
                        : ": " + existing.dmaBuf + " from heap "
                                + existing.choice.heap().name() + existing.dmaBuf.references());
        text.append(", constraints: ").append(Plan.merge(devices(), cenalloc.heaps()));
        for (Attachment attachment : attachments) {
            text.append("\n  ").append(attachment.device());
        }
        return text.toString();
    }

    /** The bytes of memory it holds now. */
    long storageSize() {
        Storage existing = storage;
        return existing == null || closed ? 0 : existing.dmaBuf.size();
    }

    @Override
    public String toString() {
        return "buffer of " + extent;
    }
}
