// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.text;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Makes names safe for a line of a message, an explanation, a log or a list: a device or another program may have
 * chosen them, and they could forge lines or control a terminal. Names themselves stay as they are; the text that
 * contains them is escaped where it is put together. Stateless.
 */
public final class Printable {
    /** Columns of a line of a message or explanation at most. With what a program or a log puts before it, 200. */
    public static final int COLUMNS = 190;
    /** What belongs to a line is indented below it. */
    private static final int INDENT = 4;

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
     * {@return the lines, each escaped and {@linkplain #wrapped wrapped}, joined by line feeds}
     *
     * @param lines at least one
     */
    public static String lines(List<String> lines) {
        return wrapped(lines.stream().map(Printable::of).collect(Collectors.joining("\n")));
    }

    /**
     * {@return the text with lines of more than {@link #COLUMNS} characters broken: between clauses, else between
     * words; a word that is longer is broken, too} Returns the same object if there is none.
     *
     * @param text lines, each escaped
     */
    public static String wrapped(String text) {
        return text.length() <= COLUMNS || text.lines().allMatch(line -> line.length() <= COLUMNS)
                ? text
                : Stream.of(text.split("\n", -1)).map(Printable::broken).collect(Collectors.joining("\n"));
    }

    private static String broken(String line) {
        int spaces = 0;
        while (spaces < line.length() && line.charAt(spaces) == ' ') {
            spaces++;
        }
        String indent = " ".repeat(Math.min(spaces, COLUMNS / 2) + INDENT);
        var broken = new StringBuilder(line.length() + 64);
        String prefix = "";
        int start = 0;
        while (prefix.length() + line.length() - start > COLUMNS) {
            int most = start + COLUMNS - prefix.length();
            int clause = line.lastIndexOf("; ", most - 1) + 1;
            int end = clause > start + COLUMNS / 3 ? clause : line.lastIndexOf(' ', most);
            boolean isWord = end <= Math.max(start, spaces);
            if (isWord) {
                end = Character.isLowSurrogate(line.charAt(most)) ? most - 1 : most;
            }
            broken.append(prefix).append(line, start, end).append('\n');
            start = isWord ? end : end + 1;
            prefix = indent;
        }
        return broken.append(prefix).append(line, start, line.length()).toString();
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
