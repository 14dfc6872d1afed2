// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.Objection.Cause;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a plan says of memory, as far as it is known, before it is tried. */
class SuitabilityTest {
    private static final long SIZE = 1 << 20;

    private static final Map<String, Device> DEVICES = Map.of(
            "any", device("any", Constraints.NONE),
            "contiguous", device("contiguous", Constraints.NONE.contiguous()),
            "segment", device("segment", Constraints.NONE.maxSegments(1)),
            "cpu", Device.cpu(Direction.READ),
            "pages", device("pages", Constraints.NONE.pages()),
            "low", device("low", Constraints.NONE.highestAddress("ram", 0xffff_ffffL)),
            "pci", device("pci", Constraints.NONE.highestAddress("pci", 0xffff_ffffL)),
            "short", device("short", Constraints.NONE.maxSegmentSize(65_536)),
            "coherent", device("coherent", Constraints.NONE.coherent()),
            "unknown", Device.undeclared("unknown"));

    /** What is about lines and planes, which lie where this library or the caller puts them. */
    private static final Constraints LINES = Constraints.NONE
            .pitchAlignment(64)
            .offsetAlignment(64)
            .lineAlignment(16)
            .extraLines(2)
            .leftMargin(32)
            .topMargin(16)
            .minPitch(64)
            .maxPitch(65_536)
            .equalPitches()
            .proportionalPitches()
            .gapless();

    private static final HeapProperties POOL = HeapProperties.of("reserved");

    private static final Map<String, Heap> HEAPS = Map.of(
            "system", Heap.of("system", HeapProperties.of("system").withHighestAddress("ram", 0x1_ffff_ffffL)),
            "small-machine", Heap.of("system", HeapProperties.of("system").withHighestAddress("ram", 0x7fff_ffffL)),
            "pool", Heap.of("reserved", POOL.withAddressBound("ram", 0x1_ffff_ffffL)),
            "low-pool", Heap.of("reserved", POOL.withAddressBound("ram", 0x7fff_ffffL)),
            "tiny", Heap.of("tiny", POOL.withMaxSize(4096)),
            "mystery", Heap.of("mystery"),
            "mapped", Heap.of("mapped", HeapProperties.UNKNOWN.withCpuMappable(Trait.YES)),
            "protected", Heap.of("protected,video"),
            "refusing", Heap.of("refusing", POOL).withRefusal((_, _) -> Optional.of("busy")));

    private static Device device(String name, Constraints constraints) {
        return Device.of(name, constraints, "test");
    }

    private static Heap heap(String name) {
        return Objects.requireNonNull(HEAPS.get(name));
    }

    private static Device known(String name) {
        return Objects.requireNonNull(DEVICES.get(name));
    }

    private static Plan plan(Heap heap, String... devices) {
        var all = new ArrayList<Device>();
        for (String device : devices) {
            all.add(known(device));
        }
        return Plan.of(Demand.ofBytes(SIZE), all, List.of(heap));
    }

    @ParameterizedTest
    @CsvSource({
        "system, any, YES",
        "system, contiguous, NO",
        "system, segment, NO",
        "system, cpu, YES",
        "system, pages, YES",
        "system, low, NO",
        "small-machine, low, YES",
        "system, pci, UNKNOWN",
        "system, short, UNKNOWN",
        "system, coherent, YES",
        "system, unknown, UNKNOWN",
        "system, contiguous unknown, NO",
        "pool, contiguous segment cpu pages, YES",
        "pool, low, UNKNOWN",
        "low-pool, low, YES",
        "low-pool, low pci, UNKNOWN",
        "low-pool, low unknown, UNKNOWN",
        "tiny, any, NO",
        "refusing, any, NO",
        "mystery, any, UNKNOWN",
        "mystery, contiguous, UNKNOWN",
        "mystery, unknown, UNKNOWN",
        "mapped, any, YES",
        "mapped, cpu, YES",
        "mapped, contiguous, UNKNOWN",
        "mapped, segment, UNKNOWN",
        "mapped, pages, UNKNOWN",
        "protected, any, NO",
        "protected, cpu unknown, NO"
    })
    void whatIsKnownDecides(String heap, String devices, Trait expected) {
        Plan plan = plan(heap(heap), devices.split(" "));
        assertEquals(expected, plan.suitability(heap(heap)), plan::explain);
    }

