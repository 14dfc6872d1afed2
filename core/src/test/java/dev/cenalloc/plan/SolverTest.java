// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.HeapSource;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.NoSuitableHeapException;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.Objection.Cause;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Which heaps a plan tries, in which order, and how it explains them. */
class SolverTest {
    private static final Constraints NONE = Constraints.NONE;
    private static final Device ANY = Device.of("display", NONE, "test");
    private static final HeapProperties PLENTIFUL = HeapProperties.of("system").withScore(10);

    private final FakeKernel kernel =
            new FakeKernel().heap("system", 1 << 20).heap("reserved", 1 << 20).heap("udmabuf", 1 << 30);
    private final Cenalloc cenalloc = open(kernel);

    private static Cenalloc open(FakeKernel kernel) {
        Cenalloc opened = kernel.open();
        kernel.queries.clear();
        return opened;
    }

    @AfterEach
    void solvingAskedNothingOfTheKernel() {
        assertEquals(List.of(), kernel.calls);
        assertEquals(List.of(), kernel.queries);
    }

    private static Device device(String name, Constraints constraints) {
        return Device.of(name, constraints, "test");
    }

    private Heap register(String name, HeapProperties properties) {
        return cenalloc.register(name, properties, size -> {
            throw CenallocException.of(12, "test", size);
        });
    }

    private List<String> order(Constraints... constraints) {
        var devices = new ArrayList<Device>();
        for (Constraints one : constraints) {
            devices.add(device("d" + devices.size(), one));
        }
        return names(cenalloc.plan(1000, devices));
    }

    private static List<String> names(Plan plan) {
        return plan.candidates().stream().map(Heap::name).toList();
    }

    private static HeapRejection rejection(Plan plan, String heap) {
        return plan.rejected().stream()
                .filter(one -> one.heap().name().equals(heap))
                .findFirst()
                .orElseThrow();
    }

    // ---- order ----

    @Test
    void plentifulBeforeScarceThenTheHeapsScore() {
        assertEquals(List.of("system", "udmabuf", "reserved"), order(NONE));
        register("better", PLENTIFUL.withScore(999).withOnlyWhenNamed(false));
        register("scarce", PLENTIFUL.withScore(999).withScarce(Trait.YES));
        assertEquals(List.of("better", "system", "udmabuf", "scarce", "reserved"), order(NONE));
        Plan plan = cenalloc.plan(1000, List.of());
        int last = Integer.MAX_VALUE;
        for (Heap heap : plan.candidates()) {
            assertTrue(plan.score(heap) < last, "the score is the order");
            last = plan.score(heap);
        }
    }

    @Test
    void hintsChangeTheOrderNeverTheValidity() {
        register("uncached", PLENTIFUL.withCached(Trait.NO));
        assertEquals(List.of("system", "udmabuf", "uncached", "reserved"), order(NONE));
        assertEquals(List.of("uncached", "system", "udmabuf", "reserved"), order(NONE.usage(Usage.DEVICE_ONLY)));
        assertEquals(List.of("system", "udmabuf", "uncached", "reserved"), order(NONE.usage(Usage.CPU_HEAVY)));
        assertEquals(
                List.of("system", "udmabuf", "uncached", "reserved"),
                order(NONE.usage(Usage.CPU_HEAVY), NONE.usage(Usage.DEVICE_ONLY)),
                "they cancel each other out");
        assertEquals(List.of("reserved"), order(NONE.usage(Usage.DEVICE_ONLY).contiguous()));
    }

    @Test
    void adviceChangesTheOrderNeverTheValidity() {
        register("coherent", PLENTIFUL.withCoherent(Trait.YES));
        register("near", PLENTIFUL.withPlace("numa1"));
        register("low", PLENTIFUL.withHighestAddress("pci", 0xffff_ffffL));
        assertEquals("coherent", order(NONE.coherent()).getFirst());
        assertEquals("near", order(NONE.near(Set.of("numa1"))).getFirst());
        assertEquals("system", order(NONE.near(Set.of("numa2"))).getFirst());
        assertEquals("low", order(NONE.highestAddress("pci", 0xffff_ffffL)).getFirst());
        assertEquals(
                6,
                order(NONE.near(Set.of("numa1")), NONE.near(Set.of("numa2"))).size(),
                "no place in common: no advice");
    }

