// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Faults;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Pools: lending and giving back, by many threads, with fences, under faults; growing and trimming. */
class PoolTest {
    private static final long MEMORY = 16 << 20;
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final Duration MINUTE = Duration.ofMinutes(1);

    private final FakeKernel kernel = new FakeKernel().heap("system", MEMORY);
    private final Cenalloc cenalloc = kernel.open();
    private final Device npu = Device.of("npu", Constraints.NONE, "test");

    @BeforeEach
    void openTheNodeOfTheHeap() throws Exception {
        cenalloc.allocate(cenalloc.heap("system"), 1).close();
    }

    @AfterEach
    void everythingIsGivenBack() {
        assertEquals(1, kernel.openFiles(), "the node of the heap");
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        assertEquals(MEMORY, kernel.free());
    }

    private Pool pool(int count) throws CenallocException {
        return Pool.allocate(cenalloc, Demand.ofBytes(10_000), List.of(npu), count);
    }

    private static void refused(String words, org.junit.jupiter.api.function.Executable use) {
        var e = assertThrows(IllegalStateException.class, use);
        assertTrue(String.valueOf(e.getMessage()).contains(words), e::toString);
    }

    private Fence pending(FakeKernel.Work work) throws CenallocException {
        return Fence.adopt(kernel, kernel.fence(work));
    }

    @Test
    void buffersAreLentAndComeBack() throws Exception {
        try (Pool pool = pool(3)) {
            PoolBuffer first = pool.lend("camera", SECOND);
            PoolBuffer second = pool.lend("display", SECOND);
            assertEquals(List.of(0, 1), List.of(first.index(), second.index()));
            assertEquals("camera", first.holder().orElseThrow());
            assertEquals(1, pool.free());
            first.close();
            refused("was given back", first::close);
            refused("was given back", () -> first.access(Direction.READ));
            refused("was given back", () -> first.handTo("display"));
            assertSame(first, pool.lend("encoder", SECOND));
            first.close();
            second.close();
            assertEquals(3, pool.free());
            assertEquals("pool of 3 buffers, 3 free", pool.toString());
        }
    }

    /** One plan, one allocation and one mapping for each; lending makes no system call. */
    @Test
    void theMemoryIsMappedOnce() throws Exception {
        try (Pool pool = pool(2)) {
            assertEquals(3 * 4096 * 2, MEMORY - kernel.free());
            for (PoolBuffer each : pool.buffers()) {
                assertSame(
                        pool.buffers()
                                .getFirst()
                                .sharedBuffers()
                                .getFirst()
                                .choice()
                                .orElseThrow()
                                .plan(),
                        each.sharedBuffers().getFirst().choice().orElseThrow().plan());
                assertEquals(
                        List.of(npu),
                        each.sharedBuffers().getFirst().attachments().stream()
                                .map(Attachment::device)
                                .toList());
            }
            for (int round = 0; round < 3; round++) {
                for (Direction direction : Direction.values()) {
                    try (PoolBuffer buffer = pool.lend("cpu", SECOND);
                            MappedAccess bytes = buffer.access(direction)) {
                        assertEquals(3 * 4096, bytes.segment().byteSize());
                        assertEquals(
                                direction == Direction.READ, bytes.segment().isReadOnly());
                        refused("holds bytes", bytes::layout);
                    }
                }
            }
            assertEquals(2, kernel.openMappings(), "one to read, one to write");
            int calls = kernel.calls.size();
            for (int i = 0; i < 10; i++) {
                pool.lend("npu", SECOND).close();
            }
            assertEquals(calls, kernel.calls.size());
        }
    }

    @Test
    void anImageInSeveralPartsHasALayoutForEach() throws Exception {
        var image = new Image(PixelFormat.NV12M, 64, 64);
        var parts = List.of(Demand.ofImage(image, 0), Demand.ofImage(image, 1));
        try (Pool pool = Pool.allocate(cenalloc, "frame", parts, List.of(List.of(npu), List.of(npu)), 2);
                PoolBuffer frame = pool.lend("encoder", SECOND);
                MappedAccess pixels = frame.access(Direction.WRITE)) {
            assertEquals(2, pool.layouts().size());
            assertEquals(2, frame.buffers().size());
            pixels.segment(1).set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
            refused("frame 0 has a layout for each of its parts", pixels::layout);
        }
        assertThrows(
                IllegalArgumentException.class, () -> Pool.allocate(cenalloc, "frame", parts, List.of(List.of()), 2));
        assertThrows(IllegalArgumentException.class, () -> Pool.allocate(cenalloc, "frame", List.of(), List.of(), 2));
    }

