// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.TestContext;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.json.Boards;
import dev.cenalloc.json.DeviceProfile;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.HeapProperties.Trait;
import java.math.BigInteger;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The solver against a second one, which does what the documentation of the fields says, claim by claim, without
 * merging and in numbers without limits. Slow, and short enough to be seen to be right.
 */
class PlanAgainstBruteForceTest {
    private static final List<String> OWN = List.of("carveout", "vendor", "sram", "pool0", "protected,video", "spare");
    private static final List<String> KERNEL = List.of("system", "reserved", "linux,cma", "system_cc_shared");
    private static final List<PixelFormat> FORMATS =
            List.of(PixelFormat.XR24, PixelFormat.YUYV, PixelFormat.NV12, PixelFormat.YUV420);
    /** By default; with -Dcenalloc.boards.cases=100000 as many as that. */
    private static final int BOARD_CASES = 20_000;

    private static final List<String> SPACES = List.of("pci", "soc", "ram");
    private static final List<Trait> TRAITS = List.of(Trait.values());
    private static final Set<Field> SEEN_TO_BY_AN_IOMMU =
            EnumSet.of(Field.MAX_SEGMENTS, Field.MAX_SEGMENT_SIZE, Field.SEGMENT_BOUNDARY, Field.HIGHEST_ADDRESS);

    /** That a device says something about a field; of a field that needs consent, that it does not give it. */
    private record Claim(Device device, Field field, Constraints said) {
        static List<Claim> of(Collection<Device> devices) {
            return devices.stream().flatMap(Claim::of).toList();
        }

        private static Stream<Claim> of(Device device) {
            Constraints said = device.declared().orElse(Constraints.NONE);
            return Stream.of(Field.values())
                    .filter(field -> field.rule() == Field.Rule.AND ? !said.flag(field) : said.says(field))
                    .filter(field -> !field.isAdvisory())
                    .filter(field -> !device.isBehindIommu() || !SEEN_TO_BY_AN_IOMMU.contains(field))
                    .map(field -> new Claim(device, field, said));
        }

        BigInteger number() {
            return BigInteger.valueOf(said.number(field).orElseThrow());
        }
    }

    /** Memory that might be. Of ideal memory it is not held against it that it is scattered, unless it must not be. */
    private record Memory(Set<String> names, HeapProperties properties, boolean ideal) {
        static Memory of(Heap heap, List<Heap> heaps) {
            return new Memory(names(heap, heaps), heap.properties(), false);
        }

        /** Its own name and all that it stands in for, followed from heap to heap. */
        private static Set<String> names(Heap heap, List<Heap> heaps) {
            var names = new HashSet<>(Set.of(HeapProperties.pool(heap.name())));
            int before;
            do {
                before = names.size();
                for (String name : heap.properties().substitutes()) {
                    names.add(HeapProperties.pool(name));
                }
                for (Heap other : heaps) {
                    if (names.contains(HeapProperties.pool(other.name()))) {
                        other.properties().substitutes().forEach(name -> names.add(HeapProperties.pool(name)));
                    }
                }
            } while (names.size() > before);
            return names;
        }

        /** The best that there can be of this name. */
        static Stream<Memory> ideal(String name, List<Heap> heaps) {
            Set<String> names = heaps.stream()
                    .filter(heap -> HeapProperties.pool(heap.name()).equals(name))
                    .map(heap -> names(heap, heaps))
                    .findFirst()
                    .orElse(Set.of(name));
            HeapProperties best = HeapProperties.UNKNOWN.withPages(Trait.YES);
            best = best.withContiguous(HeapProperties.of(name).contiguous() == Trait.NO ? Trait.NO : Trait.YES);
            return Stream.of(
                    new Memory(names, best.withCpuMappable(Trait.YES), true),
                    new Memory(names, best.withProtected(true), true));
        }
    }

    /** What is asked for: bytes, or an image. */
    private record Request(long bytes, @Nullable Image image) {
        Plan plan(Cenalloc cenalloc, List<Device> devices) {
            return image == null ? cenalloc.plan(bytes, devices) : cenalloc.plan(image, devices);
        }

        private static Stream<BigInteger> numbers(Collection<Claim> claims, Field field) {
            return claims.stream().filter(claim -> claim.field == field).map(Claim::number);
        }

