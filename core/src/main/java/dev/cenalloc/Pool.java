// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.Times;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.text.Printable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Equal buffers that are lent and come back: planned once, allocated once, mapped once. Closed by the caller. Safe for
 * any number of threads.
 *
 * {@snippet :
 * try (var pool = Pool.allocate(cenalloc, Demand.ofBytes(1 << 20), List.of(npu), 4)) {
 *     while (running) {
 *         try (PoolBuffer tensor = pool.lend("inference", Duration.ofSeconds(1))) {
 *             try (var bytes = tensor.access(Direction.WRITE)) {
 *                 fill(bytes.segment());
 *             }
 *             infer(tensor.buffers().getFirst().fd());
 *         }
 *     }
 * }
 * }
 *
 * <p>A buffer is lent to a holder that has a name, which is told when none is left. A holder may give a buffer back
 * while a device still works on it, with the {@link Fence} of that work: it is lent again when the work has ended.
 */
@SuppressWarnings("ReferenceEquality") // a buffer is one object
public final class Pool implements AutoCloseable {
    /** Buffers of a pool at most. */
    public static final int MOST = 64;

    /** How often a fence and the buffers that come back meanwhile are looked at by turns. */
    private static final Duration TURN = Duration.ofMillis(5);

    private final Kernel kernel;
    private final String noun;
    /** Makes the parts of one more buffer; null if the memory came from elsewhere. */
    private final @Nullable Maker maker;
    /** Of an image, by part; else empty. */
    private volatile List<Layout> layouts;

    /** A bit for each buffer that can be lent at once. */
    private final AtomicLong free = new AtomicLong();
    /** A bit for each that came back with a fence. */
    private final AtomicLong fenced = new AtomicLong();

    /** By number. Changed under the lock of the pool, read without. */
    private volatile List<PoolBuffer> buffers = List.of();

    /** Trimmed while the program had a mapping of its own. Guarded by this. */
    private final List<PoolBuffer> leftOver = new ArrayList<>();

    private volatile boolean closed;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition returned = lock.newCondition();
    /** Threads that wait, or are about to. */
    private final AtomicInteger waiting = new AtomicInteger();

    private record Maker(Cenalloc cenalloc, List<Demand> parts, List<List<Device>> devices) {}

    private Pool(Kernel kernel, String noun, @Nullable Maker maker, List<Layout> layouts) {
        this.kernel = kernel;
        this.noun = noun;
        this.maker = maker;
        this.layouts = layouts;
    }

    /**
     * Allocates buffers that suit devices. Blocks while the kernel finds and clears the memory.
     *
     * @param cenalloc whose heaps the memory comes from
     * @param demand what each buffer is to hold
     * @param devices attached to each buffer
     * @param count how many buffers, from 1 to {@link #MOST}
     * @return a pool, which the caller closes
     * @throws IllegalArgumentException if the count is out of its range
     * @throws CenallocException as {@link SharedBuffer#attach} and {@link SharedBuffer#dmaBuf}; nothing stays allocated
     */
    public static Pool allocate(Cenalloc cenalloc, Demand demand, List<Device> devices, int count)
            throws CenallocException {
        Objects.requireNonNull(demand, "demand");
        Objects.requireNonNull(devices, "devices");
        return allocate(cenalloc, "buffer", List.of(demand), List.of(devices), count);
    }

