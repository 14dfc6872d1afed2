// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.text.Count;

/**
 * A heap with its source, and the count of its open buffers. Closed by the {@link Cenalloc} that listed or registered
 * it. Thread-safe.
 */
final class OpenHeap {
    private final Kernel kernel;
    private volatile Heap heap;
    private final HeapSource source;
    /** Whether the kernel returns its descriptors, so that they are known to be dma-bufs. */
    private final boolean ofTheKernel;

    private final BufferCount count;
    /** The calls of the source that are under way. */
    private int calls;

    private boolean closed;

    /** @param total counts its buffers, too */
    OpenHeap(Kernel kernel, Heap heap, HeapSource source, boolean ofTheKernel, BufferCount total) {
        this.kernel = kernel;
        this.count = new BufferCount(total);
        this.heap = heap;
        this.source = source;
        this.ofTheKernel = ofTheKernel;
    }

    Heap heap() {
        return heap;
    }

    /** What is known of the memory from now on. */
    void describe(HeapProperties properties) {
        heap = heap.withProperties(properties);
    }

    /** As {@link #allocate(long, String)}, without a name of the program. */
    DmaBuf allocate(long size) throws CenallocException {
        return allocate(size, "");
    }

    /**
     * As {@link Cenalloc#allocate(Heap, long)}.
     *
     * @param name in the kernel's lists; empty for one that the library makes
     */
    DmaBuf allocate(long size, String name) throws CenallocException {
        Demand.checkSize(size);
        StackRoom.requireToOwn();
        Events.Allocate event = Events.allocate();
        DmaBuf buffer;
        try {
            buffer = given(size, name);
        } catch (CenallocException e) {
            count.tried(false);
            throw e;
        }
        count.tried(true);
        if (event != null) {
            event.commit(buffer.held(), size);
        }
        return buffer;
    }

    private DmaBuf given(long size, String name) throws CenallocException {
        DmaBuf buffer = null;
        boolean complete = false;
        try {
            enter();
            try {
                int fd = source.allocate(size);
                buffer = ofTheKernel ? DmaBuf.own(kernel, fd, count) : adopt(fd, size);
            } finally {
                leave();
            }
            checkGiven(buffer.size(), size);
            buffer.from(heap.name(), name);
            complete = true;
            return buffer;
        } finally {
            // The source may have thrown when it was closed.
            if (!complete && buffer != null) {
                buffer.close();
            }
        }
    }

    private void checkGiven(long given, long size) throws CenallocException {
        if (given < size) {
            throw new CenallocException(
                    Errno.EPROTO,
                    "allocate",
                    heap.path().orElse(null),
                    size,
                    "the source of heap " + heap + " returned a buffer of only " + given + " bytes",
                    "correct the HeapSource: it must return at least the requested size");
        }
    }

    private DmaBuf adopt(int fd, long size) throws CenallocException {
        try {
            return DmaBuf.checked(kernel, fd, count);
        } catch (CenallocException e) {
            var named = new CenallocException(
                    e.errno(),
                    "allocate",
                    heap.path().orElse(null),
                    size,
                    "the source of heap " + heap + " returned a descriptor that is not a dma-buf",
                    e.remedy());
            named.initCause(e);
            throw named;
        } catch (IllegalArgumentException e) {
            var owned = new CenallocException(
                    Errno.EPROTO,
                    "allocate",
                    heap.path().orElse(null),
                    size,
                    "the source of heap " + heap + " returned a descriptor that is in use: " + e.getMessage(),
                    "correct the HeapSource: it must return a new descriptor each time");
            owned.initCause(e);
            throw owned;
        }
    }

    private synchronized void enter() {
        if (closed) {
            throw new IllegalStateException("heap " + heap + " is unregistered, or its Cenalloc is closed");
        }
        calls++;
    }

    private synchronized void leave() {
        calls--;
        if (closed && calls == 0) {
            source.close();
        }
    }

    HeapUsage usage() {
        return count.usage();
    }

    /** Closes the source; throws if a buffer of the heap is open, or an allocation is under way. */
    synchronized void closeIfUnused() {
        int used = count.usage().buffers() + calls;
        if (used > 0) {
            throw new IllegalStateException(
                    "heap " + heap + " is in use by " + Count.of(used, "buffer") + ": close its buffers first");
        }
        close();
    }

    /** Refuses further allocations; the source is closed when the last one has ended. */
    synchronized void close() {
        if (!closed) {
            StackRoom.require();
            closed = true;
            if (calls == 0) {
                source.close();
            }
        }
    }

    @Override
    public String toString() {
        return heap.toString();
    }
}
