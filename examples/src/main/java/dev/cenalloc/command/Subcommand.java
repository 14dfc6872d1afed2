// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.json.Profile;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * What every command below {@code cenalloc} has: {@code --help}, {@code --json}, exit statuses, and an answer that is
 * whole whatever happens. A subclass has its own {@link Command} with {@code description} and in {@code footer}
 * its examples, implements {@link #run}, and has its name in {@link Main}.
 */
@Command(
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        showDefaultValues = true,
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {
            Status.DONE_HELP,
            Status.FAILED_HELP,
            Status.WRONG_ARGUMENTS_HELP,
            Status.INTERRUPTED_HELP,
            Status.OUTPUT_CLOSED_HELP
        },
        footerHeading = "%nExamples:%n")
abstract class Subcommand implements Callable<Integer> {
    /** How long an interrupted command may take to end: a frame, the checks, and the display's return. */
    private static final int END_SECONDS = 10;

    @Option(
            names = "--json",
            description = "Answer with one JSON document on standard output; what failed is in it, too.")
    private boolean json;

    @Spec
    private @Nullable CommandSpec spec;

    private final CountDownLatch ended = new CountDownLatch(1);
    private @Nullable Thread interruption;

    /**
     * Does the work.
     *
     * @param answer to tell in what was found
     * @return one of {@link Status}
     * @throws ParameterException if arguments are wrong: see {@link #wrong}
     * @throws CommandFailedException if what was asked for is impossible
     * @throws Exception as the library throws it: the message of an {@link java.io.IOException} is for people, any
     *     other exception is a fault of this program
     */
    abstract int run(Answer answer) throws Exception;

    @Override
    public final Integer call() throws Exception {
        var main = (Main) root().getCommandSpec().userObject();
        Answer answer = main.answer(json);
        try {
            int status = run(answer);
            answer.end();
            return status;
        } catch (ParameterException | OutputFailedException e) {
            throw e;
        } catch (Exception e) {
            answer.end(e);
            throw e;
        } finally {
            end();
        }
    }

    /**
     * Has Ctrl-C end {@link #run} in order, so that what was found is told: the process waits for the end of the
     * answer, but not longer than some seconds. Its status is {@link Status#INTERRUPTED}. The same holds for a terminal
     * that goes away and for a request to terminate, with their statuses.
     *
     * @param stop makes {@link #run} return; called by another thread
     */
    final void onInterrupt(Runnable stop) {
        var hook = new Thread(() -> {
            stop.run();
            try {
                boolean _ = ended.await(END_SECONDS, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        try {
            Runtime.getRuntime().addShutdownHook(hook);
            interruption = hook;
        } catch (IllegalStateException e) {
            stop.run(); // interrupted already
        }
    }

    private void end() {
        ended.countDown();
        if (interruption != null) {
            try {
                Runtime.getRuntime().removeShutdownHook(interruption);
            } catch (IllegalStateException e) {
                // The hook is what ends us.
            }
        }
    }

    /** The exception for arguments that are wrong together, or that picocli cannot judge: status 2, in a few lines. */
    final ParameterException wrong(String message) {
        return new ParameterException(commandLine(), message);
    }

    /** Refuses the argument of an option to write a file, before any work is done. */
    final void checkWritable(String option, @Nullable Path file) {
        if (file == null) {
            return;
        }
        Path directory = file.toAbsolutePath().getParent();
        if (Files.isDirectory(file)) {
            throw wrong(option + ": " + file + " is a directory");
        }
        if (directory == null || !Files.isDirectory(directory)) {
            throw wrong(option + ": there is no directory " + directory);
        }
        if (!Files.isWritable(Files.exists(file) ? file : directory)) {
            throw wrong(option + ": no permission to write " + file);
        }
    }

    /** Reads the profile that an option names. */
    final Profile readProfile(String option, Path file) throws IOException {
        if (!Files.exists(file)) {
            throw wrong(option + ": there is no file " + file);
        }
        if (Files.isDirectory(file)) {
            throw wrong(option + ": " + file + " is a directory");
        }
        if (!Files.isReadable(file)) {
            throw wrong(option + ": no permission to read " + file);
        }
        try {
            return Profile.read(file.toString(), Files.readString(file));
        } catch (CharacterCodingException e) {
            throw new IOException(option + ": " + file + " is not text in UTF-8", e);
        }
    }

    /** The command above all. */
    final CommandLine root() {
        return commandLine().getCommandSpec().root().commandLine();
    }

    private CommandLine commandLine() {
        return Objects.requireNonNull(spec).commandLine();
    }
}
