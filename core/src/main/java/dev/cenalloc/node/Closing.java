// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node;

import dev.cenalloc.CenallocException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Closes several things, all of them, whatever fails on the way. Stateless. */
public final class Closing {
    private Closing() {}

    /** What an error has interrupted, the next close finishes; here nobody else would call it. */
    private static void again(AutoCloseable thing, Throwable error) {
        try {
            thing.close();
        } catch (Exception | Error e) {
            error.addSuppressed(e);
        }
    }

    /**
     * Closes them in this order; then the first failure is thrown, with the others suppressed. After an error it tries
     * again.
     *
     * @throws CenallocException if one of them throws it
     */
    public static void all(List<? extends AutoCloseable> things) throws CenallocException {
        @Nullable Throwable failure = null;
        for (AutoCloseable thing : things) {
            try {
                thing.close();
            } catch (Exception | Error e) {
                if (e instanceof Error) {
                    again(thing, e);
                }
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        switch (failure) {
            case null -> {}
            case CenallocException e -> throw e;
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalStateException(failure);
        }
    }
}
