// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.kernel.Lost;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.HeapProperties;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Cleaner;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Memory as a dma-buf: one owned descriptor. Closed by the caller that allocated or adopted it; a {@link SharedBuffer}
 * closes the one that it returns. A cleaner releases a lost one and logs an error. Safe for any number of threads:
 * every use after a close throws {@link IllegalStateException}, and the descriptor is closed when the calls under way
 * have ended.
 */
public final class DmaBuf implements AutoCloseable {
    /** Bytes of a name without the terminator, DMA_BUF_NAME_LEN in dma-buf.h. */
    private static final int NAME_BYTES = dmabuf_h.DMA_BUF_NAME_LEN() - 1;

    /**
     * The name of a system property: if it is {@code true}, a buffer remembers where it was allocated, and the error
     * for a lost buffer has that stack trace. Read at each allocation, to which it adds the cost of a stack trace.
     */
    public static final String TRACE = "dev.cenalloc.traceAllocations";

    /**
     * The name of a system property for development: if it is {@code true}, use of a mapping's memory by the CPU
     * outside of an {@linkplain #access access}, or against its direction, throws. Without an open access, {@link
     * Mapping#segment} throws {@link IllegalStateException}; with one, the segment is valid until no access to the
     * buffer is open, after which Java throws {@link IllegalStateException}, "Already closed"; and it is read-only,
     * unless an access that writes is open. A native call or a channel that still uses the memory when the last access
     * ends makes that {@code close} throw {@link IllegalStateException}. Read when a buffer is allocated or adopted.
     *
     * <p>The segment must be taken inside each access, as it is from a {@link MappedAccess}; one that was kept from an
     * access before is refused although its use would be right. What it does not find: reading in an access for WRITE;
     * in accesses that overlap, what one of them permits; native code that kept an address; other processes. It costs
     * an object and a few system calls' time for each access, since Java asks all threads before it closes a segment.
     */
    public static final String CHECK = "dev.cenalloc.checkAccess";

    /** The last number in the name of a buffer that the program did not name. */
    private static final AtomicLong NUMBERS = new AtomicLong();
    /** Such a name begins with this. */
    private static final String OURS = "cenalloc " + ProcessHandle.current().pid() + ".";

    private static final int DIRECTIONS = Direction.values().length;

    static {
        Failures.prepare();
        Seam.setDescriptors(buffer -> ((DmaBuf) buffer).held.descriptor);
    }

    private final Kernel kernel;
    private final HeldBuffer held;
    private final Cleaner.Cleanable cleanable;
    /** Null until it was read; it never changes. */
    private volatile @Nullable String exporter;

    /** By direction, from the first access on: most buffers are never accessed by the CPU in all of them. */
    private final @Nullable CpuAccess[] accesses = new @Nullable CpuAccess[DIRECTIONS];
    /** Null unless {@link #CHECK} was set. */
    private final @Nullable AccessCheck check;

    private DmaBuf(Kernel kernel, HeldBuffer held) {
        this.kernel = kernel;
        this.held = held;
        this.check = Boolean.getBoolean(CHECK) ? new AccessCheck() : null;
        this.cleanable = Lost.register(this, held);
    }

    /**
     * Takes over a descriptor of a driver or of another process. It is close-on-exec from now on.
     *
     * @param fd the descriptor of a dma-buf; the buffer owns it from now on; if this method throws, it is closed
     * @return a buffer that the caller closes
     * @throws IllegalArgumentException if an open object of this library has the number already; nothing has changed
     * @throws CenallocException ENOTTY if it is not a dma-buf; EBADF if it is not open; ENOENT if {@code /proc} is not
     *     mounted, else the errno of reading it, such as EMFILE
     */
    public static DmaBuf adopt(int fd) throws CenallocException {
        return adopt(LinuxKernel.instance(), fd, null);
    }

