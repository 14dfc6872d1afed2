// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import static dev.cenalloc.plan.Constraints.NONE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CombinationsTest {
    @Test
    void theyAreBounded() {
        var devices = new ArrayList<Device>();
        for (int i = 0; i < 40; i++) {
            devices.add(Device.of("d" + i, NONE.onlyHeaps(Set.of("nowhere")), "test")
                    .or(NONE.onlyHeaps(Set.of("elsewhere")))
                    .or(NONE.onlyHeaps(Set.of("never"))));
        }
        var combinations = new Combinations(devices);
        int count = 0;
        while (combinations.hasNext()) {
            combinations.next();
            count++;
        }
        assertEquals(Solver.COMBINATIONS, count);
        assertTrue(combinations.endedEarly());
    }

    @Test
    void everyCombinationComesOnce() {
        Device two = Device.of("two", NONE, "test").or(NONE.contiguous());
        Device three = two.or(NONE.cpuRead());
        Device maybe = Device.of("maybe", NONE, "test").optional();
        var combinations = new Combinations(List.of(two, three, maybe));
        var seen = new ArrayList<String>();
        while (combinations.hasNext()) {
            combinations.next();
            seen.add(combinations.devices() + " without " + combinations.leftOut());
        }
        assertEquals(12, combinations.count());
        assertEquals(12, seen.stream().distinct().count());
        assertEquals(12, seen.size());
    }
}
