// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.command.proc.Census;
import dev.cenalloc.command.proc.Count;
import dev.cenalloc.command.proc.Processes;
import dev.cenalloc.command.proc.SystemFiles;
import java.util.ArrayList;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Whose buffers are asked for: {@code --pid}, or all. */
final class OfProcess {
    @Option(
            names = "--pid",
            paramLabel = "<pid>",
            description = "Only the buffers of this process; by default, all that this user may see.")
    private @Nullable Long pid;

    OfProcess() {}

    OfProcess(long pid) {
        this.pid = pid;
    }

    /**
     * Takes a census of these buffers.
     *
     * @throws CommandFailedException if the process is not there, or if this one may not look into it
     */
    Census take(SystemFiles files) throws CommandFailedException {
        if (pid == null) {
            return Census.take(files);
        }
        var processes = new Processes(files);
        if (!processes.exists(pid)) {
            throw absent(processes);
        }
        OptionalLong whole = processes.processOf(pid);
        if (whole.isPresent() && whole.getAsLong() != pid) {
            throw new CommandFailedException(
                    pid + " is a thread of process " + whole.getAsLong(), "--pid " + whole.getAsLong());
        }
        Census census = Census.take(files);
        if (census.refused().contains(pid)) {
            throw refused(processes);
        }
        if (!census.processes().contains(pid) && !processes.exists(pid)) {
            throw absent(processes);
        }
        return census.of(pid);
    }

    private CommandFailedException absent(Processes processes) {
        Optional<String> hiding = processes.hiding();
        return hiding.isPresent() && !processes.self().isRoot()
                ? new CommandFailedException(
                        "there is no process " + pid + ", or it is another user's and /proc hides it (hidepid="
                                + hiding.get() + ")",
                        "run this command as root")
                : new CommandFailedException("there is no process " + pid, "list the processes with ps -e");
    }

    private CommandFailedException refused(Processes processes) {
        long self = processes.self().user();
        OptionalLong user = processes.user(pid == null ? 0 : pid);
        String name = pid + " (" + Table.printable(processes.name(pid == null ? 0 : pid)) + ")";
        if (self == 0) {
            return new CommandFailedException(
                    "process " + name + " may not be looked into, even by root",
                    "give this process the capability CAP_SYS_PTRACE, which containers leave out");
        }
        return new CommandFailedException(
                "process " + name
                        + (user.orElse(self) == self
                                ? " may not be looked into: it has privileges, or protects itself"
                                : " is user " + user.getAsLong() + "'s, and user " + self + " may not look into it"),
                "run this command as root");
    }

    /** Why there may be more buffers than a census has; empty if there are no others. */
    static Optional<String> missing(Census census, boolean isRoot) {
        var reasons = new ArrayList<String>();
        if (!census.refused().isEmpty()) {
            reasons.add(census.refused().size() + " of the processes may not be looked into");
        }
        if (census.hiding().isPresent() && !isRoot) {
            reasons.add("/proc hides processes of others (hidepid="
                    + census.hiding().get() + ")");
        }
        if (census.kernel() == Census.KernelList.NONE) {
            reasons.add("there is no list of buffers that no process holds, in debugfs or /sys/kernel/dmabuf");
        }
        if (census.untold() > 0) {
            reasons.add(
                    "Linux before 5.3 tells nothing of " + Count.of(census.untold(), "descriptor") + " of dma-bufs");
        }
        if (reasons.isEmpty()) {
            return Optional.empty();
        }
        String remedy = !isRoot
                ? ". To do: run this command as root"
                : census.kernel() == Census.KernelList.NONE ? ". To do: mount -t debugfs none /sys/kernel/debug" : "";
        return Optional.of("there may be more buffers: " + String.join("; ", reasons) + remedy);
    }
}
