// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** Names the words that somebody may have meant who wrote another one. Stateless. */
final class Nearest {
    private Nearest() {}

    /** The end of a sentence: at most three of the words, the nearest first. */
    static String of(String written, Collection<String> words) {
        List<String> nearest = words.stream()
                .sorted(Comparator.comparingInt((String word) -> distance(written, word))
                        .thenComparing(Comparator.naturalOrder()))
                .limit(3)
                .toList();
        return nearest.isEmpty() ? "it has none" : "the nearest are " + String.join(", ", nearest);
    }

    /** How many characters are to be added, left out or replaced. */
    private static int distance(String one, String other) {
        String from = one.toLowerCase(Locale.ROOT);
        String to = other.toLowerCase(Locale.ROOT);
        int[] before = new int[to.length() + 1];
        for (int j = 0; j < before.length; j++) {
            before[j] = j;
        }
        for (int i = 1; i <= from.length(); i++) {
            int[] now = new int[before.length];
            now[0] = i;
            for (int j = 1; j < now.length; j++) {
                int replaced = before[j - 1] + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
                now[j] = Math.min(replaced, 1 + Math.min(before[j], now[j - 1]));
            }
            before = now;
        }
        return before[to.length()];
    }
}
