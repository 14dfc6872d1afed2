// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What README promises of the examples, and how long they may be. */
class ReadmeTest {
    private static final String SOURCES = "examples/src/main/java/dev/cenalloc/examples/";

    /** Lines with imports and comments, without that of the licence, at most. */
    private static final Map<String, Integer> LIMITS = Map.ofEntries(
            Map.entry("Hello", 30),
            Map.entry("Explain", 40),
            Map.entry("Grab", 40),
            Map.entry("Show", 50),
            Map.entry("CameraToDisplay", 40),
            Map.entry("Convert", 50),
            Map.entry("Share", 60),
            Map.entry("ShareSum", 40),
            Map.entry("SharePictures", 50),
            Map.entry("Mark", 60));

    private static Path root() {
        Path directory = Path.of("").toAbsolutePath();
        while (directory != null && !Files.exists(directory.resolve(SOURCES))) {
            directory = directory.getParent();
        }
        if (directory == null) {
            throw new AssertionError(SOURCES + " is not above " + Path.of("").toAbsolutePath());
        }
        return directory;
    }

    private static String source(String example) throws IOException {
        return Files.readString(root().resolve(SOURCES + example + ".java"));
    }

    /** Without the white space at the beginning of lines. */
    private static String flat(String code) {
        return code.lines().map(String::strip).reduce("", (one, next) -> one + next + "\n");
    }

    @Test
    void theTwentyLinesAreAnExample() throws Exception {
        var block = Pattern.compile("(?s)```java\n(.*?)```").matcher(Files.readString(root().resolve("README.md")));
        assertTrue(block.find());
        String code = block.group(1);
        assertTrue(code.lines().count() <= 20, () -> code.lines().count() + " lines");
        assertTrue(flat(source("CameraToDisplay")).contains(flat(code)), code);
        assertTrue(!block.find(), "one block of Java, so that this test sees all of it");
    }

    @Test
    void examplesAreShort() throws Exception {
        var examples = new TreeSet<String>();
        try (var files = Files.newDirectoryStream(root().resolve(SOURCES), "*.java")) {
            for (Path file : files) {
                if (Files.readString(file).contains("static void main(")) {
                    examples.add(String.valueOf(file.getFileName()).replace(".java", ""));
                }
            }
        }
        assertEquals(new TreeSet<>(LIMITS.keySet()), examples);
        for (String example : examples) {
            long lines = source(example)
                    .lines()
                    .filter(line -> !line.startsWith("// SPDX"))
                    .count();
            assertTrue(lines <= LIMITS.getOrDefault(example, 0), () -> example + " has " + lines + " lines");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"README.md", "examples/README.md"})
    void everyFileThatReadmeLinksToExists(String readme) throws Exception {
        Path file = root().resolve(readme);
        var links = Pattern.compile("\\]\\(([^)#:]+)\\)").matcher(Files.readString(file));
        int found = 0;
        while (links.find()) {
            found++;
            assertTrue(Files.exists(file.resolveSibling(links.group(1))), links.group(1));
        }
        assertTrue(found > 5);
    }
}
