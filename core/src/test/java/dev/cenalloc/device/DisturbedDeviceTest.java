// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.Disturbance;
import dev.cenalloc.Fence;
import dev.cenalloc.Pool;
import dev.cenalloc.PoolExhaustedException;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.SwSync;
import dev.cenalloc.TestContext;
import dev.cenalloc.Traces;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Broadcast;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.Listener;
import dev.cenalloc.share.Receiver;
import dev.cenalloc.share.Sender;
import dev.cenalloc.share.SentFrame;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.net.StandardProtocolFamily;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Every call that blocks, while signals interrupt it, the clock is set, or the process is stopped and continued. A wait
 * lasts as long as was said: one that began anew after each signal would never end here, and one by the wrong clock an
 * hour too early or too late. {@code -Dcenalloc.disturbances=100000} for so many interrupted calls in each test, and a
 * hundredth of it of the others (ci/soak).
 */
@RequiresDevices
class DisturbedDeviceTest {
    private static final Duration LIMIT = Duration.ofMillis(100);

    /** For what is about to happen; if it does not, the test ends, and fails. */
    private static final Duration SOON = Duration.ofMinutes(2);

    private static final Path HEAPS = Path.of("/dev/dma_heap");
    private static final Path HUGE_PAGES = Path.of("/proc/sys/vm/nr_hugepages");
    private static final int FRAMES = 40;
    /** Frames for another process, each of which is waited for until the wait was disturbed. */
    private static final int PASSED = 10;

    /** A backlog of connections that nobody accepts, see listen(2), and one more. */
    private static final int BACKLOG = 65;

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    private MachineState before = new MachineState("", 0, List.of());

    private interface Work {
        void run(Disturbance disturbance, Cenalloc cenalloc) throws Exception;
    }

    private interface Wait {
        /** Whether what is waited for has come. */
        boolean comes(Duration limit) throws Exception;
    }

    @BeforeEach
    void lookAtWhatIs() throws Exception {
        StreamRun.find().direct(LinuxKernel.instance(), StreamRun::showSome);
        // What the JDK opens once for all, for sockets and processes.
        ServerSocketChannel.open(StandardProtocolFamily.UNIX).close();
        new ProcessBuilder("true").start().waitFor();
        before = MachineState.now();
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        before.assertSame("at the end");
        assertEquals(0, Traces.mappedDmaBufs());
    }

    private static void disturbed(Disturbance.Kind kind, Work work) throws Exception {
        long wanted = Long.getLong("cenalloc.disturbances", 1) / (kind == Disturbance.Kind.SIGNALS ? 1 : 100);
        try (var disturbance = Disturbance.begin(kind)) {
            do {
                try (Cenalloc cenalloc = TestContext.open(disturbance.kernel(), HEAPS)) {
                    work.run(disturbance, cenalloc);
                }
            } while (disturbance.count() < wanted);
        }
    }

    /** Waits for what does not come: for as long as was said, whatever interrupts it. */
    private static void inVain(Disturbance disturbance, String call, Wait wait) throws Exception {
        long before = disturbance.count(call);
        do {
            long start = System.nanoTime();
            assertFalse(wait.comes(LIMIT), call);
            long took = System.nanoTime() - start;
            assertTrue(took >= LIMIT.toNanos(), () -> "after " + took + " ns in " + call);
        } while (disturbance.count(call) == before);
    }

    /** Waits for what comes when the wait was disturbed. */
    private static void untilItComes(Disturbance disturbance, String call, Wait wait, Executable cause)
            throws Exception {
        long enough = disturbance.count(call) + 1;
        try (var threads = Executors.newSingleThreadExecutor()) {
            try {
                var later = threads.submit(() -> {
                    while (disturbance.count(call) < enough) {
                        Thread.sleep(1);
                    }
                    try {
                        cause.execute();
                    } catch (Throwable e) {
                        throw new AssertionError(e);
                    }
                    return null;
                });
                assertTrue(wait.comes(SOON), call);
                later.get();
            } finally {
                threads.shutdownNow();
            }
        }
    }

    // ---- frames ----

    @ParameterizedTest
    @EnumSource(Disturbance.Kind.class)
    void noFrameIsLostBetweenCameraAndDisplay(Disturbance.Kind kind) throws Exception {
        StreamRun run = StreamRun.find();
        disturbed(kind, (disturbance, _) -> {
            long dequeued = disturbance.succeeded(v4l2_h.VIDIOC_DQBUF());
            long polls = disturbance.count("poll");
            run.direct(disturbance.kernel(), (source, shown) -> {
                for (int i = 0; i < FRAMES; i++) {
                    shown.show(source.next());
                }
                shown.awaitShown(SOON);
                assertEquals(FRAMES, shown.flips());
            });
            assertEquals(
                    FRAMES, disturbance.succeeded(v4l2_h.VIDIOC_DQBUF()) - dequeued, "frames that the driver gave");
            assertTrue(disturbance.count("poll") > polls);
        });
    }

