// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What people and programs get of the same rows. */
class TableTest {
    private record Row(
            String name,
            int count,
            OptionalLong size,
            @Nullable Boolean isOpen,
            List<String> words) {}

    private static final Table<Row> TABLE = Table.<Row>empty()
            .text("name", "NAME", Row::name)
            .number("count", "COUNT", Row::count)
            .bytes("size", "SIZE", Row::size)
            .text("open", "OPEN", Row::isOpen)
            .data("even", row -> row.count() % 2 == 0)
            .text("words", "WORDS", Row::words);

    private static final List<Row> ROWS = List.of(
            new Row("one", 1, OptionalLong.of(3 << 20), true, List.of("few")),
            new Row("the second", 1234567, OptionalLong.empty(), null, List.of("some", "more", "than", "that", "word")),
            new Row("no words", 0, OptionalLong.of(1023), false, List.of()));

    @Test
    void columnsAreAsWideAsTheirContentAndNumbersAreOnTheRight() {
        assertEquals("""
                NAME          COUNT     SIZE  OPEN  WORDS
                one               1  3.0 MiB  yes   few
                the second  1234567        -  -     some, more, than, that, word
                no words          0   1023 B  no    -""", String.join("\n", TABLE.lines(ROWS, OptionalInt.empty())));
    }

    @Test
    void theLastColumnIsWrappedIfThereIsRoom() {
        assertEquals("""
                NAME          COUNT     SIZE  OPEN  WORDS
                one               1  3.0 MiB  yes   few
                the second  1234567        -  -     some, more, than, that,
                                                    word
                no words          0   1023 B  no    -""", String.join("\n", TABLE.lines(ROWS, OptionalInt.of(60))));
    }

    @Test
    void otherwiseARowIsAParagraph() {
        List<String> lines = TABLE.lines(ROWS, OptionalInt.of(40));
        assertEquals(3 * 5 + 2, lines.size());
        assertEquals(
                List.of("NAME: one", "COUNT: 1", "SIZE: 3.0 MiB", "OPEN: yes", "WORDS: few", ""), lines.subList(0, 6));
    }

    @Test
    void aNumberInTheLastColumnIsNeverBroken() {
        Table<Row> numbers = Table.<Row>empty().text("name", "NAME", Row::name).number("count", "COUNT", Row::count);
        assertEquals(
                List.of("NAME          COUNT", "the second  1234567"),
                numbers.lines(ROWS.subList(1, 2), OptionalInt.of(19)));
        assertEquals(
                List.of("NAME: the second", "COUNT: 1234567"), numbers.lines(ROWS.subList(1, 2), OptionalInt.of(18)));
    }

    @Test
    void programsGetEveryColumnAndExactSizes() {
        assertEquals(
                "{\"rows\":[{\"name\":\"one\",\"count\":1,\"size\":3145728,\"open\":true,\"even\":false,\"words\":[\"few\"]},"
                        + "{\"name\":\"no words\",\"count\":0,\"size\":1023,\"open\":false,\"even\":true,\"words\":[]}]}",
                Json.object(java.util.Map.of("rows", TABLE.objects(List.of(ROWS.getFirst(), ROWS.getLast())))));
    }

    @Test
    void whatIsNotKnownIsAbsentForPrograms() {
        String json = Json.object(TABLE.objects(ROWS).get(1));
        assertTrue(!json.contains("size") && !json.contains("open") && !json.contains("null"), json);
    }

    /** A process may call itself what it likes. */
    @Test
    void noNameMovesTheCursor() {
        var row = new Row("\u001b[2J\r\nroot", 1, OptionalLong.empty(), null, List.of());
        List<String> lines = TABLE.lines(List.of(row), OptionalInt.empty());
        assertEquals(2, lines.size());
        assertTrue(lines.getLast().startsWith("\\x1b[2J\\x0d\\x0aroot "), lines.getLast());
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0 B",
        "1023, 1023 B",
        "1024, 1.0 KiB",
        "1048575, 1024.0 KiB",
        "1048576, 1.0 MiB",
        "8294400, 7.9 MiB",
        "1073741824, 1.0 GiB",
        "9223372036854775807, 8388608.0 TiB",
        "-1, -1 B"
    })
    void sizesForPeople(long bytes, String text) {
        assertEquals(text, Table.bytes(bytes));
    }

    /** On any terminal, down to 20 columns, nothing is lost, and a table is no wider than that. */
    @Test
    void everyWidthIsSurvived() {
        var random = new Random(3);
        for (int run = 0; run < 500; run++) {
            var row = new Row(
                    "n".repeat(1 + random.nextInt(30)),
                    random.nextInt(),
                    OptionalLong.of(random.nextLong()),
                    random.nextBoolean(),
                    List.of("w".repeat(1 + random.nextInt(12)), "v".repeat(1 + random.nextInt(12)), "u"));
            int width = Terminal.NARROWEST + random.nextInt(100);
            List<String> lines = TABLE.lines(List.of(row), OptionalInt.of(width));
            boolean isTable = lines.getFirst().startsWith("NAME ");
            assertTrue(!isTable || lines.stream().allMatch(line -> line.length() <= width), lines::toString);
            String all = String.join("", lines).replace(" ", "");
            for (Object cell : List.of(row.name(), row.count(), String.join(",", row.words()))) {
                assertTrue(all.contains(cell.toString()), lines::toString);
            }
        }
    }
}
