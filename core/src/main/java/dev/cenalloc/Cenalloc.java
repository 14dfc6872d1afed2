package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.Plan;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import java.util.WeakHashMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The context: knows the heaps of this machine and creates buffers, which outlive it. Closed by whoever opened it.
 * Safe for any number of threads.
 *
 * {@snippet :
 * try (var cenalloc = Cenalloc.open();
 *         var buffer = cenalloc.create(640 * 480 * 4)) {
 *     buffer.attach(camera);
 *     buffer.attach(display);
 *     queue(buffer.dmaBuf().fd());
 *     System.out.println(buffer.choice().orElseThrow().reason());
 * }
 * }
 */
public final class Cenalloc implements AutoCloseable {
    private static final Path HEAPS = Path.of("/dev/dma_heap");

    static {
        Seam.setKernels(context -> ((Cenalloc) context).kernel);
    }

    private final Kernel kernel;
    private final String remedyForNoHeap;
    /** Replaced as a whole, so that a plan sees one state of it. */
    private volatile Map<Heap, OpenHeap> open;
    /** The keys of {@link #open}, in their order. */
    private volatile List<Heap> heaps;
    /** Buffers that are open and not lost. */
    private final Set<SharedBuffer> buffers =
            Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));

    private boolean closed;

    private Cenalloc(Kernel kernel, List<OpenHeap> heaps, String remedyForNoHeap) {
        this.kernel = kernel;
        this.remedyForNoHeap = remedyForNoHeap;
        var map = new LinkedHashMap<Heap, OpenHeap>();
        heaps.forEach(heap -> map.put(heap.heap(), heap));
        this.open = map;
        this.heaps = List.copyOf(map.keySet());
    }

    /**
     * Lists the heaps of this machine: the nodes in {@code /dev/dma_heap} and udmabuf. Opens none. No heap is no error here:
     * the first use of a buffer reports it, with a remedy.
     *
     * @return the context, which the caller closes
     * @throws CenallocException with the errno of the kernel if {@code /dev/dma_heap} cannot be listed, for another reason
     *     than that it does not exist or that this user may not list it
     * @throws UnsupportedOperationException on anything but Linux on amd64 or aarch64
     */
    public static Cenalloc open() throws CenallocException {
        return open(LinuxKernel.instance(), HEAPS);
    }

    static Cenalloc open(Kernel kernel, Path directory) throws CenallocException {
        var heaps = new ArrayList<OpenHeap>();
        String remedy =
                "give the kernel a heap that does: CONFIG_DMABUF_HEAPS_SYSTEM, or CONFIG_UDMABUF for ordinary memory";
        try {
            for (String name : kernel.list(directory)) {
                Path path = directory.resolve(name);
                heaps.add(open(kernel, name, path, HeapProperties.of(name), new DmaHeapSource(kernel, path)));
            }
        } catch (NoSuchFileException e) {
            remedy =
                    directory + " does not exist: the kernel needs CONFIG_DMABUF_HEAPS (5.6 and later), and a container"
                            + " needs the directory from its host";
        } catch (AccessDeniedException e) {
            remedy = "let this user list " + directory;
        } catch (IOException e) {
            throw new CenallocException(
                    Errno.ENODEV,
                    "opendir",
                    directory,
                    -1,
                    "the heaps cannot be listed: " + e,
                    "see what " + directory + " is");
        }
        if (kernel.exists(UdmabufSource.PATH)) {
            heaps.add(udmabuf(kernel, HeapProperties.UDMABUF, false));
            if (UdmabufSource.hasHugePages(kernel)) {
                heaps.add(udmabuf(kernel, HeapProperties.UDMABUF_HUGE, true));
            }
        }
        return new Cenalloc(kernel, heaps, remedy);
    }

    private static OpenHeap udmabuf(Kernel kernel, String name, boolean huge) {
        var source = new UdmabufSource(kernel, huge);
        // If its limit is below a page, the allocation says so.
        HeapProperties properties = HeapProperties.of(name).withMaxSize(Math.max(1, source.maxSize()));
        return open(kernel, name, UdmabufSource.PATH, properties, source);
    }

    private static OpenHeap open(Kernel kernel, String name, Path node, HeapProperties properties, HeapSource source) {
        Heap heap = Heap.of(name, properties)
                .withNode(node, kernel.isReadable(node))
                .withRefusal(source::refusal);
        return new OpenHeap(kernel, heap, source, true);
    }

    // ---- heaps ----

    /** {@return the heaps of this machine by name, udmabuf, and registered heaps} */
    public List<Heap> heaps() {
        return heaps;
    }

    /**
     * {@return the heap with a name}
     *
     * @param name of a node, {@code "udmabuf"}, or of a registered heap; any name of the default CMA pool finds that pool
     * @throws MissingDeviceException ENOENT: there is no such heap; the message lists the heaps that there are
     */
    public Heap heap(String name) throws MissingDeviceException {
        Objects.requireNonNull(name, "name");
        List<Heap> all = heaps;
        return all.stream()
                .filter(heap -> heap.name().equals(name))
                .findFirst()
                .or(() -> all.stream()
                        .filter(heap -> heap.pool().equals(HeapProperties.pool(name)))
                        .findFirst())
                .orElseThrow(() -> new MissingDeviceException(
                        Errno.ENOENT,
                        "heap",
                        HEAPS.resolve(name),
                        -1,
                        all.isEmpty() ? remedyForNoHeap : "use one of " + all));
    }

    /**
     * Allocates from a heap, ignoring constraints. {@link #create} is the way to let the devices decide. Blocks while the
     * kernel finds and clears the memory.
     *
     * <p>The system heap has no limit: the kernel (6.12) meets a request for more memory than is free by killing processes.
     * So more than the machine has is refused here, without asking.
     *
     * @param heap one of the {@link #heaps()}
     * @param size in bytes, positive; the kernel rounds it up to whole pages
     * @return a buffer that the caller closes, zeroed, readable and writable
     * @throws IllegalArgumentException if the size is not positive or not countable in pages
     * @throws IllegalStateException if this context is closed, or the heap is not one of its heaps
     * @throws NoPermissionException EACCES, EPERM: this process may not open the node
     * @throws MissingDeviceException ENOENT: the node is gone
     * @throws CenallocException with the errno of the kernel: ENOMEM if there is not enough memory, EMFILE if the process
     *     has too many files open; EINVAL for udmabuf beyond its limit; EPROTO if a registered heap gave less than it
     *     was asked for, ENOTTY or EBADF if it gave no dma-buf
     */
    public DmaBuf allocate(Heap heap, long size) throws CenallocException {
        return opened(heap).allocate(size);
    }

    private OpenHeap opened(Heap heap) {
        OpenHeap opened = open.get(Objects.requireNonNull(heap, "heap"));
        if (opened == null) {
            throw new IllegalStateException("heap " + heap.name() + " is not one of " + heaps);
        }
        return opened;
    }

    /**
     * {@return what this process holds of a heap: buffers allocated through this context that are open}
     *
     * @param heap one of the {@link #heaps()}
     * @throws IllegalStateException if the heap is not one of its heaps
     */
    public HeapUsage usage(Heap heap) {
        return opened(heap).usage();
    }

    /**
     * Adds a heap of the program's own, for memory that the kernel has no node for.
     *
     * @param name an id, none that a heap has already
     * @param properties what is known of its memory; begin with {@link HeapProperties#UNKNOWN}
     * @param source where the memory comes from
     * @return the heap; {@link #unregister} or {@link #close} closes the source
     * @throws IllegalArgumentException if the name is blank or taken, or if heaps would substitute each other in a circle
     * @throws IllegalStateException if closed
     */
    public synchronized Heap register(String name, HeapProperties properties, HeapSource source) {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(properties, "properties");
        Objects.requireNonNull(source, "source");
        if (closed) {
            throw new IllegalStateException("the Cenalloc is closed");
        }
        Heap heap = Heap.of(name, properties).withRefusal(source::refusal);
        if (heaps.stream().anyMatch(other -> other.pool().equals(heap.pool()))) {
            throw new IllegalArgumentException("there is a heap " + name + " already, or another name of its pool");
        }
        refuseCircle(heap);
        var more = new LinkedHashMap<>(open);
        more.put(heap, new OpenHeap(kernel, heap, source, false));
        setHeaps(more);
        return heap;
    }

    private void setHeaps(Map<Heap, OpenHeap> changed) {
        open = changed;
        heaps = List.copyOf(changed.keySet());
    }

    private void refuseCircle(Heap heap) {
        var seen = new HashSet<String>();
        var left = new ArrayList<String>(heap.properties().substitutes());
        while (!left.isEmpty()) {
            String pool = HeapProperties.pool(left.removeLast());
            if (pool.equals(heap.pool())) {
                throw new IllegalArgumentException(heap.name() + " would substitute itself, through "
                        + heap.properties().substitutes());
            }
            if (seen.add(pool)) {
                heaps.stream()
                        .filter(other -> other.pool().equals(pool))
                        .forEach(other -> left.addAll(other.properties().substitutes()));
            }
        }
    }

    /**
     * Takes a registered heap away and closes its source. Plans that were made before find it gone.
     *
     * @param heap what {@link #register} returned
     * @throws IllegalArgumentException if it is not a registered heap of this context
     * @throws IllegalStateException if buffers of it are open; nothing has changed
     */
    public synchronized void unregister(Heap heap) {
        Objects.requireNonNull(heap, "heap");
        OpenHeap opened = open.get(heap);
        if (opened == null || heap.path().isPresent()) {
            throw new IllegalArgumentException(heap.name() + " is not a heap that was registered here");
        }
        Map<Heap, OpenHeap> before = open;
        var fewer = new LinkedHashMap<>(before);
        fewer.remove(heap);
        setHeaps(fewer);
        try {
            opened.closeIfUnused();
        } catch (IllegalStateException e) {
            setHeaps(before);
            throw e;
        }
    }

    // ---- buffers ----

    /**
     * Creates a buffer without memory: the devices that are attached to it decide where that will come from. Makes no system
     * call.
     *
     * @param size in bytes, positive
     * @return the buffer, which the caller closes
     * @throws IllegalArgumentException if the size is not positive or not countable in pages
     */
    public SharedBuffer create(long size) {
        return create(Demand.ofBytes(size));
    }

    /**
     * As {@link #create(long)}, for an image whose {@link SharedBuffer#layout layout} the devices decide: the memory grows
     * with their constraints on pitches and offsets.
     *
     * @param image a linear one in a format of one buffer
     * @return the buffer, which the caller closes
     * @throws IllegalArgumentException if the image is not linear, lies in several buffers, or has more bytes than a buffer
     */
    public SharedBuffer create(Image image) {
        return create(Demand.ofImage(image));
    }

    /**
     * As {@link #create(long)}, for any demand: an aligned number of bytes, or one of the buffers of an image whose planes have
     * buffers of their own. Each of those has its own devices, with their own constraints: see {@link Device#forUse}.
     *
     * @param demand what the buffer is for
     * @return the buffer, which the caller closes
     */
    public SharedBuffer create(Demand demand) {
        var buffer = new SharedBuffer(this, Objects.requireNonNull(demand, "demand"));
        buffers.add(buffer);
        return buffer;
    }

    /**
     * Takes over a descriptor that came from elsewhere, as a buffer that has its memory. A device that is attached is checked
     * against what is known of that memory from the exporter's name.
     *
     * @param fd the descriptor; it is this object's from now on, and closed if this method throws
     * @return the buffer, which the caller closes
     * @throws CenallocException ENOTTY if it is not a dma-buf, EBADF if it is not open, ENOENT if {@code /proc} is not mounted
     */
    public SharedBuffer adopt(int fd) throws CenallocException {
        return adopt(fd, null);
    }

    /**
     * As {@link #adopt(int)}, with what the caller knows of the memory.
     *
     * @param fd the descriptor; it is this object's from now on, and closed if this method throws
     * @param known what is known of the memory, in place of what the exporter's name tells; null if nothing is
     * @return the buffer, which the caller closes
     * @throws CenallocException as {@link #adopt(int)}
     */
    public SharedBuffer adopt(int fd, @Nullable HeapProperties known) throws CenallocException {
        DmaBuf dmaBuf = DmaBuf.adopt(kernel, fd, null);
        boolean adopted = false;
        try {
            String exporter = dmaBuf.exporter();
            HeapProperties properties = known == null ? HeapProperties.ofExporter(exporter) : known;
            Heap heap = heaps.stream()
                    .filter(one -> known == null && one.name().equals(exporter))
                    .findFirst()
                    .orElseGet(() -> Heap.of(exporter.isBlank() ? "unknown" : exporter, properties));
            var buffer = new SharedBuffer(this, dmaBuf, heap);
            buffers.add(buffer);
            adopted = true;
            return buffer;
        } catch (IOException e) {
            throw DmaBuf.unknown(e);
        } finally {
            if (!adopted) {
                dmaBuf.release(); // which may be a SharedBuffer's already
            }
        }
    }

    // ---- plans ----

    /**
     * {@return which heaps suit these devices, best first, and why the others do not} Makes no system call.
     *
     * @param size in bytes, positive
     * @param devices the participants, declared or real
     * @throws IllegalArgumentException if the size is not positive or not countable in pages
     */
    public Plan plan(long size, List<Device> devices) {
        return plan(Demand.ofBytes(size), devices);
    }

    /**
     * As {@link #plan(long, List)}, for an image whose layout the devices decide.
     *
     * @param image a linear one in a format of one buffer
     * @param devices the participants, declared or real
     * @return the plan
     * @throws IllegalArgumentException if the image is not linear, lies in several buffers, or has more bytes than a buffer
     */
    public Plan plan(Image image, List<Device> devices) {
        return plan(Demand.ofImage(image), devices);
    }

    /**
     * As {@link #plan(long, List)}, for any demand.
     *
     * @param demand what the buffer is for
     * @param devices the participants, declared or real
     * @return the plan
     */
    public Plan plan(Demand demand, List<Device> devices) {
        return Plan.of(demand, devices, heaps);
    }

    /** {@return the buffers that are open: size, name, memory, references, and the devices with their constraints; totals} */
    public String dump() {
        List<SharedBuffer> open;
        synchronized (buffers) {
            open = List.copyOf(buffers);
        }
        var text = new StringBuilder();
        long bytes = 0;
        for (SharedBuffer buffer : open) {
            text.append(buffer.dump()).append('\n');
            bytes += buffer.storageSize();
        }
        return text.append(open.size())
                .append(" buffers, ")
                .append(bytes)
                .append(" bytes of memory")
                .toString();
    }

    void forget(SharedBuffer buffer) {
        buffers.remove(buffer);
    }

    /**
     * {@return what the user of this machine can do if a plan has no heap, in words}
     *
     * @param plan without a candidate
     */
    public String remedy(Plan plan) {
        boolean contiguous = heaps.stream().anyMatch(heap -> heap.properties().contiguous() == Trait.YES);
        if (plan.constraints().isContiguous() && !contiguous && !heaps.isEmpty()) {
            return NoSuitableHeapException.NO_CONTIGUOUS_HEAP;
        }
        var known = heaps.stream().map(Heap::pool).collect(Collectors.toSet());
        var missing = plan.devices().stream()
                .flatMap(device -> device.constraints().allowedHeaps().stream())
                .flatMap(Set::stream)
                .filter(name -> !known.contains(name))
                .collect(Collectors.toCollection(TreeSet::new));
        if (!missing.isEmpty() && !heaps.isEmpty()) {
            return "the devices name heaps that are not here, " + missing + "; here are " + heaps;
        }
        return remedyForNoHeap;
    }

    OptionalLong cmaFree() {
        return kernel.meminfo("CmaFree");
    }

    OptionalLong cmaTotal() {
        return kernel.meminfo("CmaTotal");
    }

    /**
     * Closes the heaps. Buffers that exist stay; no buffer gets memory any more. Idempotent.
     *
     * @throws RuntimeException of the source of a registered heap, after all have been closed
     */
    @Override
    public synchronized void close() {
        closed = true;
        Throwable failure = null;
        for (OpenHeap heap : open.values()) {
            try {
                heap.close();
            } catch (RuntimeException | Error e) {
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure instanceof Error error) {
            throw error;
        }
        if (failure instanceof RuntimeException exception) {
            throw exception;
        }
    }
}
