// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import dev.cenalloc.text.Printable;
import java.io.IOException;

/**
 * A document is not a constraint set, or not a profile. The message says what is wrong and what to write instead; the
 * place is in fields. No other exception is caused by the content of a document.
 */
public final class ConstraintsFormatException extends IOException {
    private static final long serialVersionUID = 1;

    /** A reason may quote a value, which may be as long as the document. */
    private static final int LONGEST_REASON = 500;

    /** The message without the place. */
    private final String reason;
    /** The JSON pointer (RFC 6901). */
    private final String pointer;
    /** From 1. */
    private final int line;
    /** From 1. */
    private final int column;

    ConstraintsFormatException(String reason, String pointer, int line, int column) {
        super(Printable.of(shortened(reason) + " (at " + (pointer.isEmpty() ? "" : shortened(pointer) + ", ") + "line "
                + line + ", column " + column + ")"));
        this.reason = reason;
        this.pointer = pointer;
        this.line = line;
        this.column = column;
    }

    private static String shortened(String text) {
        return text.length() <= LONGEST_REASON ? text : text.substring(0, LONGEST_REASON) + "...";
    }

    String reason() {
        return reason;
    }

    /**
     * {@return the JSON pointer (RFC 6901) of the wrong value, such as {@code "/require/maxSize"}; empty for the whole
     * document}
     */
    public String pointer() {
        return pointer;
    }

    /** {@return the line of the wrong value, from 1} */
    public int line() {
        return line;
    }

    /** {@return the character in the line, from 1} */
    public int column() {
        return column;
    }
}
