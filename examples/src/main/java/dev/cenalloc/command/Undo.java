package dev.cenalloc.command;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/** Closes what was opened, newest first, all of it, whatever fails on the way; once {@link #keep} is called, nothing. */
final class Undo implements AutoCloseable {
    private Deque<AutoCloseable> opened = new ArrayDeque<>();

    <T extends AutoCloseable> T add(T resource) {
        opened.push(resource);
        return resource;
    }

    /** Hands what was opened over to another, who closes that. */
    Undo keep() {
        var kept = new Undo();
        kept.opened = opened;
        opened = new ArrayDeque<>();
        return kept;
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
