// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.command.proc.SystemFiles;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;

/**
 * The limit of memory of a control group, in bytes. A value.
 *
 * @param file that has the limit
 * @param used what the group uses now; empty if that cannot be read
 */
record MemoryLimit(String file, long bytes, OptionalLong used) {
    /** The least of the limits of this process's groups and of all above them, if there is one. */
    static Optional<MemoryLimit> of(SystemFiles files) {
        return files.text("/proc/self/cgroup")
                .value()
                .orElse("")
                .lines()
                .flatMap(line -> limits(files, line))
                .min(Comparator.comparingLong(MemoryLimit::bytes));
    }

    /** @param line such as "0::/user.slice" of version 2, or "4:memory:/user.slice" of version 1 */
    private static Stream<MemoryLimit> limits(SystemFiles files, String line) {
        String[] parts = line.split(":", 3);
        if (parts.length < 3) {
            return Stream.empty();
        }
        if (parts[1].isEmpty()) {
            return Stream.of("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
                    .flatMap(top -> upwards(files, top, parts[2], "/memory.max", "/memory.current"));
        }
        return Arrays.asList(parts[1].split(",", -1)).contains("memory")
                ? upwards(files, "/sys/fs/cgroup/memory", parts[2], "/memory.limit_in_bytes", "/memory.usage_in_bytes")
                : Stream.empty();
    }

    /** In a container the name may be the host's; the tree then begins at the container's own group. */
    private static Stream<MemoryLimit> upwards(
            SystemFiles files, String top, String group, String limit, String usage) {
        List<String> names = List.of(group.split("/", -1));
        // A name from outside of what is seen here.
        if (names.contains("..")) {
            return Stream.empty();
        }
        return Stream.iterate(names.size(), length -> length >= 1, length -> length - 1)
                .map(length -> top + String.join("/", names.subList(0, length)))
                .flatMap(directory -> {
                    // "max", which means no limit, is no number.
                    OptionalLong most = files.number(directory + limit);
                    return most.isEmpty()
                            ? Stream.empty()
                            : Stream.of(new MemoryLimit(
                                    directory + limit, most.getAsLong(), files.number(directory + usage)));
                });
    }
}
