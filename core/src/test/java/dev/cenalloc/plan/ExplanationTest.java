package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The text of plans. */
class ExplanationTest {
    private static final Constraints NONE = Constraints.NONE;

    private static Device device(String name, Constraints constraints) {
        return Device.of(name, constraints, "test");
    }

    private static Plan plan(List<Device> devices, String... heaps) {
        return Plan.of(
                Demand.ofBytes(4096),
                devices,
                Arrays.stream(heaps).map(Heap::of).toList());
    }

    @Test
    void candidatesAreNamedInOrderWithoutNumbers() {
        Plan plan = plan(List.of(device("display", NONE)), "reserved", "system");
        assertEquals("""
                4096 bytes for display
                  display: any memory (test)
                Together: any memory.
                To try: system, reserved.""", plan.explain());
    }

    @Test
    void everyIndependentConflictIsShownAndItsReasonOnce() {
        Plan plan = plan(
                List.of(
                        device("camera", NONE.minPitch(100)),
                        device("display", NONE.maxPitch(99)),
                        device("decoder", NONE.requiresProtected()),
                        device("encoder", NONE.acceptsProtected().onlyHeaps(Set.of("protected,a"))),
                        device("npu", NONE.acceptsProtected())),
                "system",
                "reserved",
                "udmabuf");
        List<Conflict> conflicts = plan.conflicts();
        assertEquals(3, conflicts.size(), plan::explain);
        String text = plan.explain();
        String shown = text.substring(text.indexOf("To try: no heap."));
        assertEquals("""
                To try: no heap.
                No memory satisfies these devices together.
                No heap called protected,a; there are system, reserved, udmabuf.
                These conflict:
                  decoder needs protected memory (test)
                Independently of that, these conflict:
                  encoder needs memory from heap protected,a (test)
                Independently of that, these conflict:
                  camera needs a pitch of at least 100 bytes (test)
                  display needs a pitch of at most 99 bytes (test)""", shown);
        // As data, each heap has its reason.
        assertEquals(3, plan.rejected().size());
    }

    @Test
    void heapsThatAreNotThereAreNamedWithThoseThatAre() {
        Device camera = device("camera", NONE.onlyHeaps(Set.of("sram", "vram")));
        String text = plan(List.of(camera), "system", "reserved").explain();
        assertTrue(text.contains("\nNo heap called sram or vram; there are system, reserved.\n"), text);
        text = plan(List.of(camera), "system").explain();
        assertTrue(text.contains("\nNo heap called sram or vram; there is system.\n"), text);
        text = plan(List.of(camera)).explain();
        assertTrue(text.contains("\nThere is no heap here."), text);
        assertFalse(text.contains("No heap called"), text);
    }

    @Test
    void aNameThatFindsAHeapIsNotMissing() {
        // All names of the default CMA pool mean that pool, and a substitute stands for the heap that it replaces.
        assertFalse(plan(List.of(device("camera", NONE.onlyHeaps(Set.of("linux,cma")))), "reserved")
                .explain()
                .contains("No heap called"));
        Heap substitute = Heap.of("fast", HeapProperties.UNKNOWN.withSubstitutes(Set.of("sram")));
        Plan plan = Plan.of(
                Demand.ofBytes(4096), List.of(device("npu", NONE.onlyHeaps(Set.of("sram")))), List.of(substitute));
        assertEquals(List.of(substitute), plan.candidates());
        assertFalse(plan.explain().contains("No heap called"), plan::explain);
    }

    @Test
    void conflictsOfOneMachineAreShownBesideTheReasonOfEachHeap() {
        String text = plan(List.of(device("camera", NONE.contiguous())), "system", "udmabuf")
                .explain();
        assertTrue(text.endsWith("""
                        To try: no heap.
                          not system: its memory is scattered and camera needs it contiguous
                          not udmabuf: its memory is scattered and camera needs it contiguous
                        These conflict:
                          camera needs contiguous memory (test)"""), text);
    }
}