    /**
     * Allocates buffers of several parts, such as an image with a buffer for each plane. Otherwise as
     * {@link #allocate(Cenalloc, Demand, List, int)}.
     *
     * @param cenalloc whose heaps the memory comes from
     * @param noun what messages call a buffer, such as "frame"
     * @param parts what each part of a buffer is to hold
     * @param devices attached to each part, a list for each
     * @param count how many buffers, from 1 to {@link #MOST}
     * @return a pool, which the caller closes
     * @throws IllegalArgumentException if the count is out of its range, or there are no parts, or another number of
     *     lists of devices
     * @throws CenallocException as there
     */
    public static Pool allocate(
            Cenalloc cenalloc, String noun, List<Demand> parts, List<List<Device>> devices, int count)
            throws CenallocException {
        Objects.requireNonNull(cenalloc, "cenalloc");
        Objects.requireNonNull(noun, "noun");
        var maker = new Maker(
                cenalloc,
                List.copyOf(Objects.requireNonNull(parts, "parts")),
                Objects.requireNonNull(devices, "devices").stream()
                        .map(List::copyOf)
                        .toList());
        checkCount(count, 1);
        if (parts.isEmpty() || devices.size() != parts.size()) {
            throw new IllegalArgumentException("parts must not be empty, and have a list of devices each; there are "
                    + parts.size() + " and " + devices.size());
        }
        var pool = new Pool(Seam.kernel(cenalloc), noun, maker, List.of());
        boolean complete = false;
        try {
            pool.grow(count);
            pool.layouts = pool.buffers.getFirst().sharedBuffers().stream()
                    .flatMap(part -> part.layout().stream())
                    .toList();
            complete = true;
            return pool;
        } finally {
            if (!complete) {
                pool.close();
            }
        }
    }

    /**
     * {@return a pool of buffers that exist, such as a device's own, or memory from another process} It does not grow.
     *
     * @param noun what messages call a buffer, such as "frame"
     * @param layouts where an image lies in each part; empty if they hold bytes
     * @param buffers of each buffer its parts; the pool's from now on, and closed if this method throws
     * @throws IllegalArgumentException if there are none, or more than {@link #MOST}, or they have not equally many
     *     parts
     * @throws CenallocException as {@link SharedBuffer#dmaBuf}
     */
    public static Pool of(String noun, List<Layout> layouts, List<List<SharedBuffer>> buffers)
            throws CenallocException {
        Objects.requireNonNull(layouts, "layouts");
        Objects.requireNonNull(noun, "noun");
        List<List<SharedBuffer>> all = Objects.requireNonNull(buffers, "buffers").stream()
                .map(List::copyOf)
                .toList();
        Pool pool = null;
        boolean complete = false;
        try {
            checkCount(all.size(), 1);
            int parts = all.getFirst().size();
            if (parts == 0 || all.stream().anyMatch(each -> each.size() != parts)) {
                throw new IllegalArgumentException("each buffer must have the same number of parts, at least one");
            }
            pool = new Pool(Seam.kernel(all.getFirst().getFirst().cenalloc()), noun, null, List.copyOf(layouts));
            for (List<SharedBuffer> each : all) {
                var memory = new ArrayList<DmaBuf>();
                for (SharedBuffer part : each) {
                    memory.add(part.dmaBuf());
                }
                pool.add(each, memory);
            }
            complete = true;
            return pool;
        } finally {
            if (!complete) {
                if (pool != null) {
                    pool.close();
                }
                all.forEach(each -> each.forEach(SharedBuffer::close));
            }
        }
    }

    private static void checkCount(int count, int least) {
        if (count < least || count > MOST) {
            throw new IllegalArgumentException("count must be from " + least + " to " + MOST + ", not " + count);
        }
    }

    // ---- lending ----

    /**
     * Lends a buffer. Waits until one comes back, or the work on one that came back has ended. Makes no system call and
     * allocates nothing if one is free. Does not pin the carrier of a virtual thread, unless it waits for the end of
     * work. Which of the threads that wait gets a buffer is not defined.
     *
     * @param holder the name of the holder, for messages
     * @param timeout the longest time to wait; zero or less does not wait
     * @return a buffer, which the caller gives back by closing it
     * @throws PoolExhaustedException ETIMEDOUT: none came back within the timeout; the message says which holders have
     *     them
     * @throws InterruptedException if the thread is interrupted while it waits
     * @throws IllegalStateException if the pool is closed, also during the wait
     * @throws CenallocException with the errno of poll
     */
    public PoolBuffer lend(String holder, Duration timeout) throws CenallocException, InterruptedException {
        Objects.requireNonNull(timeout, "timeout");
        PoolBuffer buffer = tryLend(holder);
        return buffer != null ? buffer : await(holder, timeout);
    }

