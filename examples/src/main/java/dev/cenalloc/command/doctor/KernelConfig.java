// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.cenalloc.command.proc.SystemFiles;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.zip.GZIPInputStream;

/**
 * The options that a kernel was built with, as far as this machine tells. A value.
 *
 * @param source the file that told; empty if none did
 * @param options those that are set, without {@code CONFIG_}: "y", "m" or a value
 */
record KernelConfig(Optional<String> source, Map<String, String> options) {
    private static final String PREFIX = "CONFIG_";
    private static final int MOST = 16 << 20;

    /** What is known of an option. */
    enum State {
        BUILT_IN,
        MODULE,
        /** The kernel was built without it. */
        ABSENT,
        /** Nothing tells. */
        UNKNOWN
    }

    /** Reads the first file that there is. */
    static KernelConfig of(SystemFiles files, String release) {
        Optional<String> compressed = files.bytes("/proc/config.gz").value().flatMap(KernelConfig::inflated);
        if (compressed.isPresent()) {
            return parsed("/proc/config.gz", compressed.get());
        }
        for (String file : places(release)) {
            Optional<String> text = files.text(file).value();
            if (text.isPresent()) {
                return parsed(file, text.get());
            }
        }
        return new KernelConfig(Optional.empty(), Map.of());
    }

    /** Where distributions put it. */
    static List<String> places(String release) {
        return List.of(
                "/boot/config-" + release,
                "/lib/modules/" + release + "/config",
                "/lib/modules/" + release + "/build/.config");
    }

    private static Optional<String> inflated(byte[] file) {
        try (var in = new GZIPInputStream(new ByteArrayInputStream(file))) {
            return Optional.of(new String(in.readNBytes(MOST), UTF_8));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static KernelConfig parsed(String source, String text) {
        var options = new HashMap<String, String>();
        text.lines().filter(line -> line.startsWith(PREFIX)).forEach(line -> {
            int equals = line.indexOf('=');
            if (equals > 0) {
                options.put(line.substring(PREFIX.length(), equals), line.substring(equals + 1));
            }
        });
        // A file of something else says nothing of the kernel.
        return options.isEmpty()
                ? new KernelConfig(Optional.empty(), Map.of())
                : new KernelConfig(Optional.of(source), Map.copyOf(options));
    }

    State state(String option) {
        if (source.isEmpty()) {
            return State.UNKNOWN;
        }
        return switch (options.getOrDefault(option, "n")) {
            case "n" -> State.ABSENT;
            case "m" -> State.MODULE;
            default -> State.BUILT_IN;
        };
    }
}
