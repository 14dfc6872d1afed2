package dev.cenalloc.examples;

import java.time.Duration;
import java.util.List;

/** The few options of the examples. Stateless. */
final class Arguments {
    private Arguments() {}

    /** The value after an option, or another value if the option is not given. */
    static String of(String[] arguments, String option, String otherwise) {
        int at = List.of(arguments).indexOf(option);
        if (at >= 0 && at + 1 < arguments.length) {
            return arguments[at + 1];
        }
        if (at >= 0 || arguments.length > 0) {
            throw new IllegalArgumentException("usage: [" + option + " VALUE], not " + String.join(" ", arguments));
        }
        return otherwise;
    }

    /** When a program ends that runs for {@code --seconds}; 10, if the option is not given. */
    static long deadline(String[] arguments) {
        return System.nanoTime()
                + Duration.ofSeconds(Long.parseLong(of(arguments, "--seconds", "10")))
                        .toNanos();
    }
}
