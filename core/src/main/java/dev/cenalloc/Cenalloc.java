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
import dev.cenalloc.plan.Statement;
import dev.cenalloc.text.Printable;
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
import java.util.Set;
import java.util.TreeSet;
import java.util.WeakHashMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The context: it knows the heaps of this machine and creates buffers. Closed by the caller of {@link #open}; its
 * buffers stay usable. Safe for any number of threads.
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
    /** The remedy for devices that conflict. */
    static final String LEAVE_ONE_OUT = "leave one of the devices out, or copy between two buffers";

    static {
        Seam.setKernels(context -> ((Cenalloc) context).kernel);
    }

    private final Kernel kernel;
    private final String remedyForNoHeap;
    /** Replaced as a whole, so that a plan sees one state of it. */
    private volatile Map<Heap, OpenHeap> open;
    /** The keys of {@link #open}, in their order. */
    private volatile List<Heap> heaps;
    /** The buffers that are open and reachable. */
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
     * Lists the heaps of this machine: the nodes in {@code /dev/dma_heap} and udmabuf. Opens none of them. A machine
     * without heaps is no error here; the first use of a buffer throws, with a remedy. Does not block.
     *
     * @return the context, which the caller closes
     * @throws CenallocException ENODEV: {@code /dev/dma_heap} exists and cannot be listed; a user without permission to
     *     list it gets a context without its heaps
     * @throws UnsupportedOperationException on other systems than Linux on amd64 or aarch64
     * @throws IllegalCallerException if Java denies native access
     */
    public static Cenalloc open() throws CenallocException {
        return open(LinuxKernel.instance(), HEAPS);
    }

    static Cenalloc open(Kernel kernel, Path directory) throws CenallocException {
        var heaps = new ArrayList<OpenHeap>();
        String remedy = "use a kernel with CONFIG_DMABUF_HEAPS_SYSTEM, or with CONFIG_UDMABUF for ordinary memory";
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
        // If the limit is below a page, the allocation reports it.
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

    /** {@return the heaps of this machine, sorted by name; then udmabuf, then registered heaps} */
    public List<Heap> heaps() {
        return heaps;
    }

    /**
     * {@return the heap with a name}
     *
     * @param name the name of a node or of a registered heap, or {@code "udmabuf"}; any name of the default CMA pool
     *     finds that pool
     * @throws MissingDeviceException ENOENT: no heap has this name; the message lists the heaps
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
     * Allocates from a heap, ignoring constraints. With {@link #create}, the devices decide instead. Blocks while the
     * kernel finds and clears the memory.
     *
     * <p>The system heap has no limit: if a request exceeds the free memory, the kernel (6.12) kills processes. So a
     * request that exceeds the available memory is refused here with ENOMEM.
     *
     * @param heap one of the {@link #heaps()}
     * @param size in bytes, positive; the kernel rounds it up to whole pages
     * @return a buffer, zeroed, readable and writable, which the caller closes
     * @throws IllegalArgumentException if the size is not positive, or not countable in pages
     * @throws IllegalStateException if this context is closed, or the heap is not one of its heaps
     * @throws NoPermissionException EACCES, EPERM: this process may not open the node
     * @throws MissingDeviceException ENOENT: the node is gone
     * @throws CenallocException with the errno of the kernel: ENOMEM if there is not enough memory; EMFILE if the
     *     process has too many files open; EINVAL if the size exceeds the limit of udmabuf; EPROTO if the source of a
     *     registered heap returned less memory than requested; ENOTTY or EBADF if it returned no dma-buf
     */
    public DmaBuf allocate(Heap heap, long size) throws CenallocException {
        return opened(heap).allocate(size);
    }

    private OpenHeap opened(Heap heap) {
        OpenHeap opened = open.get(Objects.requireNonNull(heap, "heap"));
        if (opened == null) {
            throw new IllegalStateException("heap " + heap + " is not one of " + heaps);
        }
        return opened;
    }

    /**
     * {@return the open buffers of a heap, of those allocated through this context}
     *
     * @param heap one of the {@link #heaps()}
     * @throws IllegalStateException if the heap is not one of its heaps
     */
    public HeapUsage usage(Heap heap) {
        return opened(heap).usage();
    }

    /**
     * Adds a heap of the program's own, for memory without a node in {@code /dev/dma_heap}.
     *
     * @param name a name that no heap has yet
     * @param properties what is known of its memory; begin with {@link HeapProperties#UNKNOWN}
     * @param source allocates the memory
     * @return the heap; {@link #unregister} or {@link #close} closes the source
     * @throws IllegalArgumentException if the name is blank or taken, or if heaps would substitute each other in a
     *     circle; the source stays the caller's
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
            throw new IllegalArgumentException("the name of heap " + heap + " is taken, or another name of its pool");
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
                throw new IllegalArgumentException(heap + " would substitute itself, through "
                        + Printable.of(heap.properties().substitutes().toString()));
            }
            if (seen.add(pool)) {
                heaps.stream()
                        .filter(other -> other.pool().equals(pool))
                        .forEach(other -> left.addAll(other.properties().substitutes()));
            }
        }
    }

    /**
     * Removes a registered heap and closes its source. A first use that is under way plans again without it.
     *
     * @param heap a heap that {@link #register} returned
     * @throws IllegalArgumentException if it is not a registered heap of this context
     * @throws IllegalStateException if buffers of it are open; nothing has changed
     */
    public synchronized void unregister(Heap heap) {
        Objects.requireNonNull(heap, "heap");
        OpenHeap opened = open.get(heap);
        if (opened == null || heap.path().isPresent()) {
            throw new IllegalArgumentException(heap + " is not a heap that was registered here");
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
     * Creates a buffer without memory. The devices that are attached to it decide which heap its memory comes from.
     * Makes no system call.
     *
     * @param size in bytes, positive
     * @return the buffer, which the caller closes
     * @throws IllegalArgumentException if the size is not positive, or not countable in pages
     */
    public SharedBuffer create(long size) {
        return create(Demand.ofBytes(size));
    }

    /**
     * As {@link #create(long)}, for an image. The devices decide its {@link SharedBuffer#layout layout}: the memory
     * grows with their constraints on pitches and offsets.
     *
     * @param image linear, in a format that has all planes in one buffer
     * @return the buffer, which the caller closes
     * @throws IllegalArgumentException if the image is not linear, its planes have several buffers, or it is too large
     */
    public SharedBuffer create(Image image) {
        return create(Demand.ofImage(Objects.requireNonNull(image, "image")));
    }

    /**
     * As {@link #create(long)}, for any demand: an aligned number of bytes, or one buffer of an image whose planes have
     * separate buffers. Each of these has its own devices, with their own constraints: see {@link Device#forUse}.
     *
     * @param demand the size or image of the buffer
     * @return the buffer, which the caller closes
     */
    public SharedBuffer create(Demand demand) {
        var buffer = new SharedBuffer(this, Objects.requireNonNull(demand, "demand"));
        buffers.add(buffer);
        return buffer;
    }

    /**
     * Takes over a descriptor of a driver or of another process, as a buffer that has its memory already. A device that
     * is attached is checked against the properties of that memory, which the exporter's name implies.
     *
     * @param fd the descriptor of a dma-buf; the buffer owns it from now on; if this method throws, it is closed
     * @return the buffer, which the caller closes
     * @throws CenallocException ENOTTY if it is not a dma-buf; EBADF if it is not open; ENOENT if {@code /proc} is not
     *     mounted
     */
    public SharedBuffer adopt(int fd) throws CenallocException {
        return adopt(fd, null);
    }

    /**
     * As {@link #adopt(int)}, for memory whose properties the caller knows.
     *
     * @param fd the descriptor of a dma-buf; the buffer owns it from now on; if this method throws, it is closed
     * @param known the properties of the memory; null to take those that the exporter's name implies
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
            throw FdInfo.unreadable(e);
        } finally {
            if (!adopted) {
                dmaBuf.release(); // close() would do nothing if a SharedBuffer owns it already
            }
        }
    }

    // ---- plans ----

    /**
     * {@return the heaps that suit these devices, best first, and the reasons against the others} Makes no system call.
     *
     * @param size in bytes, positive
     * @param devices the devices, declared or probed
     * @throws IllegalArgumentException if the size is not positive, or not countable in pages
     */
    public Plan plan(long size, List<Device> devices) {
        return plan(Demand.ofBytes(size), devices);
    }

    /**
     * As {@link #plan(long, List)}, for an image whose layout the devices decide.
     *
     * @param image linear, in a format that has all planes in one buffer
     * @param devices the devices, declared or probed
     * @return the plan
     * @throws IllegalArgumentException if the image is not linear, its planes have several buffers, or it is too large
     */
    public Plan plan(Image image, List<Device> devices) {
        return plan(Demand.ofImage(Objects.requireNonNull(image, "image")), devices);
    }

    /**
     * As {@link #plan(long, List)}, for any demand.
     *
     * @param demand the size or image of the buffer
     * @param devices the devices, declared or probed
     * @return the plan
     */
    public Plan plan(Demand demand, List<Device> devices) {
        return Plan.of(Objects.requireNonNull(demand, "demand"), Objects.requireNonNull(devices, "devices"), heaps);
    }

    /**
     * {@return the open buffers in lines: size, name, memory, references, devices with their constraints; then the
     * totals} Reads {@code /proc}.
     */
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
     * {@return one thing that can be done on this machine if a plan has no candidate, in words} If this machine has no
     * heap, that is how to get one.
     *
     * @param plan a plan without a candidate
     */
    public String remedy(Plan plan) {
        Objects.requireNonNull(plan, "plan");
        List<Heap> all = heaps;
        if (!Plan.contradictions(plan.demand(), plan.attached(), all).isEmpty()) {
            return LEAVE_ONE_OUT;
        }
        if (all.isEmpty()) {
            return remedyForNoHeap;
        }
        boolean contiguous = all.stream().anyMatch(heap -> heap.properties().contiguous() == Trait.YES);
        if (plan.constraints().isContiguous() && !contiguous) {
            return NoSuitableHeapException.NO_CONTIGUOUS_HEAP;
        }
        var known = all.stream().map(Heap::pool).collect(Collectors.toSet());
        var missing = plan.devices().stream()
                .flatMap(device -> device.constraints().allowedHeaps().stream())
                .flatMap(Set::stream)
                .filter(name -> !known.contains(HeapProperties.pool(name)))
                .collect(Collectors.toCollection(TreeSet::new));
        if (!missing.isEmpty()) {
            return "the devices name heaps that this machine does not have, " + Printable.of(missing.toString())
                    + "; it has " + all;
        }
        boolean severalDevices = plan.conflicts().stream()
                .anyMatch(conflict -> conflict.statements().stream()
                                .map(Statement::device)
                                .distinct()
                                .count()
                        > 1);
        return severalDevices ? LEAVE_ONE_OUT : remedyForNoHeap;
    }

    /** What the kernel says of memory at this moment. */
    MemoryExhaustedException.Memory memory() {
        return new MemoryExhaustedException.Memory(
                kernel.meminfo("MemTotal"), kernel.meminfo("CmaFree"), kernel.meminfo("CmaTotal"));
    }

    /**
     * Closes the heaps. Existing memory stays; no buffer gets memory any more. Idempotent.
     *
     * @throws RuntimeException the exception of a registered heap's source, after all sources have been closed
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
