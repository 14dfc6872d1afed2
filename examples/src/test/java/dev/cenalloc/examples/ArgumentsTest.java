// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.command.JavaProgram;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Wrong arguments are told in one line before a device is opened, so this needs none, and no emulated machine. */
class ArgumentsTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "Grab --nonsense | --nonsense is not known. Usage: [--out VALUE]",
                "Grab picture.png | picture.png is not known. Usage: [--out VALUE]",
                "Grab --out | --out needs a value. Usage: [--out VALUE]",
                "Grab --out --out | --out needs a value. Usage: [--out VALUE]",
                "Grab --out a b | b is not known. Usage: [--out VALUE]",
                "CameraToDisplay --seconds x | --seconds needs a whole number from 1, not x. Usage: [--seconds VALUE]",
                "Convert --seconds 0 | --seconds needs a whole number from 1, not 0. Usage: [--seconds VALUE]",
                "Show --seconds 3000000000 | --seconds needs a whole number from 1, not 3000000000."
                        + " Usage: [--seconds VALUE]"
            })
    void wrongArgumentsAreToldInOneLine(String arguments, String told) throws Exception {
        String[] words = arguments.split(" ", -1);
        List<String> command =
                JavaProgram.command("dev.cenalloc.examples." + words[0], Arrays.copyOfRange(words, 1, words.length));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        try (var reader = process.inputReader()) {
            assertEquals(List.of(told), reader.lines().toList());
        }
        assertEquals(2, process.waitFor());
    }
}
