package dev.cenalloc.stream;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Choice;
import dev.cenalloc.NoSuitableHeapException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Conflict;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.stream.Overlap.Kind;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;

/** One negotiation: the order is that of {@link Agreement#negotiate}. */
final class Negotiation {
    /** What a size should reach if no rate is wished for: that cameras call it 29.97 is not held against a size. */
    private static final FrameRate ENOUGH = new FrameRate(30_000, 1_001);

    /** The rate where nobody says any. */
    private static final FrameRate USUAL = FrameRate.of(30);

    /** A size beyond it comes from devices that have no limit, but perhaps steps. */
    private static final int LARGEST = Integer.MAX_VALUE - 4096;

    /** How many times the devices are asked about a layout that their own answers change; one change is common. */
    private static final int ROUNDS = 4;

    private static final Comparator<Kind> BEST_FORMAT = Comparator.<Kind>comparingInt(
                    kind -> -kind.format().colourBits())
            .thenComparingInt(kind -> kind.format().bitsPerPixel());

    private final Cenalloc cenalloc;
    private final ImageRequest wish;
    private final List<Port> ports;
    private final FrameRate target;

    /** The best images of a kind, with what there was to choose from. */
    private record Choice(Kind kind, Sizes size, FrameRate rate, List<Overlap> overlaps) {
        Image image() {
            return new Image(kind.format(), size.maxWidth(), size.maxHeight(), kind.modifier());
        }
    }

    Negotiation(Cenalloc cenalloc, ImageRequest wish, List<Port> ports) {
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
        for (Kind kind : ranked(ports.getFirst().kinds(wish))) {
            List<Overlap> overlaps = Overlap.of(kind, wish, ports).stream()
                    .filter(Overlap::hasImages)
                    .toList();
            if (!overlaps.isEmpty()) {
                choices.add(choose(kind, overlaps));
            }
        }
        if (choices.isEmpty()) {
            throw new NoCommonImageException(ImageConflict.of(wish, ports));
        }
        var rejected = new ArrayList<ImageRejection>();
        for (Choice choice : choices) {
            var plans = new ArrayList<Plan>();
            String objection = plan(choice.image(), plans);
            if (objection.isEmpty()) {
                return new Agreement(choice.image(), choice.rate, plans, explain(choice, choices, rejected));
            }
            rejected.add(new ImageRejection(choice.image(), choice.rate, plans, objection));
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
        return new Choice(kind, best, rate(rates(overlaps, best)), overlaps);
    }

    /** All rates at a size. */
    private static List<Rates> rates(List<Overlap> overlaps, Sizes size) {
        return overlaps.stream()
                .filter(overlap -> overlap.sizes().and(size).isPresent())
                .flatMap(overlap -> overlap.rates().stream())
                .distinct()
                .toList();
    }

    private static Sizes largest(Overlap overlap) {
        return Sizes.of(overlap.sizes().maxWidth(), overlap.sizes().maxHeight());
    }

    /** How many images the producer names before those of this size. */
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
        if (wish.rate().isPresent()) {
            return nearest(rates, target);
        }
        FrameRate highest = highest(rates);
        return highest.equals(Rates.ANY.max()) ? nearest(rates, USUAL) : highest;
    }

    private static FrameRate highest(List<Rates> rates) {
        return Collections.max(rates.stream().map(Rates::max).toList());
    }

    /** The rate itself, or the next above, or if there is none, below. */
    private static FrameRate nearest(List<Rates> rates, FrameRate wished) {
        return rates.stream()
                .filter(range -> range.max().compareTo(wished) >= 0)
                .map(range -> range.contains(wished) ? wished : range.min())
                .min(Comparator.naturalOrder())
                .orElseGet(() -> highest(rates));
    }

    // ---- the memory ----

