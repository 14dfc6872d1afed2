// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

/** The exit statuses of the command, and what its help says of them. */
final class Status {
    static final int DONE = 0;
    /** Something that was asked for failed. Standard error tells what. */
    static final int FAILED = 1;
    /** The arguments are wrong. Nothing was done. */
    static final int WRONG_ARGUMENTS = 2;
    /** Ctrl-C: the virtual machine's own status for SIGINT. What was found until then is told. */
    static final int INTERRUPTED = 128 + 2;
    /** Nobody reads the answer any more: the status of a program that SIGPIPE ended. Says nothing. */
    static final int OUTPUT_CLOSED = 128 + 13;

    /** For picocli: each with a colon behind the status. */
    static final String DONE_HELP = DONE + ":done";

    static final String FAILED_HELP = FAILED + ":something that was asked for failed; standard error tells what";
    static final String WRONG_ARGUMENTS_HELP = WRONG_ARGUMENTS + ":the arguments are wrong; nothing was done";
    static final String INTERRUPTED_HELP = INTERRUPTED + ":interrupted by Ctrl-C; what was found until then is told";
    static final String OUTPUT_CLOSED_HELP = OUTPUT_CLOSED + ":the reader of the output went away";

    private Status() {}
}
