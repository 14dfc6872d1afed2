// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.OnEachKernel;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.LinuxKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One way to a driver: which failures are restarted, which are returned, and that a closed node reaches nothing. */
@OnEachKernel
class DeviceNodeTest {
    private static final Path ZERO = Path.of("/dev/zero");
    private static final Path NODE = Path.of("/dev/video0");
    private static final long REQUEST = 0x1234;
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    /** Answers calls with the results that the test gives, then with 0. */
    private static final class Scripted implements FakeKernel.Device {
        final Deque<Integer> results = new ArrayDeque<>();
        final Deque<Long> requests = new ArrayDeque<>();
        int ready;

        @Override
        public long number() {
            return 81 << 8;
        }

        @Override
        public int ioctl(int fd, long request, MemorySegment argument) {
            requests.add(request);
            return results.isEmpty() ? 0 : results.remove();
        }

        @Override
        public int ready(int fd) {
            return ready;
        }

        @Override
        public long read(int fd, MemorySegment target) {
            int result = results.isEmpty() ? 0 : results.remove();
            if (result > 0) {
                target.asSlice(0, result).fill((byte) 7);
            }
            return result;
        }

        @Override
        public void closed(int fd) {}
    }

    private final Scripted device = new Scripted();
    private final FakeKernel kernel = new FakeKernel().device(NODE.toString(), device);
    private final MemorySegment memory = Arena.ofAuto().allocate(8);

    private DeviceNode open() throws CenallocException {
        return DeviceNode.open(kernel, NODE);
    }

    @AfterEach
    void nothingIsLeftOpen() {
        assertEquals(0, kernel.openFiles());
    }

    private void answer(int... results) {
        for (int result : results) {
            device.results.add(result);
        }
    }

    // ---- closing ----

    /** The number of a closed file is given to the next that is opened: no call may reach that. */
    @Test
    void useAfterCloseReachesNoOtherFile() throws Exception {
        var node = DeviceNode.open(LinuxKernel.instance(), ZERO);
        try (node) {
            assertEquals(Linux.POLLIN, node.await(Linux.POLLIN, SECOND));
            memory.fill((byte) 1);
            assertEquals(8, node.tryRead(memory));
            assertEquals(0, memory.get(ValueLayout.JAVA_LONG, 0));
        }
        List<Executable> uses = List.of(
                () -> node.await(Linux.POLLIN, SECOND),
                () -> node.tryRead(memory),
                () -> node.tryIoctl(0, memory),
                () -> node.tryFrameIoctl(0, memory),
                () -> node.ioctl("REQUEST", 0, memory),
                () -> node.frameIoctl("REQUEST", 0, memory));
        try (var other = DeviceNode.open(LinuxKernel.instance(), ZERO)) {
            for (Executable use : uses) {
                var closed = assertThrows(IllegalStateException.class, use);
                assertEquals("/dev/zero is closed", closed.getMessage());
            }
            node.close(); // again
            assertEquals(8, other.tryRead(memory));
        }
    }

    @Test
    void nothingIsAskedOfTheKernelAfterTheClose() throws Exception {
        DeviceNode node = open();
        node.close();
        int calls = kernel.calls.size();
        assertThrows(IllegalStateException.class, () -> node.tryIoctl(REQUEST, memory));
        assertThrows(IllegalStateException.class, () -> node.tryFrameIoctl(REQUEST, memory));
        assertThrows(IllegalStateException.class, () -> node.tryRead(memory));
        assertThrows(IllegalStateException.class, () -> node.await(Linux.POLLIN, SECOND));
        node.close();
        assertEquals(calls, kernel.calls.size());
    }

    // ---- opening ----

    @Test
    void openingIsRestartedAfterASignal() throws Exception {
        kernel.failCall(0, Errno.EINTR);
        try (DeviceNode node = open()) {
            assertEquals(NODE, node.path());
            assertEquals(2, Collections.frequency(kernel.calls, "open"));
        }
    }

    @Test
    void aNodeThatDoesNotOpenIsTold() {
        kernel.failCall(0, Errno.EBUSY);
        var busy = assertThrows(CenallocException.class, this::open);
        assertEquals(Errno.EBUSY, busy.errno());
        assertEquals("open", busy.call());
        assertEquals(NODE, busy.path().orElseThrow());
        var missing = Path.of("/dev/video9");
        assertThrows(MissingDeviceException.class, () -> DeviceNode.open(kernel, missing));
    }

    // ---- requests ----

    @Test
    void aRequestIsRestartedAfterASignalAndAfterWhatDrmCallsOne() throws Exception {
        try (DeviceNode node = open()) {
            answer(-Errno.EINTR, -Errno.EAGAIN, -Errno.EINTR, 3);
            assertEquals(3, node.tryIoctl(REQUEST, memory));
            assertEquals(Collections.nCopies(4, REQUEST), List.copyOf(device.requests));
            answer(-Errno.EAGAIN, -Errno.EINTR);
            node.ioctl("REQUEST", REQUEST, memory);
            assertEquals(7, device.requests.size());
        }
    }

