// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * A limit of this process, see getrlimit(2). A program beside it sets it (prlimit), since at its limit this process can
 * start none. To be closed, which gives the limit back.
 */
final class ProcessLimit implements AutoCloseable {
    private static final Map<String, String> LINES = Map.of("nofile", "Max open files", "as", "Max address space");

    private final Process shell;
    private final BufferedReader answers;
    private final String before;

    /**
     * Knows what it is now.
     *
     * @param name as prlimit has it
     */
    ProcessLimit(String name) throws IOException {
        String line = LINES.getOrDefault(name, "");
        before = Files.readAllLines(Path.of("/proc/self/limits")).stream()
                .filter(each -> each.startsWith(line))
                .map(each -> List.of(each.substring(line.length()).strip().split(" +", -1)))
                .map(List::getFirst)
                .findFirst()
                .orElseThrow();
        shell = new ProcessBuilder(
                        "sh",
                        "-c",
                        "while read -r most; do prlimit --pid \"$0\" --\"$1\"=\"$most\":; echo $?; done",
                        Long.toString(ProcessHandle.current().pid()),
                        name)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        answers = shell.inputReader();
    }

    void set(long most) throws IOException {
        tell(Long.toString(most));
    }

    void giveBack() throws IOException {
        tell(before);
    }

    private void tell(String most) throws IOException {
        shell.getOutputStream().write((most + "\n").getBytes(StandardCharsets.US_ASCII));
        shell.getOutputStream().flush();
        assertEquals("0", answers.readLine(), "the status of prlimit");
    }

    @Override
    public void close() throws IOException {
        giveBack();
        shell.getOutputStream().close();
        shell.onExit().join();
        answers.close();
    }
}