    @Test
    void whoHasWhatIsToldWhenNoneIsLeft() throws Exception {
        try (Pool pool = pool(4)) {
            pool.lend("camera", SECOND);
            pool.lend("camera", SECOND);
            PoolBuffer third = pool.lend("camera", SECOND);
            third.handTo("display\n");
            var work = new FakeKernel.Work();
            try (Fence fence = pending(work)) {
                pool.lend("gpu", SECOND).close(fence);
            }
            var e = assertThrows(PoolExhaustedException.class, () -> pool.lend("encoder", Duration.ofMillis(20)));
            assertEquals(Errno.ETIMEDOUT, e.errno());
            String message = e.toString().replaceAll("\\d+ ms", "N ms");
            assertTrue(
                    message.contains("no buffer of 4 came back within PT0.02S: buffers 0, 1: camera for up to N ms; "
                            + "buffer 2: display\\n for N ms; buffer 3: work that has not ended"),
                    message);
            assertNull(pool.tryLend("encoder"));
            work.status = 1;
            assertEquals(3, pool.lend("encoder", Duration.ZERO).index());
        }
    }

    // ---- waiting ----

    @Test
    void aThreadThatWaitsGetsWhatComesBack() throws Exception {
        try (Pool pool = pool(1);
                var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            PoolBuffer buffer = pool.lend("first", SECOND);
            Future<PoolBuffer> next = threads.submit(() -> pool.lend("second", MINUTE));
            Thread.sleep(20);
            assertFalse(next.isDone());
            buffer.close();
            assertSame(buffer, next.get());
            assertEquals("second", buffer.holder().orElseThrow());
        }
    }

    @Test
    void aBufferWhoseWorkEndsWhileAThreadWaitsIsLent() throws Exception {
        try (Pool pool = pool(1);
                var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var work = new FakeKernel.Work();
            try (Fence fence = pending(work)) {
                pool.lend("gpu", SECOND).close(fence);
            }
            Future<PoolBuffer> next = threads.submit(() -> pool.lend("cpu", MINUTE));
            Thread.sleep(20);
            assertFalse(next.isDone());
            synchronized (kernel) {
                work.status = 1;
            }
            assertEquals(0, next.get().index());
        }
    }

    @Test
    void anInterruptOrTheEndOfThePoolEndsTheWait() throws Exception {
        Pool pool = pool(1);
        pool.lend("first", SECOND);
        for (boolean interrupt : new boolean[] {true, false}) {
            var thrown = new ArrayList<Throwable>();
            Thread thread = Thread.ofPlatform().start(() -> {
                try {
                    pool.lend("second", MINUTE);
                } catch (InterruptedException | CenallocException | RuntimeException e) {
                    thrown.add(e);
                }
            });
            Thread.sleep(20);
            if (interrupt) {
                thread.interrupt();
            } else {
                pool.close();
            }
            thread.join();
            assertEquals(
                    List.of(interrupt ? InterruptedException.class : IllegalStateException.class),
                    thrown.stream().map(Object::getClass).toList());
        }
    }

