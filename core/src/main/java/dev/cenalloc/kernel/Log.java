// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import dev.cenalloc.text.Printable;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/**
 * The library's log. Arguments are escaped, so that a name with control characters cannot forge a line. log4j is
 * initialised at the first message: without a provider it prints a line about that. Stateless.
 */
public final class Log {
    private static final class Holder {
        static final Logger LOGGER = LogManager.getLogger("dev.cenalloc");
    }

    private Log() {}

    /** Logs an error; without any configuration it is printed on standard error. */
    public static void error(String text, Object... arguments) {
        Holder.LOGGER.error(text, printable(arguments));
    }

    /** Logs a warning. */
    public static void warn(String text, Object... arguments) {
        Holder.LOGGER.warn(text, printable(arguments));
    }

    /** Logs a fact that the caller may want to know. */
    public static void info(String text, Object... arguments) {
        Holder.LOGGER.info(text, printable(arguments));
    }

    /** A throwable stays as it is: log4j prints its stack. */
    private static Object[] printable(Object... arguments) {
        var printable = new Object[arguments.length];
        for (int i = 0; i < arguments.length; i++) {
            printable[i] =
                    arguments[i] instanceof Throwable ? arguments[i] : Printable.of(String.valueOf(arguments[i]));
        }
        return printable;
    }
}
