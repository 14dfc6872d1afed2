// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import java.lang.ref.Cleaner;

/** Releases what a program lost without closing it. Thread-safe. */
public final class Lost {
    /** On a thread of ours: the JDK's own may not set the class loader that a logging provider wants to set. */
    private static final Cleaner CLEANER = Cleaner.create(task -> {
        var thread = new Thread(task, "cenalloc cleaner");
        thread.setDaemon(true);
        return thread;
    });

    private Lost() {}

    /**
     * Runs a task when the owner is unreachable, or the registration is cleaned.
     *
     * @param task what releases; does not refer to the owner
     */
    public static Cleaner.Cleanable register(Object owner, Runnable task) {
        return CLEANER.register(owner, task);
    }
}