    /** Never two holders of one buffer; and every thread gets on. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3, 8})
    void manyThreadsShareAFewBuffers(int buffers) throws Exception {
        var users = new AtomicIntegerArray(buffers);
        try (Pool pool = pool(buffers);
                var threads = Executors.newCachedThreadPool()) {
            var running = threads.invokeAll(IntStream.range(0, 12)
                    .<Callable<Integer>>mapToObj(thread -> () -> {
                        var random = new Random(thread);
                        int wrong = 0;
                        for (int i = 0; i < 300; i++) {
                            PoolBuffer buffer = pool.lend("thread " + thread, MINUTE);
                            wrong += users.incrementAndGet(buffer.index()) == 1 ? 0 : 1;
                            if (random.nextInt(4) == 0) {
                                Thread.onSpinWait();
                            }
                            users.decrementAndGet(buffer.index());
                            if (random.nextInt(4) == 0) {
                                var work = new FakeKernel.Work();
                                try (Fence fence = pending(work)) {
                                    buffer.close(fence);
                                }
                                synchronized (kernel) {
                                    work.status = random.nextBoolean() ? 1 : -Errno.EIO;
                                }
                            } else {
                                buffer.close();
                            }
                        }
                        return wrong;
                    })
                    .toList());
            for (Future<Integer> each : running) {
                assertEquals(0, each.get());
            }
            assertEquals(
                    buffers,
                    IntStream.range(0, buffers)
                            .filter(i -> !pool.buffers().get(i).isLent())
                            .count());
        }
    }

    // ---- fences ----

    /** The pool has a descriptor of its own: the caller may close the fence at once. */
    @Test
    void aBufferIsNotLentBeforeTheWorkOnItHasEnded() throws Exception {
        try (Pool pool = pool(2)) {
            var work = new FakeKernel.Work();
            int before = kernel.openFiles();
            PoolBuffer first = pool.lend("gpu", SECOND);
            try (Fence fence = pending(work)) {
                first.close(fence);
                refused("was given back", () -> first.close(fence));
            }
            assertEquals(before + 1, kernel.openFiles());
            assertEquals(1, pool.free());
            assertEquals(1, pool.lend("cpu", SECOND).index());
            assertNull(pool.tryLend("cpu"));
            assertFalse(first.tryLend("cpu"));
            work.status = -Errno.EIO; // failed: the memory can be used again all the same
            assertSame(first, pool.lend("cpu", SECOND));
            assertEquals(before, kernel.openFiles());
            try (Fence ended = pending(work)) {
                first.close(ended);
                assertSame(first, pool.lend("cpu", SECOND));
                first.close(null);
            }
            assertEquals(before, kernel.openFiles());
        }
    }

    @Test
    void aBufferWhoseFenceCannotBeKeptStaysLent() throws Exception {
        try (Pool pool = pool(1)) {
            PoolBuffer buffer = pool.lend("gpu", SECOND);
            var work = new FakeKernel.Work();
            try (Fence fence = pending(work)) {
                for (int call = 0; call < 2; call++) {
                    kernel.failCall(call, Errno.EMFILE);
                    assertEquals(
                            Errno.EMFILE,
                            assertThrows(CenallocException.class, () -> buffer.close(fence))
                                    .errno());
                    kernel.failNoCall();
                    assertTrue(buffer.isLent());
                }
            }
            buffer.close();
            assertEquals(1, pool.free());
        }
    }

    // ---- holders that die ----

    @Test
    void whatADeadHolderHadIsTakenBack() throws Exception {
        try (Pool pool = pool(3)) {
            pool.lend("dead", SECOND);
            PoolBuffer alive = pool.lend("alive", SECOND);
            PoolBuffer accessed = pool.lend("dead", SECOND);
            MappedAccess access = accessed.access(Direction.READ);
            refused("a CPU access to buffer 2 is open", accessed::close);
            assertEquals(2, pool.takeBack("dead"));
            assertEquals(0, pool.takeBack("nobody"));
            assertEquals(1, pool.free());
            access.close();
            assertEquals(2, pool.free());
            assertTrue(alive.isLent());
            accessed.giveUp();
            assertEquals(2, pool.free());
        }
    }

    // ---- more and fewer ----

    @Test
    void itGrowsByTheSamePlanAndIsTrimmedFromTheEnd() throws Exception {
        try (Pool pool = pool(1)) {
            PoolBuffer first = pool.lend("cpu", SECOND);
            pool.grow(3);
            assertEquals(
                    List.of(0, 1, 2, 3),
                    pool.buffers().stream().map(PoolBuffer::index).toList());
            PoolBuffer second = pool.lend("cpu", SECOND);
            assertEquals(2, pool.trim(64));
            assertEquals(2 * 3 * 4096, MEMORY - kernel.free());
            first.close();
            assertEquals(0, pool.trim(1), "the last is lent");
            second.close();
            assertEquals(1, pool.trim(5), "one is left");
            assertEquals(1, pool.size());
            refused("closed", () -> second.buffers().getFirst().fd());
            pool.grow(0);
            pool.grow(1);
            assertEquals(2, pool.free());
            assertThrows(IllegalArgumentException.class, () -> pool.grow(63));
            assertThrows(IllegalArgumentException.class, () -> pool.grow(-1));
            assertThrows(IllegalArgumentException.class, () -> pool.trim(-1));
        }
    }

