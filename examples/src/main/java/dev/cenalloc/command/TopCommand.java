// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.command.proc.Census;
import dev.cenalloc.command.proc.Processes;
import dev.cenalloc.command.proc.SystemFiles;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Shows dma-bufs and how they change, again and again. */
@Command(
        description = {
            "Shows the dma-bufs of a process, or all that this user may see, by what holds them, the largest first, and"
                    + " how they change a second. Ends at Ctrl-C.",
            "With --json, each refresh is a document in a line of its own."
        },
        exitCodeList = {
            Status.DONE_HELP,
            Status.FAILED_HELP,
            Status.WRONG_ARGUMENTS_HELP,
            Status.INTERRUPTED_HELP,
            Status.OUTPUT_CLOSED_HELP
        },
        footer = {
            "  cenalloc top",
            "  cenalloc top --pid $(pidof java) --interval 0.5",
            "  cenalloc top --iterations 10 --json | jq .total"
        })
final class TopCommand extends Subcommand {
    /** Moves the cursor to the upper left, and clears what is below. */
    private static final String CLEAR = "\033[H\033[J";

    private static final double SHORTEST = 0.1;
    private static final double LONGEST = 86_400;

    private static final Table<BufferGroup> PEOPLE = Table.<BufferGroup>empty()
            .bytes("bytes", "SIZE", BufferGroup::bytes)
            .number("buffers", "BUFFERS", BufferGroup::buffers)
            .number("made", "NEW/S", BufferGroup::made)
            .number("gone", "GONE/S", BufferGroup::gone)
            .number("growth", "GROWTH/S", BufferGroup::growthInWords)
            .text("exporter", "EXPORTER", BufferGroup::exporter)
            .text("holders", "HELD BY", group -> group.holders().isEmpty() ? "no process seen" : group.holders());

    private static final Table<BufferGroup> PROGRAMS = Table.<BufferGroup>empty()
            .data("bytes", BufferGroup::bytes)
            .data("buffers", BufferGroup::buffers)
            .data("newPerSecond", BufferGroup::made)
            .data("gonePerSecond", BufferGroup::gone)
            .data("bytesPerSecond", BufferGroup::growth)
            .data("exporter", BufferGroup::exporter)
            .data("holders", BufferGroup::holders);

    @Mixin
    private OfProcess which = new OfProcess();

    @Option(names = "--interval", paramLabel = "<seconds>", description = "Time from one refresh to the next.")
    private double interval = 1;

    @Option(names = "--iterations", paramLabel = "<n>", description = "End after so many refreshes; by default, never.")
    private @Nullable Integer iterations;

    @Override
    int run(Answer answer) throws Exception {
        if (!(interval >= SHORTEST && interval <= LONGEST)) {
            throw wrong("--interval: from " + SHORTEST + " to 86400 seconds");
        }
        if (iterations != null && iterations < 1) {
            throw wrong("--iterations: at least 1");
        }
        var files = new SystemFiles(Path.of("/"));
        boolean isRoot = new Processes(files).self().isRoot();
        OptionalInt rows = answer.columns().isPresent() ? Terminal.rows(Terminal.OUT) : OptionalInt.empty();
        Census before = null;
        long time = 0;
        for (int i = 0; iterations == null || i < iterations; i++) {
            if (i > 0) {
                answer.endPart();
                Thread.sleep(Duration.ofNanos((long) (interval * 1e9)));
            }
            Census now;
            try {
                now = which.take(files);
            } catch (CommandFailedException e) {
                if (before == null) {
                    throw e;
                }
                // It was there; that a process ends is no failure.
                answer.say(String.valueOf(e.getMessage()));
                return Status.DONE;
            }
            long moment = System.nanoTime();
            tell(answer, rows, before, now, before == null ? 0 : (moment - time) / 1e9, isRoot);
            before = now;
            time = moment;
        }
        return Status.DONE;
    }

    /** @param rows of the terminal; empty if there is none, or if it does not matter */
    static void tell(
            Answer answer, OptionalInt rows, @Nullable Census before, Census now, double seconds, boolean isRoot) {
        List<BufferGroup> groups = BufferGroup.of(before, now, seconds);
        if (before != null) {
            answer.put("seconds", seconds);
        }
        answer.put("total", Map.of("buffers", now.buffers().size(), "bytes", now.bytes()));
        answer.put("groups", PROGRAMS.objects(groups));
        Optional<String> missing = OfProcess.missing(now, isRoot);
        if (answer.isJson()) {
            return;
        }
        List<String> lines = groups.isEmpty() ? List.of() : PEOPLE.lines(groups, answer.columns());
        if (answer.columns().isEmpty()) {
            if (before == null) {
                missing.ifPresent(answer::warn);
            }
            answer.say(BuffersCommand.total(now));
            lines.forEach(answer::say);
            answer.say("");
            return;
        }
        int columns = answer.columns().getAsInt();
        String total = BuffersCommand.total(now);
        String hint = missing.isEmpty() ? "" : "There may be more: see cenalloc buffers.";
        // One for what is left out, one for the cursor.
        int room = rows.orElse(Integer.MAX_VALUE) - 2 - linesOf(total, columns) - linesOf(hint, columns);
        answer.say(CLEAR + total);
        lines.stream().limit(Math.max(1, room)).forEach(answer::say);
        if (lines.size() > Math.max(1, room)) {
            answer.say("... and more");
        }
        answer.say(hint);
    }

    /** How many it may take of a terminal, at most: words are not broken. */
    private static int linesOf(String text, int columns) {
        return 1 + 2 * text.length() / columns;
    }
}
