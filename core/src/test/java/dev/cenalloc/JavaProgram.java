// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;

/** A program in Java, with the classes of this process, as a command for a process of its own. */
public final class JavaProgram {
    private JavaProgram() {}

    /**
     * The command that runs it. Compiles only what runs often: on an emulated processor, the start of a program takes
     * two thirds of the time so.
     */
    public static List<String> command(Class<?> main, String... arguments) {
        var command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:CompileThresholdScaling=30",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                String.join(":", classPath(main)),
                main.getName()));
        command.addAll(List.of(arguments));
        return command;
    }

    /** Also where Maven has the classes on the module path, and the tests on none: they patch the module. */
    private static Iterable<String> classPath(Class<?> main) {
        String name = main.getName();
        var file = Objects.requireNonNull(main.getResource(name.substring(name.lastIndexOf('.') + 1) + ".class"));
        var path = new LinkedHashSet<String>();
        if (file.getProtocol().equals("file")) {
            Path root;
            try {
                root = Path.of(file.toURI());
            } catch (URISyntaxException e) {
                throw new IllegalStateException("the class " + name + " is in no file: " + file, e);
            }
            for (int i = 0; i < name.split("\\.", -1).length; i++) {
                root = Objects.requireNonNull(root.getParent());
            }
            path.add(root.toString());
        }
        for (String property : List.of("java.class.path", "jdk.module.path")) {
            path.addAll(List.of(System.getProperty(property, "").split(":", -1)));
        }
        path.remove("");
        return path;
    }
}
