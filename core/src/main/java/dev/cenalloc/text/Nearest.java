// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.text;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** Finds the names that somebody may have meant who wrote another one. Stateless. */
public final class Nearest {
    private static final int MOST = 3;
    /** Of a longer word the rest does not count, since the time grows with the length. */
    private static final int LONGEST = 100;

    private Nearest() {}

    /**
     * {@return the nearest names, at most three, the nearest first; of equally near ones in the order of the alphabet}
     *
     * @param word what was written
     * @param names what there is
     */
    public static List<String> of(String word, Collection<String> names) {
        String sought = word.substring(0, Math.min(word.length(), LONGEST)).toLowerCase(Locale.ROOT);
        return names.stream()
                .distinct()
                .sorted(Comparator.comparingInt((String name) -> distance(sought, name.toLowerCase(Locale.ROOT)))
                        .thenComparing(Comparator.naturalOrder()))
                .limit(MOST)
                .toList();
    }

    /**
     * How many characters are to be added, left out or replaced to make one of the other; at most one if one contains
     * the other.
     */
    private static int distance(String one, String other) {
        int[] before = new int[other.length() + 1];
        for (int j = 0; j < before.length; j++) {
            before[j] = j;
        }
        for (int i = 1; i <= one.length(); i++) {
            int[] now = new int[before.length];
            now[0] = i;
            for (int j = 1; j < now.length; j++) {
                int replaced = before[j - 1] + (one.charAt(i - 1) == other.charAt(j - 1) ? 0 : 1);
                now[j] = Math.min(replaced, 1 + Math.min(before[j], now[j - 1]));
            }
            before = now;
        }
        boolean contained = !one.isEmpty() && (other.contains(one) || one.contains(other));
        return contained ? Math.min(1, before[other.length()]) : before[other.length()];
    }
}
