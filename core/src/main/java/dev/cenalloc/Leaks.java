// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.lang.ref.Cleaner;
import java.util.ArrayList;
import java.util.Set;

/** Releases what a program lost, and finds out where it was allocated. Thread-safe. */
final class Leaks {
    /** The packages of this library whose frames stand between a program and an allocation. */
    private static final Set<String> LIBRARY = Set.of(
            "dev.cenalloc",
            "dev.cenalloc.stream",
            "dev.cenalloc.node",
            "dev.cenalloc.node.v4l2",
            "dev.cenalloc.node.drm",
            "dev.cenalloc.v4l2",
            "dev.cenalloc.kms",
            "dev.cenalloc.device",
            "dev.cenalloc.lending",
            "dev.cenalloc.share",
            "dev.cenalloc.gstreamer",
            "dev.cenalloc.wayland");

    /** On a thread of ours: the JDK's own may not set the class loader that a logging provider wants to set. */
    private static final Cleaner CLEANER = Cleaner.create(task -> {
        var thread = new Thread(task, "cenalloc cleaner");
        thread.setDaemon(true);
        return thread;
    });

    private Leaks() {}

    /**
     * Runs a task when the owner is unreachable, or the registration is cleaned.
     *
     * @param task what releases; does not refer to the owner
     */
    static Cleaner.Cleanable register(Object owner, Runnable task) {
        return CLEANER.register(owner, task);
    }

    /** The stack of an allocation, with the program's frames first: those of this library are the same for all. */
    static Throwable place() {
        var place = new Throwable("allocated here");
        var frames = new ArrayList<StackTraceElement>();
        var ours = new ArrayList<StackTraceElement>();
        for (StackTraceElement frame : place.getStackTrace()) {
            (frames.isEmpty() && isOurs(frame) ? ours : frames).add(frame);
        }
        frames.addAll(ours);
        place.setStackTrace(frames.toArray(StackTraceElement[]::new));
        return place;
    }

    private static boolean isOurs(StackTraceElement frame) {
        return LIBRARY.contains(frame.getClassName().replaceFirst("\\.[^.]*$", ""));
    }
}