    @ParameterizedTest
    @EnumSource(Disturbance.Kind.class)
    void convertersWritebacksAndMemoryOfADeviceWorkAsEver(Disturbance.Kind kind) throws Exception {
        StreamRun run = StreamRun.find();
        disturbed(kind, (disturbance, _) -> {
            run.converted(disturbance.kernel(), StreamRun::showSome);
            run.lent(disturbance.kernel(), StreamRun::showSome);
            run.direct(disturbance.kernel(), StreamRun::captureOne);
        });
    }

    @ParameterizedTest
    @EnumSource(Disturbance.Kind.class)
    void devicesAreFoundAndProbedAsEver(Disturbance.Kind kind) throws Exception {
        StreamRun run = StreamRun.find();
        String found;
        try (var cenalloc = Cenalloc.open()) {
            found = found(cenalloc, run);
        }
        // Once: hardly any call waits.
        try (var disturbance = Disturbance.begin(kind);
                Cenalloc cenalloc = TestContext.open(disturbance.kernel(), HEAPS)) {
            assertEquals(found, found(cenalloc, run));
        }
    }

    private static String found(Cenalloc cenalloc, StreamRun run) throws Exception {
        return Devices.list(cenalloc) + "\n"
                + Probe.of(cenalloc, run.camera()).produces() + "\n"
                + Probe.of(cenalloc, run.display()).consumes();
    }

    // ---- fences ----

    @ParameterizedTest
    @EnumSource(Disturbance.Kind.class)
    void waitsForFencesKeepTheirTime(Disturbance.Kind kind) throws Exception {
        disturbed(kind, (disturbance, cenalloc) -> {
            try (var timeline = new SwSync();
                    SharedBuffer buffer = cenalloc.create(4096);
                    Fence pending = Fence.adopt(timeline.fence())) {
                buffer.attach(Device.cpu(Direction.READ_WRITE));
                var memory = buffer.dmaBuf();
                memory.importFence(pending, Direction.WRITE);
                try (Fence fence = memory.exportFence(Direction.READ)) {
                    inVain(disturbance, "poll", fence::await);
                    inVain(disturbance, "poll", limit -> memory.await(Direction.READ, limit));
                    untilItComes(disturbance, "poll", fence::await, timeline::signal);
                }
                try (Fence next = Fence.adopt(timeline.fence())) {
                    memory.importFence(next, Direction.WRITE);
                    untilItComes(disturbance, "poll", limit -> memory.await(Direction.READ, limit), timeline::signal);
                }
                try (Fence next = Fence.adopt(timeline.fence())) {
                    memory.importFence(next, Direction.WRITE);
                    // DMA_BUF_IOCTL_SYNC waits for devices, without a limit.
                    untilItComes(
                            disturbance,
                            "ioctl",
                            _ -> {
                                try (var _ = buffer.access(Direction.READ)) {
                                    return true;
                                }
                            },
                            timeline::signal);
                }
            }
        });
    }

    @ParameterizedTest
    @EnumSource(Disturbance.Kind.class)
    void waitsForAPoolKeepTheirTime(Disturbance.Kind kind) throws Exception {
        disturbed(kind, (disturbance, cenalloc) -> {
            try (var timeline = new SwSync();
                    Fence source = Fence.adopt(timeline.fence());
                    Pool pool = Pool.allocate(cenalloc, Demand.ofBytes(4096), List.of(), 1)) {
                var lent = pool.lend("painter", LIMIT);
                long start = System.nanoTime();
                assertThrows(PoolExhaustedException.class, () -> pool.lend("encoder", LIMIT)); // a wait in Java
                assertTrue(System.nanoTime() - start >= LIMIT.toNanos());
                // A fence of this context's kernel.
                lent.buffers().getFirst().importFence(source, Direction.WRITE);
                try (Fence work = lent.buffers().getFirst().exportFence(Direction.READ)) {
                    lent.close(work);
                }
                inVain(disturbance, "poll", limit -> {
                    try {
                        pool.lend("encoder", limit).close();
                        return true;
                    } catch (PoolExhaustedException e) {
                        return false;
                    }
                });
                untilItComes(
                        disturbance,
                        "poll",
                        limit -> {
                            pool.lend("encoder", limit).close();
                            return true;
                        },
                        timeline::signal);
            }
        });
    }

