// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Constraints as devices may state them, every field now and then. The same seed gives the same ones. */
final class RandomConstraints {
    static final List<String> HEAPS =
            List.of("system", "reserved", "linux,cma", "carveout", "vendor", "protected,video", "system_cc_shared");

    private static final List<Field> NUMBERS = numbers();

    private RandomConstraints() {}

    private static List<Field> numbers() {
        var numbers = new ArrayList<Field>();
        for (Field field : Field.values()) {
            if (field.rule().isNumeric()) {
                numbers.add(field);
            }
        }
        return numbers;
    }

    static Constraints next(SplittableRandom random) {
        Constraints constraints = Constraints.NONE;
        int statements = random.nextInt(5);
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
        return switch (random.nextInt(8)) {
            case 0 -> {
                var names = new ArrayList<>(HEAPS);
                names.removeIf(_ -> random.nextInt(3) == 0);
                yield constraints.onlyHeaps(names);
            }
            case 1 -> constraints.contiguous();
            case 2 -> constraints.highestAddress(random.nextBoolean() ? "pci" : "soc", 1L << random.nextInt(12, 40));
            case 3 -> constraints.near(random.nextBoolean() ? List.of("numa0", "numa1") : List.of("numa1"));
            case 4 -> constraints.usage(random.nextBoolean() ? Usage.CPU_HEAVY : Usage.DEVICE_ONLY);
            case 5 -> {
                Field[] flags = {
                    Field.PROTECTED,
                    Field.ACCEPTS_PROTECTED,
                    Field.ACCEPTS_DECRYPTED,
                    Field.CPU_READ,
                    Field.CPU_WRITE,
                    Field.COHERENT,
                    Field.PAGES,
                    Field.EQUAL_PITCHES,
                    Field.PROPORTIONAL_PITCHES,
                    Field.GAPLESS
                };
                yield constraints.with(flags[random.nextInt(flags.length)]);
            }
            default -> {
                Field field = NUMBERS.get(random.nextInt(NUMBERS.size()));
                long value = 1L << random.nextInt(1, 30);
                yield constraints.with(
                        field, field == Field.PITCH_ALIGNMENT || field == Field.MAX_SEGMENT_SIZE ? value * 3 : value);
            }
        };
    }
}
