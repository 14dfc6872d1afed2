package dev.cenalloc;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

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

    private final Kernel kernel;
    private final List<Heap> heaps;
    private final String remedyForNoHeap;

    private Cenalloc(Kernel kernel, List<Heap> heaps, String remedyForNoHeap) {
        this.kernel = kernel;
        this.heaps = List.copyOf(heaps);
        this.remedyForNoHeap = remedyForNoHeap;
    }

    /**
     * Lists the heaps of this machine; opens none. That there are none is no error here: the first use of a buffer says
     * so, with what to do about it.
     *
     * @return the context, which the caller closes
     * @throws CenallocException EACCES if {@code /dev/dma_heap} may not be listed
     * @throws UnsupportedOperationException on anything but Linux on amd64 or aarch64
     */
    public static Cenalloc open() throws CenallocException {
        return open(new LinuxKernel(), HEAPS);
    }

    static Cenalloc open(Kernel kernel, Path directory) throws CenallocException {
        var heaps = new ArrayList<Heap>();
        String remedy =
                "give the kernel a heap that does: a CMA area (cma=128M on its command line, CONFIG_DMABUF_HEAPS_CMA)"
                        + " for contiguous memory, CONFIG_DMABUF_HEAPS_SYSTEM for other";
        try {
            for (String name : kernel.list(directory)) {
                heaps.add(new Heap(kernel, directory.resolve(name)));
            }
        } catch (NoSuchFileException e) {
            remedy =
                    directory + " does not exist: the kernel needs CONFIG_DMABUF_HEAPS (5.6 and later), and a container"
                            + " needs the directory from its host";
        } catch (java.nio.file.AccessDeniedException e) {
            throw new AccessDeniedException(
                    dev.cenalloc.bindings.Errno.EACCES, "opendir", directory, -1, "let this user list the directory");
        } catch (IOException e) {
            throw new CenallocException(
                    dev.cenalloc.bindings.Errno.ENODEV,
                    "opendir",
                    directory,
                    -1,
                    "the heaps cannot be listed: " + e,
                    "");
        }
        return new Cenalloc(kernel, heaps, remedy);
    }

    /** {@return the heaps of this machine, by name} */
    public List<Heap> heaps() {
        return heaps;
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
        Heap.checkSize(size);
        return new SharedBuffer(this, size);
    }

    /**
     * {@return which heaps suit these devices, best first, and why the others do not} Asks nothing of the kernel.
     *
     * @param size in bytes, positive
     * @param devices the participants, declared or real
     * @throws IllegalArgumentException if the size is not positive or not countable in pages
     */
    public Plan plan(long size, List<Device> devices) {
        Heap.checkSize(size);
        return Plan.solve(size, devices, heaps);
    }

    String remedyForNoHeap() {
        return remedyForNoHeap;
    }

    OptionalLong cmaFree() {
        return kernel.cmaFree();
    }

    /** Closes the heaps. Buffers that exist stay; no buffer gets memory any more. Idempotent. */
    @Override
    public void close() {
        heaps.forEach(Heap::close);
    }
}
