import org.jspecify.annotations.NullMarked;

/** The {@code cenalloc} command and its examples; camera to display is the one to read. */
@NullMarked
module dev.cenalloc.examples {
    requires static org.jspecify;
    requires dev.cenalloc;
    requires dev.cenalloc.bindings;
    requires com.fasterxml.jackson.core;
    requires info.picocli;
    requires java.desktop;
    requires jdk.management;
    requires org.apache.logging.log4j;

    opens dev.cenalloc.examples to
            info.picocli;
}
