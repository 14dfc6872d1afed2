// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.command.proc.Buffer;
import dev.cenalloc.command.proc.Buffer.Holder;
import dev.cenalloc.command.proc.Census;
import dev.cenalloc.command.proc.Count;
import dev.cenalloc.command.proc.Processes;
import dev.cenalloc.command.proc.SystemFiles;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Lists dma-bufs with what holds them. */
@Command(
        description = {
            "Lists every dma-buf of a process, or all that this user may see: size, name, exporter, attached devices,"
                    + " and the processes that hold it by descriptors and mappings.",
            "Devices, and buffers that no process holds, are seen by root, if debugfs is mounted."
        },
        footer = {
            "  cenalloc buffers",
            "  cenalloc buffers --pid $(pidof java)",
            "  sudo cenalloc buffers --json | jq '.total.bytes'"
        })
final class BuffersCommand extends Subcommand {
    private static final Table<Buffer> PEOPLE = Table.<Buffer>empty()
            .number("size", "SIZE", BuffersCommand::size)
            .number("inode", "INODE", Buffer::inode)
            .text("exporter", "EXPORTER", Buffer::exporter)
            .text("name", "NAME", Buffer::name)
            .text("devices", "DEVICES", BuffersCommand::devices)
            .text("holders", "HELD BY", BuffersCommand::heldBy);

    private static final Table<Buffer> PROGRAMS = Table.<Buffer>empty()
            .data("size", Buffer::size)
            .data("isSizeExact", Buffer::isSizeExact)
            .data("inode", Buffer::inode)
            .data("exporter", Buffer::exporter)
            .data("name", Buffer::name)
            .data("references", Buffer::references)
            .data("devices", Buffer::devices)
            .data(
                    "holders",
                    buffer -> buffer.holders().stream()
                            .map(BuffersCommand::holder)
                            .toList());

    @Mixin
    private OfProcess which = new OfProcess();

    @Override
    int run(Answer answer) throws Exception {
        var files = new SystemFiles(Path.of("/"));
        tell(answer, which.take(files), new Processes(files).self().isRoot());
        return Status.DONE;
    }

    static void tell(Answer answer, Census census, boolean isRoot) {
        if (answer.isJson()) {
            answer.put("buffers", PROGRAMS.objects(census.buffers()));
        } else {
            answer.table("buffers", PEOPLE, census.buffers());
        }
        answer.say(total(census));
        answer.put("total", Map.of("buffers", census.buffers().size(), "bytes", census.bytes()));
        answer.put(
                "processes",
                Map.of(
                        "seen",
                        census.processes().size(),
                        "refused",
                        census.refused().size()));
        OfProcess.missing(census, isRoot).ifPresent(answer::warn);
    }

    static String total(Census census) {
        long unheld = census.buffers().stream()
                .filter(buffer -> buffer.holders().isEmpty())
                .count();
        int buffers = census.buffers().size();
        return (buffers == 0
                        ? "no dma-bufs"
                        : Count.of(buffers, "buffer") + " of " + Table.bytes(census.bytes())
                                + (buffers == 1 ? "" : ", each counted once"))
                + (unheld == 0 ? "" : "; " + unheld + " of them held by no process that may be seen");
    }

    private static String size(Buffer buffer) {
        if (buffer.size().isEmpty()) {
            return "unknown";
        }
        // Of a buffer that is only mapped, the end may be missing.
        return (buffer.isSizeExact() ? "" : ">= ") + Table.bytes(buffer.size().getAsLong());
    }

    private static Optional<String> devices(Buffer buffer) {
        return buffer.devices().map(devices -> devices.isEmpty() ? "none" : String.join(", ", devices));
    }

    private static String heldBy(Buffer buffer) {
        return buffer.holders().isEmpty()
                ? "no process seen"
                : buffer.holders().stream().map(BuffersCommand::words).collect(Collectors.joining("; "));
    }

    private static String words(Holder holder) {
        List<Integer> descriptors = holder.descriptors();
        return holder.process() + " (" + holder.pid() + ")"
                + (descriptors.isEmpty()
                        ? ""
                        : " fd " + descriptors.stream().map(String::valueOf).collect(Collectors.joining(" ")))
                + (holder.mappings() == 0 ? "" : " map " + holder.mappings());
    }

    private static Map<String, Object> holder(Holder holder) {
        return Map.of(
                "pid",
                holder.pid(),
                "process",
                holder.process(),
                "descriptors",
                holder.descriptors(),
                "mappings",
                holder.mappings(),
                "mappedBytes",
                holder.mappedBytes());
    }
}
