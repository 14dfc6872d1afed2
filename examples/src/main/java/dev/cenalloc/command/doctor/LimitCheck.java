// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.command.doctor.Finding.Area;
import dev.cenalloc.command.proc.Count;
import dev.cenalloc.command.proc.SystemFiles;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** How many descriptors and mappings a process may have: each buffer takes one, each mapping takes one. Stateless. */
final class LimitCheck {
    private static final String LIMITS = "/proc/self/limits";
    private static final String OPEN_FILES = "Max open files";
    private static final String MAPPINGS = "/proc/sys/vm/max_map_count";
    private static final long FEW_FILES = 1024;
    /** DEFAULT_MAX_MAP_COUNT of the kernel. */
    private static final long USUAL_MAPPINGS = 65530;

    private LimitCheck() {}

    static List<Finding> of(Machine machine) {
        var findings = new ArrayList<Finding>();
        descriptors(machine.files()).ifPresent(findings::add);
        OptionalLong most = machine.files().number(MAPPINGS);
        if (most.isPresent()) {
            findings.add(
                    most.getAsLong() >= USUAL_MAPPINGS
                            ? Finding.ok(Area.LIMITS, Count.of(most.getAsLong(), "mapping") + " a process")
                            : Finding.note(
                                    Area.LIMITS,
                                    "only " + Count.of(most.getAsLong(), "mapping") + " a process (vm.max_map_count)",
                                    "each mapped buffer takes one, and Java some hundred",
                                    "as root: sysctl vm.max_map_count=" + USUAL_MAPPINGS));
        }
        return findings;
    }

    private static Optional<Finding> descriptors(SystemFiles files) {
        Optional<String> soft = files.text(LIMITS)
                .value()
                .flatMap(text -> text.lines()
                        .filter(line -> line.startsWith(OPEN_FILES))
                        .map(line -> line.substring(OPEN_FILES.length()).strip().split("\\s+", -1)[0])
                        .findFirst());
        if (soft.filter(limit -> limit.equals("unlimited")).isPresent()) {
            return Optional.of(Finding.ok(Area.LIMITS, "any number of open files"));
        }
        OptionalLong most = SystemFiles.number(soft);
        if (most.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(
                most.getAsLong() >= FEW_FILES
                        ? Finding.ok(Area.LIMITS, Count.of(most.getAsLong(), "open file") + " a process")
                        : Finding.note(
                                Area.LIMITS,
                                "only " + Count.of(most.getAsLong(), "open file") + " a process (RLIMIT_NOFILE)",
                                "each buffer and each fence takes one",
                                "ulimit -n " + FEW_FILES + " before the program starts"));
    }
}
