// SPDX-License-Identifier: Apache-2.0
import org.jspecify.annotations.NullMarked;

/**
 * Linux dma-bufs for Java: devices say what memory they can use, the library picks the kernel heap that suits them all.
 * Start with {@link dev.cenalloc.Cenalloc}.
 */
@NullMarked
module dev.cenalloc {
    requires static transitive org.jspecify;
    requires org.apache.logging.log4j;
    requires java.management;
    requires jdk.jfr;
    requires dev.cenalloc.bindings;
    // Needed by programs that use dev.cenalloc.json alone.
    requires static com.fasterxml.jackson.core;

    exports dev.cenalloc;
    exports dev.cenalloc.device;
    exports dev.cenalloc.gstreamer;
    exports dev.cenalloc.image;
    exports dev.cenalloc.json;
    exports dev.cenalloc.kms;
    exports dev.cenalloc.plan;
    exports dev.cenalloc.share;
    exports dev.cenalloc.stream;
    exports dev.cenalloc.v4l2;
    exports dev.cenalloc.wayland;
}
