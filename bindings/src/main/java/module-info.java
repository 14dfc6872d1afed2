import org.jspecify.annotations.NullMarked;

/**
 * The kernel as Java sees it: structures and constants that jextract generated, and the system calls, written by hand
 * because jextract's handles do not capture errno. The only module that calls restricted methods, so the only one that
 * {@code --enable-native-access} must name. Not an API for applications.
 */
@NullMarked
module dev.cenalloc.bindings {
    requires static org.jspecify;

    exports dev.cenalloc.bindings to
            dev.cenalloc;
    exports dev.cenalloc.bindings.dmabuf to
            dev.cenalloc;
    exports dev.cenalloc.bindings.v4l2 to
            dev.cenalloc;
    exports dev.cenalloc.bindings.drm to
            dev.cenalloc;
}
