package dev.cenalloc;

import dev.cenalloc.HeapProperties.Trait;
import dev.cenalloc.bindings.Errno;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import java.util.WeakHashMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

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
    static final String REMEDY_FOR_NO_CONTIGUOUS_HEAP =
            "there is no heap of contiguous memory: reserve some at boot (cma=128M on the kernel's command line) and"
                    + " build the kernel with CONFIG_DMABUF_HEAPS_CMA";

    private final Kernel kernel;
    private final String remedyForNoHeap;
    /** Replaced as a whole, so that a plan sees one state of it. */
    private volatile List<Heap> heaps;
    /** Those that are open and not lost. */
    private final Set<SharedBuffer> buffers =
            Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));

    /** What {@link Probe} found out; its lock is held during a trial. */
    final Map<Probe.Key, Device> probed = new ConcurrentHashMap<>();

    /** What the answers to probes were for images of a class; guarded by {@link #probed}. */
    final Map<Probe.ImageClass, List<Probe.Answer>> tried = new HashMap<>();

    private boolean closed;

    private Cenalloc(Kernel kernel, List<Heap> heaps, String remedyForNoHeap) {
        this.kernel = kernel;
        this.heaps = List.copyOf(heaps);
        this.remedyForNoHeap = remedyForNoHeap;
    }

    /**
     * Lists the heaps of this machine, the nodes in {@code /dev/dma_heap} and udmabuf; opens none. That there are none is no
     * error here: the first use of a buffer says so, with what to do about it.
     *
     * @return the context, which the caller closes
     * @throws CenallocException ENODEV if {@code /dev/dma_heap} cannot be listed, for another reason than that it is not there
     *     or that this user may not
     * @throws UnsupportedOperationException on anything but Linux on amd64 or aarch64
     */
    public static Cenalloc open() throws CenallocException {
        return open(new LinuxKernel(), HEAPS);
    }

    static Cenalloc open(Kernel kernel, Path directory) throws CenallocException {
        var heaps = new ArrayList<Heap>();
        String remedy =
                "give the kernel a heap that does: CONFIG_DMABUF_HEAPS_SYSTEM, or CONFIG_UDMABUF for ordinary memory";
        try {
            for (String name : kernel.list(directory)) {
                Path path = directory.resolve(name);
                heaps.add(new Heap(kernel, name, path, HeapProperties.of(name), new DmaHeapSource(kernel, path)));
            }
        } catch (NoSuchFileException e) {
            remedy =
                    directory + " does not exist: the kernel needs CONFIG_DMABUF_HEAPS (5.6 and later), and a container"
                            + " needs the directory from its host";
        } catch (java.nio.file.AccessDeniedException e) {
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

    private static Heap udmabuf(Kernel kernel, String name, boolean huge) {
        var source = new UdmabufSource(kernel, huge);
        // If its limit is below a page, the allocation says so.
        HeapProperties properties = HeapProperties.of(name).withMaxSize(Math.max(1, source.maxSize()));
        return new Heap(kernel, name, UdmabufSource.PATH, properties, source);
    }

    /** {@return the heaps of this machine by name, udmabuf, and those that were registered} */
    public List<Heap> heaps() {
        return heaps;
    }

    /**
     * Adds a heap of the program's own, for what the kernel has no node for.
     *
     * @param name an id, none that a heap has already
     * @param properties what is known of its memory; begin with {@link HeapProperties#UNKNOWN}
     * @param source where the memory comes from
     * @return the heap; {@link #unregister} or {@link #close} closes the source
     * @throws IllegalArgumentException if the name is blank or taken, or if heaps would stand in for each other in a circle
     * @throws NullPointerException if something is missing
     * @throws IllegalStateException if closed
     */
    public synchronized Heap register(String name, HeapProperties properties, Heap.Source source) {
        if (closed) {
            throw new IllegalStateException("the Cenalloc is closed");
        }
        if (name.isBlank()) {
            throw new IllegalArgumentException("a heap has a name");
        }
        if (heaps.stream().anyMatch(heap -> heap.pool().equals(HeapProperties.pool(name)))) {
            throw new IllegalArgumentException("there is a heap " + name + ", or another name of its pool");
        }
        refuseCircle(name, properties);
        var heap = new Heap(kernel, name, properties, source);
        var more = new ArrayList<>(heaps);
        more.add(heap);
        heaps = List.copyOf(more);
        return heap;
    }

    private void refuseCircle(String name, HeapProperties properties) {
        var all = new HashSet<String>();
        var open = new ArrayList<String>(properties.standsInFor());
        while (!open.isEmpty()) {
            String pool = HeapProperties.pool(open.removeLast());
            if (pool.equals(HeapProperties.pool(name))) {
                throw new IllegalArgumentException(
                        name + " would stand in for itself, through " + properties.standsInFor());
            }
            if (all.add(pool)) {
                heaps.stream()
                        .filter(heap -> heap.pool().equals(pool))
                        .forEach(heap -> open.addAll(heap.standsInFor()));
            }
        }
    }

    /**
     * Takes a registered heap away and closes its source.
     *
     * @param heap what {@link #register} returned
     * @throws IllegalArgumentException if it is not one that was registered here
     * @throws IllegalStateException if buffers of it are open; nothing has changed
     */
    public synchronized void unregister(Heap heap) {
        if (!heaps.contains(heap) || heap.path().isPresent()) {
            throw new IllegalArgumentException("heap " + heap.name() + " is not registered here");
        }
        List<Heap> before = heaps;
        // First, so that a first use that finds it closed finds another plan.
        heaps = before.stream().filter(other -> !other.equals(heap)).toList();
        try {
            heap.closeIfUnused();
        } catch (IllegalStateException e) {
            heaps = before;
            throw e;
        }
    }

    /**
     * Creates a buffer without memory: the devices that are attached to it decide where that will come from. No system
     * call is made.
     *
     * @param size in bytes, positive
     * @return the buffer, which the caller closes
     * @throws IllegalArgumentException if the size is not positive or not countable in pages
     */
    public SharedBuffer create(long size) {
        return created(Extent.ofBytes(size, 1));
    }

    /**
     * As {@link #create(long)}, with a size that is rounded up to a multiple. The memory begins at a page. That its address
     * is a multiple of more than that cannot be asked of a heap; a device that would like it says
     * {@link Constraints#baseAlignment}.
     *
     * @param size in bytes, positive
     * @param alignment a power of two
     * @return the buffer, which the caller closes
     * @throws IllegalArgumentException if the size is not positive, the alignment no power of two, or the sum not countable
     */
    public SharedBuffer create(long size, long alignment) {
        return created(Extent.ofBytes(size, alignment));
    }

    /**
     * As {@link #create(long)}, for an image whose {@link Layout} the devices decide: the memory grows with what they say of
     * pitch and of the planes' offsets.
     *
     * @param image a linear one in a format of one buffer
     * @return the buffer, which the caller closes; {@link SharedBuffer#layout} tells where the image lies
     * @throws IllegalArgumentException if the image is not linear, lies in several buffers, or has more bytes than a buffer
     */
    public SharedBuffer create(Image image) {
        checkOneBuffer(image);
        return create(image, 0);
    }

    /**
     * As {@link #create(Image)}, for one of the buffers of an image whose planes have buffers of their own. Each has its own
     * devices, which may ask for different things: see {@link Device#forUse}.
     *
     * @param image a linear one
     * @param buffer which of the image's buffers, from 0; see {@link PixelFormat#buffers}
     * @return the buffer, which the caller closes
     * @throws IllegalArgumentException if the image is not linear, has no such buffer, or has more bytes than a buffer
     */
    public SharedBuffer create(Image image, int buffer) {
        return created(Extent.ofImage(image, buffer));
    }

    private static void checkOneBuffer(Image image) {
        if (image.format().buffers() != 1) {
            throw new IllegalArgumentException(
                    image + " lies in " + image.format().buffers() + " buffers: say which of them");
        }
    }

    private SharedBuffer created(Extent extent) {
        var buffer = new SharedBuffer(this, extent);
        buffers.add(buffer);
        return buffer;
    }

    /**
     * Takes over a descriptor that came from elsewhere, as a buffer that has its memory: a device that is attached is
     * checked against what is known of that, from the exporter's name.
     *
     * @param fd the descriptor; it is this object's from now on, and closed if this method throws
     * @return the buffer, which the caller closes
     * @throws CenallocException ENOTTY if it is not a dma-buf, EBADF if it is not open, ENOENT if {@code /proc} is not mounted
     */
    public SharedBuffer adopt(int fd) throws CenallocException {
        DmaBuf dmaBuf = DmaBuf.adopt(kernel, fd, null);
        boolean adopted = false;
        try {
            String exporter = dmaBuf.exporter();
            Heap heap = heaps.stream()
                    .filter(one -> one.name().equals(exporter))
                    .findFirst()
                    .orElseGet(() -> new Heap(kernel, exporter, HeapProperties.of(exporter), NOTHING));
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

    /** Of an exporter that is no heap. */
    private static final Heap.Source NOTHING = size -> {
        throw CenallocException.of(Errno.ENODEV, "allocate", size);
    };

    /**
     * {@return what finds out which images a device gives and takes, and which memory for them} Opens the node, to ask for the
     * driver's name, and closes it.
     *
     * @param node a V4L2 node that captures, shows or converts video, such as {@code /dev/video0}, or a DRM card, such as
     *     {@code /dev/dri/card0}
     * @throws AccessDeniedException EACCES, EPERM: this process may not open the node
     * @throws MissingDeviceException ENOENT: there is no such node
     * @throws CenallocException ENOTTY if it is neither; EINVAL if it has no video in buffers; else the errno of the driver
     */
    public Probe probe(Path node) throws CenallocException {
        return Probe.of(this, kernel, node);
    }

    /**
     * {@return which heaps suit these devices, best first, and why the others do not} Asks nothing of the kernel.
     *
     * @param size in bytes, positive
     * @param devices the participants, declared or real
     * @throws IllegalArgumentException if the size is not positive or not countable in pages
     */
    public Plan plan(long size, List<Device> devices) {
        return Plan.solve(Extent.ofBytes(size, 1), List.copyOf(devices), heaps);
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
        checkOneBuffer(image);
        return plan(image, 0, devices);
    }

    /**
     * As {@link #plan(Image, List)}, for one of the buffers of an image whose planes have buffers of their own.
     *
     * @param image a linear one
     * @param buffer which of the image's buffers, from 0; see {@link PixelFormat#buffers}
     * @param devices the participants, declared or real
     * @return the plan
     * @throws IllegalArgumentException if the image is not linear, has no such buffer, or has more bytes than a buffer
     */
    public Plan plan(Image image, int buffer, List<Device> devices) {
        return Plan.solve(Extent.ofImage(image, buffer), List.copyOf(devices), heaps);
    }

    /**
     * Finds the best images that all of these devices have in common, for which there is memory that suits them all. The best
     * is:
     *
     * <ol>
     *   <li>The format that is wished for; else the one with the most bits of colour in a pixel, of these the one with the fewest
     *       bytes, of these the one that the producer names first.
     *   <li>The size that is wished for; else the largest area among the sizes at which the rate that is wished for is reached,
     *       without a wish 29.97, which television calls 30; if it is reached at none, the largest area. Of equal areas the one that
     *       the producer names first, then the wider.
     *   <li>The rate that is wished for, or the nearest above it that all have, or if there is none, below; without a wish the highest
     *       that all have, and if none of them sets a limit, the nearest to 30.
     * </ol>
     *
     * <p>The size and the rate are chosen for each format, and then the memory is planned, in that order of formats: each device is
     * asked what memory it takes for the {@link Layout}, and again if all of them together change it. The first format for which
     * there is a heap wins.
     *
     * <p>Ports of declared devices ask nothing of the kernel. Others may try imports, and block for as long as {@link
     * Probe#device} does.
     *
     * @param wish what the caller insists on; {@link Wish#ANYTHING} leaves it all to the devices
     * @param ports all that take part, at least one; the first is the producer
     * @return what they agree on; it holds nothing open, and no memory has been allocated for it
     * @throws IllegalArgumentException if there is no port
     * @throws NoCommonImageException EINVAL: there are no such images. It names the smallest set of ports that clash; if there are
     *     images but no memory for them, it tells for each why
     * @throws AccessDeniedException EACCES, EPERM: this process may not open the node of a device
     * @throws MissingDeviceException ENOENT: the node of a device is gone
     * @throws CenallocException ENODEV: a device was unplugged
     */
    public Agreement negotiate(Wish wish, List<Port> ports) throws CenallocException {
        return new Negotiation(this, wish, ports).agree();
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

    String remedyForNoHeap(Plan plan) {
        boolean contiguous = heaps.stream().anyMatch(heap -> heap.properties().contiguous() == Trait.YES);
        if (plan.constraints().isContiguous() && !contiguous && !heaps.isEmpty()) {
            return REMEDY_FOR_NO_CONTIGUOUS_HEAP;
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
        for (Heap heap : heaps) {
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
