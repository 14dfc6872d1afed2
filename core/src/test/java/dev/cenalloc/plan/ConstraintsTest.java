// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConstraintsTest {
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 20141010})
    void mergingIsCommutativeAssociativeAndIdempotent(long seed) {
        var random = new SplittableRandom(seed);
        for (int i = 0; i < 2_000; i++) {
            Constraints a = RandomConstraints.next(random);
            Constraints b = RandomConstraints.next(random);
            Constraints c = RandomConstraints.next(random);
            String message = "seed " + seed + ": " + a + " | " + b + " | " + c;
            assertEquals(a.and(b), b.and(a), message);
            assertEquals(a.and(b).and(c), a.and(b.and(c)), message);
            assertEquals(a, a.and(a), message);
            assertEquals(a, a.and(Constraints.NEUTRAL), message);
            assertEquals(a.and(b).and(c), Constraints.merge(List.of(c, a, b)), message);
            assertEquals(a.and(b).hashCode(), b.and(a).hashCode(), message);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {4, 5})
    void whatTheMergeAllowsBothAllow(long seed) {
        var random = new SplittableRandom(seed);
        for (int i = 0; i < 2_000; i++) {
            Constraints a = RandomConstraints.next(random);
            Constraints b = RandomConstraints.next(random);
            for (String name : RandomConstraints.HEAPS) {
                assertEquals(
                        a.allowsPool(HeapProperties.pool(name)) && b.allowsPool(HeapProperties.pool(name)),
                        a.and(b).allowsPool(HeapProperties.pool(name)),
                        "seed " + seed + ", " + name + ": " + a + " | " + b);
            }
        }
    }

    /** Names come from profiles and other programs, and interned strings are the whole virtual machine's. */
    @Test
    void namesAreNotInterned() {
        for (String kind : List.of("heap", "place", "pool")) {
            String name = kind + System.nanoTime();
            Constraints constraints = Constraints.NONE
                    .onlyHeaps(Set.of(name))
                    .near(Set.of(name))
                    .and(Constraints.NONE.onlyHeaps(Set.of(name)));
            assertEquals(Set.of(name), constraints.allowedHeaps().orElseThrow());
            assertTrue(constraints.allowsPool(HeapProperties.pool(name)));
            // An equal string is the interned one only if none was interned before.
            String equal = new String(name.toCharArray());
            assertSame(equal, equal.intern());
        }
    }

    @Test
    void unlimitedIsNotTheEmptySet() {
        assertTrue(Constraints.NONE.allowedHeaps().isEmpty());
        assertTrue(Constraints.NONE.allowsPool(HeapProperties.pool("anything")));
        assertFalse(Constraints.NONE.isImpossible());
        Constraints none = Constraints.NONE.onlyHeaps(Set.of("a")).and(Constraints.NONE.onlyHeaps(Set.of("b")));
        assertTrue(none.isImpossible());
        assertEquals(Set.of(), none.allowedHeaps().orElseThrow());
        assertFalse(none.allowsPool(HeapProperties.pool("a")));
    }

    @Test
    void namesOfOnePoolMeanThePool() {
        Constraints cma = Constraints.NONE.onlyHeaps(Set.of("linux,cma"));
        assertTrue(cma.allowsPool(HeapProperties.pool("reserved")));
        assertFalse(cma.and(Constraints.NONE.onlyHeaps(Set.of("default_cma_region")))
                .isImpossible());
        assertFalse(cma.allowsPool(HeapProperties.pool("system")));
    }

    @Test
    void nonsenseIsRefusedAtOnce() {
        assertThrows(IllegalArgumentException.class, () -> Constraints.NONE.onlyHeaps(Set.of()));
        Constraints a = Constraints.NONE.onlyHeaps(Set.of("a"));
        assertThrows(IllegalArgumentException.class, () -> a.onlyHeaps(Set.of("b")));
    }

    @Test
    void whatIsSaidOfAnyImageLeavesItsPitchesAndSizesOut() {
        Constraints memory = Constraints.NONE
                .contiguous()
                .onlyHeaps(Set.of("a"))
                .pitchAlignment(64)
                .acceptsProtected()
                .highestAddress("pci", 0xFFFF_FFFFL)
                .usage(Usage.CPU_HEAVY)
                .withUnknown("colour", "blue");
        assertEquals(
                memory,
                memory.minPitch(640)
                        .maxPitch(1280)
                        .minSize(4096)
                        .maxSize(1 << 20)
                        .ofAnyImage());
        assertEquals(memory, memory.ofAnyImage());
        assertEquals(Constraints.NONE, Constraints.NONE.minSize(1).ofAnyImage());
    }
}
