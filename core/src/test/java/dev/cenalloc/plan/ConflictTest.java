// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.IncompatibleConstraintsException;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.text.Unwrapped;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** The smallest set of statements that no memory satisfies together. */
class ConflictTest {
    private static final Constraints NONE = Constraints.NONE;

    private static Device device(String name, Constraints constraints) {
        return Device.of(name, constraints, "test");
    }

    private static Cenalloc open(String... heaps) throws CenallocException {
        var kernel = new FakeKernel();
        for (String heap : heaps) {
            kernel.heap(heap, 1 << 20);
        }
        return kernel.open();
    }

    private static List<String> blame(Conflict conflict) {
        assertTrue(conflict.isSmallest());
        return conflict.statements().stream()
                .map(statement ->
                        statement.device().name() + " " + statement.field().key())
                .toList();
    }

    private static List<String> refused(long size, Device... devices) throws Exception {
        try (var cenalloc = open("system", "reserved");
                var buffer = cenalloc.create(size)) {
            for (int i = 0; i < devices.length - 1; i++) {
                buffer.attach(devices[i]);
            }
            var e = assertThrows(
                    IncompatibleConstraintsException.class, () -> buffer.attach(devices[devices.length - 1]));
            Conflict conflict = e.conflicts().getFirst();
            assertTrue(Unwrapped.of(e.getMessage()).contains(conflict.toString()));
            return blame(conflict);
        }
    }

    @Test
    void bystandersAreNotNamed() throws Exception {
        assertEquals(
                List.of("a heaps", "b heaps"),
                refused(
                        100,
                        device("bystander", NONE.pitchAlignment(64).cpuRead()),
                        device("a", NONE.onlyHeaps(Set.of("system"))),
                        device("another", NONE.minSize(10).onlyHeaps(Set.of("x", "system", "y"))),
                        device("b", NONE.onlyHeaps(Set.of("x")))));
    }

    @Test
    void oneStatementMayBeEnough() throws Exception {
        assertEquals(List.of("b maxSize"), refused(100, device("a", NONE.contiguous()), device("b", NONE.maxSize(99))));
    }

    @Test
    void threeMayBeNeeded() throws Exception {
        // Each pair has a heap in common.
        assertEquals(
                List.of("ab heaps", "bc heaps", "ca heaps"),
                refused(
                        100,
                        device("ab", NONE.onlyHeaps(Set.of("a", "b"))),
                        device("bc", NONE.onlyHeaps(Set.of("b", "c"))),
                        device("ca", NONE.onlyHeaps(Set.of("c", "a")))));
        // Segments, their size, and a minimum that makes the buffer grow.
        assertEquals(
                List.of("n maxSegments", "s maxSegmentSize", "g minSize"),
                refused(
                        100,
                        device("n", NONE.maxSegments(4)),
                        device("s", NONE.maxSegmentSize(4096)),
                        device("g", NONE.minSize(5 * 4096))));
    }

    @Test
    void protectionIsRefusedByWhoDoesNotAccept() throws Exception {
        assertEquals(
                List.of("decoder protected", "display acceptsProtected"),
                refused(100, device("decoder", NONE.requiresProtected()), device("display", NONE)));
        assertEquals(
                List.of("decoder protected", "CPU cpuRead"),
                refused(
                        100,
                        device("decoder", NONE.requiresProtected()),
                        Device.of("CPU", NONE.cpuRead().acceptsProtected(), "test")));
    }

    @Test
    void theHeapsOfThisMachineCountToo() throws Exception {
        Device camera = device("camera", NONE.contiguous());
        Device other = device("other", NONE.cpuRead().pitchAlignment(8));
        try (var cenalloc = open("system")) {
            Plan plan = cenalloc.plan(100, List.of(other, camera));
            assertEquals(List.of("camera contiguous"), blame(plan.conflict().orElseThrow()));
            assertTrue(plan.explain().contains("Conflict:\n  camera needs contiguous memory (test)"), plan::explain);
        }
        // Only together: one rules out the system heap, the other CMA.
        try (var cenalloc = open("system", "reserved")) {
            Device notCma = device("notCma", NONE.onlyHeaps(Set.of("system", "elsewhere")));
            Plan plan = cenalloc.plan(100, List.of(other, notCma, camera));
            assertEquals(
                    List.of("notCma heaps", "camera contiguous"),
                    blame(plan.conflict().orElseThrow()));
        }
        try (var cenalloc = open()) {
            assertTrue(
                    cenalloc.plan(100, List.of(camera)).conflict().isEmpty(),
                    "there is no heap at all: nobody's fault");
        }
    }

