package dev.cenalloc;

import dev.cenalloc.ImageRange.Rates;
import dev.cenalloc.ImageRange.Sizes;
import dev.cenalloc.NoCommonImageException.Rejection;
import dev.cenalloc.Overlap.Kind;
import dev.cenalloc.bindings.Errno;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;

/** One negotiation: the order is that of {@link Cenalloc#negotiate}. */
final class Negotiation {
    /** What a size should reach if no rate is wished for: that cameras call it 29.97 is not held against a size. */
    private static final Rate ENOUGH = new Rate(30_000, 1_001);

    /** The rate where nobody says any. */
    private static final Rate USUAL = Rate.of(30);

    /** How many times the devices are asked about a layout that their own answers change; one change is common. */
    private static final int ROUNDS = 4;

    private final Cenalloc cenalloc;
    private final Wish wish;
    private final List<Port> ports;
    private final Rate target;

    /** The best images of a kind, with what there was to choose from. */
    private record Choice(Kind kind, Sizes size, Rate rate, List<Overlap> overlaps) {
        Image image() {
            return new Image(kind.format(), size.maxWidth(), size.maxHeight(), kind.modifier());
        }
    }

    Negotiation(Cenalloc cenalloc, Wish wish, List<Port> ports) {
        this.cenalloc = cenalloc;
        this.wish = Objects.requireNonNull(wish);
        this.ports = List.copyOf(ports);
        this.target = wish.rate().orElse(ENOUGH);
        if (ports.isEmpty()) {
            throw new IllegalArgumentException("somebody gives the images: name at least one port, the producer's");
        }
    }

    Agreement agree() throws CenallocException {
        var choices = new ArrayList<Choice>();
        for (Kind kind : ranked(Clash.kinds(wish, ports.getFirst()))) {
            List<Overlap> overlaps = Overlap.of(kind, wish.size().orElse(null), ports).stream()
                    .filter(Overlap::hasImages)
                    .toList();
            if (!overlaps.isEmpty()) {
                choices.add(choose(kind, overlaps));
            }
        }
        if (choices.isEmpty()) {
            throw new NoCommonImageException(Clash.of(wish, ports));
        }
        var rejected = new ArrayList<Rejection>();
        for (Choice choice : choices) {
            var plans = new ArrayList<Plan>();
            String objection = plan(choice.image(), plans);
            if (objection.isEmpty()) {
                return new Agreement(choice.image(), choice.rate, plans, "");
            }
            rejected.add(new Rejection(choice.image(), choice.rate, plans, objection));
        }
        throw new NoCommonImageException(rejected);
    }

    /** The best first; of the equally good, the order is kept. */
    private static List<Kind> ranked(Set<Kind> kinds) {
        List<PixelFormat> named = kinds.stream().map(Kind::format).distinct().toList();
        return kinds.stream()
                .sorted(BEST_FORMAT
                        .thenComparingInt(kind -> named.indexOf(kind.format()))
                        .thenComparing(kind -> kind.modifier() != Image.LINEAR))
                .toList();
    }

    private static final Comparator<Kind> BEST_FORMAT = Comparator.<Kind>comparingInt(
                    kind -> -kind.format().colourBits())
            .thenComparingInt(kind -> kind.format().bitsPerPixel());

    // ---- the best size and rate ----

    private Choice choose(Kind kind, List<Overlap> overlaps) {
        // The largest of each overlap will do: what is smaller is no better in any respect.
        Sizes best = overlaps.stream()
                .min(Comparator.<Overlap, Boolean>comparing(overlap -> !overlap.reaches(target))
                        .thenComparingLong(overlap -> -overlap.area())
                        .thenComparingInt(overlap -> place(kind, largest(overlap)))
                        .thenComparingInt(overlap -> -overlap.sizes().maxWidth()))
                .map(Negotiation::largest)
                .orElseThrow();
        List<Rates> rates = overlaps.stream()
                .filter(overlap -> overlap.sizes().contains(best.maxWidth(), best.maxHeight()))
                .flatMap(overlap -> overlap.rates().stream())
                .toList();
        return new Choice(kind, best, rate(rates), overlaps);
    }

    private static Sizes largest(Overlap overlap) {
        return Sizes.of(overlap.sizes().maxWidth(), overlap.sizes().maxHeight());
    }

    /** How many images the producer names before those of this size. */
    private int place(Kind kind, Sizes size) {
        List<ImageRange> images = ports.getFirst().images();
        int place = 0;
        while (!Kind.of(images.get(place)).equals(kind)
                || images.get(place).sizes().and(size) == null) {
            place++;
        }
        return place;
    }

    private Rate rate(List<Rates> rates) {
        if (wish.rate().isPresent()) {
            return nearest(rates, wish.rate().get());
        }
        Rate highest =
                rates.stream().map(Rates::max).max(Comparator.naturalOrder()).orElseThrow();
        return highest.equals(Rates.HIGHEST) ? nearest(rates, USUAL) : highest;
    }

    /** The rate itself, or the next above, or if there is none, below. */
    private static Rate nearest(List<Rates> rates, Rate wished) {
        return rates.stream()
                .filter(range -> range.max().compareTo(wished) >= 0)
                .map(range -> range.contains(wished) ? wished : range.min())
                .min(Comparator.naturalOrder())
                .orElseGet(() -> rates.stream()
                        .map(Rates::max)
                        .max(Comparator.naturalOrder())
                        .orElseThrow());
    }

    // ---- the memory ----

    /** Plans each buffer of an image; why that cannot be, in words, or empty. */
    private String plan(Image image, List<Plan> plans) throws CenallocException {
        if (image.width() == Integer.MAX_VALUE || image.height() == Integer.MAX_VALUE) {
            return "no device sets a limit to the size, so one has to be wished for";
        }
        for (int buffer = 0; buffer < image.format().buffers(); buffer++) {
            String objection;
            try {
                objection = plan(Layout.of(image, buffer, Constraints.NONE), plans);
            } catch (IllegalArgumentException e) {
                objection = String.valueOf(e.getMessage());
            }
            if (!objection.isEmpty()) {
                return objection;
            }
        }
        return "";
    }

    private String plan(Layout least, List<Plan> plans) throws CenallocException {
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
                    return port.name() + " refuses: " + e.getMessage();
                }
            }
            Plan plan = cenalloc.plan(layout.image(), layout.buffer(), List.copyOf(devices));
            Layout wanted = plan.layout().orElse(layout);
            if (wanted.equals(layout)) {
                plans.add(plan);
                return plan.candidates().isEmpty() ? objection(plan) : "";
            }
            layout = wanted;
        }
        return "the devices ask for another layout each time that they are asked, " + ROUNDS + " times, at last "
                + layout;
    }

    /** Whether it is the device that is missing, and not what it is asked for. */
    private static boolean isOutOfReach(CenallocException e) {
        return switch (e.errno()) {
            case Errno.EACCES, Errno.EPERM, Errno.ENOENT -> true;
            case Errno.ENODEV -> !(e instanceof NoSuitableHeapException);
            default -> false;
        };
    }

    private static String objection(Plan plan) {
        return plan.conflict()
                .map(Conflict::toString)
                .orElseGet(() -> plan.rejected().isEmpty()
                        ? "there is no heap"
                        : plan.rejected().stream()
                                .map(rejection -> "not " + rejection)
                                .collect(Collectors.joining(", ")));
    }
}
