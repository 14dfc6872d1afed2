// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.text.Count;
import dev.cenalloc.text.Printable;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.WeakHashMap;
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
    static {
        Failures.prepare();
        Seam.setKernels(context -> ((Cenalloc) context).kernel);
    }

    private final Kernel kernel;
    private final Heaps heaps;
    /** The buffers that are open and reachable. */
    private final Set<SharedBuffer> buffers =
            Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));

    private final Object publishing = new Object();
    /** Guarded by {@link #publishing}; null if it is not published. */
    private @Nullable Published published;
    /** Guarded by {@link #publishing}. */
    private boolean closed;

    private Cenalloc(Kernel kernel, Heaps heaps) {
        this.kernel = kernel;
        this.heaps = heaps;
    }

    /**
     * Lists the heaps of this machine: the nodes in {@code /dev/dma_heap} and udmabuf. Opens none of them. A machine
     * without heaps is no error here; the first use of a buffer throws, with a remedy. Does not block.
     *
     * @return the context, which the caller closes
     * @throws CenallocException with the errno of a question that failed, such as EMFILE, ENFILE or ENOMEM: what this
     *     machine has is not known then. A user without permission to list {@code /dev/dma_heap} gets a context without
     *     its heaps
     * @throws UnsupportedOperationException on other systems than Linux on amd64 or aarch64
     * @throws IllegalCallerException if Java denies native access
     */
    public static Cenalloc open() throws CenallocException {
        return open(LinuxKernel.instance(), Heaps.DIRECTORY);
    }

    static Cenalloc open(Kernel kernel, Path directory) throws CenallocException {
        return new Cenalloc(kernel, Heaps.list(kernel, directory));
    }

    // ---- heaps ----

    /** {@return the heaps of this machine, sorted by name; then udmabuf, then registered heaps} */
    public List<Heap> heaps() {
        return heaps.all();
    }

    /**
     * {@return the heap with a name}
     *
     * @param name the name of a node or of a registered heap, or {@code "udmabuf"}; any name of the default CMA pool
     *     finds that pool
     * @throws MissingDeviceException ENOENT: no heap has this name; the message lists the heaps
     */
    public Heap heap(String name) throws MissingDeviceException {
        return heaps.named(Objects.requireNonNull(name, "name"));
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
        return allocate(heap, size, "");
    }

    /** As {@link #allocate(Heap, long)}, with a name in the kernel's lists; empty if the program gave none. */
    DmaBuf allocate(Heap heap, long size, String name) throws CenallocException {
        return heaps.opened(Objects.requireNonNull(heap, "heap")).allocate(size, name);
    }

    /**
     * States what is known of memory whose name tells nothing: of a heap of the kernel, also of one that appears later,
     * or of dma-bufs of an exporter that are {@linkplain #adopt(int) adopted}. Devices get the memory from then on as
     * that of any known heap. Takes the place of what the name implies, and of what was stated before. Plans that exist
     * already stay as they are.
     *
     * @param name of a node in {@code /dev/dma_heap}, or of an exporter ({@link DmaBuf#exporter})
     * @param properties what is known; begin with {@link HeapProperties#UNKNOWN}, and say {@code
     *     withOnlyWhenNamed(false)} if any device may get it
     * @throws IllegalArgumentException if the name is blank or that of a {@linkplain #register registered} heap, or if
     *     heaps would substitute each other in a circle
     */
    public void describe(String name, HeapProperties properties) {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(properties, "properties");
        if (name.isBlank()) {
            throw new IllegalArgumentException("name must not be blank");
        }
        heaps.describe(name, properties);
    }

    /**
     * Looks for heaps whose nodes appeared since this context was opened, as when a driver is loaded late. A first use
     * without a suitable heap does so by itself, and a negotiation if there was no heap at all.
     *
     * @return whether there are new ones
     * @throws IllegalStateException if closed
     * @throws CenallocException as {@link #open()}
     */
    public boolean refresh() throws CenallocException {
        return heaps.refresh();
    }

    /**
     * {@return what this context has counted of the buffers of a heap}
     *
     * @param heap one of the {@link #heaps()}
     * @throws IllegalStateException if the heap is not one of its heaps
     */
    public HeapUsage usage(Heap heap) {
        return heaps.opened(Objects.requireNonNull(heap, "heap")).usage();
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
    public Heap register(String name, HeapProperties properties, HeapSource source) {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(properties, "properties");
        Objects.requireNonNull(source, "source");
        return heaps.register(name, properties, source);
    }

    /**
     * Removes a registered heap and closes its source. A first use that is under way plans again without it.
     *
     * @param heap a heap that {@link #register} returned
     * @throws IllegalArgumentException if it is not a registered heap of this context
     * @throws IllegalStateException if buffers of it are open; nothing has changed
     */
    public void unregister(Heap heap) {
        Objects.requireNonNull(heap, "heap");
        heaps.unregister(heap);
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
     * @throws IllegalArgumentException if an open object of this library has the number already; nothing has changed
     * @throws CenallocException ENOTTY if it is not a dma-buf; EBADF if it is not open; ENOENT if {@code /proc} is not
     *     mounted, else the errno of reading it, such as EMFILE
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
     * @throws IllegalArgumentException as {@link #adopt(int)}
     * @throws CenallocException as {@link #adopt(int)}
     */
    public SharedBuffer adopt(int fd, @Nullable HeapProperties known) throws CenallocException {
        return adopt(fd, null, known);
    }

    /**
     * As {@link #adopt(int)}, for memory of which the caller knows what it holds: an image in a layout, or a number of
     * bytes, of which the memory is whole pages. Devices that are attached then are checked against that.
     *
     * @param fd the descriptor of a dma-buf; the buffer owns it from now on; if this method throws, it is closed
     * @param holds {@link Demand#ofLayout} or {@link Demand#ofBytes}; null if it is not known
     * @param known the properties of the memory; null to take those that the exporter's name implies
     * @return the buffer, which the caller closes
     * @throws IllegalArgumentException as {@link #adopt(int)}
     * @throws CenallocException EINVAL: the dma-buf has fewer bytes than it is said to hold; else as {@link
     *     #adopt(int)}
     */
    public SharedBuffer adopt(int fd, @Nullable Demand holds, @Nullable HeapProperties known) throws CenallocException {
        try {
            SharedBuffer buffer = adopted(fd, holds, known);
            heaps.adopted().tried(true);
            return buffer;
        } catch (CenallocException e) {
            heaps.adopted().tried(false);
            throw e;
        }
    }

    private SharedBuffer adopted(int fd, @Nullable Demand holds, @Nullable HeapProperties known)
            throws CenallocException {
        DmaBuf dmaBuf = DmaBuf.adopt(kernel, fd, heaps.adopted());
        boolean adopted = false;
        try {
            Demand demand = holds == null ? Demand.ofBytes(dmaBuf.size()) : holds;
            if (demand.bytes() > dmaBuf.size()) {
                throw new CenallocException(
                        Errno.EINVAL,
                        "adopt",
                        null,
                        demand.bytes(),
                        "the dma-buf has " + dmaBuf.size() + " bytes, and " + demand + " needs " + demand.bytes(),
                        "pass the layout that the sender has");
            }
            String exporter = dmaBuf.exporterName();
            HeapProperties properties = known == null ? heaps.ofExporter(exporter) : known;
            Heap heap = heaps.all().stream()
                    .filter(one -> known == null && one.name().equals(exporter))
                    .findFirst()
                    .orElseGet(() -> Heap.of(exporter.isBlank() ? "unknown" : exporter, properties)
                            .withPageSize(kernel.pageSize()));
            var buffer = new SharedBuffer(this, demand, dmaBuf, heap);
            buffers.add(buffer);
            adopted = true;
            return buffer;
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
        return Plan.of(Objects.requireNonNull(demand, "demand"), Objects.requireNonNull(devices, "devices"), heaps());
    }

    // ---- what there is ----

    /**
     * {@return what this context has counted, of all buffers and of each heap} Makes no system call. The numbers of a
     * heap are of one moment; those of two heaps are not, while other threads allocate.
     */
    public Statistics statistics() {
        return heaps.statistics();
    }

    /**
     * {@return the open buffers of this context: those with memory first, the oldest first; then those without} Reads
     * {@code /proc}. Not of one moment, while other threads allocate and close.
     */
    public List<BufferInfo> buffers() {
        List<SharedBuffer> open;
        synchronized (buffers) {
            open = List.copyOf(buffers);
        }
        var infos = new ArrayList<BufferInfo>();
        for (SharedBuffer buffer : open) {
            buffer.info().ifPresent(infos::add);
        }
        for (HeldBuffer held : heaps.buffers()) {
            if (!held.shared) {
                Demand demand = Demand.ofBytes(held.size);
                infos.add(new BufferInfo(demand, held.name, Optional.of(held.info()), Constraints.NONE, List.of()));
            }
        }
        infos.sort(Comparator.comparing(
                info -> info.memory().map(BufferInfo.Memory::since).orElse(Instant.MAX)));
        return List.copyOf(infos);
    }

    /**
     * {@return the {@link #buffers} in lines: size, name, memory, references, devices with their constraints; then the
     * totals} Reads {@code /proc}.
     */
    public String dump() {
        List<BufferInfo> all = buffers();
        var text = new StringBuilder();
        all.forEach(info -> text.append(info).append('\n'));
        long bytes = all.stream()
                .flatMap(info -> info.memory().stream())
                .mapToLong(BufferInfo.Memory::size)
                .sum();
        return Printable.wrapped(text.append(Count.of(all.size(), "buffer"))
                .append(", ")
                .append(bytes)
                .append(" bytes of memory")
                .toString());
    }

    /**
     * Shows the {@link #statistics} to monitoring tools, as a {@link CenallocMXBean} of the platform's MBean server by
     * the name {@code dev.cenalloc:type=Cenalloc,name=NAME}. {@link #close} takes it out again; until then it keeps
     * this context reachable. The first use of JMX in a process loads some hundred classes of module java.management.
     *
     * @param name tells it from other contexts; one with other characters than letters, digits, {@code -_.} and spaces
     *     is quoted, as {@code ObjectName.quote} does
     * @throws IllegalArgumentException if the name is blank, or another context is published by it
     * @throws IllegalStateException if closed, or published already
     */
    public void publish(String name) {
        Objects.requireNonNull(name, "name");
        if (name.isBlank()) {
            throw new IllegalArgumentException("name must not be blank");
        }
        synchronized (publishing) {
            if (closed || published != null) {
                throw new IllegalStateException(
                        closed ? "the Cenalloc is closed" : "the Cenalloc is published already");
            }
            published = Published.register(this, name);
        }
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
        return heaps.remedy(plan);
    }

    /** What the kernel says of memory at this moment, and what of these heaps' memory is open here. */
    MemoryExhaustedException.Memory memory(List<Heap> tried) {
        var own = new LinkedHashMap<Heap, Long>();
        tried.forEach(heap -> own.put(heap, heaps.bytes(heap.pool())));
        return new MemoryExhaustedException.Memory(
                MachineNumbers.meminfoNow(kernel, "MemTotal"),
                MachineNumbers.meminfoNow(kernel, "CmaFree"),
                MachineNumbers.meminfoNow(kernel, "CmaTotal"),
                own);
    }

    /** What is known at this moment of the memory of a heap that has too little, in words. */
    String state(Heap heap) {
        return heaps.state(heap);
    }

    /**
     * Closes the heaps, and takes out what was {@linkplain #publish published}. Existing memory stays; no buffer gets
     * memory any more. Idempotent.
     *
     * @throws RuntimeException the exception of a registered heap's source, after all sources have been closed
     */
    @Override
    public void close() {
        try {
            unpublish();
        } finally {
            heaps.close();
        }
    }

    private void unpublish() {
        synchronized (publishing) {
            closed = true;
            Published shown = published;
            published = null;
            if (shown != null) {
                shown.close();
            }
        }
    }
}
