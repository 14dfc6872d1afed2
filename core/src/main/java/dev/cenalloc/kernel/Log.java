package dev.cenalloc.kernel;

import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/**
 * The library's log. log4j is touched only when there is something to log, since without a provider it prints a line about
 * that. Stateless.
 */
public final class Log {
    private static final class Holder {
        static final Logger LOGGER = LogManager.getLogger("dev.cenalloc");
    }

    private Log() {}

    /** Logs an error; without any configuration it is seen on standard error. */
    public static void error(String text, Object... arguments) {
        Holder.LOGGER.error(text, arguments);
    }

    /** Logs a warning. */
    public static void warn(String text, Object... arguments) {
        Holder.LOGGER.warn(text, arguments);
    }

    /** Logs a fact that the caller may want to know. */
    public static void info(String text, Object... arguments) {
        Holder.LOGGER.info(text, arguments);
    }
}
