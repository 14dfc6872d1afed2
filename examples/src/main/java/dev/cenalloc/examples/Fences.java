package dev.cenalloc.examples;

import dev.cenalloc.plan.Direction;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.Fence;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Explicit fences of a display: each commit is given what its buffer has to wait for, and gives one that is signalled when the
 * buffer is on the screen. A kernel that does not give fences of buffers out, older than 6.0, is waited for before the commit
 * instead. Three system calls more a frame than with events, and no Java objects. Closed by whoever made it. For one thread.
 */
final class Fences implements AutoCloseable {
    /** What IN_FENCE_FD is set to if there is nothing to wait for; as for all properties, a number of 64 bits. */
    private static final long NONE = -1;

    private static final Duration LIMIT = Duration.ofSeconds(5);

    private final DeviceNode node;
    private final List<DmaBuf> buffers;
    private final boolean exchanged;
    /** Where the kernel puts the descriptor of the fence of a commit. */
    private final MemorySegment pointer;
    /** What the buffer of the last commit had to wait for; null before the first. */
    private @Nullable Fence ready;
    /** When it is on the screen; null before the first. */
    private @Nullable Fence shown;

    Fences(DeviceNode node, List<DmaBuf> buffers, Arena arena) throws IOException {
        this.node = node;
        this.buffers = List.copyOf(buffers);
        this.exchanged = buffers.getFirst().exchangesFences();
        this.pointer = arena.allocate(ValueLayout.JAVA_INT);
    }

    /** For OUT_FENCE_PTR. */
    long shownPointer() {
        return pointer.address();
    }

    /** @param request whose varying property is IN_FENCE_FD, and whose OUT_FENCE_PTR is {@link #shownPointer} */
    void commit(int index, AtomicRequest request) throws IOException {
        DmaBuf buffer = buffers.get(index);
        if (!exchanged) {
            if (!buffer.await(Direction.READ, LIMIT)) {
                throw new IOException("the frame was not ready for " + LIMIT.toSeconds() + " seconds");
            }
        } else if (ready == null) {
            ready = buffer.exportFence(Direction.READ);
        } else {
            buffer.exportFence(Direction.READ, ready);
        }
        request.set(ready == null ? NONE : ready.fd());
        request.commit(node);
        int fd = pointer.get(ValueLayout.JAVA_INT, 0);
        if (shown == null) {
            shown = Fence.adopt(fd);
        } else {
            shown.replace(fd);
        }
    }

    void awaitShown() throws IOException {
        if (shown == null || !shown.await(LIMIT)) {
            throw new IOException("the display did not show the frame for " + LIMIT.toSeconds() + " seconds");
        }
    }

    @Override
    public void close() {
        if (ready != null) {
            ready.close();
        }
        if (shown != null) {
            shown.close();
        }
    }
}
