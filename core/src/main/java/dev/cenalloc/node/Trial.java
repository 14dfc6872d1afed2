// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoSuitableHeapException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.FileException;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.HeapRejection;
import dev.cenalloc.plan.Objection;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.stream.DeviceMemory.Offer;
import dev.cenalloc.stream.Port;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Finds out what memory a device takes, by offering it some. Every heap that this process may use and whose memory is
 * known is tried, in the order of a {@link Plan}, with several buffers at a time. Memory from the system heap may be
 * contiguous by luck (up to 1 MiB is one piece of it), so memory that is not known to be contiguous is offered in large
 * buffers, whatever the size of the image. Holds nothing open. Thread-safe.
 */
public final class Trial {
    /** How the device is opened for a trial; the trial closes the importer. */
    public interface Opener {
        Importer open() throws CenallocException;
    }

    /** Held at a time, so that one lucky piece of memory decides nothing. */
    private static final int BUFFERS = 3;

    /**
     * Bytes that are hardly ever contiguous by luck. The system heap puts pieces of up to 1 MiB together; taken one
     * after the other from free memory, those lie side by side up to the largest piece that the kernel keeps, 4 MiB.
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

    /**
     * What became of an offer.
     *
     * @param isLasting whether the next offer would get the same; not if memory was short
     */
    record Answer(Heap heap, Verdict verdict, String reason, boolean isLasting) {
        Answer(Heap heap, Verdict verdict, String reason) {
            this(heap, verdict, reason, verdict != Verdict.NO_MEMORY);
        }

        boolean isContiguous() {
            return heap.properties().contiguous() == Trait.YES;
        }

        /**
         * Whether its memory may lie above what devices of 32 bits reach. Of a contiguous pool that is not known where
         * the kernel does not tell; most boards have it below.
         */
        boolean mayLieHigh() {
            return heap.properties().highestAddress().orElse(0) > 0xffff_ffffL;
        }

        @Override
        public String toString() {
            return heap + (reason.isEmpty() ? "" : " (" + reason + ")");
        }
    }

    private final Kernel kernel;
    private final Cenalloc cenalloc;
    private final TrialCache cache;
    private final Path node;
    private final long number;
    private final String name;
    /** What is tried: the device, or a part of it. */
    private final String subject;

    /** What sysfs tells; asked at the first trial. Guarded by the lock of the device. */
    private @Nullable Device sysfs;

    /**
     * A trial of one device.
     *
     * @param node for messages
     * @param number the device number of the node
     * @param name what explanations call the device
     */
    public Trial(Cenalloc cenalloc, Path node, long number, String name) {
        this(cenalloc, node, number, name, "");
    }

    /**
     * A trial of a part of a device, such as one side of a converter, which may take other memory than the other.
     *
     * @param part tells it from the other parts of the device; empty for all of it
     */
    public Trial(Cenalloc cenalloc, Path node, long number, String name, String part) {
        this.kernel = Seam.kernel(cenalloc);
        this.cenalloc = cenalloc;
        this.cache = TrialCache.of(cenalloc);
        this.node = node;
        this.number = number;
        this.name = name;
        this.subject = name + part;
    }

    private Device ofSysfs() throws CenallocException {
        try {
            return Sysfs.device(kernel, name, kernel.sysfs(number));
        } catch (MissingDeviceException e) {
            // A device that stands for no hardware has none.
            return Device.undeclared(name);
        }
    }

    /**
     * The device, with what it was found to take for a layout.
     *
     * @throws CenallocException with the errno of the driver
     */
    public Device device(Layout layout, Opener opener) throws CenallocException {
        var key = new TrialCache.Key(number, subject, layout, cenalloc.heaps());
        Device known = cache.device(key);
        if (known != null) {
            return known;
        }
        // One trial of a device at a time: two would find the device in use.
        synchronized (TrialCache.lock(number)) {
            known = cache.device(key);
            if (known != null) {
                return known;
            }
            if (sysfs == null) {
                sysfs = ofSysfs();
            }
            Result result = tried(opener, layout, sysfs);
            Device found = withSysfs(result.device, sysfs);
            if (result.isLasting) {
                cache.put(key, found);
            }
            return found;
        }
    }

