// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.fuzz;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The targets of ci/fuzz are true: what is right they take, and what is not they refuse. */
class FuzzTest {
    static Set<String> names() {
        return Fuzz.TARGETS.keySet();
    }

    @ParameterizedTest
    @MethodSource("names")
    void seedsAreTaken(String name) throws Exception {
        List<byte[]> seeds = Fuzz.target(name).seeds();
        assertFalse(seeds.isEmpty());
        for (int i = 0; i < seeds.size(); i++) {
            assertTrue(Fuzz.read(Fuzz.target(name), seeds.get(i)), name + ": seed " + i);
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void whatIsCutOrChangedIsNoFaultAndSomeOfItIsRefused(String name) throws Exception {
        FuzzTarget target = Fuzz.target(name);
        int refused = 0;
        for (byte[] seed : target.seeds()) {
            for (int i = 0; i < seed.length; i += 1 + seed.length / 20) {
                refused += Fuzz.read(target, Arrays.copyOf(seed, i)) ? 0 : 1;
                byte[] changed = seed.clone();
                changed[i] ^= (byte) 0x80;
                refused += Fuzz.read(target, changed) ? 0 : 1;
            }
        }
        assertTrue(refused > 0);
    }

    @Test
    void anyBytesAreMessages() {
        var messages = List.of(
                new Messages.Message(1, new byte[300]),
                new Messages.Message(255, new byte[0]),
                new Messages.Message(0, new byte[] {7}));
        byte[] input = Messages.input(messages);
        List<Messages.Message> read = Messages.of(input);
        assertEquals(3, read.size());
        assertEquals(255, read.get(1).kind);
        assertEquals(300, read.getFirst().bytes.length);
        assertArrayEquals(input, Messages.input(read));
        assertEquals(2, Messages.of(Arrays.copyOf(input, input.length - 2)).size(), "half a header is none");
        assertEquals(
                9,
                Messages.of(new byte[] {1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0}).getFirst().bytes.length);
    }
}
