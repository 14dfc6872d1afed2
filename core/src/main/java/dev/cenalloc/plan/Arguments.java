// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import java.util.Collection;
import java.util.List;
import java.util.Objects;

/** Checks of arguments. Stateless. */
final class Arguments {
    private Arguments() {}

    /**
     * An unmodifiable copy of a collection.
     *
     * @param name the name of the parameter
     * @throws NullPointerException if the collection or an element is null; the message names the parameter
     */
    static <T> List<T> copy(Collection<? extends T> elements, String name) {
        checkElements(elements, name);
        return List.copyOf(elements);
    }

    /**
     * A name that says something.
     *
     * @param parameter the name of the parameter
     * @throws IllegalArgumentException if it is blank; the message names the parameter
     */
    static String name(String name, String parameter) {
        if (Objects.requireNonNull(name, parameter).isBlank()) {
            throw new IllegalArgumentException(parameter + " must not be blank");
        }
        return name;
    }

    /** As {@link #copy}, without a copy. */
    static void checkElements(Collection<?> elements, String name) {
        Objects.requireNonNull(elements, name);
        for (Object element : elements) {
            Objects.requireNonNull(element, () -> "an element of " + name);
        }
    }
}
