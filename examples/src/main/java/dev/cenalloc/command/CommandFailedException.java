// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

/** What a command was asked for and cannot do, where no exception of the library says so. */
final class CommandFailedException extends Exception {
    private static final long serialVersionUID = 1;

    private final String reason;
    private final String remedy;

    /**
     * @param reason what is wrong
     * @param remedy one thing that can be done; empty if nothing is known
     */
    CommandFailedException(String reason, String remedy) {
        super(remedy.isEmpty() ? reason : reason + ". To do: " + remedy);
        this.reason = reason;
        this.remedy = remedy;
    }

    /** The message without the remedy. */
    String reason() {
        return reason;
    }

    String remedy() {
        return remedy;
    }
}