    // ---- other processes ----

    @ParameterizedTest
    @EnumSource(Disturbance.Kind.class)
    void waitsForOtherProcessesKeepTheirTime(Disturbance.Kind kind) throws Exception {
        Address address = Address.of(directory.resolve("frames"));
        disturbed(kind, (disturbance, cenalloc) -> {
            try (var listener = Listener.open(cenalloc, address)) {
                inVain(disturbance, "poll", limit -> listener.accept(limit) != null);
                var connections = new ArrayList<Connection>();
                try {
                    while (connections.size() < BACKLOG) {
                        connections.add(Connection.connect(cenalloc, address));
                    }
                    untilItComes(
                            disturbance,
                            "connect",
                            _ -> connections.add(Connection.connect(cenalloc, address)),
                            () -> Objects.requireNonNull(listener.accept(SOON)).close());
                } finally {
                    connections.forEach(Connection::close);
                }
            }
            try (var listener = Listener.open(cenalloc, address);
                    var here = Connection.connect(cenalloc, address);
                    var there = Objects.requireNonNull(listener.accept(SOON))) {
                var bytes = new byte[1 << 16];
                var none = new ArrayList<SharedBuffer>();
                inVain(disturbance, "poll", limit -> there.receive(bytes, none, limit) > 0);
                untilItComes(
                        disturbance,
                        "poll",
                        limit -> there.receive(bytes, none, limit) > 0,
                        () -> here.send(new byte[1], List.of(), SOON));
                while (here.send(new byte[1], List.of(), Duration.ZERO)) {}
                inVain(disturbance, "poll", limit -> here.send(new byte[1], List.of(), limit));
                untilItComes(disturbance, "poll", limit -> here.send(new byte[1], List.of(), limit), () -> {
                    while (there.receive(bytes, none, Duration.ZERO) > 0) {}
                });
            }
        });
    }

    @ParameterizedTest
    @EnumSource(Disturbance.Kind.class)
    void framesForOtherProcessesAreNeitherLostNorLate(Disturbance.Kind kind) throws Exception {
        Address address = Address.of(directory.resolve("frames"));
        disturbed(kind, (disturbance, cenalloc) -> {
            try (var listener = Listener.open(cenalloc, address);
                    var sender = new Sender(Connection.connect(cenalloc, address));
                    var receiver = new Receiver(Objects.requireNonNull(listener.accept(SOON)));
                    SharedBuffer buffer = cenalloc.create(new Image(PixelFormat.NV12, 64, 48))) {
                SentFrame frame = sender.add(List.of(buffer), "", "");
                inVain(disturbance, "poll", limit -> receiver.next(limit) != null);
                inVain(disturbance, "poll", limit -> sender.returned(limit) != null);
                for (int i = 0; i < PASSED; i++) {
                    int number = i;
                    untilItComes(
                            disturbance,
                            "poll",
                            limit -> {
                                try (var received = receiver.next(limit)) {
                                    return received != null && received.sequence() == number;
                                }
                            },
                            () -> assertTrue(sender.send(frame, number, 0, null, SOON)));
                    assertEquals(frame, sender.returned(SOON));
                }
            }
            Port port =
                    Port.of(Device.cpu(Direction.WRITE), List.of(new ImageRange(PixelFormat.NV12, Sizes.of(64, 48))));
            try (Ring ring =
                            Ring.allocate(cenalloc, Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(port)), 2);
                    var broadcast = Broadcast.open(Listener.open(cenalloc, address), ring)) {
                inVain(disturbance, "poll", limit -> broadcast.awaitReceivers(1, limit));
            }
        });
    }

    // ---- memory ----

    @ParameterizedTest
    @EnumSource(Disturbance.Kind.class)
    void largeBuffersAreAllocatedAsEver(Disturbance.Kind kind) throws Exception {
        String pages = Files.readString(HUGE_PAGES).strip();
        try {
            Files.writeString(HUGE_PAGES, "32");
            disturbed(kind, (disturbance, cenalloc) -> {
                long calls = disturbance.count();
                do {
                    for (var heap : List.of("system", "reserved", "udmabuf", "udmabuf-huge")) {
                        try (SharedBuffer buffer = cenalloc.create(56 << 20)) {
                            buffer.attach(Device.of("device", Constraints.NONE.onlyHeaps(Set.of(heap)), "test"));
                            assertEquals(56 << 20, buffer.dmaBuf().size(), heap);
                        }
                    }
                } while (disturbance.count() == calls);
            });
        } finally {
            Files.writeString(HUGE_PAGES, pages);
        }
    }
}
