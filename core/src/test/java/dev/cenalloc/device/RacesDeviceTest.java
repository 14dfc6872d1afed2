// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.BufferBusyException;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.CpuAccess;
import dev.cenalloc.Fence;
import dev.cenalloc.LogCapture;
import dev.cenalloc.Mapping;
import dev.cenalloc.Pool;
import dev.cenalloc.PoolExhaustedException;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.Traces;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.Listener;
import dev.cenalloc.share.Receiver;
import dev.cenalloc.share.Sender;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Many threads do everything with a few buffers, on the real kernel; and programs that lose objects of every kind while
 * others are in use. At the end the kernel has what it had before. {@code -Dcenalloc.raceSeconds=600} for longer
 * (ci/soak).
 */
@RequiresDevices
class RacesDeviceTest {
    private static final int THREADS = 64;
    private static final int BUFFERS = 4;
    private static final long SIZE = 16_384;
    private static final String NONE = "Total 0 objects, 0 bytes";
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final Device ANY = Device.of("any", Constraints.NONE, "test");
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "test");

    private final long seed = Long.getLong("cenalloc.seed", 13);
    private final Duration time = Duration.ofSeconds(Long.getLong("cenalloc.raceSeconds", 3));
    private MachineState before = new MachineState("", 0, List.of());

    /** A buffer, and what it begins with, wherever it moves. */
    private record Marked(SharedBuffer buffer, long mark) {
        static Marked create(Cenalloc cenalloc, long mark) throws Exception {
            SharedBuffer buffer = cenalloc.create(SIZE);
            try (Mapping mapping = buffer.map(Direction.WRITE)) {
                mapping.segment().set(ValueLayout.JAVA_LONG, 0, mark);
            }
            return new Marked(buffer, mark);
        }

        void check(MemorySegment segment) {
            assertEquals(mark, segment.get(ValueLayout.JAVA_LONG, 0), "another buffer's memory");
            segment.set(ValueLayout.JAVA_LONG, 8 * (1 + Thread.currentThread().threadId() % 100), 1);
        }
    }

    private interface Step {
        void run(Random random) throws Exception;
    }

    @BeforeEach
    void lookAtWhatIs() throws Exception {
        StreamRun.find().direct(LinuxKernel.instance(), StreamRun::showSome);
        var open = new ArrayList<AutoCloseable>();
        try (var cenalloc = Cenalloc.open()) {
            share(cenalloc, open);
            for (AutoCloseable one : open) {
                one.close();
            }
        }
        before = MachineState.now();
        assertEquals(NONE, Traces.dmaBufs());
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        StreamRun.find().direct(LinuxKernel.instance(), StreamRun::showSome);
        before.assertSame("at the end");
        assertEquals(0, Traces.mappedDmaBufs());
    }

    /** Every thread does one step after the other until the time is over; counts what came of them. */
    private Map<String, Integer> race(Step step) throws Exception {
        long end = System.nanoTime() + time.toNanos();
        var outcomes = new TreeMap<String, Integer>();
        try (var threads = Executors.newFixedThreadPool(THREADS)) {
            var results = new ArrayList<Future<Map<String, Integer>>>();
            for (int i = 0; i < THREADS; i++) {
                var random = new Random(seed + i);
                results.add(threads.submit(() -> {
                    var mine = new TreeMap<String, Integer>();
                    while (System.nanoTime() < end) {
                        String outcome = "done";
                        try {
                            step.run(random);
                        } catch (IllegalStateException | BufferBusyException | PoolExhaustedException e) {
                            outcome = e.getClass().getSimpleName();
                        }
                        mine.merge(outcome, 1, Integer::sum);
                    }
                    return mine;
                }));
            }
            for (var result : results) {
                result.get().forEach((outcome, count) -> outcomes.merge(outcome, count, Integer::sum));
            }
        }
        System.out.println(outcomes + ", seed " + seed);
        return outcomes;
    }

    // ---- buffers ----

    @Test
    void threadsCloseMapAccessAttachAndRelocateTheSameBuffers() throws Exception {
        var buffers = new AtomicReferenceArray<Marked>(BUFFERS);
        try (var cenalloc = Cenalloc.open()) {
            for (int i = 0; i < BUFFERS; i++) {
                buffers.set(i, Marked.create(cenalloc, i));
            }
            Map<String, Integer> outcomes = race(random -> {
                int place = random.nextInt(BUFFERS);
                Marked one = buffers.get(place);
                if (random.nextInt(20) > 0) {
                    use(cenalloc, one, random);
                    return;
                }
                // Closing is refused while it is mapped.
                one.buffer.close();
                Marked next = Marked.create(cenalloc, random.nextLong());
                if (!buffers.compareAndSet(place, one, next)) {
                    next.buffer.close();
                }
            });
            assertTrue(outcomes.getOrDefault("done", 0) > THREADS, outcomes::toString);
            for (int i = 0; i < BUFFERS; i++) {
                buffers.get(i).buffer.close();
            }
            assertEquals(
                    0,
                    cenalloc.heaps().stream()
                            .mapToInt(heap -> cenalloc.usage(heap).buffers())
                            .sum());
        }
    }

    private static void use(Cenalloc cenalloc, Marked one, Random random) throws Exception {
        SharedBuffer buffer = one.buffer;
        switch (random.nextInt(8)) {
            case 0, 1 -> {
                try (Mapping mapping = buffer.map(Direction.READ_WRITE)) {
                    one.check(mapping.segment());
                }
            }
            case 2, 3 -> {
                try (CpuAccess _ = buffer.access(random.nextBoolean() ? Direction.READ : Direction.READ_WRITE)) {
                    Thread.onSpinWait();
                }
            }
            case 4 -> {
                try (var _ = buffer.attach(random.nextBoolean() ? CONTIGUOUS : ANY)) {
                    Thread.onSpinWait();
                } catch (IllegalArgumentException e) {
                    buffer.explain(); // another thread has attached it
                }
            }
            case 5, 6 -> {
                try {
                    if (random.nextBoolean()) {
                        buffer.relocate(CONTIGUOUS).close();
                    } else {
                        buffer.relocate();
                    }
                } catch (IllegalArgumentException e) {
                    buffer.attachments();
                }
            }
            default -> {
                buffer.name("race " + random.nextInt());
                cenalloc.dump();
            }
        }
    }

    @Test
    void threadsLendGiveBackGrowAndTrimAPool() throws Exception {
        try (var cenalloc = Cenalloc.open();
                Pool pool = Pool.allocate(cenalloc, Demand.ofBytes(SIZE), List.of(ANY), 2)) {
            Map<String, Integer> outcomes = race(random -> {
                switch (random.nextInt(10)) {
                    case 0 -> pool.grow(1 + random.nextInt(2));
                    case 1 -> pool.trim(1 + random.nextInt(4));
                    case 2 -> pool.holders();
                    default -> {
                        try (var buffer = pool.lend("thread", Duration.ofMillis(random.nextInt(5)));
                                var bytes = buffer.access(Direction.READ_WRITE)) {
                            bytes.segment().set(ValueLayout.JAVA_LONG, 0, random.nextLong());
                            if (random.nextInt(4) == 0) {
                                try (Fence fence = buffer.buffers().getFirst().exportFence(Direction.READ)) {
                                    assertTrue(fence.await(LIMIT));
                                }
                            }
                        }
                    }
                }
            });
            assertTrue(outcomes.getOrDefault("done", 0) > THREADS, outcomes::toString);
            assertEquals(pool.size(), pool.free());
        }
    }

    // ---- lost objects ----

    /** Lends a frame to the other end of a connection; all that is open goes into the list, the last one first. */
    private static void share(Cenalloc cenalloc, List<AutoCloseable> open) throws Exception {
        var address = Address.ofAbstract("cenalloc-races");
        try (var listener = Listener.open(cenalloc, address)) {
            var buffer = cenalloc.create(new Image(PixelFormat.NV12, 64, 48));
            open.addFirst(buffer);
            var sender = new Sender(Connection.connect(cenalloc, address));
            open.addFirst(sender);
            var receiver = new Receiver(Objects.requireNonNull(listener.accept(LIMIT)));
            open.addFirst(receiver);
            assertTrue(sender.send(sender.add(List.of(buffer), "", ""), 1, 0, null, LIMIT));
            open.addFirst(Objects.requireNonNull(receiver.next(LIMIT)));
        }
    }

    /** One of every kind, in use. */
    private static void lose() throws Exception {
        var cenalloc = Cenalloc.open();
        SharedBuffer buffer = cenalloc.create(SIZE);
        buffer.attach(ANY);
        buffer.map(Direction.WRITE);
        buffer.access(Direction.READ_WRITE);
        buffer.dmaBuf().duplicate();
        buffer.dmaBuf().exportFence(Direction.READ);
        Pool.allocate(cenalloc, Demand.ofBytes(SIZE), List.of(CONTIGUOUS), 2)
                .lend("lost", Duration.ZERO)
                .access(Direction.WRITE);
        Listener.open(cenalloc, Address.ofAbstract("cenalloc-lost-" + System.nanoTime()));
        share(cenalloc, new ArrayList<>());
        StreamRun.find().lose();
    }

    @Test
    void lostObjectsOfEveryKindAreReleasedWhileOthersAreInUse() throws Exception {
        var over = new AtomicBoolean();
        try (var log = new LogCapture();
                var threads = Executors.newSingleThreadExecutor()) {
            var others = threads.submit(() -> {
                try (var cenalloc = Cenalloc.open()) {
                    for (long i = 0; !over.get(); i++) {
                        Marked one = Marked.create(cenalloc, i);
                        try (Mapping mapping = one.buffer.map(Direction.READ_WRITE)) {
                            one.check(mapping.segment());
                        }
                        one.buffer.close();
                    }
                }
                return null;
            });
            try {
                long end = System.nanoTime() + time.toNanos();
                for (int round = 1; round == 1 || System.nanoTime() < end; round++) {
                    lose();
                    // A camera streams, and a display shows, for one program at a time.
                    for (String node : List.of("/dev/video", "/dev/dri/card")) {
                        while (count(log, "the device " + node) < round) {
                            System.gc();
                            Thread.sleep(20);
                        }
                    }
                }
            } finally {
                over.set(true);
                others.get();
            }
            awaitAsBefore();
            for (String what : List.of(
                    "the DmaBuf ",
                    "a Fence ",
                    "the Cenalloc that allocates from /dev/dma_heap/system ",
                    "the socket at @cenalloc-lost-",
                    "a connection to another process ")) {
                assertTrue(count(log, what) > 0, () -> what + " is not in " + log.text());
            }
        }
        assertEquals(before.screen(), MachineState.now().screen());
    }

    private static long count(LogCapture log, String what) {
        return log.text()
                .lines()
                .filter(line -> line.contains(what) && line.contains("was never closed"))
                .count();
    }

    private static String open() throws Exception {
        var files = new ArrayList<String>();
        try (var descriptors = Files.list(Path.of("/proc/self/fd"))) {
            for (Path one : (Iterable<Path>) descriptors::iterator) {
                files.add(
                        Files.exists(one, LinkOption.NOFOLLOW_LINKS)
                                ? Files.readSymbolicLink(one).toString()
                                : "");
            }
        }
        return files.toString();
    }

    /** Collects until nothing is left; a test that waits too long is ended. */
    private void awaitAsBefore() throws Exception {
        long limit = System.nanoTime() + LIMIT.toNanos();
        while ((Traces.openFiles() != before.files() || !Traces.dmaBufs().equals(NONE)) && System.nanoTime() < limit) {
            System.gc();
            Thread.sleep(20);
        }
        before.assertSame("after all was lost: " + open());
        assertEquals(0, Traces.mappedDmaBufs());
    }
}
