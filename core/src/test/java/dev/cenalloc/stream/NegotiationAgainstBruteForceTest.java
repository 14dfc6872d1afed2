// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.ImageConflict.Aspect;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Negotiation against a second one, which looks at every image there is, one by one, and at every set of ports. Slow,
 * and short enough to be seen to be right.
 */
class NegotiationAgainstBruteForceTest {
    private static final int WIDEST = 9;
    private static final int HIGHEST = 4;
    private static final FrameRate NTSC = new FrameRate(30_000, 1_001);
    private static final List<FrameRate> RATES = List.of(
            new FrameRate(1, 2),
            FrameRate.of(15),
            FrameRate.of(25),
            NTSC,
            FrameRate.of(30),
            FrameRate.of(50),
            new FrameRate(60_000, 1_001),
            FrameRate.of(60));

    /** Bits of colour in a pixel, and eighths of a byte for it. */
    private static final Map<PixelFormat, List<Integer>> QUALITY = Map.of(
            PixelFormat.XR24, List.of(24, 32),
            PixelFormat.AR24, List.of(24, 32),
            PixelFormat.XB24, List.of(24, 32),
            PixelFormat.RG24, List.of(24, 24),
            PixelFormat.RG16, List.of(16, 16),
            PixelFormat.YUYV, List.of(16, 16),
            PixelFormat.NV12, List.of(12, 12),
            PixelFormat.NV12M, List.of(12, 12),
            PixelFormat.R8, List.of(8, 8));

    private static final List<PixelFormat> FORMATS =
            QUALITY.keySet().stream().sorted().toList();

    /** One image, of its kind and size. */
    private record Picture(PixelFormat format, long modifier, int width, int height) {
        boolean isIn(ImageRange range) {
            Sizes sizes = range.sizes();
            return range.format() == format
                    && range.modifier() == modifier
                    && isStep(width, sizes.minWidth(), sizes.maxWidth(), sizes.widthStep())
                    && isStep(height, sizes.minHeight(), sizes.maxHeight(), sizes.heightStep());
        }

        private static boolean isStep(int number, int min, int max, int step) {
            for (int n = min; n <= max; n += step) {
                if (n == number) {
                    return true;
                }
            }
            return false;
        }

        boolean isWished(ImageRequest request) {
            return request.format().stream().allMatch(wished -> wished == format)
                    && request.size().stream().allMatch(size -> size.minWidth() == width && size.minHeight() == height);
        }

        int area() {
            return width * height;
        }
    }

    /**
     * What is negotiated.
     *
     * @param asked the ports
     * @param ports the same, but those that list a format only with alpha, and may leave it out, list both
     */
    private record Case(ImageRequest request, List<Port> asked, List<Port> ports) {
        @Override
        public String toString() {
            return request + " of " + ports;
        }
    }

    private static int compare(FrameRate one, FrameRate other) {
        return BigInteger.valueOf(one.frames())
                .multiply(BigInteger.valueOf(other.seconds()))
                .compareTo(BigInteger.valueOf(other.frames()).multiply(BigInteger.valueOf(one.seconds())));
    }

    private static List<Picture> pictures(ImageRequest request, List<Port> ports) {
        var all = new ArrayList<Picture>();
        List<PixelFormat> formats = ports.getFirst().images().stream()
                .map(ImageRange::format)
                .distinct()
                .toList();
        for (PixelFormat format : formats) {
            for (long modifier : new long[] {Image.LINEAR, 1}) {
                for (int width = 1; width <= WIDEST; width++) {
                    for (int height = 1; height <= HIGHEST; height++) {
                        all.add(new Picture(format, modifier, width, height));
                    }
                }
            }
        }
        all.removeIf(picture -> !picture.isWished(request));
        return all;
    }

