// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.text.Printable;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One of the equal buffers of a {@link Pool}: one dma-buf, or one for each plane of an image. The holder that it is
 * lent to gives it back by {@link #close}; the pool closes the memory. The same object each time that it is lent: keep
 * no reference after giving it back. Any thread may give it back; else for one thread at a time.
 */
public final class PoolBuffer implements AutoCloseable {
    private static final VarHandle HOLDER;

    static {
        try {
            HOLDER = MethodHandles.lookup().findVarHandle(PoolBuffer.class, "holder", String.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final Pool pool;
    private final Kernel kernel;
    private final int index;
    private final List<SharedBuffer> shared;
    private final List<DmaBuf> memory;
    /** The end of the work of the holder before; signalled if there is none. */
    private final Fence end;

    private final MappedAccess reading = new MappedAccess(this, Direction.READ);
    private final MappedAccess writing = new MappedAccess(this, Direction.WRITE);
    private final MappedAccess both = new MappedAccess(this, Direction.READ_WRITE);

    /** Null if it is not lent. */
    private volatile @Nullable String holder;
    /** When it was lent or handed on, as {@link System#nanoTime}. */
    private long since;

    /** Guarded by this, with what follows. By part, for reading and for writing: mapped at the first access. */
    private final @Nullable Mapping[][] mappings;

    private int accesses;
    /** Whether it comes back when the last access is closed. */
    private boolean givenUp;

    PoolBuffer(Pool pool, int index, Kernel kernel, List<SharedBuffer> shared, List<DmaBuf> memory) {
        this.pool = pool;
        this.kernel = kernel;
        this.index = index;
        this.shared = shared;
        this.memory = memory;
        this.mappings = new Mapping[memory.size()][2];
        this.end = Fence.own(kernel, Fence.SIGNALLED);
    }

    // ---- what it is ----

    /** {@return its number in the pool, from 0} */
    public int index() {
        return index;
    }

    /** {@return its memory, one dma-buf for each part, closed by the pool} */
    public List<DmaBuf> buffers() {
        return memory;
    }

    /** {@return its parts as buffers to which further devices can be attached, closed by the pool} */
    public List<SharedBuffer> sharedBuffers() {
        return shared;
    }

    /**
     * {@return where the image lies in the memory}
     *
     * @throws IllegalStateException if it lies in several parts, or the memory holds bytes
     */
    public Layout layout() {
        List<Layout> layouts = pool.layouts();
        if (layouts.size() != 1) {
            throw new IllegalStateException(
                    called() + (layouts.isEmpty() ? " holds bytes" : " has a layout for each of its parts"));
        }
        return layouts.getFirst();
    }

    String called() {
        return pool.noun() + " " + index;
    }

    // ---- who has it ----

    /** {@return whether it is lent} */
    public boolean isLent() {
        return holder != null;
    }

    /** {@return the name of the holder that has it; empty if it is not lent} */
    public Optional<String> holder() {
        return Optional.ofNullable(holder);
    }

    /** For how long it has been lent, if it is lent. */
    long lentNanos(long now) {
        return Math.max(0, now - since);
    }

    /** Of a buffer that was taken from those that are free. */
    PoolBuffer begin(String name) {
        since = System.nanoTime();
        holder = name;
        return this;
    }

    /**
     * Lends this very buffer, if it is free.
     *
     * @param name of the holder, for messages
     * @return whether it did; not if another holder has it, or the work of the one before has not ended
     * @throws IllegalStateException if the pool is closed
     */
    public boolean tryLend(String name) {
        Objects.requireNonNull(name, "name");
        return pool.tryLend(this, name);
    }

    /**
     * Says that another holder has it from now on. For messages: the caller sees to it that only that one uses it.
     *
     * @param name of the new holder
     * @throws IllegalStateException if it is not lent
     */
    public void handTo(String name) {
        Objects.requireNonNull(name, "name");
        String before = holder;
        if (before == null || !HOLDER.compareAndSet(this, before, name)) {
            throw notLent();
        }
        since = System.nanoTime();
    }

    /**
     * Gives it back to the pool. Makes no system call and allocates nothing.
     *
     * @throws IllegalStateException if it is not lent, or an access of the CPU is open
     */
    @Override
    public void close() {
        checkUnused();
        returned();
    }

    /**
     * Gives it back before the work on it has ended: the pool does not lend it before. Two system
     * calls: poll, and fcntl; or SYNC_IOC_FILE_INFO if the work has ended.
     *
     * @param work the end of the work; null if it has ended. The caller closes it, at once if it likes
     * @throws IllegalStateException if it is not lent, or an access of the CPU is open, or the fence is closed
     * @throws CenallocException EMFILE: no descriptor for the fence can be had, or with the errno of poll; the buffer
     *     is still lent. Wait for the fence, and call {@link #close()}
     */
    public void close(@Nullable Fence work) throws CenallocException {
        checkUnused();
        if (!isLent()) {
            throw notLent();
        }
        if (work == null || work.awaitEnd(Duration.ZERO)) {
            returned();
            return;
        }
        int copy = work.duplicate();
        boolean back = false;
        try {
            takeBack();
            back = true;
        } finally {
            if (!back) {
                Descriptor.closeNumber(kernel, copy);
            }
        }
        end.replace(copy);
        pool.fenced(this);
    }

    /** Whether the work of the holder before has ended; then there is nothing to wait for any more. */
    boolean awaitEnd(Duration timeout) throws CenallocException {
        if (!end.awaitEnd(timeout)) {
            return false;
        }
        end.replace(Fence.SIGNALLED);
        return true;
    }

    private void returned() {
        takeBack();
        pool.returned(this);
    }

    private void takeBack() {
        String before = holder;
        if (before == null || !HOLDER.compareAndSet(this, before, null)) {
            throw notLent();
        }
    }

    private IllegalStateException notLent() {
        return new IllegalStateException(called() + " was given back");
    }

    private void checkUnused() {
        if (isAccessed()) {
            throw new IllegalStateException("a CPU access to " + called() + " is open: close it first");
        }
    }

    /**
     * Gives it back as soon as no access of the CPU is open: at once, or when that is closed. For a stream that ends
     * while the program reads a frame. Does nothing if it is not lent.
     */
    public void giveUp() {
        synchronized (this) {
            if (accesses > 0) {
                givenUp = true;
                return;
            }
        }
        if (isLent()) {
            returned();
        }
    }

    // ---- access of the CPU ----

    /**
     * Begins an access of the CPU: {@code try (var bytes = buffer.access(WRITE)) { … }}. The first access maps the
     * memory, which costs one mmap for each part; the mapping is kept until the pool is closed. Later ones make two
     * system calls for each part and allocate nothing.
     *
     * @param direction what the CPU will do
     * @return the access, closed by the caller; the same object for each access of a direction, one at a time
     * @throws IllegalStateException if it is not lent, or an access of this direction is open
     * @throws CenallocException as {@link DmaBuf#map} and {@link DmaBuf#access}
     */
    public MappedAccess access(Direction direction) throws CenallocException {
        Objects.requireNonNull(direction, "direction");
        if (!isLent()) {
            throw notLent();
        }
        MappedAccess access = switch (direction) {
            case READ -> reading;
            case WRITE -> writing;
            case READ_WRITE -> both;
        };
        access.begin();
        return access;
    }

    /** {@return whether an access of the CPU is open} */
    public synchronized boolean isAccessed() {
        return accesses > 0;
    }

    /** Keeps the memory until {@link #endAccess}. */
    synchronized void beginAccess() {
        accesses++;
    }

    void endAccess() {
        boolean last;
        synchronized (this) {
            accesses--;
            last = accesses == 0 && givenUp;
            if (last) {
                givenUp = false;
            }
        }
        if (last && isLent()) {
            returned();
        }
    }

    /** One part, mapped at the first call. */
    synchronized Mapping mapping(int part, Direction direction) throws CenallocException {
        int kind = direction == Direction.READ ? 0 : 1;
        Mapping mapping = mappings[part][kind];
        if (mapping == null) {
            mapping = memory.get(part).map(direction);
            mappings[part][kind] = mapping;
        }
        return mapping;
    }

    /**
     * Unmaps and releases the memory. Idempotent.
     *
     * @throws IllegalStateException if an access of the CPU is open, or a mapping of the program's own
     */
    synchronized void release() {
        checkUnused();
        end.close();
        for (Mapping[] each : mappings) {
            for (Mapping mapping : each) {
                if (mapping != null) {
                    mapping.close();
                }
            }
        }
        RuntimeException failure = null;
        for (SharedBuffer buffer : shared) {
            try {
                buffer.close();
            } catch (RuntimeException e) {
                failure = failure == null ? e : failure;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    /** {@return its number, and the holder if it is lent} Makes no system call. */
    @Override
    public String toString() {
        String name = holder;
        return called() + (name == null ? "" : ", with " + Printable.of(name));
    }
}
