package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The command line, as far as it needs no device. */
class MainTest {
    /** What a run of the command came to. */
    record Outcome(int status, String out, String err) {
        static Outcome of(String... args) {
            var out = new StringWriter();
            var err = new StringWriter();
            int status = Main.run(new PrintWriter(out, true), new PrintWriter(err, true), args);
            return new Outcome(status, out.toString(), err.toString());
        }
    }

    @Test
    void badArgumentsAreStatusTwoAndSayWhatIsWanted() {
        for (String arguments : List.of(
                "pipeline --size 640",
                "pipeline --size 0x480",
                "pipeline --size axb",
                "pipeline --frames 1",
                "pipeline --fps 0",
                "pipeline --frames many",
                "pipeline --seconds 0",
                "pipeline --seconds x",
                "pipeline --seconds 2 --frames 60",
                "pipeline --nonsense",
                "pipeline --format nonsense",
                "pipeline --memory camera --heap system",
                "nonsense")) {
            Outcome outcome = Outcome.of(arguments.split(" "));
            assertEquals(2, outcome.status(), arguments);
            String command = arguments.startsWith("pipeline") ? "cenalloc pipeline" : "cenalloc";
            List<String> told = outcome.err().lines().toList();
            assertEquals(3, told.size(), outcome.err());
            assertTrue(told.getFirst().startsWith("cenalloc: "), outcome.err());
            assertTrue(told.get(1).startsWith("Usage: " + command + " ["), outcome.err());
            assertEquals("Try '" + command + " --help'.", told.getLast());
        }
    }

    @Test
    void wrongArgumentsAreNamed() {
        for (String arguments : List.of(
                "pipeline --seconds 0 | --seconds at least 1",
                "pipeline --seconds x | '--seconds'",
                "pipeline --nonsense | '--nonsense'",
                "pipeline --seconds 2 --frames 60 | cenalloc: --frames=<frames>, --seconds=<seconds> are mutually",
                "pipeline --memory camera --heap system | --heap cannot be given with --memory camera")) {
            String[] parts = arguments.split(" \\| ", -1);
            String err = Outcome.of(parts[0].split(" ")).err();
            assertTrue(err.contains(parts[1]), err);
        }
    }

    @Test
    void aCameraThatIsNotThereIsStatusOne() {
        Outcome outcome = Outcome.of("pipeline", "--camera", "no-such-driver");
        assertEquals(1, outcome.status());
        assertTrue(outcome.err().contains("no-such-driver"), outcome.err());
    }

    @Test
    void everyCommandHasHelp() {
        for (String arguments : List.of(
                "--help", "help", "help heaps", "heaps --help", "probe --help", "pipeline --help", "plan --help")) {
            Outcome outcome = Outcome.of(arguments.split(" "));
            assertEquals(0, outcome.status(), arguments);
            assertTrue(outcome.out().contains("Usage: cenalloc"), outcome.out());
        }
    }

    @Test
    void filesAreCheckedBeforeAnythingIsMeasured() {
        Outcome picture = Outcome.of("pipeline", "--screenshot", "/no/such/directory/shot.png");
        assertEquals(2, picture.status());
        assertTrue(picture.err().contains("/no/such/directory"), picture.err());
        Outcome profile = Outcome.of("pipeline", "--profile", "/no/such.json");
        assertEquals(1, profile.status());
        assertTrue(profile.err().contains("no file /no/such.json"), profile.err());
    }
}
