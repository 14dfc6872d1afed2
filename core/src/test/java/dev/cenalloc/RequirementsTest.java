// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** core/src/test/resources/requirements.md is complete, and the tests that it names exist. */
class RequirementsTest {
    private static final Pattern ROW = Pattern.compile("\\| (D?\\d+) \\|.*\\| ([^|]+) \\|");
    private static final Pattern NAME = Pattern.compile("(\\w+)#(\\w+)");

    private static Path root() {
        Path directory = Path.of("").toAbsolutePath();
        while (directory != null && !Files.exists(directory.resolve("core/src/test/resources/requirements.md"))) {
            directory = directory.getParent();
        }
        if (directory == null) {
            throw new AssertionError("core/src/test/resources/requirements.md is not above "
                    + Path.of("").toAbsolutePath());
        }
        return directory;
    }

    private static Map<String, String> testClasses() throws IOException {
        var sources = new HashMap<String, String>();
        for (String module : List.of("bindings", "core", "examples")) {
            try (var files = Files.walk(root().resolve(module).resolve("src/test/java"))) {
                for (Path file :
                        files.filter(f -> f.toString().endsWith(".java")).toList()) {
                    String name = String.valueOf(file.getFileName()).replace(".java", "");
                    sources.put(name, Files.readString(file));
                }
            }
        }
        return sources;
    }

    @Test
    void everyRowNamesTestsThatExist() throws Exception {
        Map<String, String> classes = testClasses();
        var rows = new ArrayList<String>();
        for (String line : Files.readAllLines(root().resolve("core/src/test/resources/requirements.md"))) {
            var row = ROW.matcher(line);
            if (!row.matches() || line.startsWith("| #") || row.group(2).isBlank()) {
                continue;
            }
            boolean isDefect = row.group(1).startsWith("D");
            if (!isDefect && !line.matches("\\| \\d+ \\| [FB] \\|.*")) {
                continue;
            }
            rows.add(row.group(1));
            var names = NAME.matcher(row.group(2));
            int found = 0;
            while (names.find()) {
                found++;
                String source = classes.get(names.group(1));
                assertTrue(
                        source != null && source.contains(" " + names.group(2) + "("),
                        () -> "there is no test " + names.group());
            }
            assertTrue(found > 0 || row.group(1).equals("64"), line);
        }
        var expected = new ArrayList<String>();
        IntStream.rangeClosed(1, 64).forEach(n -> expected.add(Integer.toString(n)));
        IntStream.rangeClosed(1, 12).forEach(n -> expected.add("D" + n));
        assertEquals(expected, rows);
    }
}
