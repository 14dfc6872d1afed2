// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import java.io.PrintWriter;
import java.io.Writer;
import java.util.List;
import picocli.CommandLine.Command;

/**
 * Does what most commands do, on any machine, and prints nothing: what it loads is what the start script keeps for
 * later starts. Touches no camera and no display.
 */
@Command(hidden = true, description = "Makes the classes known that most commands need.")
final class TrainCommand extends Subcommand {
    private static final List<String> COMMANDS = List.of(
            "--help",
            "--version",
            "help pipeline",
            "heaps",
            "heaps --json",
            "plan --board rk3588",
            "plan --board rk3588 camera npu display",
            "plan --board rk3588 camera npu display --json",
            "pipeline --no-such-option");

    @Override
    int run(Answer answer) {
        for (String command : COMMANDS) {
            var nowhere = new PrintWriter(Writer.nullWriter());
            int _ = Main.run(nowhere, nowhere, command.split(" ", -1));
        }
        return Status.DONE;
    }
}
