// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/** Memory limits of the control groups of this process (cgroup v2). Stateless. */
public final class ControlGroups {
    private ControlGroups() {}

    /**
     * Returns the bytes of memory that a process may still use, by the limits of its group (cgroup v2) and of all
     * groups above it; empty if no limit is known.
     *
     * @param membership {@code /proc/self/cgroup}
     * @param root the mount point of the tree of groups
     */
    public static OptionalLong memory(Path membership, Path root) {
        String own;
        try {
            // The line of the tree of version 2.
            own = Files.readAllLines(membership).stream()
                    .filter(line -> line.startsWith("0::/"))
                    .map(line -> line.substring("0::/".length()))
                    .findFirst()
                    .orElse("");
        } catch (IOException e) {
            return OptionalLong.empty();
        }
        OptionalLong least = OptionalLong.empty();
        // In a container the name may belong to the host; the tree then begins at the container's own group.
        Path top = root.normalize();
        for (Path group = top.resolve(own).normalize();
                group != null && group.startsWith(top);
                group = group.getParent()) {
            OptionalLong left = left(group);
            if (left.isPresent() && (least.isEmpty() || left.getAsLong() < least.getAsLong())) {
                least = left;
            }
        }
        return least;
    }

    /** The bytes that one group may still use. */
    private static OptionalLong left(Path group) {
        try {
            // "max", which means no limit, is not a number.
            long most =
                    Long.parseLong(Files.readString(group.resolve("memory.max")).strip());
            long used = Long.parseLong(
                    Files.readString(group.resolve("memory.current")).strip());
            return OptionalLong.of(Math.max(0, most - used + cached(group)));
        } catch (IOException | NumberFormatException e) {
            return OptionalLong.empty();
        }
    }

    /** The bytes of cached files of the group, which the kernel drops before it kills a process. */
    private static long cached(Path group) {
        try {
            return Files.readAllLines(group.resolve("memory.stat")).stream()
                    .filter(line -> line.startsWith("inactive_file ") || line.startsWith("active_file "))
                    .mapToLong(line -> Long.parseLong(line.substring(line.indexOf(' ') + 1)))
                    .sum();
        } catch (IOException | NumberFormatException e) {
            return 0;
        }
    }
}