    /**
     * Lends a buffer if one is free. At most three system calls for each that came back with a fence; none, and no
     * allocation, if another is free.
     *
     * @param holder the name of the holder, for messages
     * @return a buffer, which the caller gives back by closing it; null if none is free
     * @throws IllegalStateException if the pool is closed
     * @throws CenallocException with the errno of poll
     */
    public @Nullable PoolBuffer tryLend(String holder) throws CenallocException {
        Objects.requireNonNull(holder, "holder");
        PoolBuffer buffer = takeFree(holder);
        if (buffer != null) {
            return buffer;
        }
        checkOpen();
        return fenced.get() == 0 ? null : takeFenced(holder, Duration.ZERO);
    }

    private @Nullable PoolBuffer takeFree(String holder) {
        long before = free.get();
        while (before != 0) {
            if (free.compareAndSet(before, before & (before - 1))) {
                return buffers.get(Long.numberOfTrailingZeros(before)).begin(holder);
            }
            before = free.get();
        }
        return null;
    }

    /** Takes one whose work has ended; waits for the first of them. */
    private @Nullable PoolBuffer takeFenced(String holder, Duration timeout) throws CenallocException {
        Duration wait = timeout;
        long looked = 0;
        while (true) {
            long left = fenced.get() & ~looked;
            if (left == 0) {
                return null;
            }
            long bit = Long.lowestOneBit(left);
            looked |= bit;
            if (!take(fenced, bit)) {
                continue; // another thread looks at it
            }
            PoolBuffer buffer = buffers.get(Long.numberOfTrailingZeros(bit));
            boolean ended = false;
            try {
                ended = buffer.awaitEnd(wait);
            } finally {
                if (!ended) {
                    give(fenced, bit);
                }
            }
            if (ended) {
                return buffer.begin(holder);
            }
            wait = Duration.ZERO;
        }
    }

    private PoolBuffer await(String holder, Duration timeout) throws CenallocException, InterruptedException {
        long nanos = Times.nanos(timeout);
        Events.PoolWait event = nanos > 0 ? Events.poolWait() : null;
        long start = System.nanoTime();
        lock.lockInterruptibly();
        waiting.incrementAndGet();
        try {
            while (true) {
                // After the count was raised: a buffer that comes back from now on wakes this thread.
                PoolBuffer buffer = tryLend(holder);
                if (buffer != null) {
                    record(event, holder, true);
                    return buffer;
                }
                long left = nanos - (System.nanoTime() - start);
                if (left <= 0) {
                    record(event, holder, false);
                    throw new PoolExhaustedException(
                            "no " + noun + " of " + size() + " came back within " + timeout + ": " + holders());
                }
                if (fenced.get() == 0) {
                    long _ = returned.awaitNanos(left);
                } else {
                    buffer = awaitFence(holder, Duration.ofNanos(Math.min(left, TURN.toNanos())));
                    if (buffer != null) {
                        record(event, holder, true);
                        return buffer;
                    }
                }
            }
        } finally {
            waiting.decrementAndGet();
            lock.unlock();
        }
    }

    private void record(Events.@Nullable PoolWait event, String holder, boolean lent) {
        if (event != null) {
            event.commit(this, holder, lent);
        }
    }

    /** Others may lend and give back meanwhile. */
    private @Nullable PoolBuffer awaitFence(String holder, Duration timeout)
            throws CenallocException, InterruptedException {
        lock.unlock();
        try {
            return takeFenced(holder, timeout);
        } finally {
            lock.lock();
        }
    }