    @Test
    void scarceMemoryIsLeftToThoseWhoNeedIt() throws Exception {
        for (Constraints one :
                List.of(NONE, NONE.cpuRead(), NONE.usage(Usage.DEVICE_ONLY), NONE.minSize(1), NONE.pages())) {
            assertFalse(
                    cenalloc.plan(1000, List.of(device("d", one)))
                                    .candidates()
                                    .getFirst()
                                    .properties()
                                    .scarce()
                            == Trait.YES,
                    one::toString);
        }
    }

    @Test
    void moreThanThirtyTwoHeapsAreNoLimit() {
        for (int i = 0; i < 100; i++) {
            register("heap" + i, PLENTIFUL.withScore(i));
        }
        List<String> order = order(NONE);
        assertEquals(103, order.size());
        assertEquals(List.of("system", "heap99", "heap98"), order.subList(0, 3));
        assertEquals(List.of("heap77"), order(NONE.onlyHeaps(Set.of("heap77"))));
    }

    // ---- validity, field by field ----

    @Test
    void scatteredMemoryIsCountedAtItsWorst() {
        assertEquals(List.of("reserved"), order(NONE.maxSegments(1).minSize(8192)));
        assertEquals(3, order(NONE.maxSegments(2).minSize(8192)).size());
        Plan plan = cenalloc.plan(10 * 4096, List.of(device("dma", NONE.maxSegments(9))));
        assertEquals(List.of("reserved"), names(plan));
        assertTrue(rejection(plan, "system").reason().contains("10 segments and dma takes at most 9"), plan::explain);
        assertEquals(10, plan.segments(rejection(plan, "system").heap()));
        assertEquals(1, plan.segments(plan.candidates().getFirst()));
        // Smaller pieces, more of them, even of contiguous memory.
        Plan both =
                cenalloc.plan(8192, List.of(device("n", NONE.maxSegments(4)), device("s", NONE.maxSegmentSize(2048))));
        assertEquals(3, both.candidates().size());
        assertEquals(4, both.segments(both.candidates().getLast()));
        // 48 KiB at most and no 64 KiB crossed: two pieces for each 64 KiB, not four for three of them.
        Device odd = device("odd", NONE.maxSegmentSize(49_152).segmentBoundary(65_536));
        Plan cut = cenalloc.plan(3 * 65_536, List.of(odd));
        assertEquals(6, cut.segments(cut.candidates().getLast()));
        assertThrows(
                IllegalArgumentException.class,
                () -> NONE.maxSegmentSize(49_152)
                        .segmentBoundary(65_536)
                        .minSize(3 * 65_536)
                        .maxSegments(5));
    }

    @Test
    void segmentsOfAnImageFollowFromItsPitch() {
        // 100 lines of 100 bytes are three pages; 1024 bytes apart they are 25.
        Device wide = device("wide", NONE.pitchAlignment(1024));
        var image = new Image(PixelFormat.R8, 100, 100);
        Plan narrow = cenalloc.plan(image, List.of());
        Plan plan = cenalloc.plan(image, List.of(wide));
        assertEquals(3, narrow.segments(narrow.candidates().getFirst()));
        assertEquals(25, plan.segments(plan.candidates().getFirst()));
    }

    @Test
    void protectedMemoryIsNeverDowngradedNorMappedByTheCpu() {
        register("protected,video", HeapProperties.of("protected,video"));
        Device decoder = device("decoder", NONE.requiresProtected().onlyHeaps(Set.of("protected,video", "system")));
        Device display = device("display", NONE.acceptsProtected());
        assertEquals(List.of("protected,video"), names(cenalloc.plan(100, List.of(decoder, display))));
        Plan withCpu = cenalloc.plan(100, List.of(decoder, display, Device.cpu(Direction.READ)));
        assertEquals(List.of(), withCpu.candidates());
        assertFalse(withCpu.isSatisfiable());
        assertEquals(List.of(), names(cenalloc.plan(100, List.of(decoder, ANY))));
        // Accepting is not asking.
        assertFalse(order(NONE.acceptsProtected()).contains("protected,video"));
    }

    @Test
    void decryptedMemoryNeedsEveryonesConsent() {
        register("system_cc_shared", HeapProperties.of("system_cc_shared"));
        Constraints named = NONE.onlyHeaps(Set.of("system_cc_shared"));
        assertEquals(List.of("system_cc_shared"), order(named));
        assertEquals(List.of("system_cc_shared"), order(named, NONE.acceptsDecrypted()));
        assertEquals(List.of(), order(named, NONE), "silence is no consent");
        assertFalse(order(NONE.acceptsDecrypted()).contains("system_cc_shared"), "consent is not asking");
    }