        private static BigInteger max(Stream<BigInteger> numbers, long atLeast) {
            return numbers.reduce(BigInteger.valueOf(atLeast), BigInteger::max);
        }

        private static BigInteger roundUp(BigInteger value, Stream<BigInteger> multiples) {
            BigInteger all =
                    multiples.reduce(BigInteger.ONE, (a, b) -> a.multiply(b).divide(a.gcd(b)));
            return value.add(all).subtract(BigInteger.ONE).divide(all).multiply(all);
        }

        private static boolean isSaid(Collection<Claim> claims, Field field) {
            return claims.stream().anyMatch(claim -> claim.field == field);
        }

        /**
         * The longest pitch, that of the first plane. Without gaps, and below lines that are not of the image, a
         * multiple with which all planes are aligned.
         */
        private BigInteger pitch(Collection<Claim> claims) {
            BigInteger pitch = ratioPitch(claims);
            if (image == null) {
                return pitch;
            }
            boolean one = image.format().planes().size() == 1;
            boolean follows = !one && isSaid(claims, Field.GAPLESS);
            boolean isBelow = top(claims).signum() > 0;
            BigInteger alignment = numbers(claims, Field.OFFSET_ALIGNMENT).reduce(BigInteger.ONE, BigInteger::max);
            boolean halved = image.format() == PixelFormat.YUV420;
            BigInteger least = roundUp(
                    BigInteger.valueOf(halved ? 2 : 1),
                    Stream.concat(
                            numbers(claims, Field.PITCH_ALIGNMENT)
                                    .map(multiple -> halved ? multiple.shiftLeft(1) : multiple),
                            Stream.of(one ? BigInteger.ONE : BigInteger.TWO)));
            // By how much a pitch grows until the bytes of the planes before the last are aligned: powers of two.
            BigInteger lines = lines(claims);
            BigInteger step = least;
            BigInteger narrow = halved && !isSaid(claims, Field.EQUAL_PITCHES) ? BigInteger.TWO : BigInteger.ONE;
            while ((follows && !isAligned(step.multiply(lines), alignment))
                    || (follows && halved && !isAligned(step.shiftRight(1).multiply(lines.shiftRight(1)), alignment))
                    || (isBelow && !isAligned(step.divide(narrow), alignment))) {
                step = step.shiftLeft(1);
            }
            return pitch.add(step).subtract(BigInteger.ONE).divide(step).multiply(step);
        }

        private static boolean isAligned(BigInteger number, BigInteger alignment) {
            return number.mod(alignment).signum() == 0;
        }

        private BigInteger lines(Collection<Claim> claims) {
            Image of = Objects.requireNonNull(image);
            boolean halved = of.format() == PixelFormat.NV12 || of.format() == PixelFormat.YUV420;
            return roundUp(
                    BigInteger.valueOf(of.height()).add(top(claims)),
                    Stream.concat(
                            numbers(claims, Field.LINE_ALIGNMENT), Stream.of(BigInteger.valueOf(halved ? 2 : 1))));
        }

        /** Lines before the image. */
        private BigInteger top(Collection<Claim> claims) {
            boolean one = Objects.requireNonNull(image).format().planes().size() == 1;
            return roundUp(max(numbers(claims, Field.TOP_MARGIN), 0), Stream.of(BigInteger.valueOf(one ? 1 : 2)));
        }

        /** Bytes before the image in each line of the first plane: each plane has whole bytes there, and is aligned. */
        private BigInteger left(Collection<Claim> claims) {
            if (image == null) {
                return BigInteger.ZERO;
            }
            BigInteger columns = max(numbers(claims, Field.LEFT_MARGIN), 0);
            return switch (image.format()) {
                case XR24 -> aligned(columns.shiftLeft(2), claims);
                case YUYV -> aligned(roundUp(columns.shiftLeft(1), Stream.of(BigInteger.valueOf(4))), claims);
                case NV12 -> aligned(roundUp(columns, Stream.of(BigInteger.TWO)), claims);
                case YUV420 -> aligned(ceilDiv(columns, BigInteger.TWO), claims).shiftLeft(1);
                default -> throw new AssertionError();
            };
        }

