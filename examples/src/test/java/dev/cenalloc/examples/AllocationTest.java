package dev.cenalloc.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.sun.management.ThreadMXBean;
import dev.cenalloc.bindings.Linux;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

class AllocationTest {
    private static final long FIONREAD = 0x541B;

    @Test
    void theSystemCallsOfAFrameLoopAllocateNothing() {
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        int zero = Linux.open("/dev/zero", Linux.O_RDONLY | Linux.O_CLOEXEC);
        int memfd = Linux.memfdCreate("allocation-test", Linux.MFD_CLOEXEC);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment fds = arena.allocate(Linux.POLLFD);
            fds.set(ValueLayout.JAVA_INT, 0, zero);
            MemorySegment target = arena.allocate(16, 4);
            long wrong = 0;
            long least = Long.MAX_VALUE;
            // What a call allocates shows in every round; what the virtual machine does now and then does not. The
            // first
            // round links and customises the method handles.
            for (int round = 0; round < 10; round++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < 500; i++) {
                    wrong += Linux.poll(fds, 1, 0);
                    wrong += Linux.read(zero, target) - 16;
                    wrong += Linux.repeatableIoctl(memfd, FIONREAD, target);
                }
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
            assertEquals(0, least);
            assertEquals(0, wrong);
        }
        Linux.close(zero);
        Linux.close(memfd);
    }
}
