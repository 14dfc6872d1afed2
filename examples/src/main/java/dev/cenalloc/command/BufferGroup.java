// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.command.proc.Buffer;
import dev.cenalloc.command.proc.Buffer.Holder;
import dev.cenalloc.command.proc.Census;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Buffers of one exporter that the same processes hold, such as those of a ring, and how they change. Each buffer is in
 * one group. A value.
 *
 * @param holders processes, by name and id; empty for buffers that no process holds
 * @param bytes of all of them
 * @param made buffers a second that came into the group since the census before; empty at the first
 * @param gone buffers a second that left it
 * @param growth in bytes a second
 */
record BufferGroup(
        String exporter,
        String holders,
        int buffers,
        long bytes,
        OptionalDouble made,
        OptionalDouble gone,
        OptionalDouble growth) {
    private static final String UNKNOWN = "unknown";

    /** What the buffers of a group have in common. */
    private record Key(String exporter, String holders) implements Comparable<Key> {
        private static final Comparator<Key> ORDER =
                Comparator.comparing(Key::holders).thenComparing(Key::exporter);

        static Key of(Buffer buffer) {
            return new Key(
                    buffer.exporter().orElse(UNKNOWN),
                    buffer.holders().stream().map(Key::words).collect(Collectors.joining("; ")));
        }

        private static String words(Holder holder) {
            return holder.process() + " (" + holder.pid() + ")";
        }

        @Override
        public int compareTo(Key other) {
            return ORDER.compare(this, other);
        }
    }

    /**
     * The groups of a census, the largest first. A group that has lost its last buffer is there once more.
     *
     * @param before the census before; null at the first
     * @param seconds between the two, positive
     */
    static List<BufferGroup> of(@Nullable Census before, Census now, double seconds) {
        Map<Key, Map<Long, Long>> earlier = before == null ? Map.of() : grouped(before);
        Map<Key, Map<Long, Long>> later = grouped(now);
        var keys = new HashSet<>(later.keySet());
        keys.addAll(earlier.keySet());
        var groups = new ArrayList<BufferGroup>();
        for (Key key : keys.stream().sorted().toList()) {
            Map<Long, Long> was = earlier.getOrDefault(key, Map.of());
            Map<Long, Long> is = later.getOrDefault(key, Map.of());
            groups.add(new BufferGroup(
                    key.exporter(),
                    key.holders(),
                    is.size(),
                    sum(is),
                    rate(before, without(is.keySet(), was.keySet()), seconds),
                    rate(before, without(was.keySet(), is.keySet()), seconds),
                    rate(before, sum(is) - sum(was), seconds)));
        }
        // Stable: groups of equal size stay in the order of their names.
        groups.sort(Comparator.comparingLong((BufferGroup group) -> -group.bytes));
        return groups;
    }

    /** The sizes of the buffers of each group, by inode. */
    private static Map<Key, Map<Long, Long>> grouped(Census census) {
        return census.buffers().stream()
                .collect(Collectors.groupingBy(
                        Key::of,
                        TreeMap::new,
                        Collectors.toMap(Buffer::inode, buffer -> buffer.size().orElse(0))));
    }

    private static long sum(Map<Long, Long> sizes) {
        return sizes.values().stream().mapToLong(Long::longValue).sum();
    }

    private static long without(Set<Long> inodes, Set<Long> others) {
        return inodes.stream().filter(inode -> !others.contains(inode)).count();
    }

    private static OptionalDouble rate(@Nullable Census before, long change, double seconds) {
        return before == null ? OptionalDouble.empty() : OptionalDouble.of(change / seconds);
    }

    /** The growth for people, with its sign. */
    Optional<String> growthInWords() {
        return growth.isEmpty()
                ? Optional.empty()
                : Optional.of((growth.getAsDouble() > 0 ? "+" : "") + Table.bytes(Math.round(growth.getAsDouble())));
    }
}