    @Test
    void aRequestOfAFrameLoopIsRestartedAfterASignalAndReturnsThatThereIsNoFrame() throws Exception {
        try (DeviceNode node = open()) {
            answer(-Errno.EINTR, -Errno.EINTR, -Errno.EAGAIN);
            assertEquals(-Errno.EAGAIN, node.tryFrameIoctl(REQUEST, memory));
            assertEquals(3, device.requests.size());
            answer(-Errno.EINTR, 5);
            assertEquals(5, node.tryFrameIoctl(REQUEST, memory));
            answer(-Errno.EINTR);
            node.frameIoctl("REQUEST", REQUEST, memory);
            answer(-Errno.EAGAIN);
            var none = assertThrows(CenallocException.class, () -> node.frameIoctl("REQUEST", REQUEST, memory));
            assertEquals(Errno.EAGAIN, none.errno());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.EINVAL, Errno.ENOTTY, Errno.ENODEV, Errno.EBUSY, Errno.EIO})
    void aRefusedRequestIsReturnedOrTold(int errno) throws Exception {
        try (DeviceNode node = open()) {
            answer(-errno, -errno, -errno, -errno);
            assertEquals(-errno, node.tryIoctl(REQUEST, memory));
            assertEquals(-errno, node.tryFrameIoctl(REQUEST, memory));
            List<Executable> uses = List.of(
                    () -> node.ioctl("REQUEST", REQUEST, memory), () -> node.frameIoctl("REQUEST", REQUEST, memory));
            for (Executable use : uses) {
                var refused = assertThrows(CenallocException.class, use);
                assertEquals(errno, refused.errno());
                assertEquals("REQUEST", refused.call());
                assertEquals(NODE, refused.path().orElseThrow());
                if (errno == Errno.ENODEV) {
                    assertInstanceOf(DeviceGoneException.class, refused);
                }
            }
            assertEquals(4, device.requests.size(), "asked once each");
        }
    }

    // ---- waiting ----

    @Test
    void waitingTellsWhichEventsCame() throws Exception {
        try (DeviceNode node = open()) {
            device.ready = Linux.POLLIN | Linux.POLLOUT;
            assertEquals(Linux.POLLIN, node.await(Linux.POLLIN, SECOND));
            assertEquals(Linux.POLLOUT, node.await(Linux.POLLOUT, SECOND));
            device.ready = Linux.POLLERR | Linux.POLLHUP;
            assertEquals(Linux.POLLERR | Linux.POLLHUP, node.await(Linux.POLLIN, SECOND));
        }
    }

    @Test
    void waitingEndsWithTheTime() throws Exception {
        try (DeviceNode node = open()) {
            assertEquals(0, node.await(Linux.POLLIN, 1));
            assertEquals(0, node.await(Linux.POLLIN, 0));
            assertEquals(0, node.await(Linux.POLLIN, -SECOND));
            assertEquals(0, node.await(Linux.POLLIN, Long.MAX_VALUE));
            assertEquals(List.of(1, 0, 0, Integer.MAX_VALUE), kernel.timeouts);
        }
    }

    @Test
    void waitingGoesOnAfterASignalForTheTimeThatIsLeft() throws Exception {
        try (DeviceNode node = open()) {
            device.ready = Linux.POLLIN;
            kernel.failCall(0, Errno.EINTR);
            assertEquals(Linux.POLLIN, node.await(Linux.POLLIN, SECOND));
            assertEquals(2, kernel.timeouts.size());
            assertEquals(1000, kernel.timeouts.getFirst());
            assertTrue(kernel.timeouts.getLast() <= 1000, kernel.timeouts::toString);
            kernel.failCall(0, Errno.EINTR);
            assertEquals(Linux.POLLIN, node.await(Linux.POLLIN, 0));
            assertEquals(0, kernel.timeouts.getLast());
        }
    }

    @Test
    void waitingThatFailsIsTold() throws Exception {
        try (DeviceNode node = open()) {
            kernel.failCall(0, Errno.ENOMEM);
            var failed = assertThrows(CenallocException.class, () -> node.await(Linux.POLLIN, SECOND));
            assertEquals(Errno.ENOMEM, failed.errno());
            assertEquals("poll", failed.call());
            assertEquals(NODE, failed.path().orElseThrow());
        }
    }

    // ---- reading ----

    @Test
    void readingIsRestartedAfterASignalAndReturnsTheRest() throws Exception {
        try (DeviceNode node = open()) {
            answer(-Errno.EINTR, -Errno.EINTR, 5);
            assertEquals(5, node.tryRead(memory));
            assertEquals(7, memory.get(ValueLayout.JAVA_BYTE, 4));
            assertEquals(0, memory.get(ValueLayout.JAVA_BYTE, 5));
            answer(-Errno.EAGAIN);
            assertEquals(-Errno.EAGAIN, node.tryRead(memory));
            answer(-Errno.ENODEV);
            assertEquals(-Errno.ENODEV, node.tryRead(memory));
            assertEquals(0, node.tryRead(memory), "the end");
        }
    }
}
