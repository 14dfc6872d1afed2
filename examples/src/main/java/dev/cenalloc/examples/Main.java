package dev.cenalloc.examples;

import java.io.IOException;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The {@code cenalloc} command. */
@Command(
        name = "cenalloc",
        description = "dma-bufs from the kernel's heaps, for devices that share them.",
        mixinStandardHelpOptions = true,
        version = "cenalloc 0.1.0-SNAPSHOT",
        subcommands = {PipelineCommand.class, HeapsCommand.class})
final class Main {
    private Main() {}

    public static void main(String[] args) {
        System.exit(run(args));
    }

    /** Status 0: done; 1: something was refused, lost or wrong, told on standard error; 2: the arguments were wrong. */
    static int run(String... args) {
        return new CommandLine(new Main())
                .setExecutionExceptionHandler((thrown, command, parsed) -> {
                    if (thrown instanceof IOException || thrown instanceof IllegalArgumentException) {
                        command.getErr().println("cenalloc: " + thrown.getMessage());
                        return 1;
                    }
                    throw thrown;
                })
                .execute(args);
    }
}
