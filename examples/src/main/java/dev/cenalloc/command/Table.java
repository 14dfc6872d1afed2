// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Rows of one kind, said once for both readers: people get a table, programs an array of objects. Immutable.
 *
 * <p>The columns are as wide as what is in them. If the terminal is narrower, the last column is wrapped; if that is
 * not enough, each row becomes a paragraph with a line for each column.
 *
 * @param <T> a row
 */
final class Table<T> {
    /** Between two columns. */
    private static final String GAP = "  ";

    /** The last column is wrapped if it keeps as many characters. */
    private static final int NARROWEST_TEXT = 24;

    private static final String NOTHING = "-";
    private static final long KIB = 1024;

    /** What a row has in a column. */
    @FunctionalInterface
    interface Value<T> {
        /** Returns a value as {@link Json} writes it; null or an empty one if the row has none. */
        @Nullable
        Object of(T row);
    }

    private enum Kind {
        TEXT,
        NUMBER,
        BYTES,
        /** For programs only. */
        DATA
    }

    private record Column<T>(String key, String title, Kind kind, Value<? super T> value) {
        String cell(T row) {
            return switch (Json.present(value.of(row))) {
                case null -> NOTHING;
                case Number bytes when kind == Kind.BYTES -> bytes(bytes.longValue());
                case Double number -> String.format(Locale.ROOT, "%.2f", number);
                case Boolean is -> is ? "yes" : "no";
                case Collection<?> all when all.isEmpty() -> NOTHING;
                case Collection<?> all ->
                    printable(all.stream().map(String::valueOf).collect(Collectors.joining(", ")));
                case Object other -> printable(other.toString());
            };
        }

        boolean isNumber() {
            return kind == Kind.NUMBER || kind == Kind.BYTES;
        }
    }

    private final List<Column<T>> columns;

    private Table(List<Column<T>> columns) {
        this.columns = columns;
    }

    /** A table without columns. */
    static <T> Table<T> empty() {
        return new Table<>(List.of());
    }

    /**
     * {@return this table with one more column, of words}
     *
     * @param key for programs
     * @param title for people
     */
    Table<T> text(String key, String title, Value<? super T> value) {
        return with(key, title, Kind.TEXT, value);
    }

    /** {@return this table with one more column, of numbers: aligned on the right} Parameters as of {@link #text}. */
    Table<T> number(String key, String title, Value<? super T> value) {
        return with(key, title, Kind.NUMBER, value);
    }

    /** {@return this table with one more column, of sizes: exact for programs, in KiB, MiB or GiB for people} */
    Table<T> bytes(String key, String title, Value<? super T> value) {
        return with(key, title, Kind.BYTES, value);
    }

    /** {@return this table with one more column that only programs get} */
    Table<T> data(String key, Value<? super T> value) {
        return with(key, "", Kind.DATA, value);
    }

    private Table<T> with(String key, String title, Kind kind, Value<? super T> value) {
        var more = new ArrayList<>(columns);
        more.add(new Column<>(key, title, kind, value));
        return new Table<>(List.copyOf(more));
    }

    /** The rows for programs: maps for {@link Json}, by key. */
    List<Map<String, @Nullable Object>> objects(Collection<? extends T> rows) {
        var objects = new ArrayList<Map<String, @Nullable Object>>();
        for (T row : rows) {
            var object = new LinkedHashMap<String, @Nullable Object>();
            columns.forEach(column -> object.put(column.key, column.value.of(row)));
            objects.add(object);
        }
        return objects;
    }