        /** With several planes, each is half of it or it. */
        private BigInteger ratioPitch(Collection<Claim> claims) {
            long half = image == null || image.format().planes().size() == 1 ? 1 : 2;
            boolean halved = image != null && image.format() == PixelFormat.YUV420;
            BigInteger least = max(numbers(claims, Field.MIN_PITCH), 1);
            least = least.max(BigInteger.valueOf(lineBytes(halved ? 2 : 1))
                    .add(left(claims).shiftRight(halved ? 1 : 0)));
            Stream<BigInteger> multiples = Stream.concat(
                    numbers(claims, Field.PITCH_ALIGNMENT), Stream.of(BigInteger.valueOf(halved ? 1 : half)));
            BigInteger pitch = roundUp(least, multiples);
            return halved ? pitch.shiftLeft(1) : pitch;
        }

        private long lineBytes(int part) {
            return image == null
                    ? 1
                    : switch (image.format()) {
                        case XR24 -> 4L * image.width();
                        case YUYV -> (image.width() + 1L) / 2 * 4;
                        case NV12 -> (image.width() + 1L) / 2 * 2;
                        case YUV420 -> (image.width() + 1L) / 2 * 2 / part;
                        default -> throw new AssertionError();
                    };
        }

        /** Where the last plane ends. */
        private BigInteger end(Collection<Claim> claims) {
            if (image == null) {
                return BigInteger.valueOf(bytes);
            }
            BigInteger pitch = pitch(claims);
            BigInteger lines = lines(claims);
            BigInteger half = lines.shiftRight(1);
            BigInteger extra = max(numbers(claims, Field.EXTRA_LINES), 0);
            return switch (image.format()) {
                case NV12 ->
                    aligned(pitch.multiply(lines), claims)
                            .add(pitch.multiply(half))
                            .add(pitch.multiply(extra));
                case YUV420 -> {
                    BigInteger narrow = isSaid(claims, Field.EQUAL_PITCHES) ? pitch : pitch.shiftRight(1);
                    BigInteger chroma = narrow.multiply(half);
                    BigInteger second = aligned(pitch.multiply(lines), claims);
                    yield aligned(second.add(chroma), claims).add(chroma).add(narrow.multiply(extra));
                }
                default -> pitch.multiply(lines.add(extra));
            };
        }

        private static BigInteger aligned(BigInteger offset, Collection<Claim> claims) {
            return roundUp(offset, numbers(claims, Field.OFFSET_ALIGNMENT));
        }

        BigInteger size(Collection<Claim> claims) {
            return max(numbers(claims, Field.MIN_SIZE), 1).max(end(claims));
        }

        /** Whether such memory is what all the claims say. */
        boolean isSatisfiedBy(Memory memory, Collection<Claim> claims) {
            return claims.stream().allMatch(claim -> isSatisfiedBy(memory, claim, claims));
        }

        private static BigInteger ceilDiv(BigInteger number, BigInteger by) {
            return number.add(by).subtract(BigInteger.ONE).divide(by);
        }

