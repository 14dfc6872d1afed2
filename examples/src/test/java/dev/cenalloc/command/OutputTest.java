package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Standard output that nobody reads, or that is full, as processes meet it. */
class OutputTest {
    private record Ended(int status, String err) {}

    /** A process of the command, on the class path or the module path of this one. */
    static List<String> command(String... arguments) {
        var command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("jdk.module.path", "") + ":" + System.getProperty("java.class.path"),
                "dev.cenalloc.command.Main"));
        command.addAll(List.of(arguments));
        return command;
    }

    private static Ended shell(String script, String... arguments) throws Exception {
        var all = new ArrayList<>(List.of("/bin/sh", "-c", script, "sh"));
        all.addAll(command(arguments));
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
}
