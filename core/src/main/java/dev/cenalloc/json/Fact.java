// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import dev.cenalloc.text.Printable;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;

/**
 * Where a profile has something from that it says of a device. A value.
 *
 * @param says the keys of the device that this is the source of, such as {@code "maxSegments"}; none if the vocabulary
 *     has no word for the fact, which {@code note} then tells
 * @param source the file and line of a driver, or a link
 * @param certainty how sure it is
 * @param note what the keys do not tell; may be empty
 */
public record Fact(List<String> says, String source, Certainty certainty, String note) {
    /** How sure a fact is. */
    public enum Certainty {
        /** The source says it: code, a device tree. */
        READ,
        /** It follows from what was read there. */
        INFERRED,
        /** A vendor's tree, an issue or a document says it; nobody has compared that with the code. */
        REPORTED;

        String word() {
            return name().toLowerCase(Locale.ROOT);
        }

        static Optional<Certainty> of(String word) {
            return Arrays.stream(values())
                    .filter(certainty -> certainty.word().equals(word))
                    .findFirst();
        }
    }

    /**
     * Checks the arguments.
     *
     * @throws IllegalArgumentException if the source is blank, or there is neither a key nor a note
     */
    public Fact {
        for (String key : Objects.requireNonNull(says, "says")) {
            Objects.requireNonNull(key, "an element of says");
        }
        says = List.copyOf(says);
        Objects.requireNonNull(source, "source");
        Objects.requireNonNull(certainty, "certainty");
        Objects.requireNonNull(note, "note");
        if (source.isBlank()) {
            throw new IllegalArgumentException("source must not be blank");
        }
        if (says.isEmpty() && note.isBlank()) {
            throw new IllegalArgumentException("a fact says something: give keys of the device, or a note");
        }
    }

    /** {@return the note, the source and the certainty, as text} */
    @Override
    public String toString() {
        return Printable.of(
                (note.isEmpty() ? "" : note + " (") + source + ", " + certainty.word() + (note.isEmpty() ? "" : ")"));
    }
}
