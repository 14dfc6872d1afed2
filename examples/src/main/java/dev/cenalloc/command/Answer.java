// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.CenallocException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * What a command answers: text for people, line by line as it comes, or with {@code --json} one document for programs,
 * when all is known. Methods that end with "people only" do nothing for programs, and the other way round.
 *
 * <p>The document is an object with {@code version}, what the command put into it, if there are any {@code notes} and
 * {@code warnings} in words, {@code errors} with what failed while the rest went on, and {@code error} if the command
 * had to end early. An error has {@code message}, and if they are known {@code errno} and its {@code name}, {@code
 * call}, {@code path} and {@code remedy}.
 */
final class Answer {
    private static final int VERSION = 1;

    private final Output out;
    private final Output err;
    private final boolean json;

    private final Map<String, Object> document = new LinkedHashMap<>();
    private final List<String> notes = new ArrayList<>();
    private final List<String> warnings = new ArrayList<>();
    private final List<Map<String, ?>> errors = new ArrayList<>();

    Answer(Output out, Output err, boolean json) {
        this.out = out;
        this.err = err;
        this.json = json;
    }

    /** Whether a program reads this answer. */
    boolean isJson() {
        return json;
    }

    /** The columns of the terminal; empty for a file or a pipe. */
    OptionalInt columns() {
        return out.columns();
    }

    /** Tells a line, or several. People only. */
    void say(String text) {
        if (!json) {
            out.lines().println(text);
        }
    }

    /**
     * Puts a value into the document, if it is not null. Programs only.
     *
     * @param value as {@link Json} writes it
     */
    void put(String key, @Nullable Object value) {
        if (json && value != null) {
            document.put(key, value);
        }
    }

    /** Tells a fact in words, to people and to programs. */
    void note(String text) {
        say(text);
        notes.add(text);
    }

    /** Tells rows: a table, or an array of this name. No rows make no table; say so before. */
    <T> void table(String key, Table<T> table, Collection<? extends T> rows) {
        put(key, table.objects(rows));
        if (!rows.isEmpty()) {
            table.lines(rows, out.columns()).forEach(this::say);
        }
    }

    /** Tells on standard error what may go wrong. */
    void warn(String text) {
        err.lines().println("cenalloc: warning: " + text);
        warnings.add(text);
    }

    /**
     * Tells on standard error what failed while the command goes on with the rest. The status is the command's to
     * return.
     *
     * @param subject of what it failed, such as a node
     */
    void refused(String subject, Exception e) {
        err.lines().println("cenalloc: " + subject + ": " + message(e));
        var error = new LinkedHashMap<String, @Nullable Object>();
        error.put("subject", subject);
        error.putAll(describe(e));
        errors.add(error);
    }

    /** Tells what is being done, if it takes more than a second. Only on a terminal, so that no log is full of it. */
    void progress(String text) {
        if (err.columns().isPresent()) {
            err.lines().println(text + " ...");
        }
    }

    /**
     * Ends a part of an answer that has many, such as one that is renewed every second: a program gets a document for
     * each, in a line of its own.
     */
    void endPart() {
        out.lines().flush();
        if (json) {
            var whole = new LinkedHashMap<String, Object>();
            whole.put("version", VERSION);
            whole.putAll(document);
            putAndClear(whole, "notes", notes);
            putAndClear(whole, "warnings", warnings);
            putAndClear(whole, "errors", errors);
            out.write(Json.object(whole));
            document.clear();
        }
    }

    private static void putAndClear(Map<String, Object> whole, String key, List<?> all) {
        if (!all.isEmpty()) {
            whole.put(key, List.copyOf(all));
            all.clear();
        }
    }

    /** Ends the answer. */
    void end() {
        endPart();
    }

    /** Ends the answer with what ended the command. It is told on standard error by the caller. */
    void end(Exception e) {
        put("error", describe(e));
        endPart();
    }

    /** An error for people. Those of {@code java.nio} often have a path and nothing else. */
    static String message(Exception e) {
        return switch (e) {
            case NoSuchFileException file -> "there is no file " + file.getFile();
            case AccessDeniedException file -> "no permission for " + file.getFile();
            case FileAlreadyExistsException file -> "there is a file " + file.getFile() + " already";
            default -> e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        };
    }

    /** An error for programs. */
    static Map<String, @Nullable Object> describe(Exception e) {
        var error = new LinkedHashMap<String, @Nullable Object>();
        switch (e) {
            case CenallocException refusal -> {
                error.put("message", refusal.reason());
                error.put("errno", refusal.errno());
                error.put("name", refusal.errnoName());
                error.put("call", refusal.call());
                error.put("path", refusal.path());
                error.put("remedy", refusal.remedy().isEmpty() ? null : refusal.remedy());
            }
            case CommandFailedException failure -> {
                error.put("message", failure.reason());
                error.put("remedy", failure.remedy().isEmpty() ? null : failure.remedy());
            }
            case FileSystemException file -> {
                error.put("message", message(file));
                error.put("path", file.getFile());
            }
            default -> error.put("message", message(e));
        }
        return error;
    }
}