    /** Of the rates that can matter, those that all have: where a range begins or ends, what is wished for, and 30. */
    private static List<FrameRate> rates(ImageRequest request, List<Port> ports, Picture picture) {
        if (!ports.stream().allMatch(port -> port.images().stream().anyMatch(picture::isIn))) {
            return List.of();
        }
        Set<FrameRate> all = new HashSet<>(Set.of(FrameRate.of(30)));
        request.rate().ifPresent(all::add);
        for (Port port : ports) {
            port.images()
                    .forEach(range -> range.rates().forEach(rates -> all.addAll(List.of(rates.min(), rates.max()))));
        }
        for (Port port : ports) {
            all.removeIf(rate -> port.images().stream().noneMatch(range -> picture.isIn(range) && has(range, rate)));
        }
        return List.copyOf(all);
    }

    private static boolean has(ImageRange range, FrameRate rate) {
        return range.rates().stream()
                .anyMatch(rates -> compare(rates.min(), rate) <= 0 && compare(rate, rates.max()) <= 0);
    }

    private static FrameRate best(ImageRequest request, List<FrameRate> common) {
        FrameRate highest =
                common.stream().max(NegotiationAgainstBruteForceTest::compare).orElseThrow();
        boolean unlimited = highest.frames() == Long.MAX_VALUE;
        if (request.rate().isEmpty() && !unlimited) {
            return highest;
        }
        FrameRate wished = request.rate().orElse(FrameRate.of(30));
        return common.stream()
                .filter(rate -> compare(rate, wished) >= 0)
                .min(NegotiationAgainstBruteForceTest::compare)
                .orElse(highest);
    }

    private static boolean reaches(Case one, Picture picture) {
        FrameRate target = one.request.rate().orElse(NTSC);
        return rates(one.request, one.ports, picture).stream().anyMatch(rate -> compare(rate, target) >= 0);
    }

    private static int place(Port producer, Predicate<ImageRange> wanted) {
        int place = 0;
        while (!wanted.test(producer.images().get(place))) {
            place++;
        }
        return place;
    }

    /** The largest picture in one range of each port, for each choice of ranges. */
    private static Set<Picture> largest(List<Port> ports, List<Picture> common) {
        Set<Picture> largest = new HashSet<>();
        largest(ports, common, List.of(), largest);
        return largest;
    }

    private static void largest(List<Port> ports, List<Picture> left, List<ImageRange> chosen, Set<Picture> largest) {
        if (ports.isEmpty()) {
            boolean haveRate = chosen.stream()
                    .flatMap(range -> range.rates().stream())
                    .anyMatch(rates -> chosen.stream().allMatch(range -> has(range, rates.min()))
                            || chosen.stream().allMatch(range -> has(range, rates.max())));
            (haveRate ? left : List.<Picture>of())
                    .stream()
                            .collect(Collectors.groupingBy(picture -> List.of(picture.format, picture.modifier)))
                            .values()
                            .forEach(same -> same.stream()
                                    .max(Comparator.comparingInt(Picture::area))
                                    .ifPresent(largest::add));
            return;
        }
        for (ImageRange range : ports.getFirst().images()) {
            List<ImageRange> more = new ArrayList<>(chosen);
            more.add(range);
            largest(
                    ports.subList(1, ports.size()),
                    left.stream().filter(picture -> picture.isIn(range)).toList(),
                    more,
                    largest);
        }
    }