    /**
     * Takes a dma-buf out of another process, which keeps its own descriptor: {@code pidfd_getfd} (Linux 5.6). For a
     * child process that is told the numbers {@link #fd} of its parent, or a tool that inspects another process. This
     * process must be permitted to trace the other one: ptrace(2), "access mode checking". Where Yama restricts that
     * ({@code /proc/sys/kernel/yama/ptrace_scope}), a parent may take from its child, and root from all; others let the
     * buffer be sent to them by a {@code dev.cenalloc.share.Sender}.
     *
     * @param pid the process
     * @param fd the number of the descriptor in that process, which must not close it meanwhile
     * @return a buffer that the caller closes
     * @throws IllegalArgumentException if the process is not a positive int, or the descriptor is negative
     * @throws NoPermissionException EPERM: this process may not trace the other one
     * @throws CenallocException ESRCH: there is no such process; EBADF: it has no such descriptor; ENOTTY: that is not
     *     a dma-buf; EMFILE; ENOSYS: the kernel is older than 5.6
     */
    public static DmaBuf ofProcess(long pid, int fd) throws CenallocException {
        return ofProcess(LinuxKernel.instance(), pid, fd);
    }

    static DmaBuf ofProcess(Kernel kernel, long pid, int fd) throws CenallocException {
        if (pid < 1 || pid > Integer.MAX_VALUE || fd < 0) {
            throw new IllegalArgumentException(
                    "pid must be positive and fd not negative; they are " + pid + " and " + fd);
        }
        StackRoom.requireToOwn();
        int process = checked(kernel.pidfdOpen((int) pid), "pidfd_open");
        int taken;
        try {
            taken = kernel.pidfdGetFd(process, fd);
        } finally {
            Descriptor.closeNumber(kernel, process);
        }
        return adopt(kernel, checked(taken, "pidfd_getfd"), null);
    }

    private static int checked(int result, String call) throws CenallocException {
        if (result < 0) {
            throw CenallocException.ofCall(-result, call, null, -1);
        }
        return result;
    }

    /** As {@link #adopt(int)}. */
    static DmaBuf adopt(Kernel kernel, int fd, @Nullable BufferCount count) throws CenallocException {
        StackRoom.requireToAdopt();
        Events.Import event = Events.adopt();
        DmaBuf adopted = checked(kernel, fd, count);
        adopted.held.announced = true;
        if (event != null) {
            event.commit(adopted.held);
        }
        return adopted;
    }

    /** Owns a descriptor that may be no dma-buf; closes it then. */
    static DmaBuf checked(Kernel kernel, int fd, @Nullable BufferCount count) throws CenallocException {
        kernel.owned().refuse(fd);
        DmaBuf adopted = own(kernel, fd, count);
        boolean isDmaBuf = false;
        try {
            // A dma-buf ioctl cannot tell: a heap's node takes DMA_BUF_IOCTL_SYNC for a request to allocate (6.12).
            FdInfo info = FdInfo.of(kernel, fd);
            String exporter = info.exporter().orElse(null);
            adopted.exporter = exporter;
            if (exporter != null) {
                adopted.held.source = exporter;
                adopted.held.name = info.name().orElse("");
                checked(kernel.closeOnExec(fd), "fcntl");
                isDmaBuf = true;
            }
        } finally {
            if (!isDmaBuf) {
                adopted.close();
            }
        }
        if (!isDmaBuf) {
            throw new CenallocException(
                    Errno.ENOTTY,
                    "adopt",
                    null,
                    -1,
                    "descriptor " + fd + " is not a dma-buf",
                    "pass a descriptor that a driver or a heap exported");
        }
        return adopted;
    }