        private boolean isSatisfiedBy(Memory memory, Claim claim, Collection<Claim> claims) {
            HeapProperties properties = memory.properties;
            BigInteger size = size(claims);
            BigInteger piece = Stream.concat(
                            numbers(claims, Field.MAX_SEGMENT_SIZE), numbers(claims, Field.SEGMENT_BOUNDARY))
                    .reduce(size, BigInteger::min);
            return switch (claim.field) {
                case HEAPS ->
                    !Collections.disjoint(
                            memory.names, claim.said.allowedHeaps().orElseThrow());
                case CONTIGUOUS -> properties.contiguous() == Trait.YES && piece.equals(size);
                case MAX_SEGMENTS -> {
                    boolean whole = memory.ideal || properties.contiguous() == Trait.YES;
                    BigInteger longest = whole ? piece : piece.min(BigInteger.valueOf(4096));
                    // From boundary to boundary, each time as many as it takes.
                    BigInteger boundary =
                            numbers(claims, Field.SEGMENT_BOUNDARY).reduce(size, BigInteger::min);
                    BigInteger[] blocks = size.divideAndRemainder(boundary);
                    BigInteger segments =
                            blocks[0].multiply(ceilDiv(boundary, longest)).add(ceilDiv(blocks[1], longest));
                    yield segments.compareTo(claim.number()) <= 0;
                }
                case HIGHEST_ADDRESS -> {
                    String space = properties.addressSpace().orElse("");
                    Long limit = claim.said.highestAddresses().get(space);
                    yield limit == null || properties.highestAddress().orElseThrow() <= limit;
                }
                case MAX_PITCH -> pitch(claims).compareTo(claim.number()) <= 0;
                case MAX_SIZE -> size.compareTo(claim.number()) <= 0;
                case PROTECTED -> properties.isProtected();
                case ACCEPTS_PROTECTED -> !properties.isProtected();
                case ACCEPTS_DECRYPTED -> !properties.isDecrypted();
                case CPU_READ, CPU_WRITE -> !properties.isProtected() && properties.cpuMappable() != Trait.NO;
                case PAGES -> properties.pages() == Trait.YES;
                case EQUAL_PITCHES, PROPORTIONAL_PITCHES ->
                    image == null
                            || image.format() != PixelFormat.YUV420
                            || !isSaid(claims, Field.EQUAL_PITCHES)
                            || !isSaid(claims, Field.PROPORTIONAL_PITCHES);
                // They count above, or for the layout within the memory.
                case MIN_SIZE, MIN_PITCH, PITCH_ALIGNMENT, BASE_ALIGNMENT, MAX_SEGMENT_SIZE, SEGMENT_BOUNDARY -> true;
                case OFFSET_ALIGNMENT, LINE_ALIGNMENT, EXTRA_LINES, LEFT_MARGIN, TOP_MARGIN, GAPLESS -> true;
                case BUFFERS, COHERENT, NEAR, USAGE -> true;
            };
        }
    }

    private record Case(Cenalloc cenalloc, Request request, List<Device> devices) {
        Memory memory(Heap heap) {
            return Memory.of(heap, cenalloc.heaps());
        }

        /** The heaps that satisfy all claims. */
        List<Heap> satisfying(Collection<Claim> claims) {
            return cenalloc.heaps().stream()
                    .filter(heap -> request.isSatisfiedBy(memory(heap), claims))
                    .toList();
        }

        @Override
        public String toString() {
            return request + " " + devices + " on " + cenalloc.heaps();
        }
    }

    @FunctionalInterface
    private interface Check {
        void of(Case one);
    }

    /** Makes the devices of a case. */
    @FunctionalInterface
    private interface Cast {
        List<Device> next(SplittableRandom random);
    }

    private static List<Device> anyDevices(SplittableRandom random) {
        var devices = new ArrayList<Device>();
        for (int n = random.nextInt(1, 5); n > 0; n--) {
            Device device = Device.of("device" + n, RandomConstraints.next(random), "test");
            devices.add(random.nextInt(5) == 0 ? device.behindIommu() : device);
        }
        return devices;
    }

    private static void forRandomCases(long seed, int count, Check check) throws Exception {
        forRandomCases(seed, count, OWN, PlanAgainstBruteForceTest::anyDevices, check);
    }

    private static void forRandomCases(long seed, int count, List<String> own, Cast cast, Check check)
            throws Exception {
        var random = new SplittableRandom(seed);
        for (int i = 0; i < count; i++) {
            var kernel = new FakeKernel();
            KERNEL.stream().filter(_ -> random.nextBoolean()).forEach(name -> kernel.heap(name, 1 << 20));
            try (var cenalloc = TestContext.open(kernel, Path.of("/dev/dma_heap"))) {
                for (String name : own) {
                    if (random.nextBoolean()) {
                        register(cenalloc, name, own, random);
                    }
                }
                List<Device> devices = cast.next(random);
                var request = random.nextBoolean()
                        ? new Request(1L << random.nextInt(24), null)
                        : new Request(
                                0,
                                new Image(
                                        FORMATS.get(random.nextInt(FORMATS.size())),
                                        random.nextInt(1, 3_000),
                                        random.nextInt(1, 2_000)));
                check.of(new Case(cenalloc, request, devices));
            }
        }
    }

