// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import java.io.IOException;
import java.io.UncheckedIOException;

/** The answer cannot be written, so there is no use in going on. Ends a command; what is open is closed on the way. */
final class OutputFailedException extends UncheckedIOException {
    private static final long serialVersionUID = 1;

    private final boolean readerLeft;

    /** @param readerLeft whether somebody read the answer who does so no more, which is no error */
    OutputFailedException(IOException cause, boolean readerLeft) {
        super("standard output: " + cause.getMessage(), cause);
        this.readerLeft = readerLeft;
    }

    boolean hasReaderLeft() {
        return readerLeft;
    }
}
