// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.command.proc.SystemFiles;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The groups of {@code /etc/group}. Groups from elsewhere have a number only. A value. */
record Groups(Map<Long, Group> groups) {
    /**
     * A group.
     *
     * @param members by name, of those that have it as a further group
     */
    record Group(String name, List<String> members) {}

    static Groups of(SystemFiles files) {
        var groups = new HashMap<Long, Group>();
        files.text("/etc/group").value().orElse("").lines().forEach(line -> {
            String[] fields = line.split(":", -1);
            if (fields.length == 4 && fields[2].matches("\\d{1,10}")) {
                groups.putIfAbsent(
                        Long.valueOf(fields[2]), new Group(fields[0], Arrays.asList(fields[3].split(",", -1))));
            }
        });
        return new Groups(groups);
    }

    String name(long id) {
        return groups.containsKey(id) ? groups.get(id).name() : Long.toString(id);
    }

    boolean hasMember(long id, String user) {
        return groups.containsKey(id) && groups.get(id).members().contains(user);
    }
}