    boolean tryLend(PoolBuffer buffer, String holder) {
        checkOpen();
        List<PoolBuffer> all = buffers;
        if (buffer.index() >= all.size() || all.get(buffer.index()) != buffer) {
            throw new IllegalStateException(noun + " " + buffer.index() + " was trimmed");
        }
        if (!take(free, 1L << buffer.index())) {
            return false;
        }
        buffer.begin(holder);
        return true;
    }

    void returned(PoolBuffer buffer) {
        give(free, 1L << buffer.index());
    }

    void fenced(PoolBuffer buffer) {
        give(fenced, 1L << buffer.index());
    }

    private static boolean take(AtomicLong bits, long bit) {
        long before;
        do {
            before = bits.get();
            if ((before & bit) == 0) {
                return false;
            }
        } while (!bits.compareAndSet(before, before & ~bit));
        return true;
    }

    private void give(AtomicLong bits, long bit) {
        long before;
        do {
            before = bits.get();
        } while (!bits.compareAndSet(before, before | bit));
        if (closed) {
            bits.set(0);
        }
        if (waiting.get() > 0) {
            wake();
        }
    }

    private void wake() {
        lock.lock();
        try {
            returned.signalAll();
        } finally {
            lock.unlock();
        }
    }

    // ---- who has what ----

    /** {@return the buffers, lent or not, by number} They stay the pool's. */
    public List<PoolBuffer> buffers() {
        return buffers;
    }

    /** {@return where an image lies in each part of a buffer; empty if they hold bytes} */
    public List<Layout> layouts() {
        return layouts;
    }

    /** {@return how many buffers there are} */
    public int size() {
        return buffers.size();
    }

    /** {@return how many buffers can be lent at once} */
    public int free() {
        return Long.bitCount(free.get());
    }

    /**
     * {@return which holder has which buffers, and for how long at most, and which are free, in words} The buffers
     * change hands meanwhile, if other threads use them.
     */
    public String holders() {
        long now = System.nanoTime();
        var numbers = new LinkedHashMap<String, List<Integer>>();
        var longest = new HashMap<String, Long>();
        for (PoolBuffer buffer : buffers) {
            String holder = buffer.holder().map(Printable::of).orElse(null);
            String who = holder != null ? holder : isIn(fenced, buffer) ? "work that has not ended" : "free";
            numbers.computeIfAbsent(who, _ -> new ArrayList<>()).add(buffer.index());
            if (holder != null) {
                longest.merge(who, buffer.lentNanos(now), Math::max);
            }
        }
        return numbers.entrySet().stream()
                .map(entry -> held(entry.getValue(), entry.getKey(), longest.get(entry.getKey())))
                .collect(Collectors.joining("; "));
    }

    private String held(List<Integer> numbers, String who, @Nullable Long nanos) {
        boolean isOne = numbers.size() == 1;
        return noun + (isOne ? " " : "s ")
                + numbers.stream().map(String::valueOf).collect(Collectors.joining(", ")) + ": " + who
                + (nanos == null ? "" : (isOne ? " for " : " for up to ") + nanos / 1_000_000 + " ms");
    }

    private static boolean isIn(AtomicLong bits, PoolBuffer buffer) {
        return (bits.get() & 1L << buffer.index()) != 0;
    }

    /**
     * Takes back what a holder has that has died, such as a thread that ended by an exception. A buffer to which the
     * CPU's access is open comes back when that is closed.
     *
     * @param holder its name; it must not use them any more. Not that of a stream, or of a program that has frames of a
     *     stream: their stream has them
     * @return how many buffers it had
     */
    public int takeBack(String holder) {
        Objects.requireNonNull(holder, "holder");
        int count = 0;
        for (PoolBuffer buffer : buffers) {
            if (buffer.holder().filter(holder::equals).isPresent()) {
                buffer.giveUp();
                count++;
            }
        }
        return count;
    }

    // ---- more and fewer ----

