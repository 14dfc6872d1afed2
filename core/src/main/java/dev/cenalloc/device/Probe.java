package dev.cenalloc.device;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.NoSuitableHeapException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.node.Importer;
import dev.cenalloc.node.Trial;
import dev.cenalloc.node.drm.DrmImporter;
import dev.cenalloc.node.drm.Scanout;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.stream.Port;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * Finds out which images the device behind a node gives and takes, by asking, and what memory it takes for them, by offering it
 * some: of that, neither V4L2 nor DRM can be asked. A value of {@link #of}; holds nothing open, so nothing is to be
 * closed. Safe for any number of threads.
 *
 * <p>Every heap that this process may use and whose memory is known is tried, in the order of a {@link Plan}, with several
 * buffers at a time. Memory from the system heap may be contiguous by luck (up to 1 MiB is one piece of it), so memory that
 * is not known to be contiguous is offered in large buffers, whatever the size of the image.
 *
 * <p>A device in use is not disturbed: the kernel refuses to change the format or take buffers (EBUSY), and then nothing is
 * known. V4L2: buffers are queued, without streaming; if the format has to be changed, it is put back, but the driver may
 * have adapted crop and frame rate to it. Another program that wants to begin at this very moment finds the device busy.
 * DRM: buffers become framebuffers that nothing shows. The display is asked whether it would show them (a test-only commit),
 * unless another program controls it; for that moment, none can begin to.
 *
 * <p>What the trial does not tell: a driver that copies what its device cannot reach (swiotlb) takes any memory.
 */
public final class Probe {
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
     * {@return what finds out which images a device gives and takes, and which memory for them} Opens the node, to ask for the
     * driver's name, and closes it.
     *
     * @param cenalloc whose heaps are offered; results are kept as long as it lives
     * @param node a V4L2 node that captures, shows or converts video, such as {@code /dev/video0}, or a DRM card, such as
     *     {@code /dev/dri/card0}
     * @throws NoPermissionException EACCES, EPERM: this process may not open the node
     * @throws MissingDeviceException ENOENT: there is no such node
     * @throws CenallocException ENOTTY if it is neither; EINVAL if it has no video in buffers; else the errno of the driver
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

    /** {@return the name of the driver, by its own word} */
    public String driver() {
        return driver;
    }

    /** {@return what explanations and profiles call the device: driver and place, which last from boot to boot} */
    public String name() {
        return name;
    }

    /**
     * {@return the port at which the device gives images, of a camera, a decoder, the far end of a converter; empty if it has
     * none} Reads the formats, sizes and rates that the driver has now, and touches nothing; blocks for as long as the driver
     * does. Formats without a name in {@link PixelFormat} are left out; there may be no other. For the memory, the negotiation
     * asks {@link #device}.
     *
     * @throws CenallocException as {@link #device}
     */
    public Optional<Port> produces() throws CenallocException {
        return ask(Importer::produces).map(images -> Port.of(name, images, this::device));
    }

    /**
     * {@return the port at which the device takes images, of a display, an encoder, the near end of a converter; empty if it has
     * none} A display takes what one of its {@link #scanouts()} can show: nothing, if no screen is connected. As
     * {@link #produces()} otherwise.
     *
     * @throws CenallocException as {@link #device}
     */
    public Optional<Port> consumes() throws CenallocException {
        return ask(Importer::consumes).map(images -> Port.of(name, images, this::device));
    }

    /**
     * {@return the port at which a camera gives images in memory of its own, which it exports to others; empty if it gives none} The
     * camera is asked how it lays them out, and no memory is offered to it. As {@link #produces()} otherwise.
     *
     * @throws CenallocException as {@link #device}
     */
    public Optional<Port> exports() throws CenallocException {
        return ask(Importer::produces).map(images -> Port.of(name, images, this::exporter));
    }

    private Device exporter(Layout layout) throws CenallocException {
        try (Importer importer = open()) {
            importer.prepare(layout);
            return Device.of(name, importer.needs(), "the memory is its own");
        }
    }

    private interface Question<T> {
        T ask(Importer importer) throws CenallocException;
    }

    private <T> T ask(Question<T> question) throws CenallocException {
        try (Importer importer = open()) {
            return question.ask(importer);
        }
    }

    private Importer open() throws CenallocException {
        long now = kernel.deviceNumber(node);
        if (now < 0) {
            throw CenallocException.ofCall((int) -now, "stat", node, -1);
        }
        if (now != number) {
            throw new CenallocException(
                    Errno.ENODEV, "stat", node, -1, name + " is gone, and its node another's", "probe the node anew");
        }
        return Importers.open(kernel, node, number);
    }

    /**
     * {@return the ways from memory to the screens of a DRM card, one for each that is connected} None if it is no card, if no
     * screen is connected, or if the driver has no atomic mode setting.
     *
     * @throws CenallocException as {@link #device}
     */
    List<Scanout> scanouts() throws CenallocException {
        return ask(importer -> importer instanceof DrmImporter card ? card.scanouts() : List.of());
    }

    /**
     * {@return the device, with what it was found to take: its {@link Device#detail()} tells which heaps it took and which it
     * refused, with the call and the errno} If no trial was possible, because the device is in use or no heap had memory, it
     * is what sysfs tells, or a device of which nothing is known, with the reason.
     *
     * <p>Results of trials for which there was memory are kept as long as the {@link Cenalloc}, by device and layout: asking
     * again makes no system call. Of images of the same format whose sizes in bytes lie between the same two powers of two, one
     * buffer confirms what is known. Others block for as long as a few allocations and the driver take.
     *
     * @param layout what the memory will hold and how: a linear image. The size counts, since a small buffer proves nothing
     *     about a large one
     * @throws NoPermissionException EACCES, EPERM: this process may not open the node
     * @throws MissingDeviceException ENOENT: the node is gone
     * @throws NoSuitableHeapException ENODEV: the driver refused the memory of every heap
     * @throws CenallocException with the errno of the driver: EINVAL if it has no such images or takes no dma-bufs, ENODEV
     *     if it was unplugged
     */
    public Device device(Layout layout) throws CenallocException {
        return trial.device(Objects.requireNonNull(layout, "layout"), this::open);
    }

    @Override
    public String toString() {
        return name + " (" + node + ")";
    }
}