    private static void register(Cenalloc cenalloc, String name, List<String> own, SplittableRandom random) {
        HeapProperties properties = HeapProperties.UNKNOWN
                .withContiguous(trait(random))
                .withCpuMappable(trait(random))
                .withPages(trait(random))
                .withOnlyWhenNamed(random.nextInt(3) == 0)
                .withProtected(random.nextInt(4) == 0)
                .withDecrypted(random.nextInt(4) == 0)
                .withScore(random.nextInt(100));
        if (random.nextInt(3) == 0) {
            properties = properties.withHighestAddress(
                    SPACES.get(random.nextInt(SPACES.size())), (1L << random.nextInt(16, 40)) - 1);
        }
        if (random.nextInt(4) == 0) {
            properties = properties.withMaxSize(1L << random.nextInt(12, 26));
        }
        if (random.nextInt(3) == 0) {
            var others = new ArrayList<>(own);
            others.addAll(KERNEL);
            others.remove(name);
            Collections.shuffle(others, new Random(random.nextLong()));
            properties = properties.withSubstitutes(Set.copyOf(others.subList(0, random.nextInt(1, 3))));
        }
        try {
            cenalloc.register(name, properties, _ -> -1);
        } catch (IllegalArgumentException e) {
            // It would stand in for itself: then not at all.
            cenalloc.register(name, properties.withSubstitutes(Set.of()), _ -> -1);
        }
    }

