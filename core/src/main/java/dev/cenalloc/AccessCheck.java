// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.plan.Direction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/**
 * The segments of a buffer's mappings while {@link DmaBuf#CHECK} is set: each is valid until no access of the CPU is
 * open, and read-only unless one that writes was open. The buffer has no more of them once its mappings are closed.
 * Thread-safe.
 */
final class AccessCheck {
    private record View(MappedPages pages, Arena arena, MemorySegment segment) {}

    private final List<View> views = new ArrayList<>();
    private int open;
    private int writing;

    /** An access is open from now on. */
    synchronized void began(Direction direction) {
        open++;
        writing += direction == Direction.READ ? 0 : 1;
    }

    /**
     * An access is about to end.
     *
     * @throws IllegalStateException if a native call or a channel is using the memory, outside of any access then
     */
    synchronized void ended(Direction direction) {
        open--;
        writing -= direction == Direction.READ ? 0 : 1;
        if (open == 0) {
            close(_ -> true);
        }
    }

    /**
     * The pages are about to be unmapped: their arena is closed.
     *
     * @throws IllegalStateException as {@link #ended}
     */
    synchronized void unmapping(MappedPages pages) {
        close(view -> view.pages.equals(pages));
    }

    private void close(Predicate<View> which) {
        IllegalStateException inUse = null;
        for (View view : List.copyOf(views)) {
            if (which.test(view)) {
                try {
                    view.arena.close();
                    views.remove(view);
                } catch (IllegalStateException e) {
                    inUse = e; // it is closed by the next end of an access, or with its mapping
                }
            }
        }
        if (inUse != null) {
            throw new IllegalStateException(
                    "a native call or a channel uses the memory after the CPU's access to it", inUse);
        }
    }

    /** Of one mapping, whose own segment has the whole buffer. */
    @SuppressWarnings("MustBeClosedChecker") // closed with the access, or before the pages are unmapped
    synchronized MemorySegment segment(MappedPages pages, MemorySegment whole) {
        if (!whole.scope().isAlive()) {
            return whole; // unmapped: each use of it is refused
        }
        if (open == 0) {
            throw new IllegalStateException("no CPU access is open: begin one with access(), and take the segment"
                    + " between that and its close()");
        }
        boolean readOnly = writing == 0 || whole.isReadOnly();
        for (View view : views) {
            if (view.pages.equals(pages) && view.segment.isReadOnly() == readOnly) {
                return view.segment;
            }
        }
        Arena arena = Arena.ofShared();
        MemorySegment segment = pages.view(arena);
        var view = new View(pages, arena, readOnly ? segment.asReadOnly() : segment);
        views.add(view);
        return view.segment;
    }
}