    /** What a port asks of the device: a trial with memory of the heaps, or with another device's own. */
    public Port.Terms terms(Opener opener) {
        return new Port.Terms() {
            @Override
            public Device device(Layout layout) throws CenallocException {
                return Trial.this.device(layout, opener);
            }

            @Override
            public Device device(Layout layout, Offer offer) throws CenallocException {
                return offered(layout, opener, offer);
            }
        };
    }

    /**
     * The device, with what it wants of the layout in another device's own memory, which it took.
     *
     * @throws NoSuitableHeapException ENODEV if it refused that
     * @throws CenallocException with the errno of the driver
     */
    public Device offered(Layout layout, Opener opener, Offer offer) throws CenallocException {
        synchronized (TrialCache.lock(number)) {
            try (Importer importer = opener.open()) {
                long size = importer.prepare(layout);
                Optional<Refusal> refusal = importer.offer(offer.buffers());
                String what = offer.heap() + " on trial with " + layout.image() + " in " + size + " bytes";
                if (refusal.isPresent()) {
                    throw new NoSuitableHeapException(
                            "trial import",
                            node,
                            size,
                            name + " refused " + what + ": " + refusal.get(),
                            "let another device convert or copy");
                }
                return Device.of(name, needs(importer, layout), Origin.TRIAL_IMPORT, "took " + what);
            } catch (CenallocException e) {
                return inUse(e).device;
            }
        }
    }

    private static Device withSysfs(Device trial, Device sysfs) {
        Device found = Device.mostTrusted(List.of(trial, sysfs));
        if (found.origin() == Origin.SYSFS) {
            found = found.withDetail(sysfs.detail() + "; " + trial.detail());
        }
        return sysfs.isBehindIommu()
                ? found.withDetail(found.detail() + "; behind an IOMMU").behindIommu()
                : found;
    }

    private Result tried(Opener opener, Layout layout, Device sysfs) throws CenallocException {
        Importer opened;
        try {
            opened = opener.open();
        } catch (CenallocException e) {
            return inUse(e);
        }
        try (Importer importer = opened) {
            try {
                return trial(importer, layout, sysfs);
            } catch (CenallocException e) {
                return inUse(e);
            }
        }
    }

    private Result inUse(CenallocException e) throws CenallocException {
        if (e.errno() != Errno.EBUSY) {
            throw e;
        }
        return new Result(Device.undeclared(name, "nothing is known: " + e.reason()), false);
    }