    private static Trait trait(SplittableRandom random) {
        return TRAITS.get(random.nextInt(TRAITS.size()));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 20141010})
    void bothFindTheSameHeaps(long seed) throws Exception {
        forRandomCases(seed, 2_000, PlanAgainstBruteForceTest::checkHeaps);
    }

    /**
     * Devices of all boards that are shipped, mixed, on kernels with and without IOMMU: what no random number is like.
     */
    @Test
    void bothFindTheSameHeapsForDevicesOfBoards() throws Exception {
        List<DeviceProfile> all = Boards.all().stream()
                .flatMap(board -> board.descriptions().stream())
                .toList();
        var own = new ArrayList<>(OWN);
        all.stream().flatMap(device -> device.memory().stream()).map(Heap::name).forEach(own::add);
        forRandomCases(
                20261126,
                Integer.getInteger("cenalloc.boards.cases", BOARD_CASES),
                own,
                random -> {
                    var devices = new ArrayList<Device>();
                    for (int n = random.nextInt(1, 5); n > 0; n--) {
                        DeviceProfile device = all.get(random.nextInt(all.size()));
                        devices.add(device.device(random.nextBoolean()).named(device.name() + n));
                    }
                    return devices;
                },
                PlanAgainstBruteForceTest::checkHeaps);
    }

    private static void checkHeaps(Case one) {
        Plan plan = one.request.plan(one.cenalloc, one.devices);
        List<Claim> claims = Claim.of(one.devices);
        List<Heap> satisfying = one.satisfying(claims);
        assertEquals(!satisfying.isEmpty(), plan.isSatisfiable(), () -> one + "\n" + plan);

        boolean named = claims.stream().anyMatch(claim -> claim.field == Field.HEAPS);
        BigInteger size = one.request.size(claims);
        var pools = new HashSet<String>();
        satisfying.stream()
                .filter(heap -> named || !heap.properties().onlyWhenNamed())
                .filter(heap -> size.compareTo(
                                BigInteger.valueOf(heap.properties().maxSize().orElse(Long.MAX_VALUE)))
                        <= 0)
                .forEach(heap -> pools.add(HeapProperties.pool(heap.name())));
        List<String> found = plan.candidates().stream()
                .map(heap -> HeapProperties.pool(heap.name()))
                .toList();
        assertEquals(pools, Set.copyOf(found), () -> one + "\n" + plan);
        assertEquals(pools.size(), found.size(), "each pool once");
        if (plan.isSatisfiable()) {
            assertEquals(size.longValueExact(), plan.size().orElseThrow(), () -> one + "\n" + plan);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {5, 6})
    void noCandidateViolatesAFieldOfTheMerge(long seed) throws Exception {
        forRandomCases(seed, 1_000, one -> {
            Plan plan = one.request.plan(one.cenalloc, one.devices);
            List<Claim> merged = Claim.of(List.of(Device.of("all", plan.constraints(), "merged")));
            for (Heap heap : plan.candidates()) {
                assertTrue(one.request.isSatisfiedBy(one.memory(heap), merged), () -> heap + ": " + one + "\n" + plan);
            }
        });
    }

    @ParameterizedTest
    @ValueSource(longs = {7, 8})
    void aFurtherDeviceMakesNothingPossible(long seed) throws Exception {
        forRandomCases(seed, 1_000, one -> {
            boolean feasible = true;
            for (int n = 1; n <= one.devices.size(); n++) {
                Plan plan = one.request.plan(one.cenalloc, one.devices.subList(0, n));
                assertFalse(plan.isSatisfiable() && !feasible, () -> one + "\n" + plan);
                feasible = plan.isSatisfiable();
            }
        });
    }

    @ParameterizedTest
    @ValueSource(longs = {9, 10})
    void theOrderOfDevicesDoesNotMatter(long seed) throws Exception {
        forRandomCases(seed, 1_000, one -> {
            Plan plan = one.request.plan(one.cenalloc, one.devices);
            var shuffled = new ArrayList<>(one.devices);
            Collections.shuffle(shuffled, new Random(seed));
            Plan other = one.request.plan(one.cenalloc, shuffled);
            assertEquals(plan.candidates(), other.candidates(), one::toString);
            assertEquals(plan.constraints(), other.constraints(), one::toString);
            assertEquals(plan.size(), other.size(), one::toString);
            assertEquals(
                    plan.conflict().map(conflict -> conflict.statements().size()),
                    other.conflict().map(conflict -> conflict.statements().size()),
                    one::toString);
        });
    }

    @ParameterizedTest
    @ValueSource(longs = {11, 12, 13})
    void aConflictIsOneAndNoSmallerOneIs(long seed) throws Exception {
        forRandomCases(seed, 1_000, one -> {
            Plan plan = one.request.plan(one.cenalloc, one.devices);
            Conflict conflict = plan.conflict().orElse(null);
            if (conflict == null) {
                return;
            }
            List<Claim> all = Claim.of(one.devices);
            Function<Collection<Claim>, Boolean> isConflict = isConflict(one, all);
            List<Claim> blamed = all.stream()
                    .filter(claim -> conflict.statements().contains(Statement.of(claim.device, claim.field)))
                    .toList();
            assertEquals(conflict.statements().size(), blamed.size(), () -> one + "\n" + plan);
            assertTrue(isConflict.apply(blamed), () -> one + "\n" + plan);
            assertTrue(conflict.isSmallest());
            List<Claim> smaller = smallest(isConflict, all, List.of(), blamed.size() - 1);
            assertTrue(smaller.isEmpty(), () -> smaller + " conflict: " + one + "\n" + plan);
        });
    }

    /** Whether claims conflict: on this machine, among the heaps that they cost; if it has no heap, on any. */
    private static Function<Collection<Claim>, Boolean> isConflict(Case one, List<Claim> all) {
        var names = new HashSet<>(Set.of("unmentioned"));
        one.devices.forEach(device -> device.constraints().allowedHeaps().ifPresent(names::addAll));
        one.cenalloc.heaps().forEach(heap -> names.add(HeapProperties.pool(heap.name())));
        List<Memory> ideal = names.stream()
                .flatMap(name -> Memory.ideal(name, one.cenalloc.heaps()))
                .toList();
        List<Memory> lost = one.cenalloc.heaps().stream()
                .map(one::memory)
                .filter(memory -> !one.request.isSatisfiedBy(memory, all))
                .toList();
        boolean onAnyMachine = one.cenalloc.heaps().isEmpty()
                && ideal.stream().noneMatch(memory -> one.request.isSatisfiedBy(memory, all));
        return claims ->
                (onAnyMachine ? ideal : lost).stream().noneMatch(memory -> one.request.isSatisfiedBy(memory, claims));
    }

    /** The first set of at most so many more claims that conflicts; empty if none does. */
    private static List<Claim> smallest(
            Function<Collection<Claim>, Boolean> isConflict, List<Claim> left, List<Claim> chosen, int more) {
        if (more <= 0) {
            return List.of();
        }
        for (int i = 0; i < left.size(); i++) {
            var next = new ArrayList<>(chosen);
            next.add(left.get(i));
            if (isConflict.apply(next)) {
                return next;
            }
            List<Claim> found = smallest(isConflict, left.subList(i + 1, left.size()), next, more - 1);
            if (!found.isEmpty()) {
                return found;
            }
        }
        return List.of();
    }
}
