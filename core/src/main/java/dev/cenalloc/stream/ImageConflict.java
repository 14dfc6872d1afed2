// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.stream.Overlap.Kind;
import dev.cenalloc.text.Printable;
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
 * The smallest set of ports, with or without the request, that have no image in common: without any one of them, the
 * others have. Immutable.
 */
public final class ImageConflict {
    /** What the ports have none of in common. They have the aspects before it in this order in common. */
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
    /** A port that would take the images if it ignored alpha; null if that is not the matter. */
    private final @Nullable Port blending;

    /** {@link ImageRequest#ANY} if the ports conflict without it. */
    private final ImageRequest request;

    private final List<Port> ports;
    private final String text;

    private ImageConflict(Aspect aspect, ImageRequest request, List<Port> ports, @Nullable Port blending, String text) {
        this.aspect = aspect;
        this.blending = blending;
        this.request = request;
        this.ports = ports;
        this.text = text;
    }

    /** {@return what they have none of in common} */
    public Aspect aspect() {
        return aspect;
    }

    /** {@return the request, if the ports have an image in common without it} */
    public Optional<ImageRequest> request() {
        return Optional.of(request).filter(ImageRequest::insists);
    }

    /**
     * {@return the ports in conflict, in the order in which they were given; one, if it offers nothing or not what is
     * requested}
     */
    public List<Port> ports() {
        return ports;
    }

    /** The port that would take the images if it ignored alpha; empty if that is not the matter. */
    Optional<Port> blending() {
        return Optional.ofNullable(blending);
    }

    @Override
    public String toString() {
        return text;
    }

    /** The conflict between ports and a request that have no image in common. */
    static ImageConflict of(ImageRequest request, List<Port> ports) {
        Set<Integer> places = new Search(request, ports).run();
        List<Port> conflicting = places.stream()
                .filter(place -> place < ports.size())
                .map(ports::get)
                .toList();
        ImageRequest insisted = places.contains(ports.size()) ? request : ImageRequest.ANY;
        Port producer = ports.getFirst();
        Aspect aspect = aspect(insisted, conflicting, producer);
        var words = new ArrayList<String>();
        if (insisted.insists()) {
            words.add(insisted.images() + " is requested");
        }
        for (Port port : conflicting) {
            String verb = port == producer ? " gives " : " takes ";
            words.add(port.name()
                    + verb
                    + String.join(", ", matters(aspect, insisted, conflicting, port, producer))
                    + (aspect == Aspect.FORMAT ? others(port) : ""));
        }
        Port blending = aspect == Aspect.FORMAT ? blending(insisted, conflicting, producer) : null;
        if (blending != null) {
            words.add("where " + blending.name() + " wants alpha, " + producer.name() + " leaves undefined bits");
        }
        if (aspect == Aspect.FORMAT) {
            buffers(insisted, conflicting, producer).ifPresent(words::add);
        }
        if (!ports.getFirst().kinds(request, true).stream()
                .allMatch(kind -> Overlap.of(kind, request, ports, producer).isWhole())) {
            words.add("of the ranges that some of the ports have in common, only the " + Overlap.MOST
                    + " with the largest sizes were looked at");
        }
        String text = conflicting.getFirst().images().isEmpty()
                ? conflicting.getFirst().name() + " offers no format" + others(conflicting.getFirst())
                : "no " + aspect.toString().toLowerCase(Locale.ROOT) + " in common: " + String.join("; ", words);
        return new ImageConflict(aspect, insisted, conflicting, blending, Printable.of(text));
    }

    private static @Nullable Port blending(ImageRequest request, List<Port> ports, Port producer) {
        if (!ports.contains(producer)) {
            return null;
        }
        List<Port> ignoring = ports.stream()
                .map(port -> port == producer ? port : port.ignoringAlpha())
                .toList();
        return common(ignoring, port -> formats(request, port, producer)).isEmpty()
                ? null
                : ports.stream()
                        .filter(port -> port != producer
                                && port.images().stream()
                                        .anyMatch(range -> range.format().hasAlpha()))
                        .findFirst()
                        .orElse(null);
    }

    /**
     * Words about planes that lie in one buffer for some and in several for others; empty if that is not the matter.
     */
    private static Optional<String> buffers(ImageRequest request, List<Port> ports, Port producer) {
        return common(
                        ports,
                        port -> formats(request, port, producer).stream()
                                .map(format -> format.withPlanesTogether().orElse(format))
                                .collect(Collectors.toCollection(LinkedHashSet::new)))
                .stream()
                .findFirst()
                .flatMap(together -> together.withPlanesApart()
                        .map(apart -> apart + " is " + together
                                + " with a buffer for each plane, and no device here takes the one as the other"));
    }

    /** Words about a format that only DRM or only V4L2 defines; empty if both do. */
    static String definedOnlyBy(PixelFormat format, String before) {
        return format.drmFourcc().isEmpty()
                ? before + "only V4L2 defines it"
                : format.v4l2Fourcc().isEmpty() ? before + "only DRM defines it" : "";
    }

