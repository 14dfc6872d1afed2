package dev.cenalloc.command;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.PrintWriter;
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
        System.exit(run(new PrintWriter(System.out, true, UTF_8), new PrintWriter(System.err, true, UTF_8), args));
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
