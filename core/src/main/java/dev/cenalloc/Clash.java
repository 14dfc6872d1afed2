package dev.cenalloc;

import dev.cenalloc.ImageRange.Sizes;
import dev.cenalloc.Overlap.Kind;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The smallest set of ports, with or without what is wished for, that have no image in common: leave any one out and the rest have.
 * Immutable.
 */
public final class Clash {
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
    private final @Nullable Wish wish;
    private final List<Port> ports;
    private final String text;

    private Clash(Aspect aspect, @Nullable Wish wish, List<Port> ports, String text) {
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
    public Optional<Wish> wish() {
        return Optional.ofNullable(wish);
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
    static Clash of(Wish wish, List<Port> ports) {
        Set<Integer> smallest = new Search(wish, ports).run();
        boolean wished = smallest.contains(ports.size());
        List<Port> clashing = smallest.stream()
                .filter(place -> place < ports.size())
                .map(ports::get)
                .toList();
        return new Words(wished ? wish : Wish.ANYTHING, clashing, smallest.contains(0)).clash();
    }

    /** An image that some ports have in common; the sizes are one size. */
    private record Witness(Kind kind, Sizes size, Rate rate) {
        /** One of those that these have; null if there is none. */
        static @Nullable Witness of(Wish wish, List<Port> ports) {
            for (Kind kind : kinds(wish, ports.getFirst())) {
                for (Overlap overlap : Overlap.of(kind, wish.size().orElse(null), ports)) {
                    if (overlap.hasImages()) {
                        Sizes sizes = overlap.sizes();
                        Rate rate = overlap.rates().getFirst().max();
                        return new Witness(kind, Sizes.of(sizes.maxWidth(), sizes.maxHeight()), rate);
                    }
                }
            }
            return null;
        }

        boolean isOf(Port port) {
            return port.images().stream()
                    .anyMatch(range -> Kind.of(range).equals(kind)
                            && range.sizes().and(size) != null
                            && range.rates().stream().anyMatch(rates -> rates.contains(rate)));
        }

        boolean isOf(Wish wish) {
            return wish.format().map(kind.format()::equals).orElse(true)
                    && wish.size().map(size::equals).orElse(true);
        }
    }

    /** The kinds of images that a port has, of what is wished for. */
    static Set<Kind> kinds(Wish wish, Port port) {
        return port.images().stream()
                .map(Kind::of)
                .filter(kind -> wish.format().map(kind.format()::equals).orElse(true))
                .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /**
     * Whatever clashes with all the rest must exclude the image that those chosen have in common, so branch over who does. The ports
     * go by their places, and the wish comes after the last: a clash without it says more.
     */
    private static final class Search {
        private final Wish wish;
        private final List<Port> ports;
        private final Set<Set<Integer>> seen = new HashSet<>();

        Search(Wish wish, List<Port> ports) {
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
                    few.isEmpty() ? null : Witness.of(chosen.contains(ports.size()) ? wish : Wish.ANYTHING, few);
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

    /** What the ports of a clash have, as far as that matters to it. */
    private record Words(Wish wish, List<Port> ports, boolean withProducer) {
        Clash clash() {
            Set<PixelFormat> formats = common(port ->
                    kinds(wish, port).stream().map(Kind::format).collect(Collectors.toCollection(LinkedHashSet::new)));
            if (formats.isEmpty()) {
                return of(Aspect.FORMAT, _ -> true, range -> range.format().toString());
            }
            Set<Kind> kinds = common(port -> kinds(wish, port));
            if (kinds.isEmpty()) {
                return of(
                        Aspect.MODIFIER,
                        range -> formats.contains(range.format()),
                        range -> range.kind() + (range.modifier() == Image.LINEAR ? " linear" : ""));
            }
            boolean sizes = kinds.stream()
                    .anyMatch(kind ->
                            !Overlap.of(kind, wish.size().orElse(null), ports).isEmpty());
            return sizes
                    ? of(Aspect.RATE, range -> kinds.contains(Kind.of(range)), ImageRange::toString)
                    : of(
                            Aspect.SIZE,
                            range -> kinds.contains(Kind.of(range)),
                            range -> range.kind() + " " + range.sizes());
        }

        private <T> Set<T> common(Function<Port, Set<T>> offered) {
            Set<T> all = new LinkedHashSet<>(offered.apply(ports.getFirst()));
            ports.forEach(port -> all.retainAll(offered.apply(port)));
            return all;
        }

        private Clash of(
                Aspect aspect, java.util.function.Predicate<ImageRange> matters, Function<ImageRange, String> words) {
            String wished = wish.insistence();
            String all = IntStream.range(0, ports.size())
                    .mapToObj(i -> {
                        String offered = ports.get(i).images().stream()
                                .filter(matters)
                                .map(words)
                                .distinct()
                                .collect(Collectors.joining(", "));
                        return ports.get(i).name()
                                + (offered.isEmpty()
                                        ? " offers no format"
                                        : (i == 0 && withProducer ? " gives " : " takes ") + offered);
                    })
                    .collect(Collectors.joining("; "));
            return new Clash(
                    aspect,
                    wished.isEmpty() ? null : wish,
                    ports,
                    "no " + aspect.name().toLowerCase(java.util.Locale.ROOT) + " in common: "
                            + (wished.isEmpty() ? "" : wished + " is wished; ") + all);
        }
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Clash that
                && aspect == that.aspect
                && ports.equals(that.ports)
                && Objects.equals(wish, that.wish);
    }

    @Override
    public int hashCode() {
        return Objects.hash(aspect, ports, wish);
    }
}
