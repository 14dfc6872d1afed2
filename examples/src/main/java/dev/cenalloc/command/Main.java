package dev.cenalloc.command;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.util.OptionalInt;
import picocli.CommandLine;
import picocli.CommandLine.Command;
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
    private Main() {}

    public static void main(String[] args) {
        System.exit(run(writer(System.out, 1), writer(System.err, 2), args));
    }

    /** Lines of a terminal are wrapped; those of a file or a pipe are not, so that a program finds them whole. */
    private static PrintWriter writer(PrintStream stream, int descriptor) {
        var whole = new OutputStreamWriter(stream, UTF_8);
        OptionalInt columns = Terminal.columns(descriptor);
        return new PrintWriter(columns.isPresent() ? new WrappedWriter(whole, columns.getAsInt()) : whole, true);
    }

    /** Status 0: done; 1: something was refused, lost or wrong, told on standard error; 2: the arguments were wrong. */
    static int run(PrintWriter out, PrintWriter err, String... args) {
        return new CommandLine(new Main())
                .setOut(out)
                .setErr(err)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExecutionExceptionHandler((thrown, command, parsed) -> {
                    if (thrown instanceof IOException || thrown instanceof IllegalArgumentException) {
                        command.getErr().println("cenalloc: " + thrown.getMessage());
                        return 1;
                    }
                    throw thrown;
                })
                .setParameterExceptionHandler((wrong, _) -> usage(wrong))
                .execute(args);
    }

    /** What is wrong, and how the command is called; not the whole help, in which that would be lost. */
    private static int usage(ParameterException wrong) {
        CommandLine command = wrong.getCommandLine();
        String name = command.getCommandSpec().qualifiedName();
        PrintWriter err = command.getErr();
        err.println("cenalloc: " + String.valueOf(wrong.getMessage()).replaceFirst("^Error: ", ""));
        err.println("Usage: " + command.getHelp().abbreviatedSynopsis().strip());
        err.println("Try '" + name + " --help'.");
        return command.getCommandSpec().exitCodeOnInvalidInput();
    }
}
