// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.util.ArrayList;
import java.util.Set;

/** Finds out where what a program lost was allocated. Stateless. */
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

    private Leaks() {}

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
