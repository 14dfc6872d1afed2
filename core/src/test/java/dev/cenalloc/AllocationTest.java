// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import jdk.jfr.Recording;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a frame loop does again and again allocates no Java objects. */
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
    void theNodeOfADeviceAllocatesNothing(@TempDir Path directory) throws Exception {
        Path file = Files.write(directory.resolve("file"), new byte[16]);
        try (Arena arena = Arena.ofShared();
                var zero = DeviceNode.open(LinuxKernel.instance(), Path.of("/dev/zero"));
                var other = DeviceNode.open(LinuxKernel.instance(), file)) {
            MemorySegment target = arena.allocate(16, 4);
            assertAllocatesNothing(() -> {
                other.frameIoctl("FIONREAD", FIONREAD, target);
                return zero.await(Linux.POLLIN, 1_000_000) == Linux.POLLIN
                        && zero.tryRead(target) == 16
                        && other.tryFrameIoctl(FIONREAD, target) == 0
                        && target.get(ValueLayout.JAVA_INT, 0) == 16;
            });
        }
    }

    @Test
    @RequiresDevices
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

    /** A frame of a stream without a device. */
    private static final class TestFrame extends Frame {
        private int returned;

        TestFrame(Ring ring, int index) {
            super(ring, index);
        }

        TestFrame lent() {
            lend();
            return this;
        }

        @Override
        public long sequence() {
            return 0;
        }

        @Override
        public long timestampNanos() {
            return 0;
        }

        @Override
        public boolean isDamaged() {
            return false;
        }

        @Override
        protected void giveBack() {
            returned++;
        }
    }

    /** Also of images that lie in several buffers. */
    @ParameterizedTest
    @EnumSource(names = {"XR24", "NV12M"})
    @RequiresDevices
    void theAccessOfTheCpuToFramesAllocatesNothing(PixelFormat format) throws Exception {
        assertEquals(0, bytesForThreeAccessesOfTwoFrames(format));
    }

    /** With every event recorded, whatever it lasts: one object for each access of a buffer, of 72 bytes. */
    @Test
    @RequiresDevices
    void recordingCostsAnObjectForEachAccess() throws Exception {
        try (var recording = new Recording()) {
            for (String event : List.of("CpuAccess", "FenceWait", "PoolWait", "Map", "Allocate", "Free")) {
                recording.enable("dev.cenalloc." + event).withoutThreshold().withoutStackTrace();
            }
            recording.start();
            long bytes = bytesForThreeAccessesOfTwoFrames(PixelFormat.XR24) / (CALLS * 6);
            assertTrue(bytes > 0 && bytes <= 96, () -> bytes + " bytes for an access");
        }
    }

    private static long bytesForThreeAccessesOfTwoFrames(PixelFormat format) throws Exception {
        var image = new Image(format, 64, 64);
        Port port = Port.of(
                Device.of("camera", Constraints.NONE, "test"),
                List.of(new ImageRange(format, ImageRange.Sizes.of(image.width(), image.height()))));
        try (var cenalloc = Cenalloc.open();
                var ring = Ring.allocate(cenalloc, Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(port)), 2)) {
            var frames = List.of(new TestFrame(ring, 0), new TestFrame(ring, 1));
            int last = format.buffers() - 1;
            long bytes = leastBytes(() -> {
                boolean right = true;
                for (int i = 0; i < 2; i++) {
                    TestFrame frame = frames.get(i).lent();
                    try (frame) {
                        try (var pixels = frame.access(Direction.WRITE)) {
                            pixels.segment(last).set(ValueLayout.JAVA_INT, 0, 7 + i);
                        }
                        try (var pixels = frame.access(Direction.READ)) {
                            right &= pixels.segment(last).get(ValueLayout.JAVA_INT, 0) == 7 + i;
                        }
                        try (var pixels = frame.access(Direction.READ_WRITE)) {
                            right &= pixels.segment(0).byteSize() > 0;
                        }
                    }
                }
                return right;
            });
            frames.forEach(frame -> assertEquals(ROUNDS * CALLS, frame.returned));
            return bytes;
        }
    }

    /** On any machine: neither lending nor giving back asks the kernel. */
    @Test
    void lendingAndGivingBackAllocatesNothing() throws Exception {
        var kernel = new FakeKernel().heap("system", 1 << 20);
        try (var cenalloc = kernel.open();
                var pool = Pool.allocate(cenalloc, Demand.ofBytes(4096), List.of(), 3)) {
            int calls = kernel.calls.size();
            assertAllocatesNothing(() -> {
                PoolBuffer buffer = pool.lend("producer", Duration.ZERO);
                buffer.handTo("consumer");
                buffer.close();
                return !buffer.isLent();
            });
            assertEquals(calls, kernel.calls.size());
        }
    }

    private static final int ROUNDS = 10;
    private static final int CALLS = 500;

    private static void assertAllocatesNothing(Callable<Boolean> frame) throws Exception {
        assertEquals(0, leastBytes(frame));
    }

    /** What all calls of a round allocate, in the round in which that is least. */
    private static long leastBytes(Callable<Boolean> frame) throws Exception {
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        int wrong = 0;
        long least = Long.MAX_VALUE;
        // What a call allocates shows in every round; what the virtual machine does now and then does not. The first
        // round links and customises the method handles.
        for (int round = 0; round < ROUNDS; round++) {
            long before = threads.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < CALLS; i++) {
                wrong += frame.call() ? 0 : 1;
            }
            least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        assertEquals(0, wrong);
        return least;
    }
}
