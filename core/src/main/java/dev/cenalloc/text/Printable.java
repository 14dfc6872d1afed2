package dev.cenalloc.text;

import java.util.List;
import java.util.stream.Collectors;

/**
 * Makes names safe for a line of a message, an explanation, a log or a list: a device or another program may have
 * chosen them, and they could forge lines or control a terminal. Names themselves stay as they are; the text that
 * contains them is escaped where it is put together. Stateless.
 */
public final class Printable {
    private Printable() {}

    /**
     * {@return the text with each character escaped that is not visible in a line: control and format characters, line
     * and paragraph separators, halves of surrogate pairs} Returns the same object if there is none, as in a text that
     * is escaped already.
     *
     * @param text one line
     */
    public static String of(String text) {
        for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
            if (isHidden(text.codePointAt(i))) {
                return escaped(text);
            }
        }
        return text;
    }

    /**
     * {@return the lines, each escaped, joined by line feeds}
     *
     * @param lines at least one
     */
    public static String lines(List<String> lines) {
        return lines.stream().map(Printable::of).collect(Collectors.joining("\n"));
    }

    private static String escaped(String text) {
        var escaped = new StringBuilder(text.length() + 16);
        text.codePoints().forEach(c -> {
            if (!isHidden(c)) {
                escaped.appendCodePoint(c);
            } else if (c == '\n') {
                escaped.append("\\n");
            } else {
                escaped.append(String.format("\\u%04x", c));
            }
        });
        return escaped.toString();
    }

    private static boolean isHidden(int character) {
        return switch (Character.getType(character)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR,
                    Character.SURROGATE -> true;
            default -> false;
        };
    }
}