    @Test
    void theCpuIsAParticipantLikeAnyOther() {
        register("unmappable", PLENTIFUL.withScore(999).withCpuMappable(Trait.NO));
        assertEquals("unmappable", order(NONE).getFirst());
        Plan plan = cenalloc.plan(100, List.of(ANY, Device.cpu(Direction.READ_WRITE)));
        assertEquals("system", plan.candidates().getFirst().name());
        assertTrue(rejection(plan, "unmappable").reason().contains("the CPU cannot map"), plan::explain);
    }

    @Test
    void pagesAreRequiredWhereAskedFor() {
        register("carveout", PLENTIFUL.withPages(Trait.NO));
        assertTrue(order(NONE).contains("carveout"));
        assertFalse(order(NONE.pages()).contains("carveout"));
    }

    @Test
    void addressesCompareWithinTheirSpace() {
        register("high", PLENTIFUL.withHighestAddress("pci", 0xff_ffff_ffffL));
        assertFalse(order(NONE.highestAddress("pci", 0xffff_ffffL)).contains("high"));
        assertTrue(order(NONE.highestAddress("soc", 0xffff_ffffL)).contains("high"), "another space: not known");
        assertTrue(order(NONE.highestAddress("pci", 0xff_ffff_ffffL)).contains("high"));
    }

    @Test
    void anIommuTakesTheLimitsOfPiecesAway() {
        Constraints pieces = NONE.maxSegments(1).maxSegmentSize(1 << 20).highestAddress("pci", 0xffff_ffffL);
        assertEquals(List.of("reserved"), names(cenalloc.plan(8192, List.of(device("dma", pieces)))));
        Device behind = device("dma", pieces).behindIommu();
        Plan plan = cenalloc.plan(8192, List.of(behind));
        assertEquals("system", plan.candidates().getFirst().name());
        assertTrue(plan.explain().contains("not needed behind its IOMMU"), plan::explain);
        assertEquals(pieces, behind.declared().orElseThrow());
        assertEquals(
                List.of("reserved"),
                names(cenalloc.plan(8192, List.of(device("c", NONE.contiguous()).behindIommu()))),
                "what is said of the memory itself stays");
    }

    @Test
    void udmabufTellsItsLimitBeforehand() throws Exception {
        kernel.heaps.remove("system");
        kernel.heaps.remove("reserved");
        try (var desktop = open(kernel);
                var buffer = desktop.create((64 << 20) + 1)) {
            Plan plan = buffer.plan();
            assertEquals(Cause.REFUSED, rejection(plan, "udmabuf").cause());
            assertTrue(rejection(plan, "udmabuf").reason().contains("at most 67108864 bytes"), plan::explain);
            assertThrows(NoSuitableHeapException.class, buffer::dmaBuf);
            assertTrue(desktop.plan(64 << 20, List.of()).isSatisfiable());
        }
        kernel.numbers.put("udmabuf size_limit_mb", 1L);
        try (var desktop = open(kernel)) {
            assertEquals(
                    Cause.REFUSED,
                    rejection(desktop.plan((1 << 20) + 1, List.of()), "udmabuf").cause());
        }
    }

    @Test
    void hugePagesAreOptional() throws Exception {
        assertTrue(cenalloc.heaps().stream().noneMatch(heap -> heap.name().equals("udmabuf-huge")));
        kernel.numbers.put("HugePages_Total", 4L);
        try (var withHuge = open(kernel)) {
            assertFalse(names(withHuge.plan(1, List.of())).contains("udmabuf-huge"));
            Device named = device("d", NONE.onlyHeaps(Set.of("udmabuf-huge")));
            assertEquals(List.of("udmabuf-huge"), names(withHuge.plan(1, List.of(named))));
        }
    }

    @Test
    void forbiddenHeapsArePassedOverAndTold() throws Exception {
        kernel.refuse(Path.of("/dev/dma_heap/system"), 13);
        try (var user = open(kernel);
                var buffer = user.create(100)) {
            Plan plan = buffer.plan();
            assertEquals(List.of("udmabuf", "reserved"), names(plan));
            assertEquals(Cause.NO_PERMISSION, rejection(plan, "system").cause());
            buffer.attach(device("d", NONE.onlyHeaps(Set.of("system"))));
            var e = assertThrows(NoPermissionException.class, buffer::dmaBuf);
            assertEquals(Optional.of(Path.of("/dev/dma_heap/system")), e.path());
            assertTrue(e.remedy().contains("udev"), e::remedy);
            assertTrue(buffer.plan().isSatisfiable());
        }
        kernel.queries.clear(); // the first use looked for new nodes
    }