    @Test
    void largeConflictsAreFoundToo() throws Exception {
        // Device i takes every heap but the i-th: only all together leave nothing.
        var devices = new ArrayList<Device>();
        for (int i = 0; i < 24; i++) {
            var heaps = new ArrayList<String>();
            for (int j = 0; j < 24; j++) {
                if (j != i) {
                    heaps.add("heap" + j);
                }
            }
            devices.add(device("d" + i, NONE.onlyHeaps(heaps)));
        }
        assertEquals(24, refused(100, devices.toArray(Device[]::new)).size());
    }

    /**
     * Any nine of forty pitches overflow a size: more sets than can be tried. The search for the smallest ends, and
     * what it gives has nothing superfluous.
     */
    @Test
    void aSearchAmongVeryManyEnds() {
        var devices = new ArrayList<Device>();
        for (int candidate = 101; devices.size() < 40; candidate += 2) {
            if (BigInteger.valueOf(candidate).isProbablePrime(20)) {
                devices.add(device("d" + candidate, NONE.pitchAlignment(candidate)));
            }
        }
        Demand demand = Demand.ofImage(new Image(PixelFormat.XR24, 640, 480));
        Plan plan = Plan.of(demand, devices, List.of());
        Conflict conflict = plan.conflict().orElseThrow();
        assertFalse(conflict.isSmallest());
        assertTrue(plan.explain().contains("of so many statements that a smaller one was not sought"));
        List<Device> blamed =
                conflict.statements().stream().map(Statement::device).toList();
        assertEquals(1, Plan.contradictions(demand, blamed, List.of()).size());
        for (Device one : blamed) {
            List<Device> others =
                    blamed.stream().filter(other -> !other.equals(one)).toList();
            assertEquals(List.of(), Plan.contradictions(demand, others, List.of()), one::name);
        }
    }

    /** Each device allows other heaps, and no two of them are in conflict. */
    @Test
    void thousandsOfDevicesAreExplained() {
        var devices = new ArrayList<Device>();
        for (int i = 0; i < 5000; i++) {
            devices.add(device("d" + i, NONE.onlyHeaps(Set.of("system", "heap" + i))));
        }
        Plan plan = Plan.of(Demand.ofBytes(1), devices, List.of(Heap.of("system"), Heap.of("heap1")));
        assertTrue(plan.explain().contains("Heap: system."));
        assertEquals(5000, plan.narrowing(Field.HEAPS).size());
        devices.add(device("last", NONE.onlyHeaps(Set.of("heap0"))));
        Conflict conflict = Plan.of(Demand.ofBytes(1), devices, List.of(Heap.of("system"), Heap.of("heap1")))
                .conflict()
                .orElseThrow();
        assertEquals(
                List.of("last needs memory of the heap heap0 (test)"),
                conflict.statements().stream().map(Statement::toString).toList());
    }

    /** What narrowing is said to be: without these statements, and those that say the same, the value is another. */
    @Test
    void narrowingIsWhatItIsSaidToBe() {
        var random = new SplittableRandom(13);
        int narrowed = 0;
        for (int round = 0; round < 2000; round++) {
            var devices = new ArrayList<Device>();
            int count = random.nextInt(1, 6);
            for (int i = 0; i < count; i++) {
                devices.add(device("d" + i, RandomConstraints.next(random)));
            }
            Plan plan = Plan.of(Demand.ofBytes(1), devices, List.of());
            for (Field field : Field.values()) {
                Constraints all = merged(devices, field);
                List<Device> speakers = devices.stream()
                        .filter(device -> device.constraints().limits(field))
                        .toList();
                List<Device> narrowing = speakers.stream()
                        .filter(speaker -> {
                            Constraints said = speaker.constraints().only(field);
                            return !merged(
                                            devices.stream()
                                                    .filter(other -> !other.constraints()
                                                            .only(field)
                                                            .equals(said))
                                                    .toList(),
                                            field)
                                    .equals(all);
                        })
                        .toList();
                narrowed += narrowing.size();
                assertEquals(
                        narrowing.isEmpty() ? speakers : narrowing,
                        plan.narrowing(field).stream().map(Statement::device).toList(),
                        () -> field + " of " + devices);
            }
        }
        assertTrue(narrowed > 1000);
    }

    private static Constraints merged(List<Device> devices, Field field) {
        return Constraints.merge(devices.stream()
                        .map(device -> device.constraints().only(field))
                        .toList())
                .only(field);
    }

    @Test
    void itIsDataAsWellAsText() throws Exception {
        Device a = Device.of("a", NONE.contiguous(), Device.Origin.PROFILE, "board.json");
        try (var cenalloc = open("system")) {
            Statement statement = cenalloc.plan(1, List.of(a))
                    .conflict()
                    .orElseThrow()
                    .statements()
                    .getFirst();
            assertEquals(a, statement.device());
            assertEquals(Field.CONTIGUOUS, statement.field());
            assertEquals("a needs contiguous memory (board.json)", statement.toString());
        }
    }
}