    private static String others(Port port) {
        var more = new ArrayList<String>(port.doubts());
        if (!port.otherFormats().isEmpty()) {
            more.addFirst(port.unknownHere());
        }
        return more.isEmpty() ? "" : " (" + String.join("; ", more) + ")";
    }

    private static Aspect aspect(ImageRequest request, List<Port> ports, Port producer) {
        Set<Kind> kinds = common(ports, port -> port.kinds(request, port == producer));
        if (!kinds.isEmpty()) {
            return kinds.stream()
                            .allMatch(kind -> Overlap.of(kind, request, ports, producer)
                                    .overlaps()
                                    .isEmpty())
                    ? Aspect.SIZE
                    : Aspect.RATE;
        }
        return common(ports, port -> formats(request, port, producer)).isEmpty() ? Aspect.FORMAT : Aspect.MODIFIER;
    }

    /** Describes the port's formats, sizes or rates relevant to this conflict. */
    private static Collection<String> matters(
            Aspect aspect, ImageRequest request, List<Port> ports, Port port, Port producer) {
        if (aspect == Aspect.FORMAT) {
            return port.images().stream()
                    .map(ImageRange::format)
                    .distinct()
                    .map(format -> format + definedOnlyBy(format, ": "))
                    .toList();
        }
        Set<PixelFormat> formats = common(ports, one -> formats(request, one, producer));
        if (aspect == Aspect.MODIFIER) {
            return port.images().stream()
                    .filter(range -> formats.contains(range.format())
                            || range.format()
                                    .withoutAlpha()
                                    .filter(formats::contains)
                                    .isPresent())
                    .map(range -> Kind.of(range) + (range.modifier() == Image.LINEAR ? " linear" : ""))
                    .distinct()
                    .toList();
        }
        Set<Kind> kinds = common(ports, one -> one.kinds(request, one == producer));
        var sizes = new LinkedHashMap<Kind, List<String>>();
        Set<Kind> own =
                kinds.stream().map(kind -> port.own(kind, port == producer)).collect(Collectors.toSet());
        for (ImageRange range : port.images()) {
            if (own.contains(Kind.of(range))) {
                sizes.computeIfAbsent(Kind.of(range), _ -> new ArrayList<>())
                        .add(aspect == Aspect.SIZE ? range.sizes().toString() : range.sizesAndRates());
            }
        }
        // Most devices have the same sizes in all formats.
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

    private static Set<PixelFormat> formats(ImageRequest request, Port port, Port producer) {
        return port.kinds(request, port == producer).stream()
                .map(Kind::format)
                .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /** An image that some ports have in common. */
    private record Witness(Kind kind, Sizes size, FrameRate rate) {
        /** An image that these ports have in common; null if there is none. */
        static @Nullable Witness of(ImageRequest request, List<Port> ports, Port producer) {
            for (Kind kind : ports.getFirst().kinds(request, ports.getFirst() == producer)) {
                for (Overlap overlap :
                        Overlap.of(kind, request, ports, producer).overlaps()) {
                    if (overlap.hasImages()) {
                        Sizes sizes = overlap.sizes();
                        FrameRate rate = overlap.rates().getFirst().max();
                        return new Witness(kind, Sizes.of(sizes.maxWidth(), sizes.maxHeight()), rate);
                    }
                }
            }
            return null;
        }

        boolean isOf(Port port, Port producer) {
            return port.images(kind, port == producer).stream()
                    .anyMatch(range -> range.sizes().and(size).isPresent()
                            && range.rates().stream().anyMatch(rates -> rates.contains(rate)));
        }

        boolean isOf(ImageRequest request) {
            return request.allows(kind.format()) && request.sizes().and(size).isPresent();
        }
    }

    /**
     * Finds the smallest conflict. Each conflict that contains the chosen ports has a member that excludes the image
     * that those have in common, so the search branches over the members that do. Ports are numbered by place; the
     * request comes last, since a conflict without it says more.
     */
    private static final class Search {
        private final ImageRequest request;
        private final List<Port> ports;
        private final Set<Set<Integer>> seen = new HashSet<>();

        Search(ImageRequest request, List<Port> ports) {
            this.request = request;
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
            Witness witness = few.isEmpty()
                    ? null
                    : Witness.of(chosen.contains(ports.size()) ? request : ImageRequest.ANY, few, ports.getFirst());
            if (witness == null && !few.isEmpty()) {
                return chosen;
            }
            for (int place = 0; left > 0 && place <= ports.size(); place++) {
                // With no port chosen there is no image yet, and every conflict has a port.
                boolean excludes = witness == null
                        ? place < ports.size()
                        : place < ports.size()
                                ? !witness.isOf(ports.get(place), ports.getFirst())
                                : !witness.isOf(request);
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
