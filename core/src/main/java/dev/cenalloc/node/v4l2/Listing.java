// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import dev.cenalloc.text.Count;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The entries of a list that a driver is asked for by index, each once. A driver may list an entry twice; one that does
 * not look at the index would answer for ever, so a list has an end here in any case. For one thread.
 */
final class Listing<T> {
    /** Entries of one list; a camera of many sizes has about 30. */
    static final int MOST = 1024;

    /** Repetitions in a row that end a list. */
    static final int REPETITIONS = 64;

    private final String name;
    private final Set<T> entries = new LinkedHashSet<>();
    private int answers;
    private int repetitions;

    /** @param name what it lists, for messages */
    Listing(String name) {
        this.name = name;
    }

    /** Adds an answer; returns whether to ask for the next. */
    boolean add(T entry) {
        repetitions = entries.add(entry) ? 0 : repetitions + 1;
        return skip();
    }

    /** Leaves out an answer; returns whether to ask for the next. */
    boolean skip() {
        answers++;
        return answers < MOST && repetitions < REPETITIONS;
    }

    List<T> entries() {
        return List.copyOf(entries);
    }

    /** What is strange about the list, in words; empty if it has ended by itself. */
    Optional<String> doubt() {
        if (repetitions >= REPETITIONS) {
            return Optional.of("the list of " + name + " repeats itself without end; it is taken to have "
                    + Count.of(entries.size(), "entry", "entries"));
        }
        return answers >= MOST
                ? Optional.of("the list of " + name + " has more than " + MOST + " entries; the others are left out")
                : Optional.empty();
    }
}
