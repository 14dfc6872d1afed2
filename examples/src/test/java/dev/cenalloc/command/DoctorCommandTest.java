// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.cenalloc.command.MainTest.Outcome;
import dev.cenalloc.command.doctor.Finding;
import dev.cenalloc.command.doctor.Finding.Area;
import dev.cenalloc.command.doctor.Finding.Level;
import java.io.StringWriter;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

/** How findings are told. */
class DoctorCommandTest {
    private static final Finding OK = new Finding(Level.OK, Area.KERNEL, "Linux 6.12", "", Optional.empty());
    private static final Finding NOTE =
            new Finding(Level.NOTE, Area.MEMORY, "used by a\u001b[2J\nb", "it is scarce", Optional.empty());
    private static final Finding PROBLEM =
            new Finding(Level.PROBLEM, Area.HEAPS, "no heaps", "the kernel has none", Optional.of("use another"));

    private final StringWriter out = new StringWriter();

    private int tell(boolean json, Finding... findings) {
        var output = new Output(out, OptionalInt.empty());
        var answer = new Answer(output, output, json);
        int status = DoctorCommand.tell(answer, List.of(findings));
        answer.end();
        return status;
    }

    @Test
    void problemsAreStatusOneAndNotesAreNot() {
        assertEquals(0, tell(false));
        assertEquals(0, tell(false, OK, NOTE));
        out.getBuffer().setLength(0);
        assertEquals(1, tell(false, OK, NOTE, PROBLEM));
        assertEquals("""
                ok       kernel: Linux 6.12
                note     memory: used by a\\x1b[2J\\x0ab
                         it is scarce
                problem  heaps: no heaps
                         the kernel has none
                         To do: use another

                1 problem, 1 note.
                """, out.toString());
    }

    @Test
    void programsGetEachFinding() throws Exception {
        assertEquals(1, tell(true, OK, PROBLEM));
        JsonNode document = new ObjectMapper().readTree(out.toString());
        assertEquals(1, document.get("problems").asInt());
        assertEquals(
                "{\"level\":\"ok\",\"area\":\"kernel\",\"what\":\"Linux 6.12\"}",
                document.get("findings").get(0).toString());
        assertEquals(
                "use another", document.get("findings").get(1).get("remedy").asText());
    }

    /** Whatever this machine has. */
    @Test
    void ofThisMachineTheStatusFitsTheFindings() throws Exception {
        Outcome outcome = Outcome.of("doctor", "--json");
        JsonNode document = new ObjectMapper().readTree(outcome.out());
        assertEquals(document.get("problems").asInt() > 0 ? 1 : 0, outcome.status(), outcome.out());
        assertTrue(document.get("findings").size() > 5, outcome.out());
        for (JsonNode finding : document.get("findings")) {
            assertTrue(!finding.get("level").asText().equals("problem") || finding.has("remedy"), finding::toString);
        }
    }
}
