// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.cenalloc.command.MainTest.Outcome;
import dev.cenalloc.command.proc.Census;
import dev.cenalloc.command.proc.Tree;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Buffers as they are told to people and to programs. */
class BuffersCommandTest {
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path root;

    private void tell(Tree tree, boolean json, OptionalInt columns) {
        var answer = new Answer(new Output(out, columns), new Output(err, columns), json);
        BuffersCommand.tell(answer, Census.take(tree.files()), true);
        answer.end();
    }

    private Tree tree() {
        return new Tree(root)
                .process(41, "java")
                .dmaBuf(41, 3, 900, 8 << 20, "system", "ring \u001b[2J\u202e0")
                .dmaBuf(41, 4, 900, 8 << 20, "system", "ring \u001b[2J\u202e0")
                .process(42, "gst")
                .dmaBuf(42, 9, 900, 8 << 20, "system", "ring \u001b[2J\u202e0")
                .file("/proc/42/maps", "7f0000000000-7f0000001000 rw-s 00000000 00:0f 902 /dmabuf:\n")
                .file("/sys/kernel/debug/dma_buf/bufinfo", """
                        00004096\t00080002\t000c000f\t00000003\treserved\t00000901\t<none>
                        \tAttached Devices:
                        \tvivid.0
                        Total 1 devices attached
                        """);
    }

    @Test
    void peopleGetATableWithEachBufferOnce() {
        tell(tree(), false, OptionalInt.empty());
        String[] lines = out.toString().split("\n", -1);
        assertTrue(lines[0].matches(" *SIZE +INODE +EXPORTER +NAME +DEVICES +HELD BY"), lines[0]);
        assertTrue(lines[1].endsWith("java (41) fd 3 4; gst (42) fd 9"), lines[1]);
        assertTrue(lines[1].contains("8.0 MiB    900  system"), lines[1]);
        assertTrue(lines[2].matches(" *4.0 KiB +901 +reserved +- +vivid.0 +no process seen"), lines[2]);
        assertTrue(lines[3].matches(">= 4.0 KiB +902 +- +- +- +gst \\(42\\) map 1"), lines[3]);
        assertEquals(
                "3 buffers of 8.0 MiB, each counted once; 1 of them held by no process that may be seen", lines[4]);
        assertEquals("", err.toString());
    }

    @ParameterizedTest
    @ValueSource(ints = {20, 40, 80, 200})
    void noNameControlsTheTerminal(int columns) {
        tell(tree(), false, OptionalInt.of(columns));
        assertTrue(out.toString().chars().noneMatch(c -> (c < ' ' && c != '\n') || c == '\u202e'), out::toString);
        assertTrue(out.toString().lines().allMatch(line -> line.length() <= columns), out::toString);
    }

    @Test
    void programsGetEverything() throws Exception {
        tell(tree(), true, OptionalInt.empty());
        JsonNode document = new ObjectMapper().readTree(out.toString());
        assertEquals(3, document.get("buffers").size());
        JsonNode shared = document.get("buffers").get(0);
        assertEquals(8 << 20, shared.get("size").asInt());
        assertEquals("ring \u001b[2J\u202e0", shared.get("name").asText());
        assertEquals(41, shared.get("holders").get(0).get("pid").asInt());
        assertEquals("[3,4]", shared.get("holders").get(0).get("descriptors").toString());
        assertTrue(!shared.has("devices"));
        assertEquals(
                "[\"vivid.0\"]", document.get("buffers").get(1).get("devices").toString());
        assertTrue(!document.get("buffers").get(2).get("isSizeExact").asBoolean());
        assertEquals((8 << 20) + 8192, document.get("total").get("bytes").asInt());
        assertEquals(2, document.get("processes").get("seen").asInt());
    }

    @Test
    void aProcessThatIsNotThereIsStatusOneInBothForms() throws Exception {
        Outcome people = Outcome.of("buffers", "--pid", "2147483647");
        assertEquals(1, people.status());
        assertEquals("", people.out());
        assertTrue(people.err().startsWith("cenalloc: there is no process 2147483647"), people.err());
        Outcome programs = Outcome.of("buffers", "--json", "--pid", "2147483647");
        assertEquals(1, programs.status());
        JsonNode error = new ObjectMapper().readTree(programs.out()).get("error");
        assertTrue(error.get("message").asText().contains("2147483647"), programs.out());
        assertEquals(2, Outcome.of("buffers", "--pid", "init").status());
    }

    /** This machine may have buffers, or none: what counts is that it is read. */
    @Test
    void ofThisMachineItEnds() throws Exception {
        Outcome outcome = Outcome.of("buffers", "--json");
        assertEquals(0, outcome.status(), outcome.err());
        JsonNode document = new ObjectMapper().readTree(outcome.out());
        assertTrue(document.get("processes").get("seen").asInt() > 0, outcome.out());
    }
}