    // ---- registered heaps ----

    @Test
    void aHeapCanStandInForOthers() {
        register(
                "sram",
                PLENTIFUL.withContiguous(Trait.YES).withScarce(Trait.YES).withSubstitutes(Set.of("reserved")));
        register(
                "fast-sram",
                PLENTIFUL
                        .withScore(20)
                        .withContiguous(Trait.YES)
                        .withScarce(Trait.YES)
                        .withSubstitutes(Set.of("sram")));
        assertEquals(List.of("reserved", "fast-sram", "sram"), order(NONE.onlyHeaps(Set.of("linux,cma"))));
        assertEquals(List.of("fast-sram", "sram"), order(NONE.onlyHeaps(Set.of("sram"))));
        assertEquals(List.of("fast-sram"), order(NONE.onlyHeaps(Set.of("fast-sram"))));
    }

    /** A name for a pool stands for all that is of that pool; a heap that is the pool itself adds nothing. */
    @Test
    void aHeapByAnotherNameIsThePoolsToo() {
        var known = List.of(
                Heap.of("other-name").withPool("pool"),
                Heap.of("stand-in", PLENTIFUL.withSubstitutes(Set.of("pool"))),
                Heap.of("stranger"));
        Constraints allowed = Substitutes.allow(NONE.onlyHeaps(Set.of("other-name")), known);
        assertEquals(
                Set.of("other-name", "pool", "stand-in"), allowed.allowedHeaps().orElseThrow());
        Constraints itself = NONE.onlyHeaps(Set.of("stranger"));
        assertSame(itself, Substitutes.allow(itself, known));
        assertSame(NONE, Substitutes.allow(NONE, known));
    }

    @Test
    void heapsCannotStandInForEachOtherInACircle() {
        assertThrows(IllegalArgumentException.class, () -> register("a", PLENTIFUL.withSubstitutes(Set.of("a"))));
        register("b", PLENTIFUL.withSubstitutes(Set.of("a")));
        assertThrows(IllegalArgumentException.class, () -> register("a", PLENTIFUL.withSubstitutes(Set.of("b"))));
        register("c", PLENTIFUL.withSubstitutes(Set.of("b")));
        assertThrows(
                IllegalArgumentException.class, () -> register("a", PLENTIFUL.withSubstitutes(Set.of("c", "system"))));
        register("a", PLENTIFUL);
        assertEquals(6, cenalloc.heaps().size());
    }

    @Test
    void namesAreTakenOnce() {
        assertThrows(IllegalArgumentException.class, () -> register("system", PLENTIFUL));
        assertThrows(
                IllegalArgumentException.class, () -> register("linux,cma", PLENTIFUL), "it is the pool of reserved");
        assertThrows(IllegalArgumentException.class, () -> register(" ", PLENTIFUL));
        Heap heap = register("mine", PLENTIFUL);
        assertThrows(IllegalArgumentException.class, () -> register("mine", PLENTIFUL));
        cenalloc.unregister(heap);
        assertThrows(IllegalArgumentException.class, () -> cenalloc.unregister(heap));
        assertThrows(
                IllegalArgumentException.class,
                () -> cenalloc.unregister(cenalloc.heaps().getFirst()));
        register("mine", PLENTIFUL);
    }

    @Test
    void aSourceCanOnlyRefuse() {
        class Picky implements HeapSource {
            @Override
            public int allocate(long size) throws CenallocException {
                throw CenallocException.of(12, "test", size);
            }

            @Override
            public Optional<String> refusal(Constraints constraints, long size) {
                if (size == 13) {
                    throw new IllegalStateException("broken");
                }
                return size % 2 == 0 ? Optional.empty() : Optional.of("only even sizes");
            }
        }
        cenalloc.register("picky", PLENTIFUL, new Picky());
        assertTrue(names(cenalloc.plan(2, List.of())).contains("picky"));
        Plan odd = cenalloc.plan(3, List.of());
        assertEquals("only even sizes", rejection(odd, "picky").reason());
        assertTrue(rejection(cenalloc.plan(13, List.of()), "picky").reason().contains("broken"));
        Plan contiguous = cenalloc.plan(2, List.of(device("d", NONE.contiguous())));
        assertEquals(Cause.CONSTRAINT, rejection(contiguous, "picky").cause(), "its consent adds nothing");
    }

