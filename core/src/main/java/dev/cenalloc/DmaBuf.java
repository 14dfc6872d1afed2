package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dma_buf_export_sync_file;
import dev.cenalloc.bindings.dmabuf.dma_buf_import_sync_file;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.kernel.Log;
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
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * One owned dma-buf descriptor, closed by whoever allocated or adopted it; one that a {@link SharedBuffer} returned is
 * closed by that. A lost one is released by a cleaner, which logs it. Safe for any number of threads: every use after a close
 * throws {@link IllegalStateException}, and the descriptor's number is given back when the calls under way have ended.
 */
public final class DmaBuf implements AutoCloseable {
    /** Bytes of a name without the terminator, DMA_BUF_NAME_LEN in dma-buf.h. */
    private static final int NAME_BYTES = dmabuf_h.DMA_BUF_NAME_LEN() - 1;

    /** In {@code /proc/self/fdinfo}, what every dma-buf has and no other file. */
    private static final String EXPORTER = "exp_name:";

    /**
     * The name of a system property: if it is {@code true}, a buffer remembers where it was allocated, and if it is lost,
     * that is logged. Read at each allocation, to which it adds the cost of a stack trace.
     */
    public static final String TRACE = "dev.cenalloc.traceAllocations";

    /** The packages that allocate on behalf of a program. */
    private static final Set<String> LIBRARY =
            Set.of("dev.cenalloc", "dev.cenalloc.stream", "dev.cenalloc.node", "dev.cenalloc.v4l2", "dev.cenalloc.kms");

    /** On a thread of ours: the JDK's own may not set the class loader that a logging provider wants to set. */
    static final Cleaner CLEANER = Cleaner.create(task -> {
        var thread = new Thread(task, "cenalloc cleaner");
        thread.setDaemon(true);
        return thread;
    });

    static {
        Seam.setDescriptors(buffer -> ((DmaBuf) buffer).held.descriptor);
    }

    private final Kernel kernel;
    private final Held held;
    private final Cleaner.Cleanable cleanable;
    /** Whether a SharedBuffer closes it. */
    private volatile boolean shared;

    private final long size;
    private final long inode;
    private final Map<Direction, CpuAccess> accesses = new EnumMap<>(Direction.class);

    /** What the kernel holds for a buffer; apart from it, so that the cleaner does not keep the buffer alive. */
    private static final class Held implements Runnable {
        private final Descriptor descriptor;
        private final Set<MappedPages> mappings = ConcurrentHashMap.newKeySet();
        private final long size;
        /** Where it was allocated; null if that was not traced. */
        private final @Nullable Throwable place;

        private volatile String name = "";

        Held(Descriptor descriptor, long size, @Nullable Throwable place) {
            this.descriptor = descriptor;
            this.size = size;
            this.place = place;
        }

        @Override
        public void run() {
            try {
                if (descriptor.isOpen()) {
                    report();
                }
            } finally {
                // Closed or not: an error may have come between.
                descriptor.abandon();
                for (MappedPages mapping : mappings) {
                    try {
                        mapping.close();
                    } catch (IllegalStateException e) {
                        Log.error("a mapping of a lost DmaBuf is in use at this moment, and stays", e);
                    }
                }
            }
        }

        private void report() {
            String which = (name.isEmpty() ? "" : "\"" + name + "\" ") + "of " + size + " bytes";
            if (place == null) {
                Log.error(
                        "the DmaBuf {} was never closed; it is released now. Run with -D{}=true to learn where it was"
                                + " allocated",
                        which,
                        TRACE);
            } else {
                Log.error("the DmaBuf {} was never closed; it is released now", which, place);
            }
        }
    }

