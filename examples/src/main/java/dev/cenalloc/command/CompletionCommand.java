// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import picocli.AutoComplete;
import picocli.CommandLine.Command;

/** Prints what a shell needs to complete commands, options and their values. */
@Command(
        description = "Prints a script with which bash or zsh completes commands, options and values.",
        footer = {
            "  source <(cenalloc completion)",
            "  cenalloc completion > ~/.local/share/bash-completion/completions/cenalloc"
        })
final class CompletionCommand extends Subcommand {
    @Override
    int run(Answer answer) {
        String script = AutoComplete.bash("cenalloc", root());
        answer.say(script);
        answer.put("script", script);
        return Status.DONE;
    }
}
