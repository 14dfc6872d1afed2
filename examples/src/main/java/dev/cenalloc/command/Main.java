package dev.cenalloc.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.OptionalInt;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.ParameterException;

/** The {@code cenalloc} command. */
@Command(
        name = "cenalloc",
        description = "dma-bufs from the kernel's heaps, for devices that share them.",
        mixinStandardHelpOptions = true,
        version = "cenalloc 0.1.0-SNAPSHOT",
        subcommands = {
            PipelineCommand.class,
            ProbeCommand.class,
            PlanCommand.class,
            HeapsCommand.class,
            HelpCommand.class
        })
final class Main {
    /** Of picocli, which makes no narrower help. On a narrower terminal, its lines are wrapped once more. */
    private static final int NARROWEST_HELP = 55;

    private final Output out;
    private final Output err;

    private Main(Output out, Output err) {
        this.out = out;
        this.err = err;
    }

    public static void main(String[] args) {
        System.exit(run(Output.standard(), Output.errors(), args));
    }

    /** As {@link #run(Output, Output, String...)}, with lines of any length. */
    static int run(PrintWriter out, PrintWriter err, String... args) {
        return run(new Output(out, OptionalInt.empty()), new Output(err, OptionalInt.empty()), args);
    }

    /** Returns one of {@link Status}. */
    static int run(Output out, Output err, String... args) {
        var command = new CommandLine(new Main(out, err))
                .setOut(out.lines())
                .setErr(err.lines())
                // Escape sequences would count as columns.
                .setColorScheme(Help.defaultColorScheme(Help.Ansi.OFF))
                .setUsageHelpWidth(Math.max(NARROWEST_HELP, out.columns().orElse(Terminal.USUAL)))
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExecutionExceptionHandler((thrown, _, _) -> failed(thrown, err))
                .setParameterExceptionHandler((wrong, _) -> usage(wrong));
        try {
            int status = command.execute(args);
            out.lines().flush();
            return status;
        } catch (OutputFailedException e) {
            return failed(e, err);
        }
    }

    Answer answer(boolean json) {
        return new Answer(out, err, json);
    }

    private static int failed(OutputFailedException e, Output err) {
        if (e.hasReaderLeft()) {
            return Status.OUTPUT_CLOSED;
        }
        err.lines().println("cenalloc: " + e.getMessage());
        return Status.FAILED;
    }

    private static int failed(Exception thrown, Output err) throws Exception {
        return switch (thrown) {
            case OutputFailedException e -> failed(e, err);
            case IOException _, IllegalArgumentException _, CommandFailedException _ -> {
                err.lines().println("cenalloc: " + Answer.message(thrown));
                yield Status.FAILED;
            }
            default -> throw thrown;
        };
    }

    /** What is wrong, and how the command is called; not the whole help, in which that would be lost. */
    private static int usage(ParameterException wrong) {
        CommandLine command = wrong.getCommandLine();
        String name = command.getCommandSpec().qualifiedName();
        PrintWriter err = command.getErr();
        err.println("cenalloc: " + String.valueOf(wrong.getMessage()).replaceFirst("^Error: ", ""));
        err.println("Usage: " + command.getHelp().abbreviatedSynopsis().strip());
        err.println("Try '" + name + " --help'.");
        return Status.WRONG_ARGUMENTS;
    }
}
