// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PrintableTest {
    @ParameterizedTest
    @CsvSource({
        "0000, \\u0000",
        "0009, \\u0009",
        "000a, \\n",
        "000d, \\u000d",
        "001b, \\u001b",
        "007f, \\u007f", // DEL
        "0085, \\u0085", // NEL, a C1 control
        "009b, \\u009b", // CSI in one character
        "200f, \\u200f", // right-to-left mark
        "202e, \\u202e", // right-to-left override
        "2028, \\u2028",
        "2029, \\u2029",
        "2066, \\u2066", // left-to-right isolate
        "d83d, \\ud83d", // half a surrogate pair
        "feff, \\ufeff"
    })
    void hiddenCharactersAreEscaped(String codePoint, String escaped) {
        String name = "a" + Character.toString(Integer.parseInt(codePoint, 16)) + "b";
        assertEquals("a" + escaped + "b", Printable.of(name));
        assertEquals("a" + escaped + "b", Printable.of(Printable.of(name)), "once is enough, twice the same");
    }

    @Test
    void visibleTextStaysTheSameObject() {
        String plain = "vivid platform:vivid-000, M\u00fcnchen \uD83D\uDCF7";
        assertSame(plain, Printable.of(plain));
    }

    @Test
    void linesAreEscapedOneByOne() {
        assertEquals("a\\nb\nc\\u000d", Printable.lines(List.of("a\nb", "c\r")));
    }

    @Test
    void longLinesAreBrokenBetweenClausesOrWords() {
        String clause = "x".repeat(100) + " needs memory";
        assertEquals(
                "  " + clause + ";\n      " + clause + ";\n      " + clause + "\nnext",
                Printable.wrapped("  " + clause + "; " + clause + "; " + clause + "\nnext"));
        String words = "word ".repeat(60).strip();
        assertEquals(words, Unwrapped.of(Printable.wrapped(words)));
        String word = "\uD83D\uDCF7".repeat(200);
        assertEquals(word, Printable.wrapped(word).replaceAll("\n *", ""));
        for (String text : List.of(" " + clause.repeat(9), words, word, " ".repeat(500) + word)) {
            String wrapped = Printable.wrapped(text);
            assertTrue(wrapped.lines().allMatch(line -> line.length() <= Printable.COLUMNS), wrapped);
            assertSame(wrapped, Printable.wrapped(wrapped));
        }
    }
}
