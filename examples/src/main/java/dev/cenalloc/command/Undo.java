// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/** Closes what was added, newest first, all of it, whatever fails on the way. Closed by the caller that made it. */
final class Undo implements AutoCloseable {
    private Deque<AutoCloseable> opened = new ArrayDeque<>();

    <T extends AutoCloseable> T add(T resource) {
        opened.push(resource);
        return resource;
    }

    /** Takes over what another has, which then closes nothing. */
    Undo takeOver(Undo other) {
        Deque<AutoCloseable> others = other.opened;
        other.opened = new ArrayDeque<>();
        while (!others.isEmpty()) {
            opened.push(others.removeLast());
        }
        return this;
    }

    @Override
    public void close() throws IOException {
        @Nullable Exception failure = null;
        while (!opened.isEmpty()) {
            try {
                opened.pop().close();
            } catch (Exception e) {
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        switch (failure) {
            case null -> {}
            case IOException e -> throw e;
            case RuntimeException e -> throw e;
            default -> throw new IOException(failure);
        }
    }
}
