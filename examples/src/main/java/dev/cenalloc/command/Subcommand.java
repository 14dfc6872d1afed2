package dev.cenalloc.command;

import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * What every command below {@code cenalloc} has: {@code --help}, {@code --json}, exit statuses, and an answer that is
 * whole whatever happens. A subclass has its own {@link Command} with {@code name}, {@code description} and in
 * {@code footer} its examples, implements {@link #run}, and is named in {@link Main}.
 */
@Command(
        mixinStandardHelpOptions = true,
        showDefaultValues = true,
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {
            Status.DONE_HELP,
            Status.FAILED_HELP,
            Status.WRONG_ARGUMENTS_HELP,
            Status.OUTPUT_CLOSED_HELP
        },
        footerHeading = "%nExamples:%n")
abstract class Subcommand implements Callable<Integer> {
    @Option(names = "--json", description = "Answer with one JSON document on standard output.")
    private boolean json;

    @Spec
    private @Nullable CommandSpec spec;

    /**
     * Does the work.
     *
     * @param answer to tell in what was found
     * @return one of {@link Status}
     * @throws ParameterException if arguments are wrong: see {@link #wrong}
     * @throws CommandFailedException if what was asked for is impossible
     * @throws Exception as the library throws it: the message of an {@link java.io.IOException} is for people, any other
     *     exception is a fault of this program
     */
    abstract int run(Answer answer) throws Exception;

    @Override
    public final Integer call() throws Exception {
        var main = (Main) commandLine().getCommandSpec().root().userObject();
        Answer answer = main.answer(json);
        int status;
        try {
            status = run(answer);
        } catch (ParameterException | OutputFailedException e) {
            throw e;
        } catch (Exception e) {
            answer.end(e);
            throw e;
        }
        answer.end();
        return status;
    }

    /** The exception for arguments that are wrong together, or that picocli cannot judge: status 2, in a few lines. */
    final ParameterException wrong(String message) {
        return new ParameterException(commandLine(), message);
    }

    private CommandLine commandLine() {
        return Objects.requireNonNull(spec).commandLine();
    }
}
