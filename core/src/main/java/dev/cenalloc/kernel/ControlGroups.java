// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Stream;

/**
 * Memory limits of the control groups of this process. Source: {@code Documentation/admin-guide/cgroup-v2.rst} and
 * {@code cgroup-v1/memory.rst}. Stateless.
 */
public final class ControlGroups {
    /**
     * How a version of the control groups tells memory.
     *
     * @param controller its name in the lines of {@code /proc/self/cgroup}, and its directory below the mount point;
     *     empty if one tree has all controllers
     * @param limit the file of the most bytes
     * @param usage the file of the bytes in use, those of the groups below included
     * @param cached the keys of the bytes of cached files, which the kernel drops before it kills a process
     */
    private record Version(String controller, String limit, String usage, List<String> cached) {
        /** The group in a line of {@code /proc/self/cgroup}, relative to the top; nothing if it is of another tree. */
        Stream<String> group(String line) {
            String[] parts = line.split(":", 3);
            boolean isOwn = parts.length == 3
                    && parts[2].startsWith("/")
                    && List.of(parts[1].split(",", -1)).contains(controller);
            return isOwn ? Stream.of(parts[2].substring(1)) : Stream.empty();
        }
    }

    private static final List<Version> VERSIONS = List.of(
            new Version(
                    "memory",
                    "memory.limit_in_bytes",
                    "memory.usage_in_bytes",
                    List.of("total_inactive_file", "total_active_file")),
            new Version("", "memory.max", "memory.current", List.of("inactive_file", "active_file")));

    private ControlGroups() {}

    /**
     * Returns the bytes of memory that a process may still use, by the limits of its group and of all groups above it;
     * empty if no limit is known. Where both versions are mounted, memory is of one of them.
     *
     * @param membership {@code /proc/self/cgroup}
     * @param root the mount point of the tree of groups, or of the trees of version 1
     */
    public static OptionalLong memory(Path membership, Path root) {
        List<String> lines;
        try {
            lines = Files.readAllLines(membership);
        } catch (IOException e) {
            return OptionalLong.empty();
        }
        return VERSIONS.stream()
                .flatMap(version -> lines.stream()
                        .flatMap(version::group)
                        .map(own -> memory(version, root.resolve(version.controller), own)))
                .flatMapToLong(OptionalLong::stream)
                .min();
    }

    private static OptionalLong memory(Version version, Path root, String own) {
        OptionalLong least = OptionalLong.empty();
        // In a container the name may belong to the host; the tree then begins at the container's own group.
        Path top = root.normalize();
        for (Path group = top.resolve(own).normalize();
                group != null && group.startsWith(top);
                group = group.getParent()) {
            OptionalLong left = left(version, group);
            if (left.isPresent() && (least.isEmpty() || left.getAsLong() < least.getAsLong())) {
                least = left;
            }
        }
        return least;
    }

    /** The bytes that one group may still use. */
    private static OptionalLong left(Version version, Path group) {
        try {
            // "max", which means no limit in version 2, is not a number. In version 1 that is a number near 2^63.
            long most = Long.parseLong(
                    Files.readString(group.resolve(version.limit)).strip());
            long used = Long.parseLong(
                    Files.readString(group.resolve(version.usage)).strip());
            return OptionalLong.of(Math.max(0, most - used + cached(version, group)));
        } catch (IOException | NumberFormatException e) {
            return OptionalLong.empty();
        }
    }

    private static long cached(Version version, Path group) {
        try {
            return Files.readAllLines(group.resolve("memory.stat")).stream()
                    .filter(line -> version.cached.stream().anyMatch(key -> line.startsWith(key + " ")))
                    .mapToLong(line -> Long.parseLong(line.substring(line.indexOf(' ') + 1)))
                    .sum();
        } catch (IOException | NumberFormatException e) {
            return 0;
        }
    }
}
