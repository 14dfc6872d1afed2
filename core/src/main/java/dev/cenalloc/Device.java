package dev.cenalloc;

import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A participant: something that will use a buffer and puts constraints on its memory. A value; owns nothing, needs no
 * device node.
 */
public final class Device {
    private final String name;
    private final @Nullable Constraints constraints;
    private final String source;

    private Device(String name, @Nullable Constraints constraints, String source) {
        this.name = Objects.requireNonNull(name);
        this.constraints = constraints;
        this.source = Objects.requireNonNull(source);
    }

    /**
     * {@return a device that states its constraints}
     *
     * @param name what explanations call it, such as {@code "vivid (camera)"}
     * @param constraints what memory it can use
     * @param source where the constraints come from, in words, such as {@code "stated by the caller"}
     */
    public static Device of(String name, Constraints constraints, String source) {
        return new Device(name, Objects.requireNonNull(constraints), source);
    }

    /**
     * {@return a device of which nothing is known} It counts as unconstrained, and attaching it logs a warning: the
     * memory may turn out not to suit it (RFC 1/4, a mask of zero).
     *
     * @param name what explanations call it
     */
    public static Device undeclared(String name) {
        return new Device(name, null, "declares nothing");
    }

    /** {@return what explanations call it} */
    public String name() {
        return name;
    }

    /** {@return what it declares, empty if nothing} */
    public Optional<Constraints> declared() {
        return Optional.ofNullable(constraints);
    }

    /** {@return the constraints that count: what it declares, or none} */
    public Constraints constraints() {
        return constraints == null ? Constraints.NONE : constraints;
    }

    /** {@return where the constraints come from, in words} */
    public String source() {
        return source;
    }

    @Override
    public String toString() {
        return name + ": " + constraints() + " (" + source + ")";
    }
}
