package dev.cenalloc.stream;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.stream.Overlap.Kind;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The smallest set of ports, with or without what is wished for, that have no image in common: leave any one out and the rest have.
 * Immutable.
 */
public final class ImageConflict {
    /** What there is none of in common; of what comes before it in this order, there is. */
    public enum Aspect {
        /** The {@link PixelFormat}. */
        FORMAT,
        /** The modifier, in a common format. */
        MODIFIER,
        /** The size, in a common format and modifier. */
        SIZE,
        /** The rate, at a common size. */
        RATE
    }

    private final Aspect aspect;
    /** Nothing, if they clash anyway. */
    private final ImageRequest wish;

    private final List<Port> ports;
    private final String text;

    private ImageConflict(Aspect aspect, ImageRequest wish, List<Port> ports, String text) {
        this.aspect = aspect;
        this.wish = wish;
        this.ports = ports;
        this.text = text;
    }

    /** {@return what they have none of in common} */
    public Aspect aspect() {
        return aspect;
    }

    /** {@return what is wished for, if the ports would have an image in common without it} */
    public Optional<ImageRequest> wish() {
        return Optional.of(wish).filter(ImageRequest::insists);
    }

    /** {@return the ports that clash, in the order in which they were given; one, if it offers nothing, or not what is wished for} */
    public List<Port> ports() {
        return ports;
    }

    @Override
    public String toString() {
        return text;
    }

    /** Of ports and a wish that have no image in common. */
    static ImageConflict of(ImageRequest wish, List<Port> ports) {
        Set<Integer> places = new Search(wish, ports).run();
        List<Port> clashing = places.stream()
                .filter(place -> place < ports.size())
                .map(ports::get)
                .toList();
        ImageRequest insisted = places.contains(ports.size()) ? wish : ImageRequest.ANY;
        Aspect aspect = aspect(insisted, clashing);
        var words = new ArrayList<String>();
        if (insisted.insists()) {
            words.add(insisted.images() + " is wished");
        }
        for (Port port : clashing) {
            String verb = port == ports.getFirst() ? " gives " : " takes ";
            words.add(port.name() + verb + String.join(", ", matters(aspect, insisted, clashing, port)));
        }
        String text = clashing.getFirst().images().isEmpty()
                ? clashing.getFirst().name() + " offers no format"
                : "no " + aspect.toString().toLowerCase(Locale.ROOT) + " in common: " + String.join("; ", words);
        return new ImageConflict(aspect, insisted, clashing, text);
    }

    private static Aspect aspect(ImageRequest wish, List<Port> ports) {
        Set<Kind> kinds = common(ports, port -> port.kinds(wish));
        if (!kinds.isEmpty()) {
            return kinds.stream().allMatch(kind -> Overlap.of(kind, wish, ports).isEmpty()) ? Aspect.SIZE : Aspect.RATE;
        }
        return common(ports, port -> formats(wish, port)).isEmpty() ? Aspect.FORMAT : Aspect.MODIFIER;
    }

    /** What a port has, in words, as far as it matters: of formats that all have, if it is not for these. */
    private static Collection<String> matters(Aspect aspect, ImageRequest wish, List<Port> ports, Port port) {
        if (aspect == Aspect.FORMAT) {
            return port.images().stream()
                    .map(range -> range.format().toString())
                    .distinct()
                    .toList();
        }
        Set<PixelFormat> formats = common(ports, one -> formats(wish, one));
        if (aspect == Aspect.MODIFIER) {
            return port.images().stream()
                    .filter(range -> formats.contains(range.format()))
                    .map(range -> Kind.of(range) + (range.modifier() == Image.LINEAR ? " linear" : ""))
                    .distinct()
                    .toList();
        }
        Set<Kind> kinds = common(ports, one -> one.kinds(wish));
        var sizes = new LinkedHashMap<Kind, List<String>>();
        for (ImageRange range : port.images()) {
            if (kinds.contains(Kind.of(range))) {
                sizes.computeIfAbsent(Kind.of(range), _ -> new ArrayList<>())
                        .add(aspect == Aspect.SIZE ? range.sizes().toString() : range.sizesAndRates());
            }
        }
        // Most devices have the same sizes in all their formats: said once.
        var kindsBySizes = new LinkedHashMap<String, List<String>>();
        sizes.forEach((kind, these) -> kindsBySizes
                .computeIfAbsent(these.stream().distinct().collect(Collectors.joining(", ")), _ -> new ArrayList<>())
                .add(kind.toString()));
        return kindsBySizes.entrySet().stream()
                .map(entry -> String.join("/", entry.getValue()) + " " + entry.getKey())
                .toList();
    }

