// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Usage;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Constraints as devices may state them, and merged ones, every field now and then. The same seed gives the same ones.
 */
final class JsonConstraints {
    private static final List<Field> FIELDS = List.of(Field.values());
    /** The last is half a surrogate pair, which names of fields cannot have. */
    private static final List<String> NAMES = List.of(
            "system",
            "reserved",
            "protected,video",
            "protected,audio",
            "system_cc_shared",
            "ä \"\\/\n\0\u2028",
            "\ud83d");

    private static final List<String> KEYS = NAMES.subList(0, 6);
    private static final List<String> VALUES =
            List.of("null", "1.50", "-0", "1E400", "\"\\u00e4\\n\"", "\"ä\"", "[ ]", "{\"a\" : [{}, true],\n\"b\":1}");

    private JsonConstraints() {}

    static Constraints next(SplittableRandom random) {
        Constraints constraints = stated(random);
        if (random.nextInt(3) == 0) {
            Constraints merged = constraints.and(stated(random));
            return merged.isImpossible() ? constraints : merged;
        }
        return constraints;
    }

    private static Constraints stated(SplittableRandom random) {
        Constraints constraints = Constraints.NONE;
        int statements = random.nextInt(8);
        for (int i = 0; i < statements; i++) {
            try {
                constraints = oneMore(constraints, random);
            } catch (IllegalArgumentException e) {
                // It contradicts what was said before: then it is not said.
            }
        }
        return constraints;
    }

    private static Constraints oneMore(Constraints constraints, SplittableRandom random) {
        Field field = FIELDS.get(random.nextInt(FIELDS.size()));
        return switch (field) {
            case HEAPS -> constraints.onlyHeaps(some(random));
            case NEAR -> constraints.near(some(random));
            case HIGHEST_ADDRESS ->
                constraints.highestAddress(
                        KEYS.get(random.nextInt(KEYS.size())), random.nextLong(4095, Long.MAX_VALUE));
            case USAGE -> constraints.usage(random.nextBoolean() ? Usage.CPU_HEAVY : Usage.DEVICE_ONLY);
            case BUFFERS ->
                constraints
                        .buffers(random.nextLong(1, Long.MAX_VALUE))
                        .withUnknown(
                                "x" + KEYS.get(random.nextInt(KEYS.size())), VALUES.get(random.nextInt(VALUES.size())));
            case PITCH_ALIGNMENT -> constraints.pitchAlignment(random.nextLong(1, 1000));
            default ->
                switch (field.rule()) {
                    case OR, AND -> constraints.with(field);
                    default -> constraints.with(field, 1L << random.nextInt(63));
                };
        };
    }

    private static List<String> some(SplittableRandom random) {
        var names = new ArrayList<>(NAMES);
        names.removeIf(_ -> random.nextInt(3) > 0);
        return names;
    }
}
