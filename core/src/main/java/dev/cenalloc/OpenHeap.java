package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Heap;
import org.jspecify.annotations.Nullable;

/**
 * A heap that memory is allocated from, and the count of its buffers. Closed by the {@link Cenalloc} that listed or registered
 * it. Thread-safe.
 */
final class OpenHeap {
    private final Kernel kernel;
    private final Heap heap;
    private final HeapSource source;
    /** Whether its descriptors are known to be dma-bufs: the kernel gave them. */
    private final boolean ofTheKernel;

    private int buffers;
    private long bytes;
    /** Calls of the source under way. */
    private int calls;

    private boolean closed;

    OpenHeap(Kernel kernel, Heap heap, HeapSource source, boolean ofTheKernel) {
        this.kernel = kernel;
        this.heap = heap;
        this.source = source;
        this.ofTheKernel = ofTheKernel;
    }

    Heap heap() {
        return heap;
    }

    /** As {@link Cenalloc#allocate(Heap, long)}. */
    DmaBuf allocate(long size) throws CenallocException {
        Demand.checkSize(size);
        enter();
        DmaBuf buffer = null;
        boolean complete = false;
        try {
            int fd = source.allocate(size);
            buffer = ofTheKernel ? DmaBuf.own(kernel, fd, this) : adopt(fd, size);
            if (buffer.size() < size) {
                throw new CenallocException(
                        Errno.EPROTO,
                        "allocate",
                        heap.path().orElse(null),
                        size,
                        "heap " + heap.name() + " gave only " + buffer.size() + " bytes",
                        "mend the heap's source");
            }
            complete = true;
            return buffer;
        } finally {
            if (!complete && buffer != null) {
                buffer.close();
            }
            leave(complete ? buffer : null);
        }
    }

    private DmaBuf adopt(int fd, long size) throws CenallocException {
        try {
            return DmaBuf.adopt(kernel, fd, this);
        } catch (CenallocException e) {
            var named = new CenallocException(
                    e.errno(),
                    "allocate",
                    heap.path().orElse(null),
                    size,
                    "the source of heap " + heap.name() + " gave a descriptor that is not a dma-buf",
                    e.remedy());
            named.initCause(e);
            throw named;
        }
    }

    private synchronized void enter() {
        if (closed) {
            throw new IllegalStateException("heap " + heap.name() + " is unregistered, or its Cenalloc is closed");
        }
        calls++;
    }

    /** May close the source, which may throw: then the caller does not get the buffer, and it is closed here. */
    private synchronized void leave(@Nullable DmaBuf result) {
        calls--;
        if (closed && calls == 0) {
            boolean left = false;
            try {
                source.close();
                left = true;
            } finally {
                if (!left && result != null) {
                    result.close();
                }
            }
        }
    }

    /** A buffer of this heap has begun. */
    synchronized void gave(long size) {
        buffers++;
        bytes += size;
    }

    /** A buffer of this heap has ended. */
    synchronized void left(long size) {
        buffers--;
        bytes -= size;
    }

    synchronized HeapUsage usage() {
        return new HeapUsage(buffers, bytes);
    }

    /** Closes the source, but not while a buffer of the heap is open or on its way. */
    synchronized void closeIfUnused() {
        if (buffers + calls > 0) {
            throw new IllegalStateException(
                    "heap " + heap.name() + " is in use by " + (buffers + calls) + " buffers; close them first");
        }
        close();
    }

    /** No allocation begins any more; the source is closed when the last one has ended. */
    synchronized void close() {
        if (!closed) {
            closed = true;
            if (calls == 0) {
                source.close();
            }
        }
    }

    @Override
    public String toString() {
        return heap.name();
    }
}