    /** Plans each buffer of an image; why that cannot be, in words, or empty. */
    private String plan(Image image, List<Plan> plans) throws CenallocException {
        if (image.width() > LARGEST || image.height() > LARGEST) {
            return "no device sets a limit to the size, so one has to be wished for";
        }
        for (int buffer = 0; buffer < image.format().buffers(); buffer++) {
            Layout least;
            try {
                least = Demand.ofImage(image, buffer).layout(Constraints.NONE).orElseThrow();
            } catch (IllegalArgumentException e) {
                // It is not linear, or too large.
                return String.valueOf(e.getMessage());
            }
            String objection = plan(least, plans);
            if (!objection.isEmpty()) {
                return (image.format().buffers() == 1 ? "" : "buffer " + buffer + ": ") + objection;
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
            Plan plan = cenalloc.plan(Demand.ofImage(layout.image(), layout.buffer()), List.copyOf(devices));
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
            case Errno.EACCES, Errno.EPERM, Errno.ENOENT, Errno.EMFILE -> true;
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

    // ---- in words ----

    private String explain(Choice won, List<Choice> choices, List<ImageRejection> rejected) {
        var text = new StringBuilder();
        text.append(won.image()).append(" at ").append(won.rate).append(" frames a second, from ");
        text.append(ports.getFirst().name());
        if (ports.size() > 1) {
            text.append(" to ").append(names(ports.subList(1, ports.size())));
        }
        text.append("\n  format: ").append(whyFormat(won, choices));
        text.append("\n  size: ").append(whySize(won));
        text.append("\n  rate: ").append(whyRate(won));
        for (String line : whyNot(won, choices, rejected)) {
            text.append("\n  not ").append(line);
        }
        return text.toString();
    }

    private static String names(List<Port> some) {
        return some.stream().map(Port::name).distinct().collect(Collectors.joining(", "));
    }

    private String whyFormat(Choice won, List<Choice> choices) {
        if (wish.format().isPresent()) {
            return "as wished";
        }
        PixelFormat format = won.kind.format();
        var paler = new LinkedHashSet<PixelFormat>();
        var longer = new LinkedHashSet<PixelFormat>();
        var later = new LinkedHashSet<PixelFormat>();
        for (Choice choice : choices.subList(choices.indexOf(won), choices.size())) {
            PixelFormat other = choice.kind.format();
            if (other.colourBits() < format.colourBits()) {
                paler.add(other);
            } else if (other.bitsPerPixel() > format.bitsPerPixel()) {
                longer.add(other);
            } else if (other != format) {
                later.add(other);
            }
        }
        var reasons = new ArrayList<String>();
        tell(reasons, "more colour than ", paler, "");
        tell(reasons, "fewer bytes than ", longer, "");
        tell(reasons, "named before ", later, " by " + ports.getFirst().name());
        if (reasons.isEmpty()) {
            return choices.getFirst().equals(won)
                    ? "the only one in common"
                    : "the only one in common with memory that suits all";
        }
        return String.join(", ", reasons);
    }

    private static void tell(List<String> reasons, String before, Set<PixelFormat> formats, String after) {
        if (!formats.isEmpty()) {
            reasons.add(formats.stream().map(PixelFormat::toString).collect(Collectors.joining(", ", before, after)));
        }
    }

    private String whySize(Choice won) {
        if (wish.size().isPresent()) {
            return "as wished";
        }
        if (won.overlaps.stream().allMatch(overlap -> overlap.sizes().equals(won.size))) {
            return "the only one in common";
        }
        if (won.rate.compareTo(target) < 0) {
            return "the largest in common; at none the rate reaches " + target;
        }
        Overlap largest = Collections.max(won.overlaps, Comparator.comparingLong(Overlap::area));
        return largest.area() > (long) won.size.maxWidth() * won.size.maxHeight()
                ? "the largest in common at which the rate reaches " + target + ", as it does not at "
                        + largest(largest)
                : "the largest in common";
    }

    private String whyRate(Choice won) {
        if (wish.rate().isEmpty()) {
            List<Rates> rates = rates(won.overlaps, won.size);
            return rates.getFirst().equals(Rates.of(won.rate)) && rates.size() == 1
                    ? "the only one in common at this size"
                    : highest(rates).equals(Rates.ANY.max())
                            ? "no device sets a limit, and this is nearest to the usual " + USUAL
                            : "the highest in common at this size";
        }
        int above = won.rate.compareTo(target);
        return above == 0
                ? "as wished"
                : above > 0
                        ? "the nearest above the " + target + " wished for, which not all have at this size"
                        : "the nearest to the " + target + " wished for, which is not reached at this size";
    }

    /** What became of formats that would have been better. */
    private List<String> whyNot(Choice won, List<Choice> choices, List<ImageRejection> rejected) {
        var all = new LinkedHashSet<Kind>();
        ports.forEach(port -> all.addAll(port.kinds(wish)));
        var lines = new ArrayList<String>();
        for (PixelFormat format :
                ranked(all).stream().map(Kind::format).distinct().toList()) {
            rejected.stream()
                    .filter(rejection -> rejection.image().format() == format)
                    .forEach(rejection -> lines.add(rejection.toString()));
            boolean isCommon = choices.stream().anyMatch(choice -> choice.kind.format() == format);
            boolean isBetter = BEST_FORMAT.compare(new Kind(format, Image.LINEAR), won.kind) < 0;
            if (isBetter && !isCommon) {
                lines.add(format + " (" + whyNotCommon(format) + ")");
            }
        }
        return lines;
    }

    private String whyNotCommon(PixelFormat format) {
        List<Port> only = ports.stream().map(port -> port.only(format)).toList();
        List<Port> without =
                only.stream().filter(port -> port.images().isEmpty()).toList();
        return without.isEmpty() ? ImageConflict.of(wish, only).toString() : "not of " + names(without);
    }
}
