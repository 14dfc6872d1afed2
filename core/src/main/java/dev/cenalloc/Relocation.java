// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * One move of a buffer's content to other memory. Closed by the caller of {@link #begin}; without a call of
 * {@link #to}, nothing has changed. Until then the old memory is closed for all other users. For one thread.
 */
final class Relocation implements AutoCloseable {
    private final Kernel kernel;
    private final DmaBuf from;
    private final int fd;
    private boolean moved;

    private Relocation(Kernel kernel, DmaBuf from, int fd) {
        this.kernel = kernel;
        this.from = from;
        this.fd = fd;
    }

    /** Closes the memory for all other users; null if it is mapped, in CPU access, or in a call. */
    static @Nullable Relocation begin(Kernel kernel, DmaBuf from) {
        StackRoom.require();
        return from.descriptor().seize()
                ? new Relocation(kernel, from, from.descriptor().seized())
                : null;
    }

    /** Copies the content; if that fails, the new memory is released. */
    void to(Storage old, Storage fresh) throws CenallocException {
        try {
            copy(old, fresh);
            moved = true;
        } finally {
            if (!moved) {
                fresh.dmaBuf().release();
            }
        }
    }

    private void copy(Storage old, Storage fresh) throws CenallocException {
        long size = from.size();
        long address = MappedPages.mapped(kernel, fd, size, Direction.READ);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment source = kernel.view(address, size, arena);
            try (Mapping target = fresh.dmaBuf().map(Direction.WRITE);
                    var _ = fresh.dmaBuf().access(Direction.WRITE)) {
                CpuAccess reading = from.accessOf(Direction.READ);
                reading.start(fd);
                try {
                    copy(old, source, fresh, target.segment());
                } finally {
                    reading.end(fd);
                }
            }
        } finally {
            // The arena is closed by now, and no other thread can use it.
            MappedPages.unmap(kernel, address, size);
        }
    }

    /** An image with another layout in the new memory is copied line by line. */
    private static void copy(Storage old, MemorySegment source, Storage fresh, MemorySegment target) {
        Layout before = old.choice().plan().layout().orElse(null);
        Layout after = fresh.choice().plan().layout().orElse(null);
        if (before == null || after == null || before.planes().equals(after.planes())) {
            MemorySegment.copy(source, 0, target, 0, Math.min(source.byteSize(), target.byteSize()));
        } else {
            before.copy(source, after, target);
        }
    }

    @Override
    public void close() {
        if (moved) {
            try {
                from.descriptor().finish();
            } catch (OutOfMemoryError | StackOverflowError e) {
                from.descriptor().close(); // continues; the buffer has other memory now, and would not do it
            }
            from.forget();
        } else {
            from.descriptor().reopen();
        }
    }
}