    // ---- explaining ----

    @Test
    void theWorkedExample() {
        // A display that gathers, a GPU with wide lines, an encoder that needs one piece (packages's documentation).
        Device display = Device.of("display", NONE.maxSegments(4096).maxPitch(16_384), "its data sheet");
        Device gpu = Device.of("gpu", NONE.pitchAlignment(256).minPitch(1024), "its driver");
        Device encoder = Device.of("encoder", NONE.contiguous().maxPitch(8192), "board profile");
        var image = new Image(PixelFormat.NV12, 1000, 480);
        Plan plan = cenalloc.plan(image, List.of(display, gpu, encoder));
        assertEquals(List.of("reserved"), names(plan));
        assertEquals(737_280, plan.size().orElseThrow());
        for (String line : List.of(
                "NV12 1000x480, which makes 737280 bytes for display, gpu, encoder",
                "  plane: 480 lines at a pitch of 1024 bytes from byte 0",
                "  plane: 240 lines at a pitch of 1024 bytes from byte 491520",
                "  with reserved, guaranteed: contiguous, maxSegments, pitchAlignment, minPitch, maxPitch")) {
            assertTrue(plan.explain().lines().anyMatch(line::equals), plan::explain);
        }
        assertEquals(List.of("encoder"), who(plan.narrowing(Field.CONTIGUOUS)));
        assertEquals(List.of("encoder"), who(plan.narrowing(Field.MAX_PITCH)));
        assertEquals(List.of("gpu"), who(plan.narrowing(Field.PITCH_ALIGNMENT)));
        assertEquals(6, plan.statements().size());

        Device wide = Device.of("wide gpu", NONE.minPitch(8193), "its driver");
        Plan inVain = cenalloc.plan(image, List.of(display, gpu, wide, encoder));
        assertEquals(List.of(), inVain.candidates());
        assertEquals(
                List.of(
                        "wide gpu needs a pitch of at least 8193 bytes (its driver)",
                        "encoder needs a pitch of at most 8192 bytes (board profile)"),
                inVain.conflict().orElseThrow().statements().stream()
                        .map(Statement::toString)
                        .toList());
    }

    @Test
    void whoNarrowedIsWhoCannotBeSpared() {
        Device loose =
                device("loose", NONE.pitchAlignment(64).maxSize(1 << 20).onlyHeaps(Set.of("system", "reserved", "x")));
        Device tight = device("tight", NONE.pitchAlignment(128).maxSize(1 << 19).onlyHeaps(Set.of("system", "x")));
        Device twin = device("twin", NONE.maxSize(1 << 19));
        Device yes = device("yes", NONE.acceptsProtected());
        Plan plan = cenalloc.plan(100, List.of(loose, tight, twin, yes));
        assertEquals(List.of("tight"), who(plan.narrowing(Field.PITCH_ALIGNMENT)));
        assertEquals(List.of("tight", "twin"), who(plan.narrowing(Field.MAX_SIZE)));
        assertEquals(List.of("tight"), who(plan.narrowing(Field.HEAPS)));
        assertEquals(List.of("loose", "tight", "twin"), who(plan.narrowing(Field.ACCEPTS_PROTECTED)));
        assertEquals(List.of(), plan.narrowing(Field.CONTIGUOUS));
        assertTrue(plan.explain().contains("at most 524288 bytes (tight, twin)"), plan::explain);
        // Two and three make six, so that neither of all three can be spared alone.
        Plan six = cenalloc.plan(
                100,
                List.of(
                        device("two", NONE.pitchAlignment(2)),
                        device("three", NONE.pitchAlignment(3)),
                        device("six", NONE.pitchAlignment(6))));
        assertEquals(3, six.narrowing(Field.PITCH_ALIGNMENT).size());
    }

    @Test
    void fourMayConflict() {
        // Without any one of them: a pitch of 1024, or more segments, or larger ones.
        Plan plan = cenalloc.plan(
                new Image(PixelFormat.R8, 1000, 480),
                List.of(
                        device("a", NONE.minPitch(1025)),
                        device("b", NONE.pitchAlignment(1024)),
                        device("c", NONE.maxSegments(200)),
                        device("d", NONE.maxSegmentSize(4096))));
        Conflict conflict = plan.conflict().orElseThrow();
        assertTrue(conflict.isSmallest());
        assertEquals(4, conflict.statements().size(), conflict::toString);
    }

