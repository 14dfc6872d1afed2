// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.Writer;
import java.util.OptionalInt;

/**
 * Standard output or standard error of the command. Lines of a terminal are wrapped; those of a file or a pipe are not,
 * so that a program finds them whole. Closes nothing: the process keeps both streams until its end.
 */
final class Output {
    private final Writer whole;
    private final PrintWriter lines;
    private final OptionalInt columns;

    /**
     * @param writer to write to
     * @param columns of the terminal that it leads to; empty if it is a file or a pipe
     */
    Output(Writer writer, OptionalInt columns) {
        this.whole = writer;
        this.columns = columns;
        this.lines =
                new PrintWriter(columns.isPresent() ? new WrappedWriter(writer, columns.getAsInt()) : writer, true);
    }

    /** Standard output. An answer that cannot be written ends the command with {@link OutputFailedException}. */
    static Output standard() {
        return new Output(new Answers(writer(FileDescriptor.out)), Terminal.columns(Terminal.OUT));
    }

    /** Standard error. If it is closed, the status tells all the same. */
    static Output errors() {
        return new Output(writer(FileDescriptor.err), Terminal.columns(Terminal.ERR));
    }

    private static Writer writer(FileDescriptor descriptor) {
        return new OutputStreamWriter(new FileOutputStream(descriptor), UTF_8);
    }

    /** For text, flushed with each line. */
    PrintWriter lines() {
        return lines;
    }

    /** The columns of the terminal; empty for a file or a pipe. */
    OptionalInt columns() {
        return columns;
    }

    /** Writes a document of one line, as it is, however wide the terminal is. */
    void write(String document) {
        lines.flush();
        try {
            whole.write(document + "\n");
            whole.flush();
        } catch (IOException e) {
            throw new OutputFailedException(e, false);
        }
    }

    /** A {@link PrintWriter} keeps an error for itself, and lets this exception through. */
    private static final class Answers extends Writer {
        private final Writer below;

        Answers(Writer below) {
            this.below = below;
        }

        @Override
        public void write(char[] text, int from, int length) {
            try {
                below.write(text, from, length);
            } catch (IOException e) {
                throw failed(e);
            }
        }

        @Override
        public void flush() {
            try {
                below.flush();
            } catch (IOException e) {
                throw failed(e);
            }
        }

        @Override
        public void close() {
            flush();
        }

        /** A pipe without a reader and a terminal that is gone are no errors; a full disk is one. */
        private static OutputFailedException failed(IOException e) {
            return new OutputFailedException(e, !Terminal.isFile(Terminal.OUT));
        }
    }
}