    @Test
    void whereLinesLieIsNoMatterOfTheMemory() {
        for (Demand demand : List.of(Demand.ofBytes(SIZE), Demand.ofImage(new Image(PixelFormat.NV12, 640, 480)))) {
            Plan plan = Plan.of(demand, List.of(device("display", LINES)), List.of(heap("system")));
            assertEquals(Trait.YES, plan.suitability(heap("system")), plan::explain);
        }
        for (Field field : Field.values()) {
            assertEquals(LINES.fields().contains(field), field.isOfLayout(), field::toString);
        }
    }

    @Test
    void aPlanWithoutALayoutHasNoMemory() {
        Plan plan = Plan.of(
                Demand.ofImage(new Image(PixelFormat.XR24, 640, 480)),
                List.of(device("narrow", Constraints.NONE.maxPitch(100)), known("unknown")),
                List.of(Heap.of("system")));
        assertEquals(Trait.NO, plan.suitability(Heap.of("system")));
    }

    @Test
    void aGuessIsTold() {
        Plan guess = plan(heap("system"), "any", "unknown");
        assertEquals(List.of(known("unknown")), guess.unknown());
        assertTrue(
                guess.explain().contains("a guess for unknown, of which it is unknown what memory it takes"),
                guess::explain);
        Plan known = plan(heap("system"), "any");
        assertEquals(List.of(), known.unknown());
        assertFalse(known.explain().contains("a guess"), known::explain);
    }

    /** Against plans for all that the memory may turn out to be. */
    @Test
    void whatIsUnknownMayTurnOutEitherWay() {
        var random = new SplittableRandom(10);
        var seen = new EnumMap<Trait, Integer>(Trait.class);
        for (int i = 0; i < 20_000; i++) {
            var devices = new ArrayList<Device>();
            for (int d = random.nextInt(1, 4); d > 0; d--) {
                devices.add(
                        random.nextInt(8) == 0
                                ? Device.undeclared("unknown")
                                : device("device " + d, RandomConstraints.next(random)));
            }
            Trait[] traits = Trait.values();
            Heap heap = Heap.of(
                    RandomConstraints.HEAPS.get(random.nextInt(RandomConstraints.HEAPS.size())),
                    HeapProperties.UNKNOWN
                            .withContiguous(traits[random.nextInt(3)])
                            .withPages(traits[random.nextInt(3)])
                            .withCpuMappable(traits[random.nextInt(3)])
                            .withOnlyWhenNamed(random.nextBoolean()));
            Demand demand = Demand.ofBytes(random.nextInt(1, 1 << 22));
            Trait said = Plan.of(demand, devices, List.of(heap)).suitability(heap);
            Set<Trait> possible = EnumSet.noneOf(Trait.class);
            for (HeapProperties one : completions(heap.properties())) {
                Plan plan = Plan.of(demand, devices, List.of(heap.withProperties(one)));
                boolean taken =
                        plan.hasCandidates() || plan.rejected().getFirst().cause() == Cause.NOT_NAMED;
                possible.add(taken ? Trait.YES : Trait.NO);
            }
            seen.merge(said, 1, Integer::sum);
            switch (said) {
                case YES -> assertEquals(Set.of(Trait.YES), possible);
                case NO -> assertEquals(Set.of(Trait.NO), possible);
                case UNKNOWN -> assertTrue(possible.contains(Trait.YES));
            }
        }
        assertTrue(seen.values().stream().allMatch(count -> count > 500) && seen.size() == 3, seen::toString);
    }

    private static List<HeapProperties> completions(HeapProperties of) {
        var all = new ArrayList<HeapProperties>();
        for (Trait contiguous : known(of.contiguous())) {
            for (Trait pages : known(of.pages())) {
                for (Trait mappable : known(of.cpuMappable())) {
                    all.add(of.withContiguous(contiguous).withPages(pages).withCpuMappable(mappable));
                }
            }
        }
        return all;
    }

    private static List<Trait> known(Trait trait) {
        return trait == Trait.UNKNOWN ? List.of(Trait.YES, Trait.NO) : List.of(trait);
    }
}
