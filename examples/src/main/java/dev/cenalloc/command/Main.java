// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.RunLast;

/** The {@code cenalloc} command. */
@Command(
        name = "cenalloc",
        description = "dma-bufs from the kernel's heaps, for devices that share them.",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        exitCodeListHeading = "%nExit status of every command:%n",
        exitCodeList = {
            Status.DONE_HELP,
            Status.FAILED_HELP,
            Status.WRONG_ARGUMENTS_HELP,
            Status.INTERRUPTED_HELP,
            Status.OUTPUT_CLOSED_HELP
        },
        footerHeading = "%nExamples:%n",
        footer = {"  cenalloc heaps", "  cenalloc help pipeline", "  cenalloc pipeline --frames 120"})
final class Main {
    /** Of picocli, which makes no narrower help. On a narrower terminal, its lines are wrapped once more. */
    private static final int NARROWEST_HELP = 55;

    /** By their names, in the order of the help. */
    private static final Map<String, Class<?>> COMMANDS = commands();

    /** Those that tell about all others. */
    private static final Set<String> ABOUT_ALL = Set.of("completion", "help");

    private static final String LOG_CONFIGURATION = "log4j2.configurationFile";

    private final Output out;
    private final Output err;

    private Main(Output out, Output err) {
        this.out = out;
        this.err = err;
    }

    private static Map<String, Class<?>> commands() {
        var commands = new LinkedHashMap<String, Class<?>>();
        commands.put("pipeline", PipelineCommand.class);
        commands.put("probe", ProbeCommand.class);
        commands.put("plan", PlanCommand.class);
        commands.put("heaps", HeapsCommand.class);
        commands.put("devices", DevicesCommand.class);
        commands.put("doctor", DoctorCommand.class);
        commands.put("buffers", BuffersCommand.class);
        commands.put("top", TopCommand.class);
        commands.put("share", ShareCommand.class);
        commands.put("bench", BenchCommand.class);
        commands.put("completion", CompletionCommand.class);
        commands.put("train", TrainCommand.class);
        commands.put("help", HelpCommand.class);
        return commands;
    }

    public static void main(String[] args) {
        // Without it, log4j prints on standard output, in the midst of an answer.
        if (System.getProperty(LOG_CONFIGURATION) == null) {
            System.setProperty(LOG_CONFIGURATION, "classpath:dev/cenalloc/command/log4j2.properties");
        }
        System.exit(run(Output.standard(), Output.errors(), args));
    }

    /** As {@link #run(Output, Output, String...)}, with lines of any length. */
    static int run(PrintWriter out, PrintWriter err, String... args) {
        return run(new Output(out, OptionalInt.empty()), new Output(err, OptionalInt.empty()), args);
    }

    /** Returns one of {@link Status}. */
    static int run(Output out, Output err, String... args) {
        try {
            int status = commandLine(out, err, args).execute(args);
            out.lines().flush();
            return status;
        } catch (OutputFailedException e) {
            return failed(e, err);
        }
    }

    /** With all commands, or with the one that the arguments name, since each takes time to set up. */
    static CommandLine commandLine(Output out, Output err, String... args) {
        var line = new CommandLine(new Main(out, err));
        Map<String, Class<?>> needed = COMMANDS;
        if (args.length > 0 && COMMANDS.containsKey(args[0]) && !ABOUT_ALL.contains(args[0])) {
            needed = Map.of(args[0], COMMANDS.get(args[0]));
        }
        needed.forEach(line::addSubcommand);
        return line.setOut(out.lines())
                .setErr(err.lines())
                // Escape sequences would count as columns.
                .setColorScheme(Help.defaultColorScheme(Help.Ansi.OFF))
                .setUsageHelpWidth(Math.max(NARROWEST_HELP, out.columns().orElse(Terminal.USUAL)))
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExecutionStrategy(parsed -> executed(parsed, err))
                .setExecutionExceptionHandler((thrown, _, _) -> failed(thrown, err))
                .setParameterExceptionHandler((wrong, _) -> usage(wrong));
    }

    /** Printing help may fail, too, and picocli would print the stack. */
    private static int executed(ParseResult parsed, Output err) {
        try {
            return new RunLast().execute(parsed);
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
