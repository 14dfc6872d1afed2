// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import picocli.CommandLine.Command;

/** Passes frames from process to process; does nothing by itself. */
@Command(
        description = "Lends the frames of a camera to other processes, or takes those that another process lends. No"
                + " byte is copied: the memory is shared.",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {
            Status.DONE_HELP,
            Status.FAILED_HELP,
            Status.WRONG_ARGUMENTS_HELP,
            Status.INTERRUPTED_HELP,
            Status.OUTPUT_CLOSED_HELP
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  cenalloc share send /tmp/frames --camera vivid",
            "  cenalloc share receive /tmp/frames --frames 30 --json",
            "  cenalloc share receive /tmp/frames --display vkms"
        },
        subcommands = {ShareSendCommand.class, ShareReceiveCommand.class})
final class ShareCommand {}
