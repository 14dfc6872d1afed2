package dev.cenalloc.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.sun.management.ThreadMXBean;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.Fence;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

class AllocationTest {
    private static final long FIONREAD = 0x541B;

    @Test
    void theSystemCallsOfAFrameLoopAllocateNothing() throws Exception {
        int zero = Linux.open("/dev/zero", Linux.O_RDONLY | Linux.O_CLOEXEC);
        int memfd = Linux.memfdCreate("allocation-test", Linux.MFD_CLOEXEC);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment fds = arena.allocate(Linux.POLLFD);
            fds.set(ValueLayout.JAVA_INT, 0, zero);
            MemorySegment target = arena.allocate(16, 4);
            assertAllocatesNothing(() -> Linux.poll(fds, 1, 0) == 0
                    && Linux.read(zero, target) == 16
                    && Linux.repeatableIoctl(memfd, FIONREAD, target) == 0);
        }
        Linux.close(zero);
        Linux.close(memfd);
    }

    @Test
    @EnabledIfSystemProperty(
            named = "cenalloc.devices",
            matches = "required",
            disabledReason = "needs a heap and fences, which -Dcenalloc.devices=required promises")
    void fencesInAFrameLoopAllocateNothing() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(4096)) {
            buffer.attach(Device.of("display", Constraints.NONE, "test"));
            DmaBuf dmaBuf = buffer.dmaBuf();
            var second = Duration.ofSeconds(1);
            try (Fence written = dmaBuf.exportFence(Direction.READ);
                    Fence shown = dmaBuf.exportFence(Direction.WRITE)) {
                assertAllocatesNothing(() -> {
                    dmaBuf.exportFence(Direction.READ, written);
                    dmaBuf.exportFence(Direction.WRITE, shown);
                    dmaBuf.importFence(shown, Direction.READ);
                    return written.fd() != shown.fd() && shown.await(second) && dmaBuf.await(Direction.WRITE, second);
                });
            }
        }
    }

    private static void assertAllocatesNothing(Callable<Boolean> frame) throws Exception {
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        int wrong = 0;
        long least = Long.MAX_VALUE;
        // What a call allocates shows in every round; what the virtual machine does now and then does not. The first
        // round links and customises the method handles.
        for (int round = 0; round < 10; round++) {
            long before = threads.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < 500; i++) {
                wrong += frame.call() ? 0 : 1;
            }
            least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        assertEquals(0, least);
        assertEquals(0, wrong);
    }
}
