// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import java.time.Duration;

/**
 * The one option of an example. Wrong arguments end the program with a line of usage and status 2, as the command does.
 * Stateless.
 */
final class Arguments {
    private static final int WRONG_USAGE = 2;

    private Arguments() {}

    /** The value after an option, or another value if the option is not given. */
    static String of(String[] arguments, String option, String otherwise) {
        if (arguments.length == 0) {
            return otherwise;
        }
        if (!arguments[0].equals(option)) {
            throw end(arguments[0] + " is not known", option);
        }
        if (arguments.length == 1 || arguments[1].isEmpty() || arguments[1].startsWith("--")) {
            throw end(option + " needs a value", option);
        }
        if (arguments.length > 2) {
            throw end(arguments[2] + " is not known", option);
        }
        return arguments[1];
    }

    /** How long a program runs, by {@code --seconds}; 10 seconds, if the option is not given. */
    static long nanos(String[] arguments) {
        String value = of(arguments, "--seconds", "10");
        try {
            int seconds = Integer.parseInt(value);
            if (seconds > 0) {
                return Duration.ofSeconds(seconds).toNanos();
            }
        } catch (NumberFormatException e) {
            // Told below, as zero is.
        }
        throw end("--seconds needs a whole number from 1, not " + value, "--seconds");
    }

    private static IllegalStateException end(String wrong, String option) {
        System.err.println(wrong + ". Usage: [" + option + " VALUE]");
        System.exit(WRONG_USAGE);
        return new IllegalStateException("the program has ended");
    }
}
