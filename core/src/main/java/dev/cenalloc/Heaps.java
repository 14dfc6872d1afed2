// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.FileException;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.plan.Statement;
import dev.cenalloc.text.Count;
import dev.cenalloc.text.Printable;
import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/** The heaps of a {@link Cenalloc}, which closes them: those of this machine and the registered ones. Thread-safe. */
final class Heaps {
    static final Path DIRECTORY = Path.of("/dev/dma_heap");

    private static final Path RESERVED_MEMORY = Path.of("/proc/device-tree/reserved-memory");

    private final Kernel kernel;
    private final Path directory;
    /** What the program stated, by the name of a heap or exporter. */
    private final Map<String, HeapProperties> described = new ConcurrentHashMap<>();

    private volatile String remedyForNone = "";
    /** Replaced as a whole, so that a plan sees one state of it. */
    private volatile Map<Heap, OpenHeap> open = Map.of();
    /** The keys of {@link #open}, in their order. */
    private volatile List<Heap> heaps = List.of();

    /** Of all buffers. */
    private final BufferCount total = new BufferCount();
    /** Of those with memory from elsewhere. */
    private final BufferCount adopted = new BufferCount(total);

    private boolean closed;

    private Heaps(Kernel kernel, Path directory) {
        this.kernel = kernel;
        this.directory = directory;
    }

    /** Lists the nodes in a directory, and udmabuf. Opens none of them. */
    static Heaps list(Kernel kernel, Path directory) throws CenallocException {
        var all = new Heaps(kernel, directory);
        all.refresh();
        return all;
    }

    /** As {@link Cenalloc#refresh}. */
    synchronized boolean refresh() throws CenallocException {
        if (closed) {
            throw new IllegalStateException("the Cenalloc is closed");
        }
        var known = new LinkedHashMap<String, OpenHeap>();
        open.values().forEach(heap -> known.put(heap.heap().name(), heap));
        var all = new LinkedHashMap<Heap, OpenHeap>();
        for (OpenHeap heap : found(known)) {
            known.remove(heap.heap().name());
            all.put(heap.heap(), heap);
        }
        // Registered ones, and those whose nodes are gone, which their buffers still count on.
        known.values().forEach(heap -> all.put(heap.heap(), heap));
        boolean isChanged = !all.keySet().equals(open.keySet());
        set(all);
        return isChanged;
    }

    /** The heaps of the kernel, as they are now: those that are known already, and new ones. */
    private List<OpenHeap> found(Map<String, OpenHeap> known) throws CenallocException {
        var found = new ArrayList<OpenHeap>();
        String remedy = "use a kernel with CONFIG_DMABUF_HEAPS_SYSTEM, or with CONFIG_UDMABUF for ordinary memory";
        List<String> names = List.of();
        try {
            names = kernel.list(directory);
        } catch (IOException e) {
            int errno = FileException.errno(e);
            remedy = switch (errno) {
                case Errno.ENOENT ->
                    directory + " does not exist: the kernel needs CONFIG_DMABUF_HEAPS (5.6 and later), and a container"
                            + " needs the directory from its host";
                case Errno.EACCES, Errno.EPERM -> "let this user list " + directory;
                default -> throw CenallocException.ofCall(errno, "opendir", directory, -1);
            };
        }
        Set<String> defaultCma = names.isEmpty() ? Set.of() : defaultCma();
        for (String name : names) {
            OpenHeap before = known.get(name);
            Path path = directory.resolve(name);
            if (kernel.deviceNumber(path) == 0) {
                continue; // a file of another kind; to open a FIFO might block for ever
            }
            String pool = defaultCma.contains(name) ? HeapProperties.DEFAULT_CMA : HeapProperties.pool(name);
            found.add(
                    before != null && before.heap().path().isPresent()
                            ? before
                            : open(name, pool, path, new DmaHeapSource(kernel, path)));
        }
        remedyForNone = remedy;
        if (kernel.exists(UdmabufSource.PATH)) {
            addUdmabuf(found, known, false);
            if (UdmabufSource.hasHugePages(kernel)) {
                addUdmabuf(found, known, true);
            }
        }
        return found;
    }

    /**
     * The names of the nodes of the device tree that the default CMA pool is made of; the heap has the name of the
     * node. Source: {@code reserved-memory.yaml} of dt-schema, {@code rmem_cma_setup} in {@code
     * kernel/dma/contiguous.c}.
     */
    private Set<String> defaultCma() throws CenallocException {
        List<String> nodes;
        try {
            nodes = kernel.list(RESERVED_MEMORY);
        } catch (IOException e) {
            check(FileException.errno(e), "opendir", RESERVED_MEMORY);
            return Set.of(); // no device tree, or none that this process may read
        }
        var found = new HashSet<String>();
        for (String name : nodes) {
            Path property = RESERVED_MEMORY.resolve(name).resolve("linux,cma-default");
            int result = kernel.access(property, Linux.F_OK);
            if (result == 0) {
                found.add(name);
            } else {
                check(-result, "access", property);
            }
        }
        return found;
    }

