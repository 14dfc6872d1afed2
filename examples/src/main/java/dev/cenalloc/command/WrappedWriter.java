// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import java.io.IOException;
import java.io.Writer;

/**
 * Breaks lines that are wider than a terminal, between words. What belongs to a line is indented below it. A word that
 * is wider is broken, too. Closed by the object that made it; closes the writer below.
 */
final class WrappedWriter extends Writer {
    private static final int INDENT = 4;

    private final Writer below;
    private final int columns;
    private final StringBuilder line = new StringBuilder();

    /** @param columns of the terminal */
    WrappedWriter(Writer below, int columns) {
        this.below = below;
        this.columns = columns;
    }

    @Override
    public void write(char[] text, int from, int length) throws IOException {
        synchronized (lock) {
            for (int i = from; i < from + length; i++) {
                if (text[i] == '\n') {
                    writeLine();
                    below.write('\n');
                } else {
                    line.append(text[i]);
                }
            }
        }
    }

    private void writeLine() throws IOException {
        int spaces = 0;
        while (spaces < line.length() && line.charAt(spaces) == ' ') {
            spaces++;
        }
        String indent = " ".repeat(Math.min(spaces + INDENT, columns / 2));
        String prefix = "";
        int start = 0;
        while (prefix.length() + line.length() - start > columns) {
            int room = columns - prefix.length();
            int end = line.lastIndexOf(" ", start + room);
            // At the indentation, or in a word that is wider than the room.
            boolean isWord = end <= Math.max(start, spaces);
            end = isWord ? start + room : end;
            below.write(prefix);
            below.append(line, start, end);
            below.write('\n');
            start = isWord ? end : end + 1;
            prefix = indent;
        }
        below.write(prefix);
        below.append(line, start, line.length());
        line.setLength(0);
    }

    /** Writes what there is of a line, too. */
    @Override
    public void flush() throws IOException {
        synchronized (lock) {
            writeLine();
            below.flush();
        }
    }

    @Override
    public void close() throws IOException {
        flush();
        below.close();
    }
}