    /** In the order in which they are tried: the best of each kind, the best kind first; then the next best of each. */
    private static List<Picture> candidates(Case one) {
        Port producer = one.ports.getFirst();
        var left = new ArrayList<>(pictures(one.request, one.ports));
        left.removeIf(picture -> rates(one.request, one.ports, picture).isEmpty());
        Set<Picture> reaching =
                left.stream().filter(picture -> reaches(one, picture)).collect(Collectors.toSet());
        left.sort(Comparator.<Picture, Boolean>comparing(picture -> !reaching.contains(picture))
                .thenComparingInt(picture -> -picture.area())
                .thenComparingInt(picture -> place(producer, picture::isIn))
                .thenComparingInt(picture -> -picture.width()));
        left.retainAll(largest(one.ports, left));
        Map<Picture, Integer> ranks = new HashMap<>();
        for (Picture picture : left) {
            int rank = (int) ranks.keySet().stream()
                    .filter(other -> other.format == picture.format && other.modifier == picture.modifier)
                    .count();
            ranks.put(picture, rank);
        }
        left.sort(Comparator.<Picture>comparingInt(picture -> ranks.getOrDefault(picture, 0))
                .thenComparingInt(picture -> -quality(picture, 0))
                .thenComparingInt(picture -> quality(picture, 1))
                .thenComparing(picture -> picture.format == PixelFormat.AR24)
                .thenComparing(picture -> picture.format == PixelFormat.NV12M)
                .thenComparingInt(picture -> place(producer, range -> range.format() == picture.format))
                .thenComparing(picture -> picture.modifier != Image.LINEAR));
        left.removeIf(picture -> ranks.getOrDefault(picture, 0) >= 12);
        return left;
    }

    private static int quality(Picture picture, int of) {
        return Objects.requireNonNull(QUALITY.get(picture.format)).get(of);
    }

    private static boolean conflict(ImageRequest request, List<Port> ports) {
        return pictures(request, ports).stream()
                .allMatch(picture -> rates(ImageRequest.ANY, ports, picture).isEmpty());
    }

    /** How many it takes to conflict, the request included. */
    private static int smallestClash(Case one) {
        int smallest = Integer.MAX_VALUE;
        for (int chosen = 1; chosen < 1 << one.ports.size(); chosen++) {
            var few = new ArrayList<Port>();
            for (int i = 0; i < one.ports.size(); i++) {
                if ((chosen >> i & 1) == 1) {
                    few.add(one.ports.get(i));
                }
            }
            if (conflict(ImageRequest.ANY, few)) {
                smallest = Math.min(smallest, few.size());
            } else if (conflict(one.request, few)) {
                smallest = Math.min(smallest, few.size() + 1);
            }
        }
        return smallest;
    }

    private static Aspect aspect(ImageRequest request, List<Port> ports) {
        List<Picture> formats =
                having(pictures(request, ports), ports, (picture, range) -> picture.format == range.format());
        if (formats.isEmpty()) {
            return Aspect.FORMAT;
        }
        List<Picture> kinds = having(
                formats,
                ports,
                (picture, range) -> picture.format == range.format() && picture.modifier == range.modifier());
        if (kinds.isEmpty()) {
            return Aspect.MODIFIER;
        }
        return having(kinds, ports, Picture::isIn).isEmpty() ? Aspect.SIZE : Aspect.RATE;
    }

    @FunctionalInterface
    private interface Match {
        boolean of(Picture picture, ImageRange range);
    }

    private static List<Picture> having(List<Picture> pictures, List<Port> ports, Match match) {
        return pictures.stream()
                .filter(picture -> ports.stream()
                        .allMatch(port -> port.images().stream().anyMatch(range -> match.of(picture, range))))
                .toList();
    }

    // ---- random ports ----

    private static Sizes sizes(SplittableRandom random) {
        int width = random.nextInt(1, WIDEST + 1);
        int height = random.nextInt(1, HIGHEST + 1);
        return switch (random.nextInt(6)) {
            case 0 -> Sizes.of(width, height);
            case 1, 2, 3 -> Sizes.upTo(width, height);
            default ->
                new Sizes(
                        width,
                        random.nextInt(width, WIDEST + 1),
                        random.nextInt(1, 5),
                        height,
                        random.nextInt(height, HIGHEST + 1),
                        random.nextInt(1, 4));
        };
    }

    private static Rates rates(SplittableRandom random) {
        int first = random.nextInt(RATES.size());
        FrameRate rate = RATES.get(first);
        return switch (random.nextInt(5)) {
            case 0, 1 -> Rates.of(rate);
            case 2 -> Rates.upTo(rate);
            case 3 -> new Rates(rate, RATES.get(random.nextInt(first, RATES.size())));
            default -> random.nextBoolean() ? Rates.ANY : new Rates(rate, Rates.ANY.max());
        };
    }

