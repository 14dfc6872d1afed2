// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.NoSuitableHeapException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FirstFailure;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.node.Importer;
import dev.cenalloc.node.Trial;
import dev.cenalloc.node.drm.DrmImporter;
import dev.cenalloc.node.drm.Scanout;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.stream.Port;
import java.lang.invoke.MethodHandles;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * Asks a device which images it gives and takes, and finds out by trial imports what memory it takes for them: neither
 * V4L2 nor DRM can report that. A value, made by {@link #of}; holds nothing open, so nothing is closed. Thread-safe.
 *
 * <p>A trial offers memory of every heap that this process may use and whose properties are known, in the order of a
 * {@link Plan}, several buffers at a time. Memory of the system heap may be contiguous by chance (pieces of up to 1 MiB
 * are), so memory that is not known to be contiguous is offered in large buffers, whatever the size of the image.
 *
 * <p>A device in use is not disturbed: the kernel refuses to change its format or to give it buffers (EBUSY), and its
 * memory stays unknown. V4L2: buffers are queued, and no stream is started. If the format has to be changed for that,
 * it is put back; the driver may have adapted crop and frame rate to it. Another program that opens a stream at this
 * moment finds the device busy. DRM: buffers become framebuffers that are not shown. A test-only commit asks the
 * display whether it would show them, unless another program controls it; during that, no other program can take
 * control.
 *
 * <p>A trial cannot detect that a driver copies memory that its device cannot reach (swiotlb): such a driver takes any
 * memory. Where there is memory above 4 GiB, {@link Device#detail} says so.
 */
public final class Probe {
    static {
        FirstFailure.prepare(MethodHandles.lookup(), NoSuchDeviceException.class);
    }

    private final Kernel kernel;
    private final Path node;
    private final long number;
    private final String driver;
    private final String name;
    private final Trial trial;

    private Probe(Kernel kernel, Path node, long number, String driver, String name, Trial trial) {
        this.kernel = kernel;
        this.node = node;
        this.number = number;
        this.driver = driver;
        this.name = name;
        this.trial = trial;
    }

    /**
     * {@return a probe of a device} Opens the node to ask for the driver's name, and closes it. Blocks for as long as
     * the driver does.
     *
     * @param cenalloc whose heaps are offered; results are kept as long as it lives
     * @param node a V4L2 node that captures, shows or converts video, such as {@code /dev/video0}, or a DRM card, such
     *     as {@code /dev/dri/card0}; {@link Devices} finds one
     * @throws NoPermissionException EACCES, EPERM: this process may not open the node
     * @throws MissingDeviceException ENOENT: there is no such node
     * @throws CenallocException ENOTTY: the node is neither; EINVAL: it has no video in buffers; else the errno of the
     *     driver
     */
    public static Probe of(Cenalloc cenalloc, Path node) throws CenallocException {
        Kernel kernel = Seam.kernel(Objects.requireNonNull(cenalloc, "cenalloc"));
        Objects.requireNonNull(node, "node");
        long number = kernel.deviceNumber(node);
        if (number < 0) {
            throw CenallocException.ofCall((int) -number, "stat", node, -1);
        }
        try (Importer importer = Importers.open(kernel, node, number)) {
            String name = importer.name();
            return new Probe(kernel, node, number, importer.driver(), name, new Trial(cenalloc, node, number, name));
        }
    }

    /** {@return the node} */
    public Path node() {
        return node;
    }

    /** {@return the name that the driver gives itself} */
    public String driver() {
        return driver;
    }

    /** {@return what explanations and profiles call the device: driver and bus, the same from boot to boot} */
    public String name() {
        return name;
    }

    /**
     * {@return the port at which the device gives images: of a camera, a decoder, the capture side of a converter;
     * empty if it has none} Reads the formats, sizes and rates that the driver has now, and changes nothing. Blocks for
     * as long as the driver does. Formats without a name in {@link PixelFormat} are left out, perhaps all. A
     * negotiation asks {@link #device} for the memory.
     *
     * @throws CenallocException as {@link #device}
     */
    public Optional<Port> produces() throws CenallocException {
        return port(false, this::device);
    }

    /**
     * {@return the port at which the device takes images: of a display, an encoder, the output side of a converter;
     * empty if it has none} A display takes what its first connected screen can show; without a connected screen,
     * nothing. As {@link #produces()} otherwise.
     *
     * @throws CenallocException as {@link #device}
     */
    public Optional<Port> consumes() throws CenallocException {
        return port(true, this::device);
    }

    /**
     * {@return the port at which a camera gives images in memory of its own, which it exports; empty if it gives none}
     * The camera is asked how it lays images out, and no memory is offered to it. As {@link #produces()} otherwise.
     *
     * @throws CenallocException as {@link #device}
     */
    public Optional<Port> exports() throws CenallocException {
        return port(false, this::exporter);
    }

    private Optional<Port> port(boolean output, Port.Terms terms) throws CenallocException {
        try (Importer importer = open()) {
            Optional<List<ImageRange>> images = output ? importer.consumes() : importer.produces();
            List<String> others = images.isPresent() ? importer.otherFormats(output) : List.of();
            List<String> doubts = importer.doubts(output);
            return images.map(known ->
                    Port.of(name, known, terms).withOtherFormats(others).withDoubts(doubts));
        }
    }

    private Device exporter(Layout layout) throws CenallocException {
        try (Importer importer = open()) {
            importer.prepare(layout);
            return Device.of(name, importer.needs(), "the memory is its own");
        }
    }

    private Importer open() throws CenallocException {
        long now = kernel.deviceNumber(node);
        if (now < 0) {
            throw CenallocException.ofCall((int) -now, "stat", node, -1);
        }
        if (now != number) {
            throw new CenallocException(
                    Errno.ENODEV,
                    "probe",
                    node,
                    -1,
                    name + " is gone; its node is another device's",
                    "probe the node again");
        }
        return Importers.open(kernel, node, number);
    }

    /**
     * One entry for each connected screen of a DRM card; empty if the node is no card, no screen is connected, or the
     * driver has no atomic mode setting.
     */
    List<Scanout> scanouts() throws CenallocException {
        try (Importer importer = open()) {
            return importer instanceof DrmImporter card ? card.scanouts() : List.of();
        }
    }

    /**
     * {@return the device with the constraints that a trial found; {@link Device#detail()} says which heaps it took and
     * which it refused, with call and errno} If no trial was possible, because the device is in use or no heap had
     * memory, it has the constraints that sysfs tells, or {@linkplain Device#declared() declares} nothing; the detail
     * says why.
     *
     * <p>Results are kept as long as the {@link Cenalloc}, by device, layout and heaps, if every heap had memory:
     * asking again makes no system call. One buffer confirms what is known for images of the same format whose bytes
     * lie between the same two powers of two. Otherwise it blocks for as long as some allocations and the driver take;
     * trials of one device wait for each other, those of different devices rarely.
     *
     * @param layout what the memory will hold: a linear image. Its size counts, since a small buffer proves nothing
     *     about a large one
     * @throws IllegalStateException if the {@link Cenalloc} is closed
     * @throws NoPermissionException EACCES, EPERM: this process may not open the node
     * @throws MissingDeviceException ENOENT: the node is gone
     * @throws NoSuitableHeapException ENODEV: the driver refused the memory of every heap
     * @throws CenallocException with the errno of the driver: EINVAL: it has no such images or takes no dma-bufs;
     *     ENODEV: it was unplugged
     */
    public Device device(Layout layout) throws CenallocException {
        return trial.device(Objects.requireNonNull(layout, "layout"), this::open);
    }

    @Override
    public String toString() {
        return name + " (" + node + ")";
    }
}
