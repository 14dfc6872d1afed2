// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.command.doctor.Doctor;
import dev.cenalloc.command.doctor.Finding;
import dev.cenalloc.command.doctor.Finding.Level;
import dev.cenalloc.command.doctor.Jvm;
import dev.cenalloc.command.doctor.Machine;
import dev.cenalloc.command.proc.Count;
import dev.cenalloc.command.proc.SystemFiles;
import dev.cenalloc.device.DeviceInfo;
import dev.cenalloc.device.Devices;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Command;

/** Says what hinders sharing dma-bufs on this machine, and what to do about it. */
@Command(
        description = {
            "Looks at kernel, heaps, permissions, memory, limits, Java, cameras and displays, and says what hinders"
                    + " sharing dma-bufs, why, and one thing to do about it. Changes nothing.",
            "A finding is ok, a note (some uses are hindered, or it cannot be found out), or a problem."
        },
        exitCodeList = {
            "0:nothing hinders",
            "1:there are problems, or this command failed",
            Status.WRONG_ARGUMENTS_HELP,
            Status.OUTPUT_CLOSED_HELP
        },
        footer = {
            "  cenalloc doctor",
            "  sudo cenalloc doctor",
            "  cenalloc doctor --json | jq -r '.findings[] | select(.level == \"problem\") | .remedy'"
        })
final class DoctorCommand extends Subcommand {
    private static final Table<Finding> FINDINGS = Table.<Finding>empty()
            .data("level", Finding::level)
            .data("area", Finding::area)
            .data("what", Finding::what)
            .data("why", finding -> finding.why().isEmpty() ? null : finding.why())
            .data("remedy", Finding::remedy);

    @Override
    int run(Answer answer) {
        var files = new SystemFiles(Path.of("/"));
        List<DeviceInfo> devices = List.of();
        String failure = "";
        try (var cenalloc = Cenalloc.open()) {
            devices = Devices.list(cenalloc);
        } catch (CenallocException | UnsupportedOperationException | IllegalCallerException | LinkageError e) {
            failure = String.valueOf(e.getMessage());
        }
        Machine machine = Machine.of(files, Jvm.running(files), System.getProperty("user.name", ""), devices, failure);
        return tell(answer, Doctor.examine(machine));
    }

    static int tell(Answer answer, List<Finding> findings) {
        findings.forEach(finding -> lines(finding).forEach(line -> answer.say(Table.printable(line))));
        long problems = count(findings, Level.PROBLEM);
        long notes = count(findings, Level.NOTE);
        answer.say("");
        answer.say((problems == 0 ? "Nothing hinders, " : Count.of(problems, "problem") + ", ")
                + Count.of(notes, "note") + ".");
        answer.put("problems", problems);
        answer.put("notes", notes);
        answer.put("findings", FINDINGS.objects(findings));
        return problems == 0 ? Status.DONE : Status.FAILED;
    }

    private static long count(List<Finding> findings, Level level) {
        return findings.stream().filter(finding -> finding.level() == level).count();
    }

    private static List<String> lines(Finding finding) {
        String indent = " ".repeat(9);
        var lines = new ArrayList<String>();
        lines.add(String.format(Locale.ROOT, "%-9s%s: %s", finding.level(), finding.area(), finding.what()));
        if (!finding.why().isEmpty()) {
            lines.add(indent + finding.why());
        }
        finding.remedy().ifPresent(remedy -> lines.add(indent + "To do: " + remedy));
        return lines;
    }
}