    private static ImageRange range(SplittableRandom random, List<PixelFormat> formats) {
        var rates = new ArrayList<Rates>(List.of(rates(random)));
        while (random.nextInt(3) == 0) {
            rates.add(rates(random));
        }
        return new ImageRange(
                formats.get(random.nextInt(formats.size())),
                random.nextInt(8) == 0 ? 1 : Image.LINEAR,
                sizes(random),
                rates);
    }

    private static Device device(SplittableRandom random, int number) {
        Constraints constraints = switch (random.nextInt(6)) {
            case 0 -> Constraints.NONE.contiguous();
            case 1 -> Constraints.NONE.onlyHeaps(Set.of("system"));
            case 2 -> Constraints.NONE.maxPitch(random.nextInt(1, 40));
            case 3 -> Constraints.NONE.pitchAlignment(random.nextInt(1, 20)).maxSize(random.nextInt(20, 200));
            default -> Constraints.NONE;
        };
        return Device.of("device" + number, constraints, "random");
    }

    private static Case random(SplittableRandom random) {
        // Few formats, so that they are often common.
        List<PixelFormat> formats =
                random.ints(3, 0, FORMATS.size()).mapToObj(FORMATS::get).toList();
        var asked = new ArrayList<Port>();
        var ports = new ArrayList<Port>();
        for (int n = random.nextInt(1, 5); n > 0; n--) {
            var images = new ArrayList<ImageRange>();
            for (int i = random.nextInt(16) == 0 ? 0 : random.nextInt(2, 7); i > 0; i--) {
                images.add(range(random, formats));
            }
            Device device = device(random, n);
            Set<PixelFormat> refused = EnumSet.noneOf(PixelFormat.class);
            if (random.nextInt(3) == 0) {
                refused.add(formats.getFirst());
            }
            Port port = Port.of(device.name(), images, layout -> {
                if (refused.contains(layout.image().format())) {
                    throw CenallocException.of(Errno.EINVAL, "try", layout.size());
                }
                return device;
            });
            boolean ignoresAlpha = random.nextInt(4) == 0;
            asked.add(ignoresAlpha ? port.ignoringAlpha() : port);
            ports.add(
                    asked.size() == 1 || ignoresAlpha
                            ? Port.of(device.name(), withoutAlpha(images), port::device)
                            : port);
        }
        ImageRequest request = ImageRequest.ANY;
        if (random.nextInt(4) == 0) {
            request = request.format(formats.getLast());
        }
        if (random.nextInt(4) == 0) {
            request = request.size(random.nextInt(1, WIDEST + 1), random.nextInt(1, HIGHEST + 1));
        }
        if (random.nextBoolean()) {
            request = request.rate(RATES.get(random.nextInt(RATES.size())));
        }
        return new Case(request, asked, ports);
    }

    private static List<ImageRange> withoutAlpha(List<ImageRange> images) {
        var all = new ArrayList<ImageRange>();
        for (ImageRange range : images) {
            all.add(range);
            if (range.format() == PixelFormat.AR24
                    && images.stream()
                            .noneMatch(other ->
                                    other.format() == PixelFormat.XR24 && other.modifier() == range.modifier())) {
                all.add(new ImageRange(PixelFormat.XR24, range.modifier(), range.sizes(), range.rates()));
            }
        }
        return all;
    }

    // ---- the two compared ----