    /** A question that failed must not pass for an answer: the context keeps what it learns here. */
    private static void check(int errno, String call, Path path) throws CenallocException {
        if (!FileException.isLasting(errno)) {
            throw CenallocException.ofCall(errno, call, path, -1);
        }
    }

    /** Whether this process may open a node, or that is not known: then the first allocation tells. */
    private boolean mayOpen(Path node) {
        return switch (-kernel.access(node, Linux.R_OK)) {
            case Errno.EACCES, Errno.EPERM -> false;
            default -> true;
        };
    }

    private void addUdmabuf(List<OpenHeap> found, Map<String, OpenHeap> known, boolean huge) throws CenallocException {
        String name = huge ? HeapProperties.UDMABUF_HUGE : HeapProperties.UDMABUF;
        OpenHeap before = known.get(name);
        found.add(
                before != null && before.heap().path().isPresent()
                        ? before
                        : open(name, name, UdmabufSource.PATH, new UdmabufSource(kernel, huge)));
    }

    private OpenHeap open(String name, String pool, Path node, HeapSource source) throws CenallocException {
        Heap heap = Heap.of(name)
                .withPool(pool)
                .withNode(node, mayOpen(node))
                .withPageSize(kernel.pageSize())
                .withRefusal(source::refusal);
        return new OpenHeap(kernel, heap.withProperties(properties(heap, source)), source, true, total);
    }

    /** What is known of a heap of the kernel: what was stated, or else what its pool's name implies. */
    private HeapProperties properties(Heap heap, HeapSource source) throws CenallocException {
        HeapProperties stated = described.get(heap.name());
        HeapProperties known = stated == null ? reaching(heap.name(), HeapProperties.of(heap.pool())) : stated;
        // If the limit is below a page, the allocation reports it.
        return source instanceof UdmabufSource udmabuf ? known.withMaxSize(Math.max(1, udmabuf.maxSize())) : known;
    }

    /**
     * Memory that is scattered lies anywhere in this machine's memory, a contiguous pool where the kernel says, or else
     * somewhere in it. The kernel
     * copies what a device does not reach (swiotlb), or refuses it, and no trial shows that. Source: {@code
     * kernel/dma/direct.h}.
     */
    private HeapProperties reaching(String name, HeapProperties known) throws CenallocException {
        if (known.contiguous() == Trait.UNKNOWN) {
            return known;
        }
        if (known.contiguous() == Trait.YES) {
            OptionalLong pool = AddressRange.highestOfPool(kernel, name);
            if (pool.isPresent()) {
                return known.withHighestAddress(AddressRange.RAM, pool.getAsLong());
            }
        }
        OptionalLong end = AddressRange.highest(kernel);
        if (end.isEmpty()) {
            return known;
        }
        return known.contiguous() == Trait.NO
                ? known.withHighestAddress(AddressRange.RAM, end.getAsLong())
                : known.withAddressBound(AddressRange.RAM, end.getAsLong());
    }

    /** As {@link Cenalloc#describe}. */
    synchronized void describe(String name, HeapProperties properties) {
        OpenHeap heap = open.values().stream()
                .filter(one -> one.heap().name().equals(name))
                .findFirst()
                .orElse(null);
        if (heap != null && heap.heap().path().isEmpty()) {
            throw new IllegalArgumentException(
                    heap + " is registered here: its properties were stated when it was registered");
        }
        if (heap != null) {
            refuseCircle(heap.heap().withProperties(properties));
            heap.describe(properties);
            var all = new LinkedHashMap<Heap, OpenHeap>();
            open.values().forEach(one -> all.put(one.heap(), one));
            set(all);
        }
        described.put(name, properties);
    }

    /** What is known of memory by the name of its exporter. */
    HeapProperties ofExporter(String name) {
        HeapProperties stated = described.get(name);
        return stated == null ? HeapProperties.ofExporter(name) : stated;
    }

    /** As {@link Cenalloc#heaps}. */
    List<Heap> all() {
        return heaps;
    }

    /** As {@link Cenalloc#heap}. */
    Heap named(String name) throws MissingDeviceException {
        List<Heap> all = heaps;
        return all.stream()
                .filter(heap -> heap.name().equals(name))
                .findFirst()
                .or(() -> all.stream()
                        .filter(heap -> heap.pool().equals(HeapProperties.pool(name)))
                        .findFirst())
                .orElseThrow(() -> missing(name, all.isEmpty() ? remedyForNone : "use one of " + all));
    }

    private static MissingDeviceException missing(String name, String remedy) {
        try {
            return new MissingDeviceException(Errno.ENOENT, "heap", DIRECTORY.resolve(name), -1, remedy);
        } catch (InvalidPathException e) {
            // No file has such a name, at least not in the locale of this process.
            return new MissingDeviceException(Errno.ENOENT, "heap " + name, null, -1, remedy);
        }
    }