    /** The place of an allocation; the frames of this library come last, since they are the same for all. */
    private static Throwable place() {
        var place = new Throwable("allocated here");
        var frames = new ArrayList<StackTraceElement>();
        var ours = new ArrayList<StackTraceElement>();
        for (StackTraceElement frame : place.getStackTrace()) {
            (frames.isEmpty() && isOurs(frame) ? ours : frames).add(frame);
        }
        frames.addAll(ours);
        place.setStackTrace(frames.toArray(StackTraceElement[]::new));
        return place;
    }

    private static boolean isOurs(StackTraceElement frame) {
        return LIBRARY.contains(frame.getClassName().replaceFirst("\\.[^.]*$", ""));
    }

    private DmaBuf(Kernel kernel, Descriptor descriptor, long size, long inode) {
        this.kernel = kernel;
        this.size = size;
        this.inode = inode;
        this.held = new Held(descriptor, size, Boolean.getBoolean(TRACE) ? place() : null);
        for (Direction direction : Direction.values()) {
            accesses.put(direction, new CpuAccess(kernel, descriptor, direction));
        }
        this.cleanable = CLEANER.register(this, held);
    }

    /**
     * Takes over a descriptor that came from elsewhere: a driver's export, another process.
     *
     * @param fd the descriptor; it is this object's from now on, and closed if this method throws
     * @return a buffer that the caller closes
     * @throws CenallocException ENOTTY if it is not a dma-buf, EBADF if it is not open, ENOENT if {@code /proc} is not mounted
     */
    public static DmaBuf adopt(int fd) throws CenallocException {
        return adopt(LinuxKernel.instance(), fd, null);
    }

