package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One source of memory: a node in {@code /dev/dma_heap}, udmabuf, or what a program registers. Owned by the
 * {@link Cenalloc} that listed or registered it, which closes it. Safe for any number of threads.
 */
public final class Heap {
    /**
     * Where a heap's memory comes from: what a program implements to register a heap of its own. Its methods are called by
     * any number of threads at a time, and must be safe for that.
     */
    public interface Source {
        /**
         * Allocates. May block.
         *
         * @param size in bytes, positive; more may be given, not less
         * @return a descriptor of a new dma-buf, close-on-exec, that belongs to the caller; what it is, is checked
         * @throws CenallocException if there is none; {@link CenallocException#of} makes one. Of ENOMEM, the next heap is tried
         */
        int allocate(long size) throws CenallocException;

        /**
         * {@return why this heap has nothing for these constraints, in words, or empty} Asked when a plan is made, and when a
         * device is attached to a buffer of this heap, about heaps that suit as far as the library can tell. So it can only refuse.
         *
         * @param constraints those of all devices, merged
         * @param size in bytes
         */
        default Optional<String> refusal(Constraints constraints, long size) {
            return Optional.empty();
        }

        /**
         * Gives back what the source holds. Called once, when the heap is unregistered or its {@link Cenalloc} is closed and no
         * call of {@link #allocate} is under way any more.
         */
        default void close() {}
    }

    private final Kernel kernel;
    private final String name;
    private final @Nullable Path path;
    private final HeapProperties properties;
    private final Source source;
    private final boolean accessible;
    /** Whether its descriptors are known to be dma-bufs: the kernel gave them. */
    private final boolean ofTheKernel;

    private final String pool;
    private final Set<String> standsInFor;

    private int buffers;
    private long bytes;
    /** Calls of the source under way. */
    private int calls;

    private boolean closed;

    /** A heap of the kernel. */
    Heap(Kernel kernel, String name, Path path, HeapProperties properties, Source source) {
        this(kernel, name, path, properties, source, kernel.isReadable(path), true);
    }

    /** A registered one. */
    Heap(Kernel kernel, String name, HeapProperties properties, Source source) {
        this(kernel, name, null, properties, source, true, false);
    }

    private Heap(
            Kernel kernel,
            String name,
            @Nullable Path path,
            HeapProperties properties,
            Source source,
            boolean accessible,
            boolean ofTheKernel) {
        this.kernel = kernel;
        this.name = name;
        this.path = path;
        this.properties = Objects.requireNonNull(properties);
        this.source = Objects.requireNonNull(source);
        this.accessible = accessible;
        this.ofTheKernel = ofTheKernel;
        this.pool = HeapProperties.pool(name);
        this.standsInFor =
                properties.standsInFor().stream().map(HeapProperties::pool).collect(Collectors.toUnmodifiableSet());
    }

    /** {@return the name: that of the node, {@code udmabuf}, {@code udmabuf-huge}, or the one it was registered with} */
    public String name() {
        return name;
    }

    /** {@return the device node, if it is one} */
    public Optional<Path> path() {
        return Optional.ofNullable(path);
    }

    /** {@return what is known of its memory} */
    public HeapProperties properties() {
        return properties;
    }

    /** {@return whether this process could open the node when the heaps were listed} */
    public boolean isAccessible() {
        return accessible;
    }

    /** What stands for all names of this memory. */
    String pool() {
        return pool;
    }

    /** The pools it can stand in for by itself: see {@link Constraints#withStandIns}. */
    Set<String> standsInFor() {
        return standsInFor;
    }

    Optional<String> refusal(Constraints merged, long size) {
        return source.refusal(merged, size);
    }

    /**
     * Allocates from this very heap, whatever suits whom. {@link Cenalloc#create} is the way to let the devices decide.
     * Blocks while the kernel finds and clears the memory.
     *
     * <p>The system heap and udmabuf know no limit: the kernel (6.12) meets a request for more memory than is free by killing
     * processes, and this one has good prospects. So more than is available on the machine, or than this process's cgroup may
     * have beside what it has, is refused here, without asking. What was available may be gone by the time it is taken.
     *
     * @param size in bytes, positive; the kernel rounds it up to whole pages
     * @return a buffer that the caller closes, zeroed, readable and writable
     * @throws IllegalArgumentException if the size is not positive or not countable in pages
     * @throws IllegalStateException if the {@link Cenalloc} is closed, or the heap unregistered
     * @throws AccessDeniedException EACCES, EPERM: this process may not open the node
     * @throws MissingDeviceException ENOENT: the node is gone
     * @throws CenallocException with the errno of the kernel: ENOMEM if there is not enough memory, EMFILE if the process
     *     has too many files open; EINVAL for udmabuf beyond its limit; EPROTO if a registered heap gave less than it
     *     was asked for, ENOTTY or EBADF if it gave no dma-buf
     */
    public DmaBuf allocate(long size) throws CenallocException {
        Extent.checkSize(size);
        StackRoom.require();
        DmaBuf buffer = null;
        boolean kept = false;
        try {
            enter();
            try {
                int fd = source.allocate(size);
                buffer = ofTheKernel ? DmaBuf.own(kernel, fd, this) : adopt(fd, size);
            } finally {
                leave();
            }
            checkGiven(buffer.size(), size);
            kept = true;
            return buffer;
        } finally {
            // Closing the source may have thrown, too.
            if (!kept && buffer != null) {
                buffer.close();
            }
        }
    }

    private void checkGiven(long given, long size) throws CenallocException {
        if (given < size) {
            throw new CenallocException(
                    Errno.EPROTO,
                    "allocate",
                    path,
                    size,
                    "heap " + name + " gave only " + given + " bytes",
                    "it is a fault of the heap's source");
        }
    }

    private DmaBuf adopt(int fd, long size) throws CenallocException {
        try {
            return DmaBuf.adopt(kernel, fd, this);
        } catch (CenallocException e) {
            var named = new CenallocException(
                    e.errno(), "allocate", path, size, "what heap " + name + " gave is no dma-buf", e.remedy());
            named.initCause(e);
            throw named;
        }
    }

    private synchronized void enter() {
        if (closed) {
            throw new IllegalStateException("heap " + name + " is unregistered, or its Cenalloc is closed");
        }
        calls++;
    }

    private synchronized void leave() {
        calls--;
        if (closed && calls == 0) {
            source.close();
        }
    }

    /** A buffer of this heap has begun. */
    synchronized void gave(long size) {
        buffers++;
        bytes += size;
    }

    /** A buffer of this heap has ended. */
    synchronized void left(long size) {
        buffers--;
        bytes -= size;
    }

    /** {@return how many buffers of this heap this process has open} */
    public synchronized int buffers() {
        return buffers;
    }

    /** {@return how many bytes those have} */
    public synchronized long bytes() {
        return bytes;
    }

    /** Closes the source, but not while a buffer of the heap is open or on its way. */
    synchronized void closeIfUnused() {
        if (buffers + calls > 0) {
            throw new IllegalStateException(
                    "heap " + name + " is in use by " + (buffers + calls) + " buffers; close them first");
        }
        close();
    }

    /** No allocation begins any more; the source is closed when the last one has ended. */
    synchronized void close() {
        if (!closed) {
            StackRoom.require();
            closed = true;
            if (calls == 0) {
                source.close();
            }
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