    private Result trial(Importer importer, Layout layout, Device sysfs) throws CenallocException {
        long size = importer.prepare(layout);
        var like = new TrialCache.ImageClass(
                number,
                subject,
                layout.image().format(),
                layout.buffer(),
                Long.SIZE - Long.numberOfLeadingZeros(size - 1),
                cenalloc.heaps());
        List<Answer> answers = cache.answers(like);
        if (answers == null || !isConfirmed(importer, answers, size)) {
            answers = answers(importer, size);
        }
        Device device = conclude(importer, layout, size, answers, sysfs);
        boolean isLasting = device.origin() == Origin.TRIAL_IMPORT
                && answers.stream().allMatch(Answer::isLasting)
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
            if (isUnknown(rejection.heap())) {
                answers.add(offer(importer, rejection.heap(), size));
            }
        }
        for (HeapRejection rejection : plan.rejected()) {
            if (rejection.cause() == Objection.Cause.NO_PERMISSION || rejection.cause() == Objection.Cause.REFUSED) {
                answers.add(new Answer(rejection.heap(), Verdict.NOT_TRIED, rejection.reason()));
            }
        }
        return List.copyOf(answers);
    }

    /** Whether nothing is known of a heap's memory. It is offered last, and used only if no known memory is taken. */
    private static boolean isUnknown(Heap heap) {
        return heap.isAccessible() && heap.properties().equals(HeapProperties.UNKNOWN);
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
                        heap,
                        Verdict.DOUBTFUL,
                        "in " + size + " bytes, but in " + large + " bytes: " + answer.reason(),
                        answer.isLasting())
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
            } catch (IllegalStateException e) {
                // Unregistered since the plan was made; if not, the Cenalloc is closed.
                if (cenalloc.heaps().contains(heap)) {
                    throw e;
                }
                return new Answer(heap, Verdict.NOT_TRIED, "it was unregistered meanwhile");
            }
            return importer.offer(buffers)
                    .map(refusal -> new Answer(
                            heap, refusal.ofImage() ? Verdict.NOT_SHOWN : Verdict.REFUSED, refusal.toString()))
                    .orElseGet(() -> new Answer(heap, Verdict.TAKEN, ""));
        } catch (CenallocException e) {
            if (isPassing(e)) {
                return notTried(heap, e);
            }
            throw e;
        } finally {
            Closing.all(buffers);
        }
    }

    /** Whether something was short that another program may give back: the answer is not kept. */
    private static boolean isPassing(CenallocException e) {
        return switch (e.errno()) {
            case Errno.ENOMEM, Errno.EMFILE, Errno.ENFILE -> true;
            default -> false;
        };
    }

    private static Answer notTried(Heap heap, CenallocException why) {
        Verdict verdict = FileException.isPassing(why.errno()) ? Verdict.NO_MEMORY : Verdict.NOT_TRIED;
        return new Answer(heap, verdict, why.call() + (why.isFromKernel() ? " gave " : ": ") + why.errnoName());
    }

    private Device conclude(Importer importer, Layout layout, long size, List<Answer> answers, Device sysfs)
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
        if (!sysfs.isBehindIommu() && taken.stream().anyMatch(Answer::mayLieHigh)) {
            // The kernel copies what the device does not reach (swiotlb, kernel/dma/direct.h).
            said.add("no trial shows whether the device reaches memory above 4 GiB");
        }
        Constraints needs = needs(importer, layout);
        if (!needs.equals(Constraints.NONE)) {
            said.add("the driver lays it out with " + needs);
        }
        if (!importer.omitted().isEmpty()) {
            said.add(importer.omitted());
        }
        String found = String.join("; ", said);
        String detail = "on trial with " + layout.image() + " in " + size + " bytes: " + found;
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
                    name + " takes the memory, but would not show " + layout.image() + ": " + found,
                    "take the size of a mode of the screen, or another format");
        }
        if (possible.isEmpty()) {
            boolean isContiguousTried = refused.stream().anyMatch(Answer::isContiguous);
            throw new NoSuitableHeapException(
                    "trial import",
                    node,
                    size,
                    name + " takes no memory of any heap: " + found,
                    isContiguousTried
                            ? "let it export memory of its own, and the others import it"
                            : NoSuitableHeapException.NO_CONTIGUOUS_HEAP);
        }
        return Device.of(name, difference(possible, impossible).and(needs), Origin.TRIAL_IMPORT, detail);
    }

    /** What the driver wants of the layout. */
    private Constraints needs(Importer importer, Layout layout) {
        var like = new TrialCache.ImageKey(number, subject, layout.image(), layout.buffer());
        return importer.needs().and(cache.rules(like, importer.rules()));
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
        // Memory of which nothing is known tells nothing about other memory.
        List<Answer> known =
                possible.stream().filter(answer -> !isUnknown(answer.heap())).toList();
        return known.isEmpty()
                ? distinction(possible, impossible)
                : distinction(
                        known,
                        impossible.stream()
                                .filter(answer -> !isUnknown(answer.heap()))
                                .toList());
    }

    private static Constraints distinction(List<Answer> possible, List<Answer> impossible) {
        if (impossible.isEmpty()) {
            return Constraints.NONE;
        }
        return possible.stream().allMatch(Answer::isContiguous)
                        && impossible.stream().noneMatch(Answer::isContiguous)
                ? Constraints.NONE.contiguous()
                : Constraints.NONE.onlyHeaps(
                        possible.stream().map(answer -> answer.heap().name()).toList());
    }
}
