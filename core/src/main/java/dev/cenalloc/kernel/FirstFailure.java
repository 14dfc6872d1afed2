// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import java.lang.invoke.MethodHandles;

/**
 * Loads the classes that tell of a failure, before the first one. If that is EMFILE, their files may not be opened any
 * more: a NoClassDefFoundError would take the place of the exception, and the JVM does not try again. Stateless.
 */
public final class FirstFailure {
    private FirstFailure() {}

    /**
     * To be called when a class is initialised that other calls begin with.
     *
     * @param lookup of that class
     * @param types exceptions, and what their messages are made with
     */
    public static void prepare(MethodHandles.Lookup lookup, Class<?>... types) {
        try {
            for (Class<?> type : types) {
                lookup.ensureInitialized(type);
            }
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }
}
