package dev.cenalloc.kernel;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/** Memory limits of the control groups of this process (cgroup v2). Stateless. */
public final class ControlGroups {
    private ControlGroups() {}

    /**
     * How much more memory the group of a process may have, of its own limits (cgroup v2) and those of all groups that it is
     * in; empty if none is known.
     *
     * @param membership {@code /proc/self/cgroup}
     * @param root where the tree of groups is mounted
     */
    public static OptionalLong memory(Path membership, Path root) {
        String own;
        try {
            // The line of the one tree of version 2.
            own = Files.readAllLines(membership).stream()
                    .filter(line -> line.startsWith("0::/"))
                    .map(line -> line.substring("0::/".length()))
                    .findFirst()
                    .orElse("");
        } catch (IOException e) {
            return OptionalLong.empty();
        }
        OptionalLong least = OptionalLong.empty();
        // In a container the name may be one of outside: then the tree begins at the container's own group.
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

    /** Of one group. */
    private static OptionalLong left(Path group) {
        try {
            // "max" is no number.
            long most =
                    Long.parseLong(Files.readString(group.resolve("memory.max")).strip());
            long used = Long.parseLong(
                    Files.readString(group.resolve("memory.current")).strip());
            return OptionalLong.of(Math.max(0, most - used + cached(group)));
        } catch (IOException | NumberFormatException e) {
            return OptionalLong.empty();
        }
    }

    /** What the group has of files, which the kernel drops before it kills. */
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
