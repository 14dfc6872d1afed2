// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.command.proc.Count;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * On what something was measured.
 *
 * @param cpu as its maker or the board calls it, as far as the kernel tells
 */
record Machine(String kernel, String architecture, String java, String cpu, int processors) {
    static Machine ofThis() {
        return new Machine(
                System.getProperty("os.name") + " " + System.getProperty("os.version"),
                System.getProperty("os.arch"),
                System.getProperty("java.vm.name") + " " + Runtime.version(),
                cpu(Path.of("/")),
                Runtime.getRuntime().availableProcessors());
    }

    /** @param root of the file system with {@code /proc} */
    static String cpu(Path root) {
        Path info = root.resolve("proc/cpuinfo");
        return line(info, "model name")
                .or(() -> text(root.resolve("proc/device-tree/model")))
                .or(() -> line(info, "CPU implementer")
                        .flatMap(
                                maker -> line(info, "CPU part").map(part -> "implementer " + maker + ", part " + part)))
                .orElse("unknown CPU");
    }

    private static Optional<String> line(Path info, String key) {
        try (Stream<String> lines = Files.lines(info)) {
            return lines.filter(line -> line.startsWith(key))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .filter(value -> !value.isEmpty())
                    .findFirst();
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** What ends with a NUL there. */
    private static Optional<String> text(Path file) {
        try {
            return Optional.of(Files.readString(file).replace("\0", "").strip()).filter(text -> !text.isEmpty());
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** For programs. */
    Map<String, Object> described() {
        var described = new LinkedHashMap<String, Object>();
        described.put("kernel", kernel);
        described.put("architecture", architecture);
        described.put("java", java);
        described.put("cpu", cpu);
        described.put("processors", processors);
        return described;
    }

    @Override
    public String toString() {
        return kernel + ", " + architecture + ", " + java + ", " + cpu + ", " + Count.of(processors, "processor");
    }
}
