// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Standard output that nobody reads, or that is full, and terminals, as processes meet them. */
class OutputTest {
    private record Ended(int status, String err) {}

    private static Ended shell(String script, String... arguments) throws Exception {
        var all = new ArrayList<>(List.of("/bin/sh", "-c", script, "sh"));
        all.addAll(JavaProgram.cenalloc(arguments));
        Process process =
                new ProcessBuilder(all).redirectOutput(Redirect.DISCARD).start();
        try (var errors = process.getErrorStream()) {
            String err = new String(errors.readAllBytes(), StandardCharsets.UTF_8);
            assertTrue(process.waitFor(60, TimeUnit.SECONDS));
            return new Ended(process.exitValue(), err);
        } finally {
            process.destroyForcibly();
        }
    }

    /** The reader has left before the first byte: whatever the command writes, it meets a broken pipe. */
    @ParameterizedTest
    @ValueSource(
            strings = {"plan --board rk3588", "--help", "help plan", "--version", "plan --board rk3588 camera display"})
    void aReaderThatLeavesIsNoError(String arguments) throws Exception {
        // Writes empty lines until the pipe is broken for sure.
        String script = "{ trap '' PIPE; while echo 2>/dev/null; do :; done; \"$@\"; echo $? >&2; } | :";
        Ended ended = shell(script, arguments.split(" ", -1));
        assertEquals(Status.OUTPUT_CLOSED + "\n", ended.err());
    }

    @Test
    void aFullDiskIsSaid() throws Exception {
        Ended ended = shell("exec \"$@\" >/dev/full", "plan", "--board", "rk3588");
        assertEquals(Status.FAILED, ended.status());
        assertTrue(ended.err().startsWith("cenalloc: standard output: "), ended.err());
        assertEquals(1, ended.err().lines().count(), ended.err());
    }

    @Test
    void standardErrorThatIsClosedChangesNoStatus() throws Exception {
        assertEquals(
                Status.WRONG_ARGUMENTS, shell("exec \"$@\" 2>&-", "nonsense").status());
        assertEquals(
                Status.WRONG_ARGUMENTS,
                shell("exec \"$@\" 2>/dev/full", "nonsense").status());
    }

    @Test
    void standardOutputThatWasNeverOpenIsSaid() throws Exception {
        Ended ended = shell("exec \"$@\" >&-", "plan", "--board", "rk3588");
        assertEquals(Status.FAILED, ended.status(), ended::err);
    }

    /** A terminal, made by the script of util-linux, in which a shell runs what is in the file. */
    private static Process terminal(Path file, String script) throws Exception {
        Files.writeString(file, script);
        return new ProcessBuilder("script", "-qefc", "exec sh '" + file + "'", "/dev/null")
                .redirectErrorStream(true)
                .redirectInput(Redirect.from(new File("/dev/null")))
                .start();
    }

    /** The command for a shell. */
    private static String quoted(String... arguments) {
        return JavaProgram.cenalloc(arguments).stream()
                .map(word -> "'" + word + "'")
                .collect(Collectors.joining(" "));
    }

    @ParameterizedTest
    @CsvSource({"20, plan --board rk3588", "20, plan --help", "47, plan --board rpi5", "300, plan --board am62a"})
    void noLineIsWiderThanTheTerminal(int columns, String arguments, @TempDir Path directory) throws Exception {
        String script = "stty cols " + columns + " rows 24\n" + quoted(arguments.split(" ", -1)) + "\necho end $?\n";
        Process terminal = terminal(directory.resolve("run"), script);
        try (var output = terminal.inputReader()) {
            List<String> lines = output.lines().toList();
            assertEquals("end 0", lines.getLast());
            assertTrue(lines.size() > 5, lines::toString);
            assertTrue(lines.stream().allMatch(line -> line.length() <= columns), lines::toString);
        } finally {
            terminal.destroyForcibly();
        }
    }

    @Test
    void aTerminalThatGoesAwayIsNoError(@TempDir Path directory) throws Exception {
        Path errors = directory.resolve("errors");
        Path status = directory.resolve("status");
        // Writes until the terminal is gone for sure.
        String script = "trap '' HUP\necho ready\nwhile echo 2>/dev/null; do sleep 0.01; done\n"
                + quoted("plan", "--board", "rk3588") + " 2>'" + errors + "'\necho $? >'" + status + ".new'\n"
                + "mv '" + status + ".new' '" + status + "'\n";
        Process terminal = terminal(directory.resolve("run"), script);
        try (var output = terminal.inputReader()) {
            assertEquals("ready", output.readLine());
        } finally {
            terminal.destroyForcibly();
        }
        for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60); !Files.exists(status); ) {
            assertTrue(System.nanoTime() < end, "the command did not end");
            Thread.sleep(20);
        }
        assertEquals(Status.OUTPUT_CLOSED + "\n", Files.readString(status));
        assertEquals("", Files.readString(errors));
    }
}