    /** Throws if it is not one of the heaps. */
    OpenHeap opened(Heap heap) {
        OpenHeap opened = open.get(heap);
        if (opened == null) {
            throw new IllegalStateException("heap " + heap + " is not one of " + heaps);
        }
        return opened;
    }

    /** As {@link Cenalloc#statistics}. */
    Statistics statistics() {
        var each = new LinkedHashMap<Heap, HeapUsage>();
        open.forEach((heap, opened) -> each.put(heap, opened.usage()));
        return new Statistics(total.usage(), adopted.usage(), each);
    }

    BufferCount adopted() {
        return adopted;
    }

    /** The open buffers, those that were adopted too, the oldest first. */
    List<HeldBuffer> buffers() {
        return total.open();
    }

    /** The bytes of the open buffers of all heaps of a pool. */
    long bytes(String pool) {
        return ofPool(pool).stream().mapToLong(HeapUsage::bytes).sum();
    }

    private List<HeapUsage> ofPool(String pool) {
        return open.values().stream()
                .filter(heap -> heap.heap().pool().equals(pool))
                .map(OpenHeap::usage)
                .toList();
    }

    /** As {@link Cenalloc#state}. */
    String state(Heap heap) {
        var words = new ArrayList<String>();
        int buffers = ofPool(heap.pool()).stream().mapToInt(HeapUsage::buffers).sum();
        if (buffers > 0) {
            words.add("of which this Cenalloc has " + Count.of(buffers, "buffer") + " with " + bytes(heap.pool())
                    + " bytes open");
        }
        OptionalLong free = MachineNumbers.meminfoNow(kernel, "CmaFree");
        OptionalLong total = MachineNumbers.meminfoNow(kernel, "CmaTotal");
        if (heap.pool().equals(HeapProperties.DEFAULT_CMA) && free.isPresent() && total.isPresent()) {
            // Freed pages stay in lists of the processors for a while, and page cache borrows the pool
            // (mm/page_alloc.c).
            words.add("CmaFree: " + free.getAsLong() + " of " + total.getAsLong()
                    + " bytes, which counts neither pages freed just now nor those lent to movable memory, and pieces"
                    + " that may be too small");
        }
        return String.join(", ", words);
    }

    /** As {@link Cenalloc#register}. */
    synchronized Heap register(String name, HeapProperties properties, HeapSource source) {
        if (closed) {
            throw new IllegalStateException("the Cenalloc is closed");
        }
        Heap heap = Heap.of(name, properties).withPageSize(kernel.pageSize()).withRefusal(source::refusal);
        if (heaps.stream().anyMatch(other -> other.pool().equals(heap.pool()))) {
            throw new IllegalArgumentException("the name of heap " + heap + " is taken, or another name of its pool");
        }
        refuseCircle(heap);
        var more = new LinkedHashMap<>(open);
        more.put(heap, new OpenHeap(kernel, heap, source, false, total));
        set(more);
        return heap;
    }

    private void set(Map<Heap, OpenHeap> changed) {
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

    /** As {@link Cenalloc#unregister}. */
    synchronized void unregister(Heap heap) {
        OpenHeap opened = open.get(heap);
        if (opened == null || heap.path().isPresent()) {
            throw new IllegalArgumentException(heap + " is not a heap that was registered here");
        }
        Map<Heap, OpenHeap> before = open;
        var fewer = new LinkedHashMap<>(before);
        fewer.remove(heap);
        set(fewer);
        try {
            opened.closeIfUnused();
        } catch (IllegalStateException e) {
            set(before);
            throw e;
        }
    }

    /** As {@link Cenalloc#remedy}. */
    String remedy(Plan plan) {
        List<Heap> all = heaps;
        if (!Plan.contradictions(plan.demand(), plan.attached(), all).isEmpty()) {
            return IncompatibleConstraintsException.LEAVE_ONE_OUT;
        }
        if (all.isEmpty()) {
            return remedyForNone;
        }
        boolean contiguous = all.stream().anyMatch(heap -> heap.properties().contiguous() == Trait.YES);
        if (plan.constraints().isContiguous() && !contiguous) {
            List<Heap> unknown = all.stream()
                    .filter(heap -> heap.properties().equals(HeapProperties.UNKNOWN))
                    .toList();
            return unknown.isEmpty()
                    ? NoSuitableHeapException.NO_CONTIGUOUS_HEAP
                    : "if the memory of " + unknown + " is contiguous, state that with Cenalloc.describe";
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
        return severalDevices ? IncompatibleConstraintsException.LEAVE_ONE_OUT : remedyForNone;
    }

    /** As {@link Cenalloc#close}. */
    synchronized void close() {
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
