// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.plan.Field.Rule;
import java.util.Arrays;

/** Where {@link Constraints} keep a field: a slot of an array for a number, a bit for yes or no. Stateless. */
final class Slots {
    private static final Field[] FIELDS = Field.values();
    private static final int NUMBERS = (int)
            Arrays.stream(FIELDS).filter(field -> field.rule().isNumeric()).count();
    /** The slot of each numeric field; -1 for the others. */
    private static final int[] SLOTS = new int[FIELDS.length];

    /** The rule of each slot. Never changed. */
    static final Rule[] RULES = new Rule[NUMBERS];
    /** The value of each slot if the field is not set. Never changed. */
    static final long[] UNSET = new long[NUMBERS];
    /** The bits of the flags that need the consent of every device. */
    static final int CONSENTS;

    static {
        int slot = 0;
        int consents = 0;
        for (Field field : FIELDS) {
            SLOTS[index(field)] = field.rule().isNumeric() ? slot : -1;
            if (field.rule().isNumeric()) {
                RULES[slot] = field.rule();
                UNSET[slot++] = switch (field.rule()) {
                    case MIN -> Constraints.UNLIMITED;
                    case LCM -> 1;
                    default -> 0;
                };
            }
            consents |= field.rule() == Rule.AND ? bit(field) : 0;
        }
        CONSENTS = consents;
    }

    private Slots() {}

    /** The slot of a numeric field. */
    static int of(Field field) {
        return SLOTS[index(field)];
    }

    /** The bit of a field that is yes or no. */
    static int bit(Field field) {
        return 1 << index(field);
    }

    /** The value of a numeric field that is not set: unlimited for MIN, 0 for MAX, 1 for LCM. */
    static long unset(Field field) {
        return UNSET[of(field)];
    }

    @SuppressWarnings("EnumOrdinal") // an index into arrays, never stored or printed
    private static int index(Field field) {
        return field.ordinal();
    }
}