    /** Whether there is a heap for each buffer of it. */
    private static boolean hasMemory(Cenalloc cenalloc, List<Port> ports, Picture picture) {
        if (picture.modifier != Image.LINEAR) {
            return false;
        }
        var image = new Image(picture.format, picture.width, picture.height);
        for (int buffer = 0; buffer < picture.format.buffers(); buffer++) {
            var devices = new ArrayList<Device>();
            for (Port port : ports) {
                try {
                    devices.add(port.device(Demand.ofImage(image, buffer)
                            .layout(Constraints.NONE)
                            .orElseThrow()));
                } catch (CenallocException e) {
                    return false;
                }
            }
            if (cenalloc.plan(Demand.ofImage(image, buffer), devices)
                    .candidates()
                    .isEmpty()) {
                return false;
            }
        }
        return true;
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 20141010})
    void bothAgreeOnTheSame(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        var kernel = new FakeKernel().heap("system", 1 << 20).heap("reserved", 1 << 20);
        int agreed = 0;
        int afterOthers = 0;
        int smaller = 0;
        int withoutMemory = 0;
        int clashed = 0;
        try (var cenalloc = kernel.open()) {
            for (int i = 0; i < 500; i++) {
                Case one = random(random);
                List<Picture> candidates = candidates(one);
                Picture best = candidates.stream()
                        .filter(picture -> hasMemory(cenalloc, one.ports, picture))
                        .findFirst()
                        .orElse(null);
                if (best != null) {
                    Agreement agreement = Agreement.negotiate(cenalloc, one.request, one.asked);
                    var image = new Image(best.format, best.width, best.height);
                    assertEquals(image, agreement.image(), () -> one + "\n" + agreement);
                    assertEquals(
                            best(one.request, rates(one.request, one.ports, best)),
                            agreement.rate(),
                            () -> one + "\n" + agreement);
                    agreement
                            .plans()
                            .forEach(plan -> assertFalse(plan.candidates().isEmpty(), one::toString));
                    agreed++;
                    afterOthers += best.equals(candidates.getFirst()) ? 0 : 1;
                    smaller += candidates.stream()
                                    .takeWhile(other -> !other.equals(best))
                                    .anyMatch(other -> other.format == best.format && other.modifier == best.modifier)
                            ? 1
                            : 0;
                } else {
                    var e = assertThrows(
                            NoCommonImageException.class,
                            () -> Agreement.negotiate(cenalloc, one.request, one.asked),
                            one::toString);
                    // Sizes are left out where no size of the format can have memory.
                    List<Picture> rejected = e.rejected().stream()
                            .map(rejection -> picture(rejection.image()))
                            .toList();
                    assertEquals(
                            candidates.stream().filter(rejected::contains).toList(), rejected, () -> one + "\n" + e);
                    assertEquals(kinds(candidates), kinds(rejected), () -> one + "\n" + e);
                    check(one, e.conflict().orElse(null), candidates.isEmpty());
                    withoutMemory += candidates.isEmpty() ? 0 : 1;
                    clashed += candidates.isEmpty() ? 1 : 0;
                }
            }
        }
        String counts = agreed + ", " + afterOthers + ", " + smaller + ", " + withoutMemory + ", " + clashed;
        assertTrue(agreed > 100 && afterOthers > 10 && smaller > 0 && withoutMemory > 25 && clashed > 100, counts);
    }

    private static Set<List<Object>> kinds(List<Picture> pictures) {
        return pictures.stream()
                .map(picture -> List.<Object>of(picture.format, picture.modifier))
                .collect(Collectors.toSet());
    }

    private static Picture picture(Image image) {
        return new Picture(image.format(), image.modifier(), image.width(), image.height());
    }

    private static void check(Case one, @Nullable ImageConflict conflict, boolean expected) {
        if (!expected) {
            assertEquals(null, conflict, one::toString);
            return;
        }
        assertNotNull(conflict, one::toString);
        ImageRequest request = conflict.request().orElse(ImageRequest.ANY);
        List<Port> ports = conflict.ports().stream()
                .map(port -> one.ports.get(one.asked.indexOf(port)))
                .toList();
        assertTrue(conflict(request, ports), () -> one + "\n" + conflict);
        assertEquals(
                smallestClash(one),
                conflict.ports().size() + (conflict.request().isPresent() ? 1 : 0),
                () -> one + "\n" + conflict);
        assertEquals(aspect(request, ports), conflict.aspect(), () -> one + "\n" + conflict);
        conflict.ports().forEach(port -> assertTrue(conflict.toString().contains(port.name()), conflict::toString));
    }
}
