// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.cenalloc.command.MainTest.Outcome;
import dev.cenalloc.command.proc.Census;
import dev.cenalloc.command.proc.Tree;
import java.io.IOException;
import java.io.StringWriter;
import java.io.Writer;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Buffers as they change. */
class TopCommandTest {
    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path root;

    @Test
    void groupsAreSortedBySizeAndChangeASecond() {
        var tree = new Tree(root)
                .process(41, "java")
                .dmaBuf(41, 3, 900, 4096, "system", "")
                .dmaBuf(41, 4, 901, 4096, "system", "")
                .dmaBuf(41, 5, 902, 4096, "udmabuf", "")
                .process(42, "gst")
                .dmaBuf(42, 3, 903, 1 << 20, "reserved", "");
        Census before = Census.take(tree.files());
        List<BufferGroup> first = BufferGroup.of(null, before, 0);
        assertEquals(
                List.of("reserved", "system", "udmabuf"),
                first.stream().map(BufferGroup::exporter).toList());
        assertEquals(2, first.get(1).buffers());
        assertEquals(OptionalDouble.empty(), first.get(1).growth());

        // One went, two came; all of another exporter went.
        tree.without("/proc/41/fd/3")
                .dmaBuf(41, 6, 904, 8192, "system", "")
                .dmaBuf(41, 7, 905, 8192, "system", "")
                .without("/proc/42/fd/3");
        List<BufferGroup> second = BufferGroup.of(before, Census.take(tree.files()), 2);
        assertEquals(
                List.of("system", "udmabuf", "reserved"),
                second.stream().map(BufferGroup::exporter).toList());
        assertEquals(
                new BufferGroup(
                        "system",
                        "java (41)",
                        3,
                        4096 + 2 * 8192,
                        OptionalDouble.of(1),
                        OptionalDouble.of(0.5),
                        OptionalDouble.of((2 * 8192 - 4096) / 2.0)),
                second.get(0));
        assertEquals("+6.0 KiB", second.get(0).growthInWords().orElseThrow());
        assertEquals(0, second.get(2).buffers());
        assertEquals("-512.0 KiB", second.get(2).growthInWords().orElseThrow());
        assertEquals("0 B", second.get(1).growthInWords().orElseThrow());
    }

    @Test
    void programsGetADocumentForEachRefresh() throws Exception {
        Outcome outcome = Outcome.of("top", "--iterations", "3", "--interval", "0.1", "--json");
        assertEquals(0, outcome.status(), outcome.err());
        List<String> lines = outcome.out().lines().toList();
        assertEquals(3, lines.size(), outcome.out());
        for (int i = 0; i < 3; i++) {
            JsonNode document = new ObjectMapper().readTree(lines.get(i));
            assertTrue(document.get("total").has("bytes"), lines.get(i));
            assertEquals(i > 0, document.has("seconds"), lines.get(i));
            assertTrue(i == 0 || document.get("seconds").asDouble() >= 0.1, lines.get(i));
        }
    }

    @Test
    void aScreenIsClearedAndAFileIsNot() {
        var out = new StringWriter();
        var err = new StringWriter();
        int status = Main.run(
                new Output(out, OptionalInt.of(80)),
                new Output(err, OptionalInt.of(80)),
                "top",
                "--iterations",
                "2",
                "--interval",
                "0.1");
        assertEquals(0, status, err::toString);
        assertEquals(3, out.toString().split("\033\\[H\033\\[J", -1).length, out::toString);
        assertEquals("", err.toString());
        assertTrue(!Outcome.of("top", "--iterations", "1").out().contains("\033"));
    }

    @ParameterizedTest
    @ValueSource(ints = {20, 40, 100})
    void aScreenIsNotWrittenOver(int columns) {
        var tree = new Tree(root);
        for (int pid = 1000; pid < 1050; pid++) {
            tree.process(pid, "java").dmaBuf(pid, 3, pid, 4096, "system", "");
        }
        var out = new StringWriter();
        var answer = new Answer(
                new Output(out, OptionalInt.of(columns)), new Output(new StringWriter(), OptionalInt.empty()), false);
        TopCommand.tell(answer, OptionalInt.of(24), null, Census.take(tree.files()), 0, true);
        assertTrue(out.toString().lines().count() < 24, out::toString);
        assertTrue(out.toString().contains("and more"), out::toString);
        assertTrue(out.toString().contains("50 buffers"), out::toString);
        assertTrue(out.toString().contains("java (1000)"), out::toString);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--interval 0",
                "--interval NaN",
                "--interval -1",
                "--interval 1e9",
                "--interval x",
                "--iterations 0",
                "--iterations x"
            })
    void badArgumentsAreStatusTwo(String arguments) {
        Outcome outcome = Outcome.of(("top " + arguments).split(" ", -1));
        assertEquals(2, outcome.status());
        assertTrue(outcome.err().contains(arguments.split(" ", -1)[0]), outcome.err());
    }

    /** Without --iterations it ends only by itself if nobody reads. */
    @Test
    void itEndsWhenNobodyReadsAnyMore() {
        var writer = new Writer() {
            private int lines;

            @Override
            public void write(char[] text, int from, int length) {
                for (int i = from; i < from + length; i++) {
                    lines += text[i] == '\n' ? 1 : 0;
                }
                if (lines > 2) {
                    throw new OutputFailedException(new IOException("Broken pipe"), true);
                }
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        var err = new StringWriter();
        int status = Main.run(
                new Output(writer, OptionalInt.empty()),
                new Output(err, OptionalInt.empty()),
                "top",
                "--interval",
                "0.1",
                "--json");
        assertEquals(Status.OUTPUT_CLOSED, status, err::toString);
    }
}