    private static <T> Set<T> common(List<Port> ports, Function<Port, Set<T>> offered) {
        Set<T> all = new LinkedHashSet<>(offered.apply(ports.getFirst()));
        ports.forEach(port -> all.retainAll(offered.apply(port)));
        return all;
    }

    private static Set<PixelFormat> formats(ImageRequest wish, Port port) {
        return port.kinds(wish).stream().map(Kind::format).collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /** An image that some ports have in common; the sizes are one size. */
    private record Witness(Kind kind, Sizes size, FrameRate rate) {
        /** One of those that these have; null if there is none. */
        static @Nullable Witness of(ImageRequest wish, List<Port> ports) {
            for (Kind kind : ports.getFirst().kinds(wish)) {
                for (Overlap overlap : Overlap.of(kind, wish, ports)) {
                    if (overlap.hasImages()) {
                        Sizes sizes = overlap.sizes();
                        FrameRate rate = overlap.rates().getFirst().max();
                        return new Witness(kind, Sizes.of(sizes.maxWidth(), sizes.maxHeight()), rate);
                    }
                }
            }
            return null;
        }

        boolean isOf(Port port) {
            return port.images().stream()
                    .anyMatch(range -> Kind.of(range).equals(kind)
                            && range.sizes().and(size).isPresent()
                            && range.rates().stream().anyMatch(rates -> rates.contains(rate)));
        }

        boolean isOf(ImageRequest wish) {
            return wish.allows(kind.format()) && wish.sizes().and(size).isPresent();
        }
    }

    /**
     * Whatever clashes with all the rest must exclude the image that those chosen have in common, so branch over who does. The ports
     * go by their places, and the wish comes after the last: a clash without it says more.
     */
    private static final class Search {
        private final ImageRequest wish;
        private final List<Port> ports;
        private final Set<Set<Integer>> seen = new HashSet<>();

        Search(ImageRequest wish, List<Port> ports) {
            this.wish = wish;
            this.ports = ports;
        }

        Set<Integer> run() {
            for (int size = 1; size <= ports.size() + 1; size++) {
                seen.clear();
                Set<Integer> found = branch(Set.of(), size);
                if (found != null) {
                    return found;
                }
            }
            throw new IllegalStateException("these have an image in common: " + ports);
        }

        private @Nullable Set<Integer> branch(Set<Integer> chosen, int left) {
            List<Port> few = chosen.stream()
                    .filter(place -> place < ports.size())
                    .map(ports::get)
                    .toList();
            Witness witness =
                    few.isEmpty() ? null : Witness.of(chosen.contains(ports.size()) ? wish : ImageRequest.ANY, few);
            if (witness == null && !few.isEmpty()) {
                return chosen;
            }
            for (int place = 0; left > 0 && place <= ports.size(); place++) {
                // With no port chosen there is no image yet, and some port belongs to every clash.
                boolean excludes = witness == null
                        ? place < ports.size()
                        : place < ports.size() ? !witness.isOf(ports.get(place)) : !witness.isOf(wish);
                var more = new TreeSet<>(chosen);
                more.add(place);
                if (excludes && seen.add(more)) {
                    Set<Integer> found = branch(more, left - 1);
                    if (found != null) {
                        return found;
                    }
                }
            }
            return null;
        }
    }
}
