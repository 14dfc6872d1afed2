// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.TestContext;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class PlanTest {
    private static final Device ANY = Device.of("display", Constraints.NONE, "test");
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "its data sheet");

    private static Plan plan(List<Device> devices, String... heaps) throws Exception {
        var kernel = new FakeKernel();
        for (String heap : heaps) {
            kernel.heap(heap, 1 << 20);
        }
        try (var cenalloc = TestContext.open(kernel, Path.of("/dev/dma_heap"))) {
            Plan plan = cenalloc.plan(1000, devices);
            assertEquals(List.of(), kernel.calls, "solving asks nothing of the kernel");
            return plan;
        }
    }

    private static List<String> names(Plan plan) {
        return plan.candidates().stream().map(Heap::name).toList();
    }

    @Test
    void plentifulMemoryComesFirst() throws Exception {
        assertEquals(List.of("system", "reserved"), names(plan(List.of(ANY), "reserved", "system")));
    }

    @Test
    void aRequiredPropertyIsNeverCrossed() throws Exception {
        Plan plan = plan(List.of(ANY, CONTIGUOUS), "reserved", "system");
        assertEquals(List.of("reserved"), names(plan));
        assertEquals("system", plan.rejected().getFirst().heap().name());
        assertTrue(plan.rejected().getFirst().reason().contains("camera"), plan::explain);
    }

    @Test
    void onePoolIsTriedOnceUnderItsBestName() throws Exception {
        Plan plan = plan(List.of(CONTIGUOUS), "default-pool", "reserved", "linux,cma", "default_cma_region");
        assertEquals(List.of("default_cma_region"), names(plan));
        assertEquals(3, plan.rejected().size());
        assertTrue(plan.rejected().getFirst().reason().contains("pool of default_cma_region"));
    }

    @Test
    void specialHeapsAreUsedOnlyWhenNamed() throws Exception {
        String[] heaps = {"carveout", "protected,secure-video", "system_cc_shared"};
        Plan unasked = plan(List.of(ANY), heaps);
        assertEquals(List.of(), names(unasked));
        Device any = Device.of("any", Constraints.NONE.acceptsProtected().acceptsDecrypted(), "test");
        assertTrue(plan(List.of(any), heaps).isSatisfiable());
        for (String heap : heaps) {
            Device names = Device.of("decoder", Constraints.NONE.onlyHeaps(Set.of(heap)), "test");
            assertEquals(List.of(heap), names(plan(List.of(any, names), heaps)));
        }
        Device both =
                Device.of("d", Constraints.NONE.onlyHeaps(Set.of("carveout")).contiguous(), "test");
        assertTrue(plan(List.of(both), heaps).rejected().stream()
                .anyMatch(rejection -> rejection.reason().contains("may give scattered memory")));
    }

    @Test
    void anAliasMeansTheNodeThatIsHere() throws Exception {
        Device asksForOldName = Device.of("app", Constraints.NONE.onlyHeaps(Set.of("linux,cma")), "test");
        assertEquals(List.of("reserved"), names(plan(List.of(asksForOldName), "reserved", "system")));
    }

    @Test
    void everyHeapIsACandidateOrRejectedWithAReason() throws Exception {
        Plan plan = plan(List.of(CONTIGUOUS), "system", "reserved", "linux,cma", "x", "protected,y");
        assertEquals(5, plan.candidates().size() + plan.rejected().size());
        plan.rejected().forEach(rejection -> assertTrue(plan.explain().contains(rejection.reason())));
    }

    @Test
    void successIsExplainedToo() throws Exception {
        Plan plan = plan(List.of(ANY, CONTIGUOUS), "reserved", "system");
        assertEquals(
                "camera needs contiguous memory (its data sheet)",
                plan.reason(plan.candidates().getFirst()));
        Plan free = plan(List.of(ANY), "reserved", "system");
        assertEquals(
                List.of(
                        "no device rules a heap out, and this is plentiful",
                        "no device rules a heap out; plentiful heaps are tried before this one"),
                free.candidates().stream().map(free::reason).toList());
        Plan scarce = plan(List.of(ANY), "reserved");
        assertEquals(
                "no device rules a heap out, and no candidate is known to be plentiful",
                scarce.reason(scarce.candidates().getFirst()));
        assertThrows(
                IllegalArgumentException.class,
                () -> plan.reason(plan.rejected().getFirst().heap()));
    }

    @Test
    void aPlanIsAValue() throws Exception {
        Plan plan = plan(List.of(ANY), "system");
        assertThrows(UnsupportedOperationException.class, () -> plan.devices().clear());
        assertThrows(
                UnsupportedOperationException.class, () -> plan.candidates().clear());
    }

    /** Two devices that have nothing to do with each other conflict with a third. */
    @Test
    void theExplanationHasEveryConflict() throws Exception {
        Device narrow = Device.of("camera", Constraints.NONE.contiguous().maxPitch(1984), "its data sheet");
        Device wide = Device.of("gpu", Constraints.NONE.minPitch(2048), "its manual");
        Device npu = Device.of("npu", Constraints.NONE.onlyHeaps(Set.of("system")), "its driver");
        String text = Plan.of(
                        Demand.ofImage(new Image(PixelFormat.NV12, 1920, 1080)),
                        List.of(narrow, wide, npu),
                        List.of(Heap.of("system"), Heap.of("reserved"), Heap.of("default_cma_region")))
                .explain();
        assertTrue(text.endsWith("""
                        No heap suits.
                          not system, reserved, default_cma_region: no memory satisfies these devices together
                        Conflict 1:
                          camera needs contiguous memory (its data sheet)
                          npu needs memory of the heap system (its driver)
                        Conflict 2:
                          camera needs a pitch of at most 1984 bytes (its data sheet)
                          gpu needs a pitch of at least 2048 bytes (its manual)"""), text);
    }

    @Test
    void aMisspeltHeapIsSaidWithThoseThatThereAre() throws Exception {
        Device typing = Device.of("isp", Constraints.NONE.onlyHeaps(Set.of("sytem", "cma")), "its profile");
        String text = plan(List.of(ANY, typing), "system", "reserved").explain();
        assertTrue(text.contains("\n  isp: no heap called cma or sytem; there are reserved, system"), text);
        assertTrue(
                plan(List.of(typing)).explain().contains("isp: no heap called cma or sytem; there is no heap"), text);

        // One of several names is enough: that is how a device is described for several kernels.
        Device able = Device.of("isp", Constraints.NONE.onlyHeaps(Set.of("cma", "system")), "its profile");
        assertFalse(plan(List.of(able), "system").explain().contains("no heap called"));
    }

    @Test
    void aDeviceThatIsLeftOutForItsHeapsSaysSo() throws Exception {
        Device decoder = Device.of("decoder", Constraints.NONE.onlyHeaps(Set.of("vdec")), "test")
                .or(Constraints.NONE.onlyHeaps(Set.of("linux,secure")))
                .optional();
        Plan plan = plan(List.of(ANY, decoder), "system", "reserved");
        assertEquals("system", plan.candidates().getFirst().name());
        assertTrue(
                plan.explain().contains("decoder: no heap called linux,secure or vdec; there are reserved, system"),
                plan::explain);

        // An alternative with a heap that exists is left out for another reason.
        Device able = Device.of("able", Constraints.NONE.onlyHeaps(Set.of("vdec")), "test")
                .or(Constraints.NONE.onlyHeaps(Set.of("system")))
                .optional();
        assertFalse(
                plan(List.of(CONTIGUOUS, able), "system", "reserved").explain().contains("no heap called"));
    }

    @Test
    void onlyTheOrderOfHeapsIsToldNotHowItIsReckoned() throws Exception {
        String text = plan(List.of(ANY), "reserved", "system").explain();
        assertTrue(text.contains("\nHeaps, best first: system, reserved."), text);
        assertFalse(text.contains("score"), text);
    }
}
