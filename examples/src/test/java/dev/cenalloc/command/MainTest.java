// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

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

    /** A run of the command in a thread of this process, whose answer can be read meanwhile. */
    static final class Running {
        private final StringWriter out = new StringWriter();
        private final StringWriter err = new StringWriter();
        private final FutureTask<Integer> run;

        private Running(String... args) {
            run = new FutureTask<>(() -> Main.run(new PrintWriter(out, true), new PrintWriter(err, true), args));
            Thread.ofPlatform().daemon().name(String.join(" ", args)).start(run);
        }

        static Running of(String... args) {
            return new Running(args);
        }

        /** What it has said so far. */
        String out() {
            return out.toString();
        }

        boolean isAlive() {
            return !run.isDone();
        }

        /** Waits for the end. */
        Outcome end(Duration limit) throws Exception {
            int status = run.get(limit.toMillis(), TimeUnit.MILLISECONDS);
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
                "heaps nonsense",
                "plan --board nonsense",
                "plan --board rk3588 nonsense",
                "plan --board rk3588 --format nonsense",
                "nonsense")) {
            Outcome outcome = Outcome.of(arguments.split(" "));
            assertEquals(2, outcome.status(), arguments);
            String command = arguments.contains(" ") ? "cenalloc " + arguments.split(" ", -1)[0] : "cenalloc";
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

    /** Who names no camera is not told of one with a name of ours. */
    @Test
    void whoNamesNoDeviceIsToldOfNoName() {
        Outcome outcome = Outcome.of("pipeline", "--frames", "2", "--heap", "no-such-heap");
        assertEquals(1, outcome.status(), outcome::toString);
        assertFalse(outcome.err().contains("auto"), outcome.err());
        assertFalse(outcome.err().contains("null"), outcome.err());
    }

    /** Every command that there is: one that is added is tested, too. */
    static Stream<String> commands() {
        var nowhere = new Output(Writer.nullWriter(), OptionalInt.empty());
        return Main.commandLine(nowhere, nowhere).getSubcommands().keySet().stream()
                .filter(name -> !name.equals("help"));
    }

    @ParameterizedTest
    @MethodSource("commands")
    void everyCommandHasHelpWithExamplesAndStatuses(String command) {
        Outcome outcome = Outcome.of(command, "--help");
        assertEquals(0, outcome.status());
        String help = outcome.out();
        assertTrue(help.startsWith("Usage: cenalloc " + command), help);
        assertTrue(help.contains("--json"), help);
        assertTrue(help.contains("Exit status:\n  0"), help);
        assertTrue(command.equals("train") || help.contains("Examples:\n  "), help);
        assertEquals(help, Outcome.of("help", command).out());
        assertEquals("", outcome.err());
    }

    @Test
    void helpTellsDefaults() {
        assertTrue(Outcome.of("plan", "--help").out().contains("Default: 1920x1080"));
        assertTrue(Outcome.of("pipeline", "--help").out().contains("Default: heaps"));
        for (String command : commands().toList()) {
            String help = Outcome.of(command, "--help").out();
            assertFalse(help.contains("Default: []") || help.contains("Default: null"), help);
        }
    }

    @Test
    void helpListsTheCommandsAndHidesWhatIsForTheScript() {
        for (String arguments : List.of("--help", "help")) {
            Outcome outcome = Outcome.of(arguments);
            assertEquals(0, outcome.status(), arguments);
            commands()
                    .forEach(command -> assertEquals(
                            !command.equals("train"), outcome.out().contains("\n  " + command + " "), outcome.out()));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {20, 31, 54, 55, 80, 200})
    void helpFitsTheTerminal(int columns) {
        var text = new StringWriter();
        int status = Main.run(
                new Output(text, OptionalInt.of(columns)),
                new Output(Writer.nullWriter(), OptionalInt.empty()),
                "help",
                "pipeline");
        assertEquals(0, status);
        assertTrue(text.toString().lines().allMatch(line -> line.length() <= columns), text::toString);
        assertTrue(text.toString().replaceAll("\\s", "").contains("--screenshot=<file>"), text::toString);
    }

    @Test
    void theVersionIsThatOfTheBuild() throws Exception {
        Outcome outcome = Outcome.of("--version");
        assertEquals(0, outcome.status());
        var version = Pattern.compile("cenalloc (\\d+\\.\\d+\\.\\d+(-SNAPSHOT)?)\nJava 2\\d.*\n")
                .matcher(outcome.out());
        assertTrue(version.matches(), outcome.out());
        assertEquals(outcome, Outcome.of("heaps", "--version"));
    }

    /** bash completes with it. */
    @Test
    void theShellCompletes() throws Exception {
        Outcome outcome = Outcome.of("completion");
        assertEquals(0, outcome.status());
        String script = outcome.out() + """
                complete_of() {
                    COMP_WORDS=("$@")
                    COMP_CWORD=$(($# - 1))
                    COMPREPLY=()
                    _complete_cenalloc
                    echo "${COMPREPLY[@]}"
                }
                complete_of cenalloc pi
                complete_of cenalloc pipeline --scr
                complete_of cenalloc pipeline --memory ''
                complete_of cenalloc tr
                """;
        Process bash = new ProcessBuilder("bash", "-c", script).start();
        try (var output = bash.inputReader()) {
            assertEquals("pipeline", output.readLine());
            assertEquals("--screenshot", output.readLine());
            assertEquals("HEAPS CAMERA", output.readLine());
            assertEquals("", output.readLine(), "what is hidden");
        }
        assertTrue(bash.waitFor(60, TimeUnit.SECONDS));
    }

    @Test
    void filesAreCheckedBeforeAnythingIsDone(@TempDir Path directory) throws Exception {
        Path locked = Files.createDirectory(directory.resolve("locked"));
        for (String arguments : List.of(
                "pipeline --screenshot /no/such/directory/shot.png | there is no directory /no/such/directory",
                "pipeline --screenshot " + locked + " | is a directory",
                "pipeline --screenshot /dev/null/shot.png | there is no directory /dev/null",
                "pipeline --profile /no/such.json | there is no file /no/such.json",
                "pipeline --profile " + locked + " | is a directory",
                "probe --profile /no/such/profile.json | there is no directory /no/such",
                "probe --known /no/such.json | there is no file /no/such.json",
                "plan --board rk3588 --profile /no/such.json | there is no file /no/such.json")) {
            String[] parts = arguments.split(" \\| ", -1);
            Outcome outcome = Outcome.of(parts[0].split(" ", -1));
            assertEquals(2, outcome.status(), outcome::toString);
            assertTrue(outcome.err().contains(parts[1]), outcome.err());
            assertEquals("", outcome.out());
        }
    }

    @Test
    void aProfileThatIsNoTextIsSaid(@TempDir Path directory) throws Exception {
        Path file = Files.write(directory.resolve("binary.json"), new byte[] {(byte) 0xFF, (byte) 0xFE, 0});
        Outcome outcome = Outcome.of("plan", "--board", "rk3588", "--profile", file.toString());
        assertEquals(1, outcome.status());
        assertEquals("cenalloc: --profile: " + file + " is not text in UTF-8\n", outcome.err());
    }
}
