// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.NoSuitableHeapException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.Conflict;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.plan.Statement;
import dev.cenalloc.stream.Overlap.Kind;
import dev.cenalloc.text.Printable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Chooses images and plans their memory, in the order of {@link Agreement#negotiate}. For one thread. */
final class Negotiation {
    /** The rate that a size should reach if none is requested. Cameras call it 29.97. */
    private static final FrameRate ENOUGH = new FrameRate(30_000, 1_001);

    /** The rate if neither the caller nor a device limits it. */
    static final FrameRate USUAL = FrameRate.of(30);

    /** A larger size comes from devices without a limit, though perhaps with steps. */
    private static final int LARGEST = Integer.MAX_VALUE - 4096;

    /** Buffers of a device's own memory that are offered at a time, so that one lucky piece decides nothing. */
    private static final int OFFERED = 3;

    /** How often the devices are asked about a layout that their own answers change. One change is common. */
    private static final int ROUNDS = 4;

    /** How many sizes of a format are tried at most. Each may cost the devices a trial. */
    private static final int SIZES = 12;

    /** Where any size is possible, these are tried below the largest: those of video standards. */
    private static final List<Sizes> USUAL_SIZES = List.of(
            Sizes.of(7680, 4320),
            Sizes.of(4096, 2160),
            Sizes.of(3840, 2160),
            Sizes.of(2560, 1440),
            Sizes.of(1920, 1080),
            Sizes.of(1280, 720),
            Sizes.of(800, 600),
            Sizes.of(640, 480),
            Sizes.of(320, 240));

    /** What another size cannot change. */
    private static final Set<Field> OF_EVERY_SIZE = Set.of(
            Field.HEAPS,
            Field.CONTIGUOUS,
            Field.PROTECTED,
            Field.ACCEPTS_PROTECTED,
            Field.ACCEPTS_DECRYPTED,
            Field.CPU_READ,
            Field.CPU_WRITE,
            Field.PAGES);

    /**
     * Why there is no memory for an image, and what can be done about it.
     *
     * @param scope what it holds for
     */
    private record Obstacle(String reason, String remedy, Scope scope) {
        Obstacle(String reason, String remedy) {
            this(reason, remedy, Scope.THIS_SIZE);
        }
    }

    private enum Scope {
        THIS_SIZE,
        EVERY_SIZE,
        /** Every size, in any memory. */
        EVERY_MEMORY
    }

    private final Cenalloc cenalloc;
    private final ImageRequest request;
    private final List<Port> ports;
    private final FrameRate target;

    Negotiation(Cenalloc cenalloc, ImageRequest request, List<Port> ports) {
        this.cenalloc = Objects.requireNonNull(cenalloc, "cenalloc");
        this.request = Objects.requireNonNull(request, "request");
        Objects.requireNonNull(ports, "ports").forEach(port -> Objects.requireNonNull(port, "an element of ports"));
        this.ports = List.copyOf(ports);
        this.target = request.rate().orElse(ENOUGH);
        if (ports.isEmpty()) {
            throw new IllegalArgumentException("ports must not be empty: the first is the producer of the images");
        }
    }

    Agreement agree() throws CenallocException {
        if (cenalloc.heaps().isEmpty()) {
            boolean _ = cenalloc.refresh(); // they may have appeared
        }
        var formats = new ArrayList<List<Candidate>>();
        for (Kind kind : Candidate.ranked(ports.getFirst().kinds(request, true))) {
            List<Overlap> overlaps = Overlap.of(kind, request, ports, ports.getFirst()).overlaps().stream()
                    .filter(Overlap::hasImages)
                    .toList();
            if (!overlaps.isEmpty()) {
                formats.add(candidates(kind, overlaps));
            }
        }
        if (formats.isEmpty()) {
            throw new NoCommonImageException(ImageConflict.of(request, ports));
        }
        var rejected = new ArrayList<ImageRejection>();
        String remedy = "";
        List<Candidate> best = formats.stream().map(List::getFirst).toList();
        for (int place = 0; !formats.isEmpty(); place++) {
            var smaller = new ArrayList<List<Candidate>>();
            for (List<Candidate> sizes : formats) {
                Candidate candidate = sizes.get(place);
                var plans = new ArrayList<Plan>();
                Obstacle obstacle = plan(candidate.image(), plans).orElse(null);
                if (obstacle == null) {
                    String why = new NegotiationExplanation(request, target, ports, best, rejected).of(candidate);
                    return inHeap(candidate, plans, why);
                }
                var refusals = new LinkedHashMap<DeviceMemory, String>();
                for (Port port : obstacle.scope == Scope.EVERY_MEMORY ? List.<Port>of() : ports) {
                    var own = new ArrayList<Plan>();
                    DeviceMemory memory = port.memory().orElse(null);
                    if (memory != null && inMemoryOf(port, memory, candidate.image(), own, refusals)) {
                        String why = new NegotiationExplanation(request, target, ports, best, rejected).of(candidate);
                        return inMemory(candidate, own, memory, why, "no heap suits: " + obstacle.reason);
                    }
                }
                // What stands against any memory is told once.
                refusals.values().removeIf(obstacle.reason::contains);
                if (!refusals.isEmpty()) {
                    obstacle = new Obstacle(
                            obstacle.reason
                                    + refusals.entrySet().stream()
                                            .map(refusal -> "; not "
                                                    + refusal.getKey().name() + " (" + refusal.getValue() + ")")
                                            .collect(Collectors.joining()),
                            cenalloc.heaps().isEmpty()
                                    ? obstacle.remedy
                                    : "copy between two buffers, or leave one of the devices out",
                            obstacle.scope);
                }
                rejected.add(new ImageRejection(candidate.image(), candidate.rate(), plans, obstacle.reason));
                remedy = remedy.isEmpty() ? obstacle.remedy : remedy;
                if (obstacle.scope == Scope.THIS_SIZE && place + 1 < sizes.size()) {
                    smaller.add(sizes);
                }
            }
            formats = smaller;
        }
        throw new NoCommonImageException(rejected, remedy, Port.leftOut(ports));
    }

    private Agreement inHeap(Candidate candidate, List<Plan> plans, String why) {
        var refusals = new LinkedHashMap<DeviceMemory, String>();
        BetterMemory better =
                BetterMemory.of(this, ports, candidate.image(), plans, refusals).orElse(null);
        if (better == null) {
            String refused = refusals.entrySet().stream()
                    .map(refusal -> "\n  "
                            + Printable.of("not " + refusal.getKey().name() + " in its place: " + refusal.getValue()))
                    .collect(Collectors.joining());
            return new Agreement(
                    candidate.image(), candidate.rate(), plans, null, null, ignoresAlpha(candidate), why + refused);
        }
        return new Agreement(
                candidate.image(),
                candidate.rate(),
                plans,
                null,
                inMemory(candidate, better.plans(), better.memory(), why, better.reason()),
                ignoresAlpha(candidate),
                why + "\n  "
                        + Printable.of(better.memory().name() + " suits too, and is better, since " + better.reason()
                                + ": alternative() has it"));
    }

    private Agreement inMemory(Candidate candidate, List<Plan> plans, DeviceMemory memory, String why, String reason) {
        return new Agreement(
                candidate.image(),
                candidate.rate(),
                plans,
                memory,
                null,
                ignoresAlpha(candidate),
                why + "\n  " + Printable.of(memory.name() + ", since " + reason));
    }

    /** Whether a consumer has the images in a format with alpha only, and ignores it. */
    private boolean ignoresAlpha(Candidate candidate) {
        return ports.stream()
                .skip(1)
                .anyMatch(port -> !port.own(candidate.kind(), false).equals(candidate.kind()));
    }

    // ---- the best sizes and rates ----

    /** The sizes of a format to try, the best first. */
    private List<Candidate> candidates(Kind kind, List<Overlap> overlaps) {
        // Of each overlap the largest size: a smaller one is better in no respect, unless there is no memory.
        return overlaps.stream()
                .flatMap(overlap -> Stream.concat(
                        Stream.of(overlap.largest()), USUAL_SIZES.stream().filter(overlap::contains)))
                .distinct()
                .sorted(Comparator.<Sizes, Boolean>comparing(size -> overlaps.stream()
                                .noneMatch(overlap -> overlap.contains(size) && overlap.reaches(target)))
                        .thenComparingLong(size -> -(long) size.maxWidth() * size.maxHeight())
                        .thenComparingInt(size -> place(kind, size))
                        .thenComparingInt(size -> -size.maxWidth()))
                .limit(SIZES)
                .map(size -> new Candidate(kind, size, rate(Candidate.rates(overlaps, size)), overlaps))
                .toList();
    }

    /** How many images the producer lists before those of this size. */
    private int place(Kind kind, Sizes size) {
        List<ImageRange> images = ports.getFirst().images();
        Kind own = ports.getFirst().own(kind, true);
        int place = 0;
        while (!Kind.of(images.get(place)).equals(own)
                || images.get(place).sizes().and(size).isEmpty()) {
            place++;
        }
        return place;
    }

    private FrameRate rate(List<Rates> rates) {
        if (request.rate().isPresent()) {
            return nearest(rates, target);
        }
        FrameRate highest = Candidate.highest(rates);
        return highest.equals(Rates.ANY.max()) ? nearest(rates, USUAL) : highest;
    }

    /** The rate itself, or the next above, or if there is none, below. */
    private static FrameRate nearest(List<Rates> rates, FrameRate wanted) {
        return rates.stream()
                .filter(range -> range.max().compareTo(wanted) >= 0)
                .map(range -> range.contains(wanted) ? wanted : range.min())
                .min(Comparator.naturalOrder())
                .orElseGet(() -> Candidate.highest(rates));
    }

    // ---- the memory ----

    /** Plans each buffer of an image; empty if each has a heap. */
    private Optional<Obstacle> plan(Image image, List<Plan> plans) throws CenallocException {
        if (image.width() > LARGEST || image.height() > LARGEST) {
            return Optional.of(new Obstacle("no device limits the size", "request a size", Scope.EVERY_MEMORY));
        }
        int buffers = image.format().buffers();
        for (int buffer = 0; buffer < buffers; buffer++) {
            Layout least;
            try {
                least = Demand.ofImage(image, buffer).layout(Constraints.NONE).orElseThrow();
            } catch (IllegalArgumentException e) {
                // It is not linear, or too large.
                return Optional.of(new Obstacle(
                        String.valueOf(e.getMessage()),
                        "request another format or size, or let a device convert",
                        image.modifier() == Image.LINEAR ? Scope.THIS_SIZE : Scope.EVERY_MEMORY));
            }
            Obstacle obstacle = plan(least, plans).orElse(null);
            if (obstacle != null) {
                return Optional.of(
                        buffers == 1
                                ? obstacle
                                : new Obstacle(
                                        "buffer " + buffer + ": " + obstacle.reason, obstacle.remedy, obstacle.scope));
            }
        }
        return Optional.empty();
    }

    private Optional<Obstacle> plan(Layout least, List<Plan> plans) throws CenallocException {
        Layout layout = least;
        for (int round = 0; round < ROUNDS; round++) {
            Set<Device> devices = new LinkedHashSet<>();
            for (Port port : ports) {
                try {
                    devices.add(port.device(layout));
                } catch (CenallocException e) {
                    if (endsNegotiation(e)) {
                        throw e;
                    }
                    String who = e.reason().startsWith(Printable.of(port.name())) ? "" : port.name() + " refuses: ";
                    // A device that refused every heap may take a smaller buffer by luck: its pages lie in a row.
                    return Optional.of(new Obstacle(
                            who + e.reason(),
                            e.remedy(),
                            e instanceof NoSuitableHeapException ? Scope.EVERY_SIZE : Scope.THIS_SIZE));
                }
            }
            Plan plan = cenalloc.plan(Demand.ofImage(layout.image(), layout.buffer()), List.copyOf(devices));
            Layout wanted = plan.layout().orElse(layout);
            if (wanted.equals(layout)) {
                plans.add(plan);
                return plan.candidates().isEmpty() ? Optional.of(obstacle(plan)) : Optional.empty();
            }
            layout = wanted;
        }
        return Optional.of(new Obstacle(
                "the devices ask for another layout in each of " + ROUNDS + " rounds, at last for " + layout,
                "state the constraints of one of the devices"));
    }

    /** Plans each buffer of an image in a device's own memory. Tells what is against it, if something is. */
    boolean inMemoryOf(
            Port owner, DeviceMemory memory, Image image, List<Plan> plans, Map<DeviceMemory, String> refusals)
            throws CenallocException {
        try {
            for (int buffer = 0; buffer < image.format().buffers(); buffer++) {
                Plan plan = inMemoryOf(
                        owner,
                        memory,
                        Demand.ofImage(image, buffer).layout(Constraints.NONE).orElseThrow());
                if (plan.candidates().isEmpty()) {
                    String why = plan.conflict()
                            .filter(conflict -> !conflict.statements().isEmpty())
                            .map(Conflict::toString)
                            .orElseGet(() -> plan.rejected().getFirst().reason());
                    refusals.put(memory, why);
                    return false;
                }
                plans.add(plan);
            }
            return true;
        } catch (CenallocException e) {
            if (endsNegotiation(e)) {
                throw e;
            }
            refusals.put(memory, e.reason());
        } catch (IllegalArgumentException e) {
            // It is not linear, or too large.
            refusals.put(memory, String.valueOf(e.getMessage()));
        }
        return false;
    }

    private Plan inMemoryOf(Port owner, DeviceMemory memory, Layout least) throws CenallocException {
        Layout layout = least;
        Plan plan;
        int round = 0;
        do {
            Set<Device> devices = new LinkedHashSet<>();
            Heap heap;
            try (DeviceMemory.Offer offer = memory.offer(owner.own(layout), OFFERED)) {
                heap = offer.heap();
                for (Port port : ports) {
                    devices.add(port == owner ? offer.device() : port.device(layout, offer));
                }
            }
            plan = Plan.of(Demand.ofImage(layout.image(), layout.buffer()), List.copyOf(devices), List.of(heap));
            Layout wanted = plan.layout().orElse(layout);
            if (wanted.equals(layout)) {
                return plan;
            }
            layout = wanted;
            round++;
        } while (round < ROUNDS);
        throw new CenallocException(
                Errno.EINVAL,
                "negotiate",
                null,
                -1,
                "the devices ask for another layout in each of " + ROUNDS + " rounds, at last for " + layout,
                "state the constraints of one of the devices");
    }

    /** Whether a device cannot be reached, whatever it is asked for. */
    private boolean endsNegotiation(CenallocException e) {
        if (ports.stream().anyMatch(port -> !port.isReachable())) {
            return true;
        }
        return switch (e.errno()) {
            case Errno.EACCES, Errno.EPERM, Errno.ENOENT, Errno.EMFILE, Errno.ENFILE -> true;
            case Errno.ENODEV -> !(e instanceof NoSuitableHeapException);
            default -> false;
        };
    }

    private Obstacle obstacle(Plan plan) {
        String reason = plan.conflict()
                .map(Conflict::toString)
                .orElseGet(() -> plan.rejected().isEmpty()
                        ? "there is no heap"
                        : plan.rejected().stream()
                                .map(rejection -> "not " + rejection)
                                .collect(Collectors.joining(", ")));
        boolean ofEverySize = plan.conflicts().stream()
                .map(Conflict::statements)
                .anyMatch(statements -> !statements.isEmpty()
                        && statements.stream().map(Statement::field).allMatch(OF_EVERY_SIZE::contains));
        return new Obstacle(reason, cenalloc.remedy(plan), ofEverySize ? Scope.EVERY_SIZE : Scope.THIS_SIZE);
    }
}