    /** As {@link #adopt(int)}, for a heap to count, if it came from one. */
    static DmaBuf adopt(Kernel kernel, int fd, @Nullable OpenHeap heap) throws CenallocException {
        DmaBuf adopted = own(kernel, fd, heap);
        boolean isDmaBuf = false;
        try {
            // Trying a dma-buf ioctl would not do: a heap's node takes DMA_BUF_IOCTL_SYNC for a request to allocate
            // (6.12).
            isDmaBuf = kernel.fdinfo(fd).stream().anyMatch(line -> line.startsWith(EXPORTER));
        } catch (IOException e) {
            throw unknown(e);
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
                    "pass what a driver or a heap exported");
        }
        return adopted;
    }

    static CenallocException unknown(IOException why) {
        return new CenallocException(
                Errno.ENOENT,
                "read of /proc/self/fdinfo",
                null,
                -1,
                "what the descriptor is cannot be told: " + why,
                "mount /proc");
    }

    /** For a descriptor that the kernel has just given as a dma-buf; the heap, if any, counts it until it ends. */
    static DmaBuf own(Kernel kernel, int fd, @Nullable OpenHeap heap) throws CenallocException {
        // What is not open is nobody's.
        boolean ours = true;
        Descriptor descriptor = null;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stat = arena.allocate(Linux.STAT_SIZE, Long.BYTES);
            int result = kernel.fstat(fd, stat);
            if (result < 0) {
                ours = result != -Errno.EBADF;
                throw CenallocException.ofCall(-result, "fstat", null, -1);
            }
            long size = stat.get(ValueLayout.JAVA_LONG, Linux.STAT_FILE_SIZE);
            Runnable ended = heap == null ? () -> {} : () -> heap.left(size);
            descriptor = new Descriptor(kernel, fd, ended);
            if (heap != null) {
                heap.gave(size);
            }
            var owned = new DmaBuf(kernel, descriptor, size, stat.get(ValueLayout.JAVA_LONG, Linux.STAT_INO));
            ours = false;
            return owned;
        } finally {
            if (ours) {
                Descriptor.close(kernel, fd, descriptor);
            }
        }
    }

    /** {@return the size in bytes, whole pages} */
    public long size() {
        return size;
    }

    /** {@return the inode, which is the buffer's identity: equal for every descriptor of one buffer, in any process} */
    public long inode() {
        return inode;
    }

    /**
     * {@return what made it, by the kernel's word: for a heap the heap's name; empty if the kernel does not tell}
     *
     * @throws IOException if {@code /proc} cannot be read
     * @throws IllegalStateException if closed
     */
    public String exporter() throws IOException {
        return info(EXPORTER);
    }

    /**
     * {@return its name in the kernel's lists, empty if it has none}
     *
     * @throws IOException if {@code /proc} cannot be read
     * @throws IllegalStateException if closed
     */
    public String name() throws IOException {
        return new String(info("name:").getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
    }

    private String info(String key) throws IOException {
        int fd = held.descriptor.acquire();
        try {
            return kernel.fdinfo(fd).stream()
                    .filter(line -> line.startsWith(key))
                    .map(line -> line.substring(key.length()).strip())
                    .findFirst()
                    .orElse("");
        } finally {
            held.descriptor.release();
        }
    }

    /**
     * Names the buffer in the kernel's lists ({@code /sys/kernel/debug/dma_buf/bufinfo}, fdinfo). A help for people: it is
     * cut to 31 bytes, at a character, and a kernel that refuses it is no error.
     *
     * @param name any text without NUL
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
     * {@return the descriptor's number, borrowed: for a call to a driver, valid until {@link #close}} Closing it is an
     * error; so is keeping it beyond the buffer's life, when the number may be another file.
     *
     * @throws IllegalStateException if closed
     */
    public int fd() {
        int fd = held.descriptor.acquire();
        held.descriptor.release();
        return fd;
    }

    /**
     * Maps the whole buffer. Cost grows with its pages for the system heap: map once.
     *
     * @param direction READ for a read-only mapping; the others can be read and written
     * @return a mapping that the caller closes, before this buffer
     * @throws IllegalStateException if closed
     * @throws NoPermissionException EACCES: the descriptor is for reading only
     * @throws CenallocException with the errno of mmap: ENOMEM if there is no room, EINVAL for memory that the CPU cannot
     *     map, such as protected memory
     */
    @SuppressWarnings("MustBeClosedChecker") // the mapping owns the arena and closes it
    public Mapping map(Direction direction) throws CenallocException {
        StackRoom.require();
        // They hold the descriptor until they are unmapped: a mapping keeps its buffer from being closed.
        var pages = new MappedPages(kernel, held.descriptor, size, Arena.ofShared());
        held.mappings.add(pages);
        boolean kept = false;
        try {
            MemorySegment segment = pages.map(direction);
            var mapping = new Mapping(this, pages, direction == Direction.READ ? segment.asReadOnly() : segment);
            kept = true;
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

    /** The address of the whole buffer. */
    static long mapped(Kernel kernel, int fd, long size, Direction direction) throws CenallocException {
        // A mapping for writing can be read too.
        int protection = direction == Direction.READ ? Linux.PROT_READ : Linux.PROT_READ | Linux.PROT_WRITE;
        long address = kernel.mmap(fd, size, protection);
        if (address < 0) {
            throw cannotMap((int) -address, size);
        }
        return address;
    }

    private static CenallocException cannotMap(int errno, long size) {
        return errno == Errno.EACCES
                ? new NoPermissionException(
                        errno,
                        "mmap",
                        null,
                        size,
                        "the descriptor is for reading only: map it with Direction.READ, or let its exporter open it for"
                                + " writing")
                : new CenallocException(
                        errno,
                        "mmap",
                        null,
                        size,
                        "the buffer cannot be mapped",
                        "let a device do the work: not all memory is for the CPU");
    }

    /**
     * Begins an access of the CPU: {@code try (var _ = buffer.access(READ)) { … }}. Blocks until devices that are
     * still writing have finished, where their drivers say so by fences, and for as long as the cache work takes.
     *
     * @param direction what the CPU will do
     * @return the bracket, to be closed once; the same object for each access of a direction
     * @throws IllegalStateException if closed
     * @throws CenallocException with the errno of DMA_BUF_IOCTL_SYNC; EINTR and EAGAIN are retried
     */
    public CpuAccess access(Direction direction) throws CenallocException {
        return accessOf(direction).begin();
    }

    CpuAccess accessOf(Direction direction) {
        return Objects.requireNonNull(accesses.get(Objects.requireNonNull(direction, "direction")));
    }

    /** What poll tells of a dma-buf once such an access may begin (dma-buf.rst, implicit fence poll support). */
    private static short ready(Direction access) {
        return access == Direction.READ ? Linux.POLLIN : Linux.POLLOUT;
    }

    /**
     * Waits until such an access may begin, where drivers say by fences what they do with the buffer; those of V4L2 do not
     * (6.12), and there a buffer is ready when it is dequeued. Works on every kernel. That the work failed is not told: a
     * {@link #exportFence fence} does. Blocks, pins the carrier of a virtual thread meanwhile, and is not ended by an
     * interrupt or by {@link #close}. One system call; allocates no objects. After a wait in vain the kernel keeps the memory
     * until what was waited for is signalled, even if the buffer is closed (6.12).
     *
     * @param access READ waits for those who write, the others for everybody
     * @param timeout how long at most, in steps of a millisecond; zero or less only looks. If a signal interrupts it, it may last
     *     twice as long
     * @return whether it may begin; false if the time is over
     * @throws IllegalStateException if closed
     * @throws CenallocException with the errno of poll; EINTR is retried with the time that is left
     */
    public boolean await(Direction access, Duration timeout) throws CenallocException {
        int fd = held.descriptor.acquire();
        try {
            return Fence.await(kernel, fd, ready(access), timeout);
        } finally {
            held.descriptor.release();
        }
    }

    /**
     * {@return whether {@link #exportFence} and {@link #importFence} work on this kernel} It is asked, by a request that makes
     * nothing: 6.0 and later say yes, unless they were built without sync files. The answer is the same for every buffer, so
     * ask once. One system call.
     *
     * @throws IllegalStateException if closed
     * @throws CenallocException with the errno of DMA_BUF_IOCTL_EXPORT_SYNC_FILE
     */
    public boolean exchangesFences() throws CenallocException {
        // Without a direction: a kernel that knows the request finds fault with that.
        int result = ioctl(dmabuf_h.DMA_BUF_IOCTL_EXPORT_SYNC_FILE(), Fence.argument());
        return switch (-result) {
            case Errno.EINVAL -> true;
            case Errno.ENOTTY -> false;
            default -> throw CenallocException.ofCall(-result, "DMA_BUF_IOCTL_EXPORT_SYNC_FILE", null, -1);
        };
    }

    /**
     * Takes what such an access has to wait for out of the buffer, as a fence: for a device that waits by itself when it is
     * given one, such as a display. Does not block.
     *
     * @param access READ waits for those who write, the others for everybody; for those of this moment, not for later ones
     * @return a fence that the caller closes; signalled if nobody is to be waited for
     * @throws IllegalStateException if closed
     * @throws CenallocException ENOTTY: this kernel cannot, wait with {@link #await} instead; EMFILE: too many descriptors
     *     are open; ENOMEM
     */
    public Fence exportFence(Direction access) throws CenallocException {
        return Fence.own(kernel, exported(access));
    }

    /**
     * As {@link #exportFence(Direction)}, into a fence that there is, which gives its descriptor back: for frame loops,
     * allocates no objects.
     *
     * @param access READ waits for those who write, the others for everybody
     * @param into holds the new one afterwards; if this method throws, the one that it had
     * @throws IllegalStateException if one of them is closed, or the fence is in use by another thread
     * @throws CenallocException as {@link #exportFence(Direction)}
     */
    public void exportFence(Direction access, Fence into) throws CenallocException {
        into.replace(exported(access));
    }

    private int exported(Direction access) throws CenallocException {
        MemorySegment argument = Fence.argument();
        dma_buf_export_sync_file.flags(argument, CpuAccess.flags(access));
        int result = ioctl(dmabuf_h.DMA_BUF_IOCTL_EXPORT_SYNC_FILE(), argument);
        if (result == -Errno.ENOTTY) {
            throw noExchange("DMA_BUF_IOCTL_EXPORT_SYNC_FILE", "wait with DmaBuf.await, which every kernel has");
        }
        if (result < 0) {
            throw CenallocException.ofCall(-result, "DMA_BUF_IOCTL_EXPORT_SYNC_FILE", null, -1);
        }
        return dma_buf_export_sync_file.fd(argument);
    }

    /**
     * Lets everybody who uses the buffer from now on, and waits for fences, wait for this one too. The fence stays the
     * caller's, and may be closed at once. Does not block, allocates no objects.
     *
     * @param fence the end of an access
     * @param access what that does: the end of a READ is waited for by those who write, of the others by everybody
     * @throws IllegalStateException if one of them is closed
     * @throws CenallocException ENOTTY: this kernel cannot, wait with {@link Fence#await} before the buffer is passed on;
     *     EINVAL: it is no sync file; ENOMEM
     */
    public void importFence(Fence fence, Direction access) throws CenallocException {
        int fd = fence.acquire();
        try {
            MemorySegment argument = Fence.argument();
            dma_buf_import_sync_file.flags(argument, CpuAccess.flags(access));
            dma_buf_import_sync_file.fd(argument, fd);
            int result = ioctl(dmabuf_h.DMA_BUF_IOCTL_IMPORT_SYNC_FILE(), argument);
            if (result == -Errno.ENOTTY) {
                throw noExchange(
                        "DMA_BUF_IOCTL_IMPORT_SYNC_FILE", "wait with Fence.await before the buffer is passed on");
            }
            if (result < 0) {
                throw Fence.refused(-result, "DMA_BUF_IOCTL_IMPORT_SYNC_FILE");
            }
        } finally {
            fence.release();
        }
    }

    private static CenallocException noExchange(String call, String remedy) {
        return new CenallocException(
                Errno.ENOTTY,
                call,
                null,
                -1,
                "the kernel does not exchange fences of buffers: it is older than 6.0, or has no CONFIG_SYNC_FILE",
                remedy);
    }

    /** {@return what is known of its memory, from what its exporter is called: that of a heap of the kernel has the heap's
     * properties}
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
            // None of a buffer's requests has done anything when it fails.
            return kernel.repeatableIoctl(fd, request, argument);
        } finally {
            held.descriptor.release();
        }
    }

    /**
     * Closes the descriptor, when the calls under way have ended. The memory goes when the last descriptor of it, in any
     * process or driver, has gone. Idempotent.
     *
     * <p>The memory of a {@link SharedBuffer} is closed by that: here this does nothing, so that try-with-resources may be used.
     *
     * @throws IllegalStateException if a mapping or a CPU access is still open; nothing has changed
     */
    @Override
    public void close() {
        if (!shared) {
            release();
        }
    }

    /** From now on only {@link #release} closes it. */
    DmaBuf ownedByBuffer() {
        shared = true;
        return this;
    }

    void release() {
        StackRoom.require();
        held.mappings.forEach(MappedPages::finish);
        held.descriptor.close();
        clean();
    }

    /** As long as the number has not gone back, because of a call under way or an error, the cleaner sees to it. */
    private void clean() {
        if (held.descriptor.isGone()) {
            cleanable.clean();
        }
    }

    Descriptor descriptor() {
        return held.descriptor;
    }

    /** After its descriptor was finished by other means. */
    void forget() {
        clean();
    }

    boolean isOpen() {
        return held.descriptor.isOpen();
    }

    /** How many the kernel knows that use it, in words; empty if it does not tell. */
    String references() {
        try {
            return ", " + info("count:") + " references";
        } catch (IOException | IllegalStateException e) {
            return "";
        }
    }

    @Override
    public String toString() {
        return "dma-buf " + inode + " of " + size + " bytes";
    }
}
