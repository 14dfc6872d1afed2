// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A program in Java, with the classes of this process, as a command for a process of its own. */
public final class JavaProgram {
    /** Maven has the examples on the module path, ci/device-tests on the class path. For processes in any directory. */
    private static final String CLASS_PATH = Stream.of("java.class.path", "jdk.module.path")
            .flatMap(property -> Stream.of(System.getProperty(property, "").split(File.pathSeparator, -1)))
            .filter(entry -> !entry.isEmpty())
            .map(entry -> Path.of(entry).toAbsolutePath().toString())
            .collect(Collectors.joining(File.pathSeparator));

    private JavaProgram() {}

    /**
     * The command that runs the class of this name. Compiles only what runs often: on an emulated processor, the start
     * of a program takes two thirds of the time so.
     */
    public static List<String> command(String main, String... arguments) {
        var command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:CompileThresholdScaling=30",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                CLASS_PATH,
                main));
        command.addAll(List.of(arguments));
        return command;
    }

    /** The command that runs {@code cenalloc}. */
    static List<String> cenalloc(String... arguments) {
        return command("dev.cenalloc.command.Main", arguments);
    }
}
