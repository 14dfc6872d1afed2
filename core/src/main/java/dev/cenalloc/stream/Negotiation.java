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
import dev.cenalloc.plan.Plan;
import dev.cenalloc.stream.Overlap.Kind;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** Chooses images and plans their memory, in the order of {@link Agreement#negotiate}. For one thread. */
final class Negotiation {
    /** The rate that a size should reach if none is requested. Cameras call it 29.97. */
    private static final FrameRate ENOUGH = new FrameRate(30_000, 1_001);

    /** The rate if neither the caller nor a device limits it. */
    static final FrameRate USUAL = FrameRate.of(30);

    /** A larger size comes from devices without a limit, though perhaps with steps. */
    private static final int LARGEST = Integer.MAX_VALUE - 4096;

    /** How often the devices are asked about a layout that their own answers change. One change is common. */
    private static final int ROUNDS = 4;

    /** Why there is no memory for an image, and what can be done about it. */
    private record Obstacle(String reason, String remedy) {}

    private final Cenalloc cenalloc;
    private final ImageRequest request;
    private final List<Port> ports;
    private final FrameRate target;

    Negotiation(Cenalloc cenalloc, ImageRequest request, List<Port> ports) {
        this.cenalloc = Objects.requireNonNull(cenalloc, "cenalloc");
        this.request = Objects.requireNonNull(request, "request");
        this.ports = List.copyOf(Objects.requireNonNull(ports, "ports"));
        this.target = request.rate().orElse(ENOUGH);
        if (ports.isEmpty()) {
            throw new IllegalArgumentException("ports must not be empty: the first is the producer of the images");
        }
    }

    Agreement agree() throws CenallocException {
        var candidates = new ArrayList<Candidate>();
        for (Kind kind : Candidate.ranked(ports.getFirst().kinds(request))) {
            List<Overlap> overlaps = Overlap.of(kind, request, ports).stream()
                    .filter(Overlap::hasImages)
                    .toList();
            if (!overlaps.isEmpty()) {
                candidates.add(choose(kind, overlaps));
            }
        }
        if (candidates.isEmpty()) {
            throw new NoCommonImageException(ImageConflict.of(request, ports));
        }
        var rejected = new ArrayList<ImageRejection>();
        String remedy = "";
        for (Candidate candidate : candidates) {
            var plans = new ArrayList<Plan>();
            Obstacle obstacle = plan(candidate.image(), plans).orElse(null);
            if (obstacle == null) {
                String why = new NegotiationExplanation(request, target, ports, candidates, rejected).of(candidate);
                return new Agreement(candidate.image(), candidate.rate(), plans, why);
            }
            rejected.add(new ImageRejection(candidate.image(), candidate.rate(), plans, obstacle.reason));
            remedy = remedy.isEmpty() ? obstacle.remedy : remedy;
        }
        throw new NoCommonImageException(rejected, remedy);
    }

    // ---- the best size and rate ----

    private Candidate choose(Kind kind, List<Overlap> overlaps) {
        // The largest size of each overlap is enough: a smaller one is better in no respect.
        Sizes best = overlaps.stream()
                .min(Comparator.<Overlap, Boolean>comparing(overlap -> !overlap.reaches(target))
                        .thenComparingLong(overlap -> -overlap.area())
                        .thenComparingInt(overlap -> place(kind, overlap.largest()))
                        .thenComparingInt(overlap -> -overlap.sizes().maxWidth()))
                .map(Overlap::largest)
                .orElseThrow();
        return new Candidate(kind, best, rate(Candidate.rates(overlaps, best)), overlaps);
    }

    /** How many images the producer lists before those of this size. */
    private int place(Kind kind, Sizes size) {
        List<ImageRange> images = ports.getFirst().images();
        int place = 0;
        while (!Kind.of(images.get(place)).equals(kind)
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
            return Optional.of(new Obstacle("no device limits the size", "request a size"));
        }
        int buffers = image.format().buffers();
        for (int buffer = 0; buffer < buffers; buffer++) {
            Layout least;
            try {
                least = Demand.ofImage(image, buffer).layout(Constraints.NONE).orElseThrow();
            } catch (IllegalArgumentException e) {
                // It is not linear, or too large.
                return Optional.of(new Obstacle(
                        String.valueOf(e.getMessage()), "request another format or size, or let a device convert"));
            }
            Obstacle obstacle = plan(least, plans).orElse(null);
            if (obstacle != null) {
                return Optional.of(
                        buffers == 1
                                ? obstacle
                                : new Obstacle("buffer " + buffer + ": " + obstacle.reason, obstacle.remedy));
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
                    if (isOutOfReach(e)) {
                        throw e;
                    }
                    String who = e.reason().startsWith(port.name()) ? "" : port.name() + " refuses: ";
                    return Optional.of(new Obstacle(who + e.reason(), e.remedy()));
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

    /** Whether the device cannot be reached, whatever it is asked for. */
    private static boolean isOutOfReach(CenallocException e) {
        return switch (e.errno()) {
            case Errno.EACCES, Errno.EPERM, Errno.ENOENT, Errno.EMFILE -> true;
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
        return new Obstacle(reason, cenalloc.remedy(plan));
    }
}
