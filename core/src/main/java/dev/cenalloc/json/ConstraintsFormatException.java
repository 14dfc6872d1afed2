package dev.cenalloc.json;

import java.io.IOException;

/**
 * A document is not a constraint set, or not a profile. The message says what is wrong and what to write instead; where it is wrong are
 * fields. The one exception that any text or bytes can cause.
 */
public final class ConstraintsFormatException extends IOException {
    private static final long serialVersionUID = 1;

    /** A value from the document may be as long as the document. */
    private static final int LONGEST_REASON = 500;

    /** Without the place. */
    private final String reason;
    /** JSON pointer. */
    private final String pointer;
    /** From 1 on. */
    private final int line;
    /** From 1 on. */
    private final int column;

    ConstraintsFormatException(String reason, String pointer, int line, int column) {
        super(shortened(reason) + " (at " + (pointer.isEmpty() ? "" : shortened(pointer) + ", ") + "line " + line
                + ", column " + column + ")");
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
     * {@return the JSON pointer (RFC 6901) of the value that is wrong, such as {@code "/require/maxSize"}} Empty for the
     * document as a whole.
     */
    public String pointer() {
        return pointer;
    }

    /** {@return the line, from 1 on} */
    public int line() {
        return line;
    }

    /** {@return the character in the line, from 1 on} */
    public int column() {
        return column;
    }
}
