// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.command.doctor.Finding.Area;
import dev.cenalloc.command.proc.Census;
import dev.cenalloc.command.proc.Count;
import java.util.List;
import java.util.Optional;

/** Whether this process may see what others hold. Stateless. */
final class ProcessCheck {
    private ProcessCheck() {}

    static List<Finding> of(Machine machine) {
        Census census = machine.census();
        Optional<String> hiding = census.hiding().filter(_ -> !machine.self().isRoot());
        if (census.refused().isEmpty() && hiding.isEmpty()) {
            return List.of(Finding.ok(
                    Area.PROCESSES,
                    Count.of(census.processes().size(), "process", "processes") + " may be looked into: "
                            + Count.of(census.buffers().size(), "dma-buf")));
        }
        return List.of(Finding.note(
                Area.PROCESSES,
                hiding.map(value -> "/proc hides the processes of other users (hidepid=" + value + ")")
                        .orElse(Count.of(census.refused().size(), "process", "processes") + " may not be looked into"),
                "they may hold cameras, displays and buffers",
                machine.self().isRoot()
                        ? "give this process the capability CAP_SYS_PTRACE"
                        : "run this command as root to see them"));
    }
}
