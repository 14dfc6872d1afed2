package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Kernel;
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
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** The heaps of a {@link Cenalloc}, which closes them: those of this machine and the registered ones. Thread-safe. */
final class Heaps {
    static final Path DIRECTORY = Path.of("/dev/dma_heap");

    private final Kernel kernel;
    private final String remedyForNone;
    /** Replaced as a whole, so that a plan sees one state of it. */
    private volatile Map<Heap, OpenHeap> open = Map.of();
    /** The keys of {@link #open}, in their order. */
    private volatile List<Heap> heaps = List.of();

    private boolean closed;

    private Heaps(Kernel kernel, List<OpenHeap> found, String remedyForNone) {
        this.kernel = kernel;
        this.remedyForNone = remedyForNone;
        var map = new LinkedHashMap<Heap, OpenHeap>();
        found.forEach(heap -> map.put(heap.heap(), heap));
        set(map);
    }

    /** Lists the nodes in a directory, and udmabuf. Opens none of them. */
    static Heaps list(Kernel kernel, Path directory) throws CenallocException {
        var found = new ArrayList<OpenHeap>();
        String remedy = "use a kernel with CONFIG_DMABUF_HEAPS_SYSTEM, or with CONFIG_UDMABUF for ordinary memory";
        try {
            for (String name : kernel.list(directory)) {
                Path path = directory.resolve(name);
                found.add(open(kernel, name, path, HeapProperties.of(name), new DmaHeapSource(kernel, path)));
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
            found.add(udmabuf(kernel, HeapProperties.UDMABUF, false));
            if (UdmabufSource.hasHugePages(kernel)) {
                found.add(udmabuf(kernel, HeapProperties.UDMABUF_HUGE, true));
            }
        }
        return new Heaps(kernel, found, remedy);
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
                .orElseThrow(() -> new MissingDeviceException(
                        Errno.ENOENT,
                        "heap",
                        DIRECTORY.resolve(name),
                        -1,
                        all.isEmpty() ? remedyForNone : "use one of " + all));
    }

    /** Throws if it is not one of the heaps. */
    OpenHeap opened(Heap heap) {
        OpenHeap opened = open.get(heap);
        if (opened == null) {
            throw new IllegalStateException("heap " + heap + " is not one of " + heaps);
        }
        return opened;
    }

    /** As {@link Cenalloc#register}. */
    synchronized Heap register(String name, HeapProperties properties, HeapSource source) {
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
