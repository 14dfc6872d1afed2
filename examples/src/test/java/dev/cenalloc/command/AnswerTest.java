// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.cenalloc.CenallocException;
import dev.cenalloc.command.MainTest.Outcome;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a command answers, to people and to programs. */
class AnswerTest {
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private Answer answer(boolean json, OptionalInt columns) {
        return new Answer(new Output(out, columns), new Output(err, columns), json);
    }

    private JsonNode document() throws IOException {
        assertEquals(1, out.toString().lines().count(), out::toString);
        return new ObjectMapper().readTree(out.toString());
    }

    @Test
    void peopleGetTextAtOnceAndProgramsADocumentAtTheEnd() throws Exception {
        Answer forPeople = answer(false, OptionalInt.empty());
        forPeople.say("text");
        forPeople.put("key", "value");
        assertEquals("text\n", out.toString());
        forPeople.end();
        assertEquals("text\n", out.toString());

        out.getBuffer().setLength(0);
        Answer forPrograms = answer(true, OptionalInt.empty());
        forPrograms.say("text");
        forPrograms.put("key", "value");
        forPrograms.put("nothing", null);
        assertEquals("", out.toString());
        forPrograms.end();
        assertEquals("{\"version\":1,\"key\":\"value\"}\n", out.toString());
    }

    @Test
    void whatEndedTheCommandIsInTheDocumentWithAllThatIsKnown() throws Exception {
        Answer answer = answer(true, OptionalInt.empty());
        answer.put("found", List.of(1, 2));
        answer.warn("that is a guess");
        answer.refused("/dev/video1", new IOException("busy"));
        answer.end(CenallocException.ofCall(13, "open", Path.of("/dev/dma_heap/system"), -1));
        JsonNode document = document();
        assertEquals("[1,2]", document.get("found").toString());
        assertEquals("[\"that is a guess\"]", document.get("warnings").toString());
        assertEquals(
                "[{\"subject\":\"/dev/video1\",\"message\":\"busy\"}]",
                document.get("errors").toString());
        JsonNode error = document.get("error");
        assertEquals(13, error.get("errno").asInt());
        assertEquals("EACCES", error.get("name").asText());
        assertEquals("open", error.get("call").asText());
        assertEquals("/dev/dma_heap/system", error.get("path").asText());
        assertTrue(error.get("remedy").asText().contains("udev"), error::toString);
        assertTrue(!error.get("message").asText().contains("To do"), error::toString);
        assertEquals(
                "cenalloc: warning: that is a guess\ncenalloc: /dev/video1: busy\n",
                err.toString(),
                "people see it, too");
    }

    @Test
    void aDocumentIsOneLineHoweverNarrowTheTerminalIs() throws Exception {
        Answer answer = answer(true, OptionalInt.of(20));
        answer.put("long", "word ".repeat(100));
        answer.end();
        assertEquals("word ".repeat(100), document().get("long").asText());
    }

    /** Names of processes and files are any bytes. */
    @Test
    void anyTextIsValidInADocument() throws Exception {
        Answer answer = answer(true, OptionalInt.empty());
        String text = "quote \" backslash \\ escape \u001b zero \0 half a pair \ud800 ä\n";
        answer.put("text", text);
        answer.put("numbers", List.of(Double.NaN, 1.5, Long.MIN_VALUE));
        answer.end();
        assertEquals(text, document().get("text").asText());
        assertEquals(
                "[null,1.5,-9223372036854775808]", document().get("numbers").toString());
    }

    @Test
    void anAnswerThatIsRenewedIsADocumentALine() {
        Answer answer = answer(true, OptionalInt.empty());
        answer.put("count", 1);
        answer.endPart();
        answer.put("other", 2);
        answer.end();
        assertEquals("{\"version\":1,\"count\":1}\n{\"version\":1,\"other\":2}\n", out.toString());
    }

    @Test
    void filesThatAreMissingHaveAPathAndASentence() {
        assertEquals("there is no file /no/such", Answer.message(new NoSuchFileException("/no/such")));
        assertEquals(
                "/no/such", Answer.describe(new NoSuchFileException("/no/such")).get("path"));
        assertEquals("gone", Answer.message(new FileNotFoundException("gone")));
    }

    @Test
    void progressIsForATerminalOnly() {
        answer(false, OptionalInt.empty()).progress("probing");
        assertEquals("", err.toString());
        answer(false, OptionalInt.of(80)).progress("probing");
        assertEquals("probing ...\n", err.toString());
    }

    @Test
    void anAnswerThatCannotBeWrittenEndsTheCommand() {
        var full = new Output(
                new StringWriter() {
                    @Override
                    public void write(String text) {
                        throw new OutputFailedException(new IOException("No space left on device"), false);
                    }

                    @Override
                    public void write(char[] text, int from, int length) {
                        throw new OutputFailedException(new IOException("No space left on device"), false);
                    }
                },
                OptionalInt.empty());
        var failed = assertThrows(OutputFailedException.class, () -> new Answer(full, full, false).say("anything"));
        assertEquals("standard output: No space left on device", failed.getMessage());
    }

    /** On any machine: with heaps or without. */
    @Test
    void theHeapsAreADocumentWithOrWithoutAnError() throws Exception {
        Outcome outcome = Outcome.of("heaps", "--json");
        JsonNode document = new ObjectMapper().readTree(outcome.out());
        assertEquals(1, outcome.out().lines().count());
        assertEquals(outcome.status() == 0, !document.has("error"), outcome::toString);
        assertEquals(outcome.status() == 0, !document.get("heaps").isEmpty(), outcome::toString);
        Outcome text = Outcome.of("heaps");
        assertEquals(outcome.status(), text.status());
        for (JsonNode heap : document.get("heaps")) {
            assertTrue(
                    text.out()
                            .lines()
                            .anyMatch(line -> line.startsWith(heap.get("name").asText() + " ")),
                    text.out());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"heaps --json --nonsense", "heaps --json extra"})
    void wrongArgumentsHaveNoAnswer(String arguments) {
        Outcome outcome = Outcome.of(arguments.split(" ", -1));
        assertEquals(Status.WRONG_ARGUMENTS, outcome.status());
        assertEquals("", outcome.out());
    }
}