    /**
     * Allocates more buffers, by the same plan. Blocks as {@link #allocate}. Others may lend meanwhile.
     *
     * @param count how many more, at least 0, so that there are at most {@link #MOST}
     * @throws IllegalArgumentException if there would be too many
     * @throws IllegalStateException if the pool is closed, or its memory came from elsewhere
     * @throws CenallocException as {@link SharedBuffer#dmaBuf}; those that could be allocated stay
     */
    public synchronized void grow(int count) throws CenallocException {
        checkOpen();
        Maker how = maker;
        if (how == null) {
            throw new IllegalStateException("the memory of this pool came from elsewhere: make another pool");
        }
        checkCount(count, 0);
        if (size() + count > MOST) {
            throw new IllegalArgumentException(
                    "count must leave at most " + MOST + " buffers, and there are " + size() + " already: " + count);
        }
        for (int i = 0; i < count; i++) {
            var parts = new ArrayList<SharedBuffer>();
            boolean complete = false;
            try {
                var memory = new ArrayList<DmaBuf>();
                for (int j = 0; j < how.parts.size(); j++) {
                    SharedBuffer part = how.cenalloc.create(how.parts.get(j));
                    parts.add(part);
                    part.name(noun + " " + size() + (how.parts.size() == 1 ? "" : "." + j));
                    memory.add(allocate(part, how.devices.get(j), j));
                }
                add(parts, memory);
                complete = true;
            } finally {
                if (!complete) {
                    parts.forEach(SharedBuffer::close);
                }
            }
        }
    }

    private DmaBuf allocate(SharedBuffer part, List<Device> devices, int number) throws CenallocException {
        if (!buffers.isEmpty()) {
            return part.dmaBuf(buffers.getFirst().sharedBuffers().get(number));
        }
        for (Device device : devices) {
            part.attach(device);
        }
        return part.dmaBuf();
    }

    private void add(List<SharedBuffer> parts, List<DmaBuf> memory) {
        var buffer = new PoolBuffer(this, buffers.size(), kernel, List.copyOf(parts), List.copyOf(memory));
        var more = new ArrayList<>(buffers);
        more.add(buffer);
        buffers = List.copyOf(more);
        returned(buffer);
    }

    /**
     * Releases buffers that are free, from the last on; stops at one that is lent, and leaves one.
     *
     * @param count how many at most
     * @return how many it released
     * @throws IllegalArgumentException if the count is negative, or more than {@link #MOST}
     * @throws IllegalStateException if the pool is closed; or a mapping of the program's own is open, then that buffer
     *     is not lent any more, and its memory is released by {@link #close}
     */
    public synchronized int trim(int count) {
        checkOpen();
        checkCount(count, 0);
        int released = 0;
        while (released < count && buffers.size() > 1) {
            PoolBuffer last = buffers.getLast();
            if (!take(free, 1L << last.index())) {
                break;
            }
            buffers = List.copyOf(buffers.subList(0, buffers.size() - 1));
            boolean gone = false;
            try {
                last.release();
                gone = true;
            } finally {
                if (!gone) {
                    leftOver.add(last); // a part of it is closed, so nobody can use it any more
                }
            }
            released++;
        }
        return released;
    }

    // ---- the end ----

    String noun() {
        return noun;
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the pool is closed");
        }
    }

    /**
     * Unmaps and releases the buffers, also those that are lent. What a device still uses is released when the device
     * lets go of it. Idempotent.
     *
     * @throws IllegalStateException if an access of the CPU is open, or a mapping of the program's own: that memory
     *     stays as it is, the rest is released. The caller closes the access and calls this again
     */
    @Override
    public synchronized void close() {
        closed = true;
        free.set(0);
        wake();
        RuntimeException failure = null;
        var all = new ArrayList<>(leftOver);
        all.addAll(buffers);
        for (PoolBuffer buffer : all) {
            try {
                buffer.release();
            } catch (RuntimeException e) {
                failure = failure == null ? e : failure;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    @Override
    public String toString() {
        return "pool of " + size() + " " + noun + "s, " + free() + " free";
    }
}
