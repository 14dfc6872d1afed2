// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A timeline of drivers/dma-buf/sw_sync.c: a counter, and fences that are signalled when it reaches their value. To be
 * closed, which fails what is pending.
 */
public final class SwSync implements FenceContract.Timeline {
    private static final String NODE = "/sys/kernel/debug/sync/sw_sync";
    /** {@code _IOWR('W', 0, struct sw_sync_create_fence_data)}: value, 32 bytes of name, descriptor. */
    private static final long CREATE_FENCE = 0xC028_5700L;
    /** {@code _IOW('W', 1, __u32)}. */
    private static final long INCREMENT = 0x4004_5701L;

    private final int fd;
    private int last;
    private boolean closed;

    public SwSync() {
        fd = Linux.open(NODE, Linux.O_RDWR | Linux.O_CLOEXEC);
        assertTrue(fd >= 0, () -> NODE + ": " + Errno.name(-fd));
    }

    @Override
    public int fence() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment request = arena.allocate(40, 4);
            request.set(ValueLayout.JAVA_INT, 0, ++last);
            assertEquals(0, Linux.ioctl(fd, CREATE_FENCE, request));
            return request.get(ValueLayout.JAVA_INT, 36);
        }
    }

    @Override
    public void signal() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment by = arena.allocate(ValueLayout.JAVA_INT);
            by.set(ValueLayout.JAVA_INT, 0, 1);
            assertEquals(0, Linux.ioctl(fd, INCREMENT, by));
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            Linux.close(fd);
        }
    }
}
