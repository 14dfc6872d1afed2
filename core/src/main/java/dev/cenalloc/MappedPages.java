package dev.cenalloc;

import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A buffer's pages in this process, which hold its descriptor. Apart from the {@link Mapping}, so that the cleaner does not
 * keep the buffer alive. Ending them takes several steps; whatever error comes between two of them, the next {@link #close}
 * goes on from there. Thread-safe.
 */
final class MappedPages {
    private final Kernel kernel;
    private final Descriptor descriptor;
    private final long size;
    private final Arena arena;

    /** Whether the descriptor is held. */
    private boolean holds;
    /** 0 while nothing is mapped. */
    private long address;
    /** Whether an end was tried that an error may have stopped. */
    private boolean ending;
    /** Whether nobody can touch the pages by the segment any more. */
    private boolean shut;

    /** The arena is closed with the pages, and nothing but {@link #map} uses it. */
    MappedPages(Kernel kernel, Descriptor descriptor, long size, Arena arena) {
        this.kernel = kernel;
        this.descriptor = descriptor;
        this.size = size;
        this.arena = arena;
    }

    /** Once. If it throws, {@link #close} gives back what it got so far. */
    synchronized MemorySegment map(Direction direction) throws CenallocException {
        int fd = descriptor.hold();
        holds = true;
        address = DmaBuf.mapped(kernel, fd, size, direction);
        return kernel.view(address, size, arena);
    }

    /**
     * Unmaps. Idempotent.
     *
     * @throws IllegalStateException if a native call or a channel is using the segment at this moment; nothing has changed
     */
    synchronized void close() {
        StackRoom.require();
        if (!shut) {
            shut();
        }
        if (address != 0) {
            kernel.munmap(address, size);
            address = 0;
        }
        if (holds) {
            holds = false;
            descriptor.drop();
        }
    }

    private void shut() {
        boolean again = ending;
        ending = true;
        try {
            arena.close();
        } catch (IllegalStateException e) {
            if (!again) {
                ending = false;
                throw e;
            }
            // An error came out of the arena before, and nobody can tell whether the segment may still be touched. So
            // there must be something under it: pages of nobody, which stay, while the buffer's go.
            if (address != 0 && kernel.coverPages(address, size) >= 0) {
                address = 0;
            }
        }
        shut = true;
    }

    /** As {@link #close}, if that was tried before. */
    synchronized void finish() {
        if (ending) {
            close();
        }
    }
}