    @Test
    void aPoolThatCannotGrowKeepsWhatItHas() throws Exception {
        try (Pool pool = Pool.allocate(cenalloc, Demand.ofBytes(MEMORY / 4), List.of(npu), 2)) {
            assertThrows(MemoryExhaustedException.class, () -> pool.grow(5));
            assertTrue(pool.size() >= 2, pool::toString);
            assertEquals(pool.size(), pool.free());
        }
    }

    @Test
    void memoryFromElsewhereMakesAPoolThatDoesNotGrow() throws Exception {
        SharedBuffer foreign = cenalloc.adopt(kernel.foreignDmaBuf("camera", 4096, false));
        try (Pool pool = Pool.of("frame", List.of(), List.of(List.of(foreign)))) {
            assertEquals(0, pool.lend("cpu", SECOND).index());
            refused("came from elsewhere", () -> pool.grow(1));
        }
        assertThrows(IllegalStateException.class, foreign::dmaBuf);
        SharedBuffer one = cenalloc.create(1);
        assertThrows(
                IllegalArgumentException.class,
                () -> Pool.of("frame", List.of(), List.of(List.of(one), List.of(one, one))));
        assertThrows(IllegalStateException.class, one::dmaBuf);
        assertThrows(IllegalArgumentException.class, () -> Pool.of("frame", List.of(), List.of()));
    }

    @ParameterizedTest
    @ValueSource(ints = {Integer.MIN_VALUE, -1, 0, 65})
    void countsOutOfRangeAreRefused(int count) {
        var e = assertThrows(IllegalArgumentException.class, () -> pool(count));
        assertTrue(e.toString().contains("from 1 to 64, not " + count), e::toString);
    }

    // ---- the end ----

    @Test
    void closingReleasesAllButWhatIsAccessed() throws Exception {
        Pool pool = pool(2);
        PoolBuffer lent = pool.lend("cpu", SECOND);
        MappedAccess access = lent.access(Direction.WRITE);
        for (int i = 0; i < 2; i++) {
            refused("a CPU access to buffer 0 is open", pool::close);
            assertEquals(3 * 4096, MEMORY - kernel.free());
        }
        access.segment().fill((byte) 1);
        access.close();
        lent.close();
        pool.close();
        pool.close();
        refused("the pool is closed", () -> pool.lend("cpu", SECOND));
        refused("the pool is closed", () -> pool.tryLend("cpu"));
        refused("the pool is closed", () -> lent.tryLend("cpu"));
        refused("the pool is closed", () -> pool.trim(1));
        refused("the pool is closed", () -> pool.grow(1));
    }

    /** Every call fails in turn. */
    @Test
    void everyFaultOfEveryCallGivesEverythingBack() throws Exception {
        int before = kernel.calls.size();
        use();
        int calls = kernel.calls.size() - before;
        int told = 0;
        for (int call = 0; call < calls; call++) {
            for (int errno : Faults.ERRNOS) {
                kernel.failCall(call, errno);
                try {
                    use();
                } catch (CenallocException e) {
                    told++;
                    assertTrue(e.errno() == errno || e.errno() == Errno.ENOENT, e::toString);
                }
                kernel.failNoCall();
                assertEquals(MEMORY, kernel.free());
                assertEquals(0, kernel.openMappings());
                assertEquals(1, kernel.openFiles());
            }
        }
        assertTrue(told > calls, told + " of " + calls + " calls");
    }

    private void use() throws CenallocException, InterruptedException {
        var work = new FakeKernel.Work();
        try (Pool pool = pool(1);
                Fence fence = pending(work)) {
            pool.grow(1);
            PoolBuffer buffer = pool.lend("cpu", SECOND);
            try (MappedAccess bytes = buffer.access(Direction.READ_WRITE)) {
                bytes.segment().fill((byte) 1);
            }
            buffer.close(fence);
            pool.trim(1);
            work.status = 1;
            pool.lend("cpu", SECOND).close();
        }
    }
}