    /** Owns a descriptor that the kernel has just returned as a dma-buf, and has it counted until it is closed. */
    static DmaBuf own(Kernel kernel, int fd, @Nullable BufferCount count) throws CenallocException {
        // A number that is not open must not be closed: another thread may open it meanwhile.
        boolean ours = true;
        HeldBuffer held = null;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stat = arena.allocate(Linux.STAT_SIZE, Long.BYTES);
            int result = kernel.fstat(fd, stat);
            if (result < 0) {
                ours = result != -Errno.EBADF;
                throw CenallocException.ofCall(-result, "fstat", null, -1);
            }
            long size = stat.get(ValueLayout.JAVA_LONG, Linux.STAT_FILE_SIZE);
            held = new HeldBuffer(kernel, fd, size, stat.get(ValueLayout.JAVA_LONG, Linux.STAT_INO), count);
            if (count != null) {
                count.gave(held);
            }
            var owned = new DmaBuf(kernel, held);
            ours = false;
            return owned;
        } finally {
            if (ours) {
                Descriptor.close(kernel, fd, held == null ? null : held.descriptor);
            }
        }
    }

    /** {@return the size in bytes, whole pages} */
    public long size() {
        return held.size;
    }

    /** {@return the inode, which identifies the memory: it is equal for every descriptor of it, in any process} */
    public long inode() {
        return held.inode;
    }

    /**
     * {@return the exporter's name: for a heap the heap's name; empty if the kernel does not report it} Reads
     * {@code /proc}.
     *
     * @throws IOException if {@code /proc} cannot be read
     * @throws IllegalStateException if closed
     */
    public String exporter() throws IOException {
        return exporterName();
    }

    String exporterName() throws CenallocException {
        String known = exporter;
        if (known == null || !held.descriptor.isOpen()) {
            known = info().exporter().orElse("");
            exporter = known;
        }
        return known;
    }

    /**
     * {@return its name in the kernel's lists; empty if it has none} Reads {@code /proc}.
     *
     * @throws IOException if {@code /proc} cannot be read
     * @throws IllegalStateException if closed
     */
    public String name() throws IOException {
        return info().name().orElse("");
    }

    private FdInfo info() throws CenallocException {
        int fd = held.descriptor.acquire();
        try {
            return FdInfo.of(kernel, fd);
        } finally {
            held.descriptor.release();
        }
    }

    /**
     * Names the buffer in the kernel's lists ({@code /sys/kernel/debug/dma_buf/bufinfo}, fdinfo) and in the error for a
     * lost buffer. The kernel's name is cut to 31 bytes of UTF-8, at a character. A refusal of the kernel is ignored.
     * A buffer that the program allocates and does not name is called {@code "cenalloc PID.NUMBER"}, after this
     * process; one of a {@link Pool} {@code "buffer 0"}, with the pool's noun; an adopted one keeps its name.
     *
     * @param name any text without NUL
     * @throws IllegalStateException if closed
     */
    public void name(String name) {
        held.name = Objects.requireNonNull(name, "name");
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        int length = Math.min(bytes.length, NAME_BYTES);
        while (length < bytes.length && length > 0 && (bytes[length] & 0xC0) == 0x80) {
            length--;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocate(NAME_BYTES + 1);
            MemorySegment.copy(bytes, 0, text, ValueLayout.JAVA_BYTE, 0, length);
            int _ = ioctl(dmabuf_h.DMA_BUF_SET_NAME_B(), text);
        }
    }

    /**
     * {@return the descriptor's number, for a call to a driver; valid until {@link #close}} The caller must not close
     * it, nor use it after the buffer is closed: the number may be another file by then.
     *
     * @throws IllegalStateException if closed
     */
    public int fd() {
        return held.descriptor.number();
    }

    /**
     * Duplicates the descriptor, for a part of the program that closes it on its own. Both are the same memory, which
     * stays until all its descriptors are closed. Two system calls (fcntl, fstat). Does not block.
     *
     * @return the same memory, which the caller closes; what takes the number {@link #fd} over must duplicate it again
     * @throws IllegalStateException if closed
     * @throws CenallocException EMFILE: this process has as many files open as it may
     */
    public DmaBuf duplicate() throws CenallocException {
        StackRoom.requireToOwn();
        int fd = held.descriptor.acquire();
        int copy;
        try {
            copy = kernel.dup(fd);
        } finally {
            held.descriptor.release();
        }
        if (copy < 0) {
            throw CenallocException.ofCall(-copy, "fcntl", null, -1);
        }
        DmaBuf duplicate = own(kernel, copy, null);
        duplicate.held.name = held.name;
        duplicate.held.source = held.source;
        return duplicate;
    }

    /**
     * Maps the whole buffer. For the system heap, the cost grows with the number of pages: map once. Does not block.
     *
     * @param direction READ for a read-only mapping; the others can be read and written
     * @return a mapping, which the caller closes before this buffer
     * @throws IllegalStateException if closed
     * @throws NoPermissionException EACCES: the descriptor is read-only; EPERM: the exporter forbids the mapping
     * @throws CenallocException with the errno of mmap: ENOMEM if the process has no address space or too many
     *     mappings, of which 2048 at least are left to the JVM; EINVAL, ENXIO, ENODEV or ENOTSUPP if the exporter does
     *     not let the CPU map its memory, such as protected memory
     */
    @SuppressWarnings("MustBeClosedChecker") // the mapping owns the arena and closes it
    public Mapping map(Direction direction) throws CenallocException {
        Objects.requireNonNull(direction, "direction");
        StackRoom.require();
        Events.Map event = Events.map();
        // The pages hold the descriptor until they are unmapped: a buffer with a mapping refuses to close.
        var pages = new MappedPages(kernel, held.descriptor, held.size, Arena.ofShared(), check);
        held.mappings.add(pages);
        boolean kept = false;
        try {
            MemorySegment segment = pages.map(direction);
            var mapping = new Mapping(this, pages, direction == Direction.READ ? segment.asReadOnly() : segment, check);
            kept = true;
            if (event != null) {
                event.commit(held, direction);
            }
            return mapping;
        } finally {
            if (!kept) {
                unmap(pages);
            }
        }
    }

    void unmap(MappedPages pages) {
        pages.close();
        held.mappings.remove(pages);
    }

    /**
     * Begins an access of the CPU: {@code try (var _ = buffer.access(READ)) { … }}. Blocks until the devices that are
     * writing have finished, if their drivers report it with fences, and while caches are cleaned.
     *
     * @param direction what the CPU will do
     * @return the bracket, which the caller closes once; each access of a direction returns the same object
     * @throws IllegalStateException if closed
     * @throws CenallocException with the errno of DMA_BUF_IOCTL_SYNC; EINTR and EAGAIN are retried
     */
    public CpuAccess access(Direction direction) throws CenallocException {
        return accessOf(direction).begin();
    }

    @SuppressWarnings("EnumOrdinal") // an array can be read without a lock, an EnumMap cannot
    CpuAccess accessOf(Direction direction) {
        CpuAccess known =
                accesses[Objects.requireNonNull(direction, "direction").ordinal()];
        return known != null ? known : firstAccess(direction);
    }

    @SuppressWarnings("EnumOrdinal")
    private synchronized CpuAccess firstAccess(Direction direction) {
        CpuAccess known = accesses[direction.ordinal()];
        if (known == null) {
            known = new CpuAccess(kernel, this, direction, check);
            accesses[direction.ordinal()] = known;
        }
        return known;
    }

    /** The event of poll when such an access may begin (dma-buf.rst, implicit fence poll support). */
    private static short ready(Direction access) {
        return access == Direction.READ ? Linux.POLLIN : Linux.POLLOUT;
    }

    /**
     * Waits until such an access may begin. This works with drivers that report their work with fences. V4L2 drivers do
     * not (6.12); their buffers are ready when they are dequeued. Works on every kernel. Does not report that the work
     * failed; a {@link #exportFence fence} does. Blocks, pins the carrier of a virtual thread, and is not ended by an
     * interrupt or by {@link #close}. One system call; allocates no objects. After a timeout the kernel (6.12) keeps
     * the memory until the work ends, even if the buffer is closed.
     *
     * @param access READ waits for writing devices, the others for all devices
     * @param timeout the longest time to wait, in steps of a millisecond; zero or less does not wait
     * @return whether the access may begin; false after the timeout
     * @throws IllegalStateException if closed
     * @throws CenallocException with the errno of poll; EINTR is retried with the remaining time
     */
    public boolean await(Direction access, Duration timeout) throws CenallocException {
        Objects.requireNonNull(access, "access");
        Objects.requireNonNull(timeout, "timeout");
        int fd = held.descriptor.acquire();
        try {
            return Fence.await(kernel, fd, ready(access), timeout, held.inode);
        } finally {
            held.descriptor.release();
        }
    }

    /**
     * {@return whether {@link #exportFence} and {@link #importFence} work on this kernel} They do on 6.0 and later,
     * unless the kernel was built without sync files. The answer is the same for every buffer: ask once. One system
     * call, which has no effect.
     *
     * @throws IllegalStateException if closed
     * @throws CenallocException with the errno of DMA_BUF_IOCTL_EXPORT_SYNC_FILE
     */
    public boolean exchangesFences() throws CenallocException {
        return BufferFences.areExchanged(this);
    }

    /**
     * Exports the work that such an access has to wait for as a fence. A device that accepts a fence, such as a
     * display, waits for it by itself. Does not block.
     *
     * @param access READ waits for writing devices, the others for all devices; work that begins later is not included
     * @return a fence that the caller closes; it is signalled if there is no work
     * @throws IllegalStateException if closed
     * @throws CenallocException ENOTTY: this kernel cannot export fences, wait with {@link #await} instead; EMFILE: too
     *     many descriptors are open; ENOMEM
     */
    public Fence exportFence(Direction access) throws CenallocException {
        Objects.requireNonNull(access, "access");
        return Fence.own(kernel, BufferFences.exported(this, access));
    }

    /**
     * As {@link #exportFence(Direction)}, into an existing fence, whose descriptor is closed. For frame loops:
     * allocates no objects.
     *
     * @param access READ waits for writing devices, the others for all devices
     * @param into the fence that takes the new descriptor; if this method throws, it keeps the old one
     * @throws IllegalStateException if the buffer or the fence is closed, or the fence is in use by another thread
     * @throws CenallocException as {@link #exportFence(Direction)}
     */
    public void exportFence(Direction access, Fence into) throws CenallocException {
        Objects.requireNonNull(access, "access");
        Objects.requireNonNull(into, "into");
        into.replace(BufferFences.exported(this, access));
    }

    /**
     * Adds a fence to the buffer: devices that use the buffer from now on, and whose drivers know fences, wait for it.
     * The caller still owns the fence and may close it at once. Does not block; allocates no objects.
     *
     * @param fence the end of an access
     * @param access the kind of that access: writing devices wait for the end of a READ, all devices for the end of the
     *     others
     * @throws IllegalStateException if the buffer or the fence is closed
     * @throws CenallocException ENOTTY: this kernel cannot import fences, wait with {@link Fence#await} before the
     *     buffer is passed on; EINVAL: the fence is no sync file; ENOMEM
     */
    public void importFence(Fence fence, Direction access) throws CenallocException {
        Objects.requireNonNull(fence, "fence");
        Objects.requireNonNull(access, "access");
        BufferFences.add(this, fence, access);
    }

    /**
     * {@return the properties of its memory, which the exporter's name implies} Reads {@code /proc}.
     *
     * @throws IOException if {@code /proc} cannot be read
     * @throws IllegalStateException if closed
     */
    public HeapProperties properties() throws IOException {
        return HeapProperties.ofExporter(exporter());
    }

    int ioctl(long request, MemorySegment argument) {
        int fd = held.descriptor.acquire();
        try {
            // None of a buffer's requests has an effect when it fails.
            return kernel.repeatableIoctl(fd, request, argument);
        } finally {
            held.descriptor.release();
        }
    }

    /**
     * Closes the descriptor when the calls under way have ended. The kernel frees the memory when no process or driver
     * uses it any more. Idempotent.
     *
     * <p>For the memory of a {@link SharedBuffer} this does nothing, so try-with-resources is safe; the
     * {@code SharedBuffer} closes it.
     *
     * @throws IllegalStateException if a mapping or a CPU access is open; nothing has changed
     */
    @Override
    public void close() {
        if (!held.shared) {
            release();
        }
    }

    /** Makes {@link #release} the only way to close it. */
    DmaBuf ownedByBuffer() {
        held.shared = true;
        return this;
    }

    /** Says which heap it is from, and names it: as the program does, or else as this library. */
    void from(String heap, String called) {
        held.source = heap;
        held.announced = true;
        name(called.isEmpty() ? OURS + NUMBERS.incrementAndGet() : called);
    }

    HeldBuffer held() {
        return held;
    }

    void release() {
        held.mappings.forEach(MappedPages::finish);
        for (CpuAccess access : accesses) {
            if (access != null) {
                access.settle();
            }
        }
        held.descriptor.close();
        clean();
    }

    /** Ends the cleaner's task, unless a call under way or an error has put off closing the descriptor. */
    private void clean() {
        if (held.descriptor.isGone()) {
            cleanable.clean();
        }
    }

    Descriptor descriptor() {
        return held.descriptor;
    }

    /** To be called after its descriptor was closed by other means. */
    void forget() {
        clean();
    }

    boolean isOpen() {
        return held.descriptor.isOpen();
    }

    @Override
    public String toString() {
        return "dma-buf " + held.inode + " of " + held.size + " bytes";
    }
}
