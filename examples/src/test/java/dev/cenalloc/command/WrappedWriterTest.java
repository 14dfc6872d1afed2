// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a terminal shows of long lines, and how wide it is. */
class WrappedWriterTest {
    private static String wrapped(String text, int columns) {
        var out = new StringWriter();
        try (var writer = new PrintWriter(new WrappedWriter(out, columns), true)) {
            writer.print(text);
        }
        return out.toString();
    }

    @Test
    void shortLinesStayAsTheyAre() {
        String text = "one\n\n  two\n0123456789\nno end";
        assertEquals(text, wrapped(text, 10));
    }

    @Test
    void longLinesAreBrokenBetweenWordsAndIndented() {
        assertEquals("one two\n    three\n    four\nfive", wrapped("one two three four\nfive", 10));
        assertEquals("  one two\n      three\n      four\n", wrapped("  one two three four\n", 12));
    }

    @Test
    void aWordThatIsWiderIsBroken() {
        assertEquals("0123456789\n    abcdef\n    ghij k\n", wrapped("0123456789abcdefghij k\n", 10));
        assertEquals("      0123\n     45678\n     9\n", wrapped("      0123456789\n", 10));
    }

    /** Nothing but spaces between words changes, whatever the text. */
    @Test
    void noLineIsWiderAndNothingIsLost() {
        var random = new Random(7);
        for (int run = 0; run < 2000; run++) {
            int columns = Terminal.within(random.nextInt(300));
            var text = new StringBuilder();
            for (int i = random.nextInt(600); i > 0; i--) {
                int kind = random.nextInt(40);
                text.append(kind == 0 ? '\n' : kind < 8 ? ' ' : (char) ('a' + kind % 26));
            }
            String out = wrapped(text.toString(), columns);
            assertTrue(out.lines().allMatch(line -> line.length() <= columns), out);
            assertEquals(text.toString().replaceAll("\\s", ""), out.replaceAll("\\s", ""));
        }
    }

    @Test
    void aRefusalOfThousandsOfCharactersFitsATerminal() {
        var out = new StringWriter();
        int status;
        try (var writer = new PrintWriter(new WrappedWriter(out, Terminal.USUAL), true)) {
            status = Main.run(writer, writer, "pipeline", "--camera", "no-such-driver".repeat(300));
        }
        assertEquals(1, status);
        assertTrue(out.toString().lines().count() > 30, out::toString);
        assertTrue(out.toString().lines().allMatch(line -> line.length() <= Terminal.USUAL), out::toString);
    }

    @ParameterizedTest
    @CsvSource({"24 80, 80", "50 211, 211", "0 0, 120", "'', 120", "80, 120", "a b, 120", "1 99999999, 120"})
    void theWidthIsThatOfSttyOrTheUsual(String size, int columns) {
        assertEquals(columns, Terminal.columnsOf(size + "\n"));
    }

    @ParameterizedTest
    @CsvSource({"211, 200", "80, 80", "1, 20"})
    void noLineIsReadBeyond200Columns(int told, int columns) {
        assertEquals(columns, Terminal.within(told));
    }

    @ParameterizedTest
    @ValueSource(strings = {"/dev/pts/3", "/dev/tty1", "/dev/ttyAMA0", "/dev/console", "/dev/hvc0"})
    void terminals(Path device) {
        assertTrue(Terminal.isTerminal(device));
    }

    @ParameterizedTest
    @ValueSource(strings = {"pipe:[123]", "/dev/null", "/tmp/log", "socket:[7]", "/dev/consoles"})
    void filesAndPipes(Path device) {
        assertTrue(!Terminal.isTerminal(device));
    }
}
