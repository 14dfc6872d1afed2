// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.dmabuf.dma_buf_sync;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * A bracket around reads and writes of the CPU. Closed by the caller that began it. Between {@link DmaBuf#access} and
 * {@link #close} the CPU sees what devices wrote; after it devices see what the CPU wrote. Safe for any number of
 * threads; brackets may overlap and nest. Close each bracket exactly once: all brackets of one direction are one
 * object, which counts them so that no object is allocated, and a second close ends another open bracket of that
 * direction. A bracket keeps its buffer reachable.
 */
public final class CpuAccess implements AutoCloseable {
    private static final Map<Direction, MemorySegment> START = arguments(dmabuf_h.DMA_BUF_SYNC_START());
    /** END must carry the direction of its START (dma-buf.h). */
    private static final Map<Direction, MemorySegment> END = arguments(dmabuf_h.DMA_BUF_SYNC_END());

    private final Kernel kernel;
    /** Referred to, so that the cleaner does not close the descriptor of an access that can still be ended. */
    private final DmaBuf buffer;

    private final Descriptor descriptor;
    private final Direction direction;
    private final MemorySegment start;
    private final MemorySegment end;
    /** Null unless {@link DmaBuf#CHECK} was set. */
    private final @Nullable AccessCheck check;

    /** Changed with this locked. */
    private volatile int open;
    /** Holds to be dropped. Changed with this locked. */
    private volatile int owed;

    /** Those that are open and recorded. */
    private final AtomicReference<Events.@Nullable CpuAccess> recorded = new AtomicReference<>();

    CpuAccess(Kernel kernel, DmaBuf buffer, Direction direction, @Nullable AccessCheck check) {
        this.kernel = kernel;
        this.buffer = buffer;
        this.descriptor = buffer.descriptor();
        this.direction = direction;
        this.start = Objects.requireNonNull(START.get(direction));
        this.end = Objects.requireNonNull(END.get(direction));
        this.check = check;
    }

    /** The argument of a DMA_BUF_IOCTL_SYNC. The kernel only reads it, so all buffers and threads share it. */
    private static Map<Direction, MemorySegment> arguments(long phase) {
        var arguments = new EnumMap<Direction, MemorySegment>(Direction.class);
        for (Direction direction : Direction.values()) {
            MemorySegment sync = dma_buf_sync.allocate(Arena.global());
            dma_buf_sync.flags(sync, flags(direction) | phase);
            arguments.put(direction, sync.asReadOnly());
        }
        return arguments;
    }

    /** DMA_BUF_SYNC_READ, WRITE or both, which is also what the requests for fences take. */
    static int flags(Direction direction) {
        return switch (direction) {
            case READ -> dmabuf_h.DMA_BUF_SYNC_READ();
            case WRITE -> dmabuf_h.DMA_BUF_SYNC_WRITE();
            case READ_WRITE -> dmabuf_h.DMA_BUF_SYNC_RW();
        };
    }

    CpuAccess begin() throws CenallocException {
        if (owed != 0) {
            settle();
        }
        Events.CpuAccess event = Events.cpuAccess();
        int fd = descriptor.hold();
        boolean begun = false;
        try {
            start(fd);
            if (check != null) {
                check.began(direction);
            }
            synchronized (this) {
                open++;
            }
            begun = true;
            if (event != null) {
                event.push(recorded);
            }
            return this;
        } finally {
            if (!begun) {
                // Not by a call: where the stack overflowed in the system call, another call may overflow again, since
                // code that a compiler has not seen take this way is interpreted, in larger frames.
                synchronized (this) {
                    owed++;
                }
                settle();
            }
        }
    }

    /** Drops the holds of accesses that did not begin; what an error leaves here, the next call drops. */
    void settle() {
        while (owed != 0) {
            synchronized (this) {
                if (owed == 0) {
                    return;
                }
                descriptor.drop();
                owed--;
            }
        }
    }

    /**
     * Ends the access. Blocks while caches are cleaned. Does nothing if no access of this direction is open. After an
     * error, such as a stack overflow, it counts as ended, too; whether the caches were cleaned is unknown then.
     *
     * @throws CenallocException with the errno of DMA_BUF_IOCTL_SYNC; the access counts as ended
     */
    @Override
    public void close() throws CenallocException {
        if (check != null) {
            StackRoom.require(); // what it counts is not counted back after an error
        }
        synchronized (this) {
            if (open == 0) {
                return;
            }
            open--;
        }
        // This call has the hold of one access now: the descriptor stays open until it is dropped.
        boolean dropped = false;
        try {
            endOne();
            descriptor.drop();
            dropped = true;
        } finally {
            if (!dropped) {
                // Not by a call, as in begin.
                synchronized (this) {
                    owed++;
                }
                settle();
            }
        }
    }

    private void endOne() throws CenallocException {
        Events.CpuAccess event = recorded.get() == null ? null : Events.CpuAccess.pop(recorded);
        try {
            // Before the caches are cleaned: what is written afterwards is outside.
            if (check != null) {
                check.ended(direction);
            }
        } finally {
            end(descriptor.held());
        }
        if (event != null) {
            event.commit(buffer.held(), direction);
        }
    }

    void start(int fd) throws CenallocException {
        sync(fd, start);
    }

    void end(int fd) throws CenallocException {
        sync(fd, end);
    }

    private void sync(int fd, MemorySegment argument) throws CenallocException {
        try {
            int result;
            do {
                result = kernel.repeatableIoctl(fd, dmabuf_h.DMA_BUF_IOCTL_SYNC(), argument);
                // Both mean: repeat the call (dma-buf.rst, CPU access).
            } while (result == -Errno.EINTR || result == -Errno.EAGAIN);
            if (result < 0) {
                throw CenallocException.ofCall(-result, "DMA_BUF_IOCTL_SYNC", null, -1);
            }
        } finally {
            Reference.reachabilityFence(this); // a buffer that is lost meanwhile is closed by the cleaner, held or not
        }
    }

    /** {@return the direction and how many accesses of it are open} Makes no system call. */
    @Override
    public String toString() {
        return "CPU access " + direction + ", " + open + " open";
    }
}
