// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The start script, with JDKs that only print how they were called. */
class LauncherTest {
    private static final Path SCRIPT = Path.of("src/main/scripts/cenalloc");

    @TempDir
    private Path directory;

    private Path script;
    private Path caches;

    private record Ended(int status, List<String> out, String err) {}

    @BeforeEach
    void install() throws Exception {
        // Names with spaces, as they occur.
        Path home = Files.createDirectories(directory.resolve("in stalled"));
        script = executable(home.resolve("cenalloc"), Files.readString(SCRIPT));
        Files.createFile(home.resolve("cenalloc.jar"));
        caches = directory.resolve("ca che");
    }

    private static Path executable(Path file, String content) throws Exception {
        Files.writeString(file, content);
        return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    /** A JDK that prints its arguments, one a line; asked for a cache, it writes one. */
    private Path jdk(String version, String libc) throws Exception {
        Path home = directory.resolve("jdk " + version + " " + libc);
        Files.createDirectories(home.resolve("bin"));
        Files.writeString(home.resolve("release"), "JAVA_VERSION=\"" + version + "\"\nLIBC=\"" + libc + "\"\n");
        executable(home.resolve("bin/java"), """
                #!/bin/sh
                for one; do
                    case $one in -XX:AOTCacheOutput=*) echo cache >"${one#*=}" ;; esac
                    printf '%s\\n' "$one"
                done
                """);
        return home;
    }

    private Ended run(Path jdk, String... arguments) throws Exception {
        var command = new ArrayList<>(List.of(script.toString()));
        command.addAll(List.of(arguments));
        var builder = new ProcessBuilder(command);
        builder.environment().put("CENALLOC_JAVA_HOME", jdk.toString());
        builder.environment().put("XDG_CACHE_HOME", caches.toString());
        builder.environment().remove("CENALLOC_AOT");
        Process process = builder.start();
        try (var out = process.inputReader();
                var err = process.getErrorStream()) {
            List<String> lines = out.lines().toList();
            String errors = new String(err.readAllBytes(), StandardCharsets.UTF_8);
            assertTrue(process.waitFor(60, TimeUnit.SECONDS));
            return new Ended(process.exitValue(), lines, errors);
        }
    }

    private List<Path> madeCaches() throws Exception {
        Path all = caches.resolve("cenalloc");
        if (!Files.isDirectory(all)) {
            return List.of();
        }
        try (var files = Files.list(all)) {
            return files.toList();
        }
    }

    private String jar() {
        return script.resolveSibling("cenalloc.jar").toString();
    }

    @Test
    void flagsGoBeforeTheJarAndArgumentsBehindItUnchanged() throws Exception {
        Ended ended = run(jdk("25", "gnu"), "-J-Xmx64m", "-J-Dname=a b", "plan", "-J-x", "", "two  words", "*");
        assertEquals(0, ended.status());
        int begin = ended.out().indexOf("-Xmx64m");
        assertEquals(
                List.of("-Xmx64m", "-Dname=a b", "-jar", jar(), "plan", "-J-x", "", "two  words", "*"),
                ended.out().subList(begin, ended.out().size()));
    }

    @Test
    void aCollectorOfTheUsersTakesThePlaceOfOurs() throws Exception {
        assertTrue(run(jdk("25", "gnu"), "heaps").out().contains("-XX:+UseSerialGC"));
        List<String> out = run(jdk("25", "gnu"), "-J-XX:+UseZGC", "heaps").out();
        assertTrue(out.contains("-XX:+UseZGC") && !out.contains("-XX:+UseSerialGC"), out::toString);
    }

    @Test
    void withoutArgumentsTheCommandIsCalledAllTheSame() throws Exception {
        List<String> out = run(jdk("26-ea", "gnu")).out();
        assertEquals(List.of("-jar", jar()), out.subList(out.size() - 2, out.size()));
    }

    @Test
    void theCacheIsMadeOnceForAJdkAndUsedFromThenOn() throws Exception {
        Path jdk = jdk("25.0.3", "gnu");
        Ended first = run(jdk, "heaps");
        assertEquals("", first.err());
        List<Path> made = madeCaches();
        assertEquals(1, made.size());
        assertTrue(first.out().contains("-XX:AOTCache=" + made.getFirst()), first::toString);
        Files.writeString(made.getFirst(), "changed");
        Ended second = run(jdk, "heaps");
        assertEquals(first.out(), second.out());
        assertEquals("changed", Files.readString(made.getFirst()), "not made anew");
        run(jdk("26", "gnu"), "heaps");
        assertEquals(2, madeCaches().size(), "another JDK has another");
        Files.writeString(Path.of(jar()), "new");
        run(jdk, "heaps");
        assertEquals(3, madeCaches().size(), "so has another jar");
    }

    @Test
    void aCacheThatCannotBeMadeIsNotTriedAgain() throws Exception {
        Path jdk = jdk("25", "gnu");
        executable(jdk.resolve("bin/java"), "#!/bin/sh\necho \"$@\"\ncase $* in *AOTCacheOutput*) exit 1 ;; esac\n");
        for (int i = 0; i < 2; i++) {
            Ended ended = run(jdk, "heaps");
            assertEquals(0, ended.status());
            assertEquals("", ended.err());
            assertFalse(ended.out().getFirst().contains("AOTCache"), ended::toString);
        }
        assertEquals(1, madeCaches().size());
        assertEquals(0, Files.size(madeCaches().getFirst()));
    }

    @Test
    void whereNothingCanBeWrittenTheCacheIsLeftOutInSilence() throws Exception {
        Files.createFile(caches); // no directory can be made there, not even by root
        Ended ended = run(jdk("25", "gnu"), "heaps");
        assertEquals(0, ended.status());
        assertEquals("", ended.err());
        assertTrue(ended.out().stream().noneMatch(line -> line.contains("AOT")), ended::toString);
    }

    @Test
    void anOldJdkIsOneClearLine() throws Exception {
        Path jdk = jdk("21.0.2", "gnu");
        Ended ended = run(jdk, "heaps");
        assertEquals(1, ended.status());
        assertEquals(
                "cenalloc: a JDK 25 or later is needed; " + jdk
                        + " is a JDK 21.0.2. To do: install one, or set JAVA_HOME\n",
                ended.err());
        assertEquals(List.of(), ended.out());
        assertTrue(run(jdk("1.8.0_402", "gnu")).err().contains("is a JDK 1.8.0_402"));
    }

    @Test
    void aJdkForMuslIsOneClearLine() throws Exception {
        Ended ended = run(jdk("25", "musl"), "heaps");
        assertEquals(1, ended.status());
        assertTrue(ended.err().contains("is built for musl, which cenalloc does not support"), ended.err());
        assertEquals(1, ended.err().lines().count());
    }

    @Test
    void whatIsNoJdkIsSaid() throws Exception {
        assertTrue(run(directory.resolve("no such")).err().contains("has no bin/java"));
        Path jdk = jdk("25", "gnu");
        Files.delete(jdk.resolve("release"));
        assertTrue(run(jdk).err().contains("does not tell its version"));
    }

    /** A link in PATH leads to the jar beside the script. */
    @Test
    void theScriptMayBeALink() throws Exception {
        Path link = Files.createSymbolicLink(directory.resolve("link"), script);
        script = link;
        Ended ended = run(jdk("25", "gnu"), "heaps");
        assertTrue(
                ended.out()
                        .contains(directory.resolve("in stalled/cenalloc.jar").toString()),
                ended::toString);
    }

    @Test
    void aMissingJarIsSaid() throws Exception {
        Files.delete(Path.of(jar()));
        Ended ended = run(jdk("25", "gnu"));
        assertEquals("cenalloc: " + jar() + " is missing\n", ended.err());
    }
}
