// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.kernel.Log;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.Logger;
import org.apache.logging.log4j.core.appender.AbstractAppender;
import org.apache.logging.log4j.core.config.Property;

/** What the library logs while this is open. */
public final class LogCapture implements AutoCloseable {
    private record Line(Level level, String text) {}

    private final List<Line> lines = new CopyOnWriteArrayList<>();
    private final Logger logger;
    private final AbstractAppender appender;
    private final Level before;

    public LogCapture() {
        // Waits for the provider, which a cleaner's thread may be loading: its start would drop the appender.
        Log.info("the log is captured");
        appender = new AbstractAppender("capture", null, null, true, Property.EMPTY_ARRAY) {
            @Override
            public void append(LogEvent event) {
                Throwable thrown = event.getThrown();
                lines.add(new Line(
                        event.getLevel(),
                        event.getMessage().getFormattedMessage()
                                + (thrown == null ? "" : " " + List.of(thrown.getStackTrace()))));
            }
        };
        appender.start();
        logger = (Logger) LogManager.getLogger("dev.cenalloc");
        before = logger.getLevel();
        logger.addAppender(appender);
        logger.setAdditive(false); // only here, not on the screen as well
        logger.setLevel(Level.WARN); // without a configuration only errors are logged
    }

    public String text() {
        return lines.stream().map(Line::text).collect(Collectors.joining("\n"));
    }

    /** The part of it that is seen without a configuration. */
    public String errors() {
        return lines.stream()
                .filter(line -> line.level.isMoreSpecificThan(Level.ERROR))
                .map(Line::text)
                .collect(Collectors.joining("\n"));
    }

    @Override
    public void close() {
        logger.setLevel(before);
        logger.setAdditive(true);
        logger.removeAppender(appender);
        appender.stop();
    }
}
