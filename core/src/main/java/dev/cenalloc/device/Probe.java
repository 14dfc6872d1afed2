package dev.cenalloc.device;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.NoSuitableHeapException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.node.Importer;
import dev.cenalloc.node.Sysfs;
import dev.cenalloc.node.drm.DrmImporter;
import dev.cenalloc.node.drm.Scanout;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.HeapRejection;
import dev.cenalloc.plan.Objection;
import dev.cenalloc.plan.Plan;
import java.nio.file.Path;
import java.util.ArrayList;
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
    /** Held at a time, so that one lucky piece of memory decides nothing. */
    private static final int BUFFERS = 3;

    /**
     * Bytes that are hardly ever contiguous by luck. The system heap puts pieces of up to 1 MiB together; taken one after
     * the other from free memory, those lie side by side up to the largest piece that the kernel keeps, 4 MiB.
     */
    private static final long LARGE = 16 << 20;

    enum Verdict {
        TAKEN,
        REFUSED,
        /** Taken as memory, but the display would not show the image in it. */
        NOT_SHOWN,
        /** Taken in small buffers only, which may be luck. */
        DOUBTFUL,
        NOT_TRIED,
        /** Not tried for want of memory, of which there may be more the next time. */
        NO_MEMORY
    }

    /** What a trial showed, and whether the next would show the same. */
    private record Result(Device device, boolean isLasting) {}

    record Answer(Heap heap, Verdict verdict, String reason) {
        boolean isContiguous() {
            return heap.properties().contiguous() == Trait.YES;
        }

        @Override
        public String toString() {
            return heap + (reason.isEmpty() ? "" : " (" + reason + ")");
        }
    }

    private final Cenalloc cenalloc;
    private final ProbeCache cache;
    private final Kernel kernel;
    private final Path node;
    private final long number;
    private final String driver;
    private final String name;
    private final Device sysfs;

    private Probe(Cenalloc cenalloc, Kernel kernel, Path node, long number, String driver, String name, Device sysfs) {
        this.cenalloc = cenalloc;
        this.cache = ProbeCache.of(cenalloc);
        this.kernel = kernel;
        this.node = node;
        this.number = number;
        this.driver = driver;
        this.name = name;
        this.sysfs = sysfs;
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
            return new Probe(
                    cenalloc, kernel, node, number, importer.driver(), name, ofSysfs(name, kernel.sysfs(number)));
        }
    }

    private static Device ofSysfs(String name, Path directory) {
        try {
            return Sysfs.device(name, directory);
        } catch (MissingDeviceException e) {
            // A device that stands for no hardware has none.
            return Device.undeclared(name);
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
        var key = new ProbeCache.Key(number, name, layout, cenalloc.heaps());
        Device known = cache.device(key);
        if (known != null) {
            return known;
        }
        // One trial of a device at a time: two would find each other using it.
        synchronized (cache.lock(number)) {
            known = cache.device(key);
            if (known != null) {
                return known;
            }
            Result result = tried(layout);
            Device found = withSysfs(result.device);
            if (result.isLasting) {
                cache.put(key, found);
            }
            return found;
        }
    }

    private Device withSysfs(Device trial) {
        Device found = Device.mostTrusted(List.of(trial, sysfs));
        if (found.origin() == Origin.SYSFS) {
            found = found.withDetail(sysfs.detail() + "; " + trial.detail());
        }
        return sysfs.isBehindIommu()
                ? found.withDetail(found.detail() + "; behind an IOMMU").behindIommu()
                : found;
    }

    private Result tried(Layout layout) throws CenallocException {
        Importer opened;
        try {
            opened = open();
        } catch (CenallocException e) {
            return inUse(e);
        }
        try (Importer importer = opened) {
            try {
                return trial(importer, layout);
            } catch (CenallocException e) {
                return inUse(e);
            }
        }
    }

    private Result inUse(CenallocException e) throws CenallocException {
        if (e.errno() != Errno.EBUSY) {
            throw e;
        }
        return new Result(Device.undeclared(name, "nothing is known: " + e.getMessage()), false);
    }

    private Result trial(Importer importer, Layout layout) throws CenallocException {
        long size = importer.prepare(layout);
        var like = new ProbeCache.ImageClass(
                number,
                name,
                layout.image().format(),
                layout.buffer(),
                Long.SIZE - Long.numberOfLeadingZeros(size - 1),
                cenalloc.heaps());
        List<Answer> answers = cache.answers(like);
        if (answers == null || !isConfirmed(importer, answers, size)) {
            answers = answers(importer, size);
        }
        Device device = conclude(importer, layout, size, answers);
        boolean isLasting = device.origin() == Origin.TRIAL_IMPORT
                && having(answers, Verdict.NO_MEMORY).isEmpty()
                && importer.omitted().isEmpty();
        if (isLasting) {
            cache.put(like, answers);
        }
        return new Result(device, isLasting);
    }

    /** Whether a buffer of memory that was taken for images of the same class is taken for this one. */
    private boolean isConfirmed(Importer importer, List<Answer> answers, long size) throws CenallocException {
        List<Answer> taken = having(answers, Verdict.TAKEN);
        return !taken.isEmpty()
                && offer(importer, taken.getFirst().heap(), size, 1).verdict() == Verdict.TAKEN;
    }

    private List<Answer> answers(Importer importer, long size) throws CenallocException {
        var answers = new ArrayList<Answer>();
        Plan plan = cenalloc.plan(size, List.of());
        for (Heap heap : plan.candidates()) {
            answers.add(offer(importer, heap, size));
        }
        for (HeapRejection rejection : plan.rejected()) {
            if (rejection.cause() == Objection.Cause.NO_PERMISSION || rejection.cause() == Objection.Cause.REFUSED) {
                answers.add(new Answer(rejection.heap(), Verdict.NOT_TRIED, rejection.reason()));
            }
        }
        return List.copyOf(answers);
    }

    private Answer offer(Importer importer, Heap heap, long size) throws CenallocException {
        if (heap.properties().contiguous() == Trait.YES) {
            return offer(importer, heap, size, 1);
        }
        long large = Math.max(size, Math.min(LARGE, heap.properties().maxSize().orElse(LARGE)));
        Answer answer = offer(importer, heap, large, BUFFERS);
        if (answer.verdict() == Verdict.TAKEN) {
            return large >= LARGE ? answer : new Answer(heap, Verdict.DOUBTFUL, "in no more than " + large + " bytes");
        }
        if (large == size) {
            return answer;
        }
        Answer small = offer(importer, heap, size, BUFFERS);
        return small.verdict() == Verdict.TAKEN
                ? new Answer(
                        heap, Verdict.DOUBTFUL, "in " + size + " bytes, but in " + large + " bytes: " + answer.reason())
                : small;
    }

    private Answer offer(Importer importer, Heap heap, long size, int count) throws CenallocException {
        var buffers = new ArrayList<DmaBuf>();
        try {
            try {
                for (int i = 0; i < count; i++) {
                    buffers.add(cenalloc.allocate(heap, size));
                }
            } catch (CenallocException e) {
                return notTried(heap, e);
            }
            return importer.offer(buffers)
                    .map(refusal -> new Answer(
                            heap, refusal.ofImage() ? Verdict.NOT_SHOWN : Verdict.REFUSED, refusal.toString()))
                    .orElseGet(() -> new Answer(heap, Verdict.TAKEN, ""));
        } catch (CenallocException e) {
            if (e.errno() == Errno.ENOMEM || e.errno() == Errno.EMFILE) {
                return notTried(heap, e);
            }
            throw e;
        } finally {
            buffers.forEach(DmaBuf::close);
        }
    }

    private static Answer notTried(Heap heap, CenallocException why) {
        Verdict verdict =
                why.errno() == Errno.ENOMEM || why.errno() == Errno.EMFILE ? Verdict.NO_MEMORY : Verdict.NOT_TRIED;
        return new Answer(heap, verdict, why.call() + " gave " + why.errnoName());
    }

    private Device conclude(Importer importer, Layout layout, long size, List<Answer> answers)
            throws CenallocException {
        List<Answer> taken = having(answers, Verdict.TAKEN);
        List<Answer> notShown = having(answers, Verdict.NOT_SHOWN);
        var refused = new ArrayList<>(having(answers, Verdict.REFUSED));
        refused.addAll(notShown);
        List<Answer> doubtful = having(answers, Verdict.DOUBTFUL);
        var notTried = new ArrayList<>(having(answers, Verdict.NOT_TRIED));
        notTried.addAll(having(answers, Verdict.NO_MEMORY));
        var said = new ArrayList<String>();
        tell(said, "took ", taken);
        tell(said, "refused ", refused);
        tell(said, "took, perhaps by luck, ", doubtful);
        tell(said, "not tried: ", notTried);
        if (said.isEmpty()) {
            said.add("there is no heap to try");
        }
        Constraints needs = importer.needs();
        if (!needs.equals(Constraints.NONE)) {
            said.add("the driver lays it out with " + needs);
        }
        if (!importer.omitted().isEmpty()) {
            said.add(importer.omitted());
        }
        String detail = "on trial with " + layout.image() + " in " + size + " bytes: " + String.join("; ", said);
        if (taken.isEmpty() && refused.isEmpty()) {
            return Device.undeclared(name, "nothing is known: " + detail);
        }
        // What was not refused may do, if nothing was taken.
        var possible = new ArrayList<Answer>(taken.isEmpty() ? doubtful : taken);
        var impossible = new ArrayList<Answer>(refused);
        if (taken.isEmpty()) {
            possible.addAll(notTried);
        } else {
            impossible.addAll(doubtful);
        }
        if (possible.isEmpty() && refused.equals(notShown)) {
            throw new CenallocException(
                    Errno.EINVAL,
                    "DRM_IOCTL_MODE_ATOMIC",
                    node,
                    size,
                    name + " takes the memory, but would not show " + layout.image() + "; " + detail,
                    "take another size, best that of a mode of the screen, or another format");
        }
        if (possible.isEmpty()) {
            boolean contiguous = answers.stream().anyMatch(Answer::isContiguous);
            throw new NoSuitableHeapException(
                    "trial import",
                    node,
                    size,
                    name + " takes no memory of any heap; " + detail,
                    contiguous
                            ? "it has memory of its own: let it export that, and the others import it"
                            : NoSuitableHeapException.NO_CONTIGUOUS_HEAP);
        }
        return Device.of(name, difference(possible, impossible).and(needs), Origin.TRIAL_IMPORT, detail);
    }

    private static List<Answer> having(List<Answer> answers, Verdict verdict) {
        return answers.stream().filter(answer -> answer.verdict() == verdict).toList();
    }

    private static void tell(List<String> said, String what, List<Answer> answers) {
        if (!answers.isEmpty()) {
            said.add(what
                    + String.join(", ", answers.stream().map(Answer::toString).toList()));
        }
    }

    /** What memory of the first has and memory of the others lacks. */
    private static Constraints difference(List<Answer> possible, List<Answer> impossible) {
        if (impossible.isEmpty()) {
            return Constraints.NONE;
        }
        return possible.stream().allMatch(Answer::isContiguous)
                        && impossible.stream().noneMatch(Answer::isContiguous)
                ? Constraints.NONE.contiguous()
                : Constraints.NONE.onlyHeaps(
                        possible.stream().map(answer -> answer.heap().name()).toList());
    }

    @Override
    public String toString() {
        return name + " (" + node + ")";
    }
}
