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
            long before = 0;
            for (int i = 0; i < 2_000; i++) {
                if (i == 1_000) { // the first few hundred calls link and customise the method handles
                    before = threads.getCurrentThreadAllocatedBytes();
                }
                wrong += Linux.poll(fds, 1, 0);
                wrong += Linux.read(zero, target) - 16;
                wrong += Linux.repeatableIoctl(memfd, FIONREAD, target);
            }
            assertEquals(0, threads.getCurrentThreadAllocatedBytes() - before);
            assertEquals(0, wrong);
        }
        Linux.close(zero);
        Linux.close(memfd);
    }
}
