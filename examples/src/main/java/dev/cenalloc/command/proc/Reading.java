// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.proc;

import java.util.Optional;
import java.util.function.Function;

/**
 * What a file told, or why it told nothing: that something is not there differs from that this process may not see it.
 *
 * @param <T> what is read
 */
public sealed interface Reading<T> {
    /** It was read. */
    record Known<T>(T what) implements Reading<T> {}

    /** It is not there. */
    record Absent<T>() implements Reading<T> {}

    /**
     * It is there, and cannot be read.
     *
     * @param why in the words of the system
     */
    record Refused<T>(String why) implements Reading<T> {}

    /** What was read; empty for any reason. */
    default Optional<T> value() {
        return this instanceof Known<T>(T what) ? Optional.of(what) : Optional.empty();
    }

    default boolean isRefused() {
        return this instanceof Refused;
    }

    /** The same with another value, where there is one. */
    default <R> Reading<R> map(Function<? super T, ? extends R> change) {
        return switch (this) {
            case Known<T>(T what) -> new Known<>(change.apply(what));
            case Absent<T> _ -> new Absent<>();
            case Refused<T>(String why) -> new Refused<>(why);
        };
    }
}
