// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.text;

/** How many there are, for people. Stateless. */
public final class Count {
    private Count() {}

    /** {@return the number with its word, such as "1 frame" or "2 frames"} */
    public static String of(long number, String one) {
        return of(number, one, one + "s");
    }

    /** {@return the number with the word for one, or that for any other number} */
    public static String of(long number, String one, String others) {
        return number + " " + (number == 1 ? one : others);
    }
}
