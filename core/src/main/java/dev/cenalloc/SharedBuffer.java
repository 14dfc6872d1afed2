package dev.cenalloc;

import dev.cenalloc.MemoryExhaustedException.Attempt;
import dev.cenalloc.bindings.Errno;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/**
 * A buffer for several devices, closed by whoever created it. It is a size and its attachments until the first use;
 * then the plan is made, memory is allocated from the first heap in it that has some, and the buffer is a
 * {@link DmaBuf}. Safe for any number of threads; however many race for the first use, one allocation is made.
 *
 * <p>Source: cenalloc RFC 2/4, with the corrections of its review: a refused attach leaves no trace, detach forgets, and
 * an attach after the first use is checked against the storage.
 */
public final class SharedBuffer implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(SharedBuffer.class);

    private final Cenalloc cenalloc;
    private final long size;
    private final List<Attachment> attachments = new ArrayList<>();
    /** Null until the first use. Written under the lock, read without. */
    private volatile @Nullable Storage storage;

    private volatile boolean closed;

    /**
     * How the memory was found.
     *
     * @param heap where it comes from
     * @param plan what the choice was made by
     * @param failed the better heaps that had no memory, in the order tried
     */
    public record Choice(Heap heap, Plan plan, List<Attempt> failed) {
        /** {@return why this heap, in one sentence} */
        public String reason() {
            return plan.reason(heap) + (failed.isEmpty() ? "" : "; out of memory: " + failed);
        }
    }

    private record Storage(DmaBuf dmaBuf, Choice choice) {}

    SharedBuffer(Cenalloc cenalloc, long size) {
        this.cenalloc = cenalloc;
        this.size = size;
    }

    /** {@return the size that was asked for, in bytes} The storage has at least that. */
    public long size() {
        return size;
    }

    /**
     * Adds a device. Before the first use, its constraints take part in the choice; after it, they are checked against
     * the memory that there is. Waits for a first use that is under way. A refused attach leaves the buffer as it was.
     *
     * @param device who, and what it needs
     * @return the attachment; closing it detaches
     * @throws IncompatibleConstraintsException EINVAL: with the devices attached before, no heap is left
     * @throws BufferBusyException EBUSY: the memory is allocated and does not suit
     * @throws IllegalStateException if closed
     */
    public synchronized Attachment attach(Device device) throws CenallocException {
        checkOpen();
        List<Device> devices = devices();
        devices.add(device);
        Storage existing = storage;
        if (existing != null) {
            Heap heap = existing.choice.heap();
            String mismatch = Plan.mismatch(heap, List.of(device));
            if (!mismatch.isEmpty()) {
                throw new BufferBusyException(
                        size,
                        device.name() + " cannot use the memory, which comes from heap " + heap.name() + ": "
                                + mismatch);
            }
        } else if (Plan.merge(devices).isImpossible()) {
            throw new IncompatibleConstraintsException(size, "these cannot share any memory: " + devices);
        }
        if (device.declared().isEmpty()) {
            LOG.warn("{} declares no constraints: it is taken to accept any memory", device.name());
        }
        var attachment = new Attachment(this, device);
        attachments.add(attachment);
        return attachment;
    }

    synchronized void detach(Attachment attachment) {
        attachments.remove(attachment);
    }

    private List<Device> devices() {
        var devices = new ArrayList<Device>();
        attachments.forEach(attachment -> devices.add(attachment.device()));
        return devices;
    }

    /**
     * {@return which heaps would be tried for the devices attached now} Asks nothing of the kernel, allocates nothing.
     *
     * @throws IllegalStateException if closed
     */
    public synchronized Plan plan() {
        checkOpen();
        return Plan.solve(size, devices(), cenalloc.heaps());
    }

    /** {@return where the memory came from and why; empty before the first use} */
    public Optional<Choice> choice() {
        return Optional.ofNullable(storage).map(Storage::choice);
    }

    /**
     * The memory. The first call allocates it, from the heaps of the plan in order, and blocks while the kernel finds and
     * clears it; a heap out of memory passes it on to the next that satisfies everyone, never to one that does not. Later
     * calls return the same buffer and cost nothing.
     *
     * @return the buffer, which belongs to this object and is closed with it
     * @throws NoSuitableHeapException ENODEV: no heap here satisfies the devices
     * @throws MemoryExhaustedException ENOMEM: those that do have no memory
     * @throws AccessDeniedException EACCES, EPERM: the heap's node may not be opened
     * @throws CenallocException any other errno of the kernel
     * @throws IllegalStateException if closed
     */
    public DmaBuf dmaBuf() throws CenallocException {
        checkOpen();
        Storage existing = storage;
        return existing != null ? existing.dmaBuf : firstUse();
    }

    private synchronized DmaBuf firstUse() throws CenallocException {
        checkOpen();
        Storage existing = storage;
        if (existing == null) {
            existing = allocate();
            storage = existing;
            LOG.debug("{} from heap {}: {}", existing.dmaBuf, existing.choice.heap, existing.choice.reason());
        }
        return existing.dmaBuf;
    }

    private Storage allocate() throws CenallocException {
        Plan plan = plan();
        if (plan.candidates().isEmpty()) {
            throw new NoSuitableHeapException(plan, cenalloc.remedyForNoHeap());
        }
        var failed = new ArrayList<Attempt>();
        for (Heap heap : plan.candidates()) {
            try {
                DmaBuf dmaBuf = heap.allocate(size).belongingToAnother();
                return new Storage(dmaBuf, new Choice(heap, plan, List.copyOf(failed)));
            } catch (CenallocException e) {
                if (e.errno() != Errno.ENOMEM) {
                    failed.forEach(attempt -> e.addSuppressed(new IOException("before it " + attempt)));
                    throw e;
                }
                failed.add(new Attempt(heap.name(), e.errno()));
            }
        }
        throw new MemoryExhaustedException(size, failed, cenalloc.cmaFree());
    }

    /**
     * Maps the memory for the CPU, allocating it if this is the first use. As {@link DmaBuf#map}.
     *
     * @param direction what the CPU will do
     * @return a mapping that the caller closes, before this buffer
     * @throws CenallocException as {@link #dmaBuf()} and {@link DmaBuf#map}
     * @throws IllegalStateException if closed
     */
    public Mapping map(Direction direction) throws CenallocException {
        return dmaBuf().map(direction);
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
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the buffer is closed");
        }
    }
}
