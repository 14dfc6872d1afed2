// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.fuzz.FuzzTarget;
import dev.cenalloc.plan.Constraints;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Any bytes as constraints: what is read, is written and read again, is the same. */
public final class ConstraintsFuzz implements FuzzTarget {
    @Override
    public List<byte[]> seeds() {
        var random = new SplittableRandom(5);
        var seeds = new ArrayList<byte[]>();
        for (int i = 0; i < 20; i++) {
            seeds.add(ConstraintsJson.write(JsonConstraints.next(random)).getBytes(StandardCharsets.UTF_8));
        }
        return seeds;
    }

    @Override
    public boolean read(byte[] input) throws IOException {
        Constraints constraints;
        try {
            constraints = ConstraintsJson.read(new ByteArrayInputStream(input));
        } catch (ConstraintsFormatException e) {
            checkPlace(e);
            return false;
        }
        assertFalse(constraints.isImpossible(), constraints::toString);
        assertEquals(constraints, ConstraintsJson.read(ConstraintsJson.write(constraints)));
        return true;
    }

    static void checkPlace(ConstraintsFormatException e) {
        assertTrue(String.valueOf(e.getMessage()).length() < 10_000, e::getMessage);
        assertTrue(e.line() > 0 && e.column() > 0, e::getMessage);
    }
}