    private static List<String> who(List<Statement> statements) {
        return statements.stream().map(statement -> statement.device().name()).toList();
    }

    @Test
    void everythingIsInTheExplanation() {
        Device camera = Device.of(
                "camera", NONE.contiguous().baseAlignment(65_536).minSize(100).coherent(), "its data sheet");
        Plan plan = cenalloc.plan(1000, List.of(ANY, camera));
        String text = plan.explain();
        for (String part : List.of(
                "1000 bytes for display, camera",
                "camera: contiguous memory, a start at a multiple of 65536 bytes",
                "(its data sheet)",
                "Together: contiguous memory (camera)",
                "Heap: reserved.",
                "with reserved, guaranteed: contiguous",
                "checked after the allocation: minSize",
                "only advice: baseAlignment, coherent",
                "not system, udmabuf: its memory is scattered and camera needs it contiguous")) {
            assertTrue(text.contains(part), () -> part + " in " + text);
        }
        assertEquals(text, plan.toString());
    }

    @Test
    void assurancesDependOnTheHeap() {
        Constraints much = NONE.cpuRead()
                .baseAlignment(4096)
                .segmentBoundary(4096)
                .highestAddress("pci", 0xffff_ffffL)
                .pitchAlignment(64)
                .offsetAlignment(64)
                .maxSize(1 << 20)
                .usage(Usage.CPU_HEAVY);
        Heap low = register(
                "low", PLENTIFUL.withHighestAddress("pci", 0xffff_ffffL).withCpuMappable(Trait.UNKNOWN));
        Plan plan = cenalloc.plan(100, List.of(device("d", much)));
        Heap system = cenalloc.heaps().stream()
                .filter(heap -> heap.name().equals("system"))
                .findFirst()
                .orElseThrow();
        assertEquals(
                Map.of(
                        Field.CPU_READ, Assurance.ENFORCED,
                        Field.BASE_ALIGNMENT, Assurance.ENFORCED,
                        Field.OFFSET_ALIGNMENT, Assurance.ADVISORY,
                        Field.SEGMENT_BOUNDARY, Assurance.ADVISORY,
                        Field.HIGHEST_ADDRESS, Assurance.ADVISORY,
                        Field.PITCH_ALIGNMENT, Assurance.ADVISORY,
                        Field.MAX_SIZE, Assurance.ENFORCED,
                        Field.USAGE, Assurance.ADVISORY),
                plan.assurances(system));
        assertEquals(Assurance.ENFORCED, plan.assurances(low).get(Field.HIGHEST_ADDRESS));
        assertEquals(Assurance.CHECKED, plan.assurances(low).get(Field.CPU_READ));
        Plan image = cenalloc.plan(new Image(PixelFormat.R8, 100, 10), List.of(device("d", much)));
        assertEquals(Assurance.ENFORCED, image.assurances(system).get(Field.PITCH_ALIGNMENT));
        assertEquals(Assurance.ENFORCED, image.assurances(system).get(Field.OFFSET_ALIGNMENT));
    }

    @Test
    void aRejectionTellsWho() {
        Plan plan = cenalloc.plan(
                100, List.of(device("a", NONE.contiguous()), device("b", NONE.onlyHeaps(Set.of("reserved"))), ANY));
        assertEquals(
                "b",
                rejection(plan, "system").statements().stream()
                        .map(statement -> statement.device().name())
                        .collect(Collectors.joining()));
        assertEquals(Cause.CONSTRAINT, rejection(plan, "system").cause());
    }

    @Test
    void whatIsUnknownOfAHeapDoesNotSatisfy() {
        register("vendor", HeapProperties.UNKNOWN);
        assertEquals(
                Cause.NOT_NAMED,
                rejection(cenalloc.plan(1, List.of()), "vendor").cause());
        Constraints named = NONE.onlyHeaps(Set.of("vendor"));
        assertEquals(List.of("vendor"), order(named));
        assertEquals(List.of("vendor"), order(named.cpuRead()), "the mapping will tell");
        assertEquals(List.of(), order(named.contiguous()));
        assertEquals(List.of(), order(named.pages()));
    }
}
