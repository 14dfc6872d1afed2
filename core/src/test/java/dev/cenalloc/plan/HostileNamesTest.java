// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.plan.Device.Origin;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.text.Printable;
import dev.cenalloc.text.Unwrapped;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Names with control characters, such as those of a profile that somebody else wrote, in each text of this package. */
class HostileNamesTest {
    private static final Constraints NONE = Constraints.NONE;

    private static String message(Executable refused) {
        return String.valueOf(assertThrows(RuntimeException.class, refused).getMessage());
    }

    /** All texts, with one character in each name. */
    private static List<String> texts(String character) {
        String x = "a" + character + "b";
        Heap heap = Heap.of(
                "heap " + x,
                HeapProperties.UNKNOWN
                        .withContiguous(Trait.NO)
                        .withOnlyWhenNamed(false)
                        .withPlace("place " + x)
                        .withHighestAddress("space " + x, 4095));
        Heap refusing = Heap.of(
                        "refusing " + x,
                        HeapProperties.UNKNOWN.withContiguous(Trait.YES).withOnlyWhenNamed(false))
                .withRefusal((constraints, size) -> Optional.of("refused " + x));
        Heap failing = Heap.of("failing " + x, heap.properties()).withRefusal((constraints, size) -> {
            throw new IllegalStateException("failed " + x);
        });
        List<Heap> heaps = List.of(heap, refusing, failing);
        Device camera = Device.of(
                        "camera " + x,
                        NONE.onlyHeaps(List.of("heap " + x))
                                .highestAddress("space " + x, 4096)
                                .near(List.of("place " + x)),
                        Origin.PROFILE,
                        "profile " + x)
                .withUse("use " + x, 0, NONE.pitchAlignment(64))
                .withUse("use " + x, 1, NONE);
        Device npu = Device.of("npu " + x, NONE.contiguous(), "sheet " + x);
        Device decoder = Device.of("decoder " + x, NONE.onlyHeaps(List.of("absent " + x)), "test")
                .optional();
        Plan good = Plan.of(Demand.ofBytes(1), List.of(camera.forUse("use " + x, 0), decoder), heaps);
        Plan free = Plan.of(Demand.ofBytes(1), List.of(), heaps);
        Plan conflict = Plan.of(Demand.ofBytes(1), List.of(camera.behindIommu(), npu), heaps);
        assertEquals(Set.of("heap " + x), camera.constraints().allowedHeaps().orElseThrow(), "names stay as they are");
        assertEquals("heap " + x, good.candidates().getFirst().name());

        var texts = new ArrayList<String>();
        for (Plan plan : List.of(good, free, conflict)) {
            texts.add(plan.explain());
            texts.add(plan.toString());
            texts.add(plan.constraints().toString());
            plan.candidates().forEach(candidate -> texts.add(plan.reason(candidate)));
            plan.devices().forEach(device -> texts.add(device.toString()));
            plan.statements().forEach(statement -> {
                texts.add(statement.toString());
                texts.add(statement.value());
            });
            plan.conflicts().forEach(one -> texts.add(one.toString()));
            plan.rejected().forEach(rejection -> {
                texts.add(rejection.reason());
                texts.add(rejection.toString());
                texts.add(rejection.objection().toString());
            });
        }
        texts.add(heap.toString());
        texts.add(heap.properties().toString());
        texts.add(good.objection(refusing, 4096, camera).orElseThrow().reason());
        texts.add(message(() -> good.score(refusing)));
        texts.add(message(() -> Device.undeclared("radio " + x).or(NONE)));
        texts.add(message(() -> camera.forUse("other " + x, 0)));
        texts.add(message(() -> camera.constraints().onlyHeaps(List.of("other " + x))));
        texts.add(message(() -> camera.constraints().requiresProtected().cpuRead()));
        texts.add(message(() -> NONE.highestAddress("space " + x, 0)));
        return texts;
    }

    @ParameterizedTest
    @ValueSource(strings = {"\u001b[2J", "\n", "\r", "\u007f", "\u0085", "\u202e", "\u2028", "\0"})
    void theyAreEscaped(String character) {
        List<String> harmless = texts("@");
        List<String> hostile = texts(character);
        assertEquals(harmless.size(), hostile.size());
        int named = 0;
        for (int i = 0; i < harmless.size(); i++) {
            assertEquals(
                    Unwrapped.of(harmless.get(i).replace("@", Printable.of(character))), Unwrapped.of(hostile.get(i)));
            named += harmless.get(i).contains("@") ? 1 : 0;
        }
        assertTrue(named > 40, "texts with a name: " + named);
        assertTrue(harmless.getFirst().contains("no heap called absent a@b"), harmless::getFirst);
        assertTrue(harmless.toString().contains("its source failed to answer"), harmless::toString);
        assertTrue(harmless.toString().contains("refused a@b"), harmless::toString);
    }
}
