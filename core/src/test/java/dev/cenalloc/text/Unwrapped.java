// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.text;

import org.jspecify.annotations.Nullable;

/** Undoes the breaks in long lines, so that a test may look for a sentence. Stateless. */
public final class Unwrapped {
    private Unwrapped() {}

    /** The text in one line. */
    public static String of(@Nullable Object text) {
        return String.valueOf(text).replaceAll("\n *", " ");
    }
}
