import org.jspecify.annotations.NullMarked;

/** Constraints to and from JSON, and plans to JSON. A module of its own, so that the core needs no JSON library. */
@NullMarked
module dev.cenalloc.json {
    requires static transitive org.jspecify;
    requires transitive dev.cenalloc;
    requires com.fasterxml.jackson.core;

    exports dev.cenalloc.json;
}