    /**
     * The rows for people, with the titles above. Words that are wider than the terminal stay whole: who writes the
     * lines breaks them.
     *
     * @param width of the terminal; empty if it does not matter
     */
    List<String> lines(Collection<? extends T> rows, OptionalInt width) {
        List<Column<T>> shown =
                columns.stream().filter(column -> column.kind != Kind.DATA).toList();
        var table = new ArrayList<List<String>>();
        table.add(shown.stream().map(Column::title).toList());
        for (T row : rows) {
            table.add(shown.stream().map(column -> column.cell(row)).toList());
        }
        int last = shown.size() - 1;
        int[] widths = IntStream.rangeClosed(0, last)
                .map(i -> table.stream()
                        .mapToInt(cells -> length(cells.get(i)))
                        .max()
                        .orElse(0))
                .toArray();
        int total = Arrays.stream(widths).sum() + last * GAP.length();
        int surplus = total - width.orElse(Integer.MAX_VALUE);
        if (surplus > 0 && (shown.get(last).isNumber() || widths[last] - surplus < NARROWEST_TEXT)) {
            return paragraphs(table);
        }
        widths[last] -= Math.max(surplus, 0);
        var lines = new ArrayList<String>();
        for (List<String> cells : table) {
            addRow(lines, shown, cells, widths);
        }
        return lines;
    }

    private void addRow(List<String> lines, List<Column<T>> shown, List<String> cells, int[] widths) {
        var line = new StringBuilder();
        int last = cells.size() - 1;
        for (int i = 0; i < last; i++) {
            line.append(aligned(shown.get(i), cells.get(i), widths[i])).append(GAP);
        }
        String indent = " ".repeat(line.length());
        if (shown.get(last).isNumber()) {
            lines.add(line + aligned(shown.get(last), cells.get(last), widths[last]));
            return;
        }
        for (String part : broken(cells.get(last), widths[last])) {
            lines.add(line.append(part).toString().stripTrailing());
            line.setLength(0);
            line.append(indent);
        }
    }

    private static String aligned(Column<?> column, String cell, int width) {
        String padding = " ".repeat(width - length(cell));
        return column.isNumber() ? padding + cell : cell + padding;
    }

    private static List<String> paragraphs(List<List<String>> table) {
        var lines = new ArrayList<String>();
        List<String> titles = table.getFirst();
        for (List<String> cells : table.subList(1, table.size())) {
            if (!lines.isEmpty()) {
                lines.add("");
            }
            for (int i = 0; i < titles.size(); i++) {
                lines.add(titles.get(i) + ": " + cells.get(i));
            }
        }
        return lines;
    }

    /** The text in lines of this width; a longer word stays whole. */
    private static List<String> broken(String text, int width) {
        var lines = new ArrayList<String>();
        var line = new StringBuilder();
        for (String word : text.split(" ", -1)) {
            if (!line.isEmpty() && length(line) + 1 + length(word) > width) {
                lines.add(line.toString());
                line.setLength(0);
            }
            line.append(line.isEmpty() ? "" : " ").append(word);
        }
        lines.add(line.toString());
        return lines;
    }

    private static int length(CharSequence text) {
        return Character.codePointCount(text, 0, text.length());
    }

    /** A size for people, such as {@code 8.0 MiB}. */
    static String bytes(long bytes) {
        if (Math.abs(bytes) < KIB) {
            return bytes + " B";
        }
        double size = bytes / (double) KIB;
        for (String unit : List.of("KiB", "MiB", "GiB")) {
            if (Math.abs(size) < KIB) {
                return String.format(Locale.ROOT, "%.1f %s", size, unit);
            }
            size /= KIB;
        }
        return String.format(Locale.ROOT, "%.1f TiB", size);
    }

    /** Names come from processes and drivers: nothing in them moves the cursor or breaks the table. */
    static String printable(String text) {
        var printable = new StringBuilder();
        text.codePoints().forEach(character -> {
            switch (Character.getType(character)) {
                case Character.CONTROL -> printable.append(String.format(Locale.ROOT, "\\x%02x", character));
                // These reverse a line, or are not seen.
                case Character.FORMAT, Character.LINE_SEPARATOR, Character.PARAGRAPH_SEPARATOR, Character.SURROGATE ->
                    printable.append(String.format(Locale.ROOT, "\\u%04x", character));
                default -> printable.appendCodePoint(character);
            }
        });
        return printable.toString();
    }
}
