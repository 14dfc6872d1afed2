// SPDX-License-Identifier: Apache-2.0
import org.jspecify.annotations.NullMarked;

/** The examples, and the {@code cenalloc} command. Both use the public API only. */
@NullMarked
module dev.cenalloc.examples {
    requires static org.jspecify;
    requires dev.cenalloc;
    requires com.fasterxml.jackson.core; // for dev.cenalloc.json
    requires info.picocli;
    requires java.desktop;
    requires jdk.management;
    requires org.apache.logging.log4j;

    opens dev.cenalloc.command to
            info.picocli;
}
