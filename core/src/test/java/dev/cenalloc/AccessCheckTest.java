// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The check mode finds use of memory outside of an access of the CPU, and writing in one that reads. */
class AccessCheckTest {
    private static final long MEMORY = 1 << 22;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

    private final FakeKernel kernel = new FakeKernel().heap("system", MEMORY).heap("reserved", MEMORY);
    private final Cenalloc cenalloc = kernel.open();

    @BeforeEach
    void check() {
        System.setProperty(DmaBuf.CHECK, "true");
    }

    @AfterEach
    void nothingIsLost() {
        System.clearProperty(DmaBuf.CHECK);
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        assertEquals(2 * MEMORY, kernel.free());
    }

    private DmaBuf buffer(long size) throws CenallocException {
        return cenalloc.allocate(cenalloc.heap("system"), size);
    }

    private static void isOver(MemorySegment segment) {
        var e = assertThrows(IllegalStateException.class, () -> segment.get(INT, 0));
        assertEquals("Already closed", e.getMessage());
        assertThrows(
                IllegalStateException.class,
                () -> segment.asSlice(4, 4).asByteBuffer().get(0));
    }

    private static void isOutside(Mapping mapping) {
        var e = assertThrows(IllegalStateException.class, mapping::segment);
        assertTrue(String.valueOf(e.getMessage()).startsWith("no CPU access is open"), e::toString);
    }

    @ParameterizedTest
    @EnumSource
    void aSegmentIsThereInsideAnAccessOnly(Direction direction) throws Exception {
        try (var buffer = buffer(5000);
                var mapping = buffer.map(Direction.READ_WRITE)) {
            isOutside(mapping);
            MemorySegment kept;
            try (var _ = buffer.access(direction)) {
                kept = mapping.segment();
                assertEquals(8192, kept.byteSize());
                assertSame(kept, mapping.segment());
                int _ = kept.get(INT, 8188);
            }
            isOver(kept);
            isOutside(mapping);
            try (var _ = buffer.access(direction)) {
                isOver(kept); // it must be taken inside
                assertEquals(0, mapping.segment().get(INT, 0));
            }
        }
    }

    @Test
    void writingWhileReadingIsRefused() throws Exception {
        try (var buffer = buffer(4096);
                var mapping = buffer.map(Direction.READ_WRITE);
                var readOnly = buffer.map(Direction.READ)) {
            try (var _ = buffer.access(Direction.READ)) {
                assertThrows(RuntimeException.class, () -> mapping.segment().set(INT, 4, 7));
                assertThrows(RuntimeException.class, () -> mapping.segment().fill((byte) 7));
                assertEquals(0, mapping.segment().get(INT, 4));
            }
            for (Direction direction : List.of(Direction.WRITE, Direction.READ_WRITE)) {
                try (var _ = buffer.access(direction)) {
                    mapping.segment().set(INT, 4, direction.hashCode());
                    assertTrue(readOnly.segment().isReadOnly());
                    assertEquals(direction.hashCode(), readOnly.segment().get(INT, 4), "the same memory");
                }
            }
        }
    }

    /** What overlaps is not taken for a fault: the memory is there until the last access ends. */
    @Test
    void accessesMayOverlap() throws Exception {
        try (var buffer = buffer(4096);
                var mapping = buffer.map(Direction.READ_WRITE)) {
            CpuAccess read = buffer.access(Direction.READ);
            MemorySegment seen = mapping.segment();
            CpuAccess write = buffer.access(Direction.WRITE);
            mapping.segment().set(INT, 0, 42);
            read.close();
            assertEquals(42, seen.get(INT, 0));
            CpuAccess second = buffer.access(Direction.READ);
            write.close();
            assertTrue(mapping.segment().isReadOnly(), "only reading is open now");
            second.close();
            isOver(seen);
            isOutside(mapping);
        }
    }

    @Test
    void ofAPool() throws Exception {
        try (var pool = Pool.allocate(
                cenalloc,
                "frame",
                List.of(Demand.ofBytes(4096), Demand.ofBytes(100)),
                List.of(List.of(), List.of()),
                1)) {
            PoolBuffer buffer = pool.lend("test", Duration.ofSeconds(1));
            var kept = new ArrayList<MemorySegment>();
            for (int round = 1; round < 4; round++) {
                try (var bytes = buffer.access(Direction.WRITE)) {
                    bytes.segment(1).set(INT, 0, round);
                    kept.add(bytes.segment(1));
                }
                try (var bytes = buffer.access(Direction.READ)) {
                    assertEquals(round, bytes.segment(1).get(INT, 0));
                    assertThrows(RuntimeException.class, () -> bytes.segment(0).set(INT, 0, 1));
                    kept.add(bytes.segment(0));
                }
                kept.forEach(AccessCheckTest::isOver);
            }
            assertEquals(4, kernel.openMappings(), "mapped once, to write and to read");
        }
    }

    @Test
    void aMappingThatIsClosedInsideAnAccessTakesItsSegmentsAlong() throws Exception {
        try (var buffer = buffer(4096)) {
            Mapping mapping = buffer.map(Direction.READ_WRITE);
            try (var other = buffer.map(Direction.READ);
                    var _ = buffer.access(Direction.READ)) {
                MemorySegment kept = mapping.segment();
                MemorySegment stays = other.segment();
                mapping.close();
                isOver(kept);
                isOver(mapping.segment());
                assertEquals(0, stays.get(INT, 0));
            }
        }
    }

    /** As a native call, which holds the segment for as long as it lasts. */
    @Test
    @Timeout(60)
    void aCallThatGoesOnAfterTheAccessIsFound() throws Exception {
        Pipe pipe = Pipe.open();
        try (var source = pipe.source();
                var sink = pipe.sink();
                var thread = Executors.newSingleThreadExecutor();
                var buffer = buffer(1 << 20)) {
            Mapping mapping = buffer.map(Direction.READ);
            CpuAccess access = buffer.access(Direction.READ);
            ByteBuffer bytes = mapping.segment().asByteBuffer();
            // A pipe holds less: this blocks.
            Future<Integer> written = thread.submit(() -> sink.write(bytes));
            ByteBuffer received = ByteBuffer.allocate(1 << 20);
            received.limit(1);
            source.read(received); // it has begun
            var e = assertThrows(IllegalStateException.class, access::close);
            assertTrue(String.valueOf(e.getMessage()).startsWith("a native call or a channel"), e::toString);
            assertThrows(IllegalStateException.class, mapping::close);
            received.limit(1 << 20);
            while (received.hasRemaining()) {
                source.read(received);
            }
            assertEquals(1 << 20, written.get());
            mapping.close();
            isOver(mapping.segment());
        }
    }

    private MemorySegment lost() throws CenallocException {
        DmaBuf buffer = buffer(4096);
        Mapping mapping = buffer.map(Direction.READ);
        CpuAccess _ = buffer.access(Direction.READ); // never closed
        return mapping.segment();
    }

    /** Its segment gives no access to addresses that may be others' by now. */
    @Test
    @Timeout(60)
    void ofABufferThatIsLost() throws Exception {
        try (var log = new LogCapture()) {
            MemorySegment kept = lost();
            while (kernel.openMappings() > 0 || log.errors().isEmpty()) {
                System.gc();
                Thread.sleep(20);
            }
            isOver(kept);
        }
    }

    @Test
    void manyThreads() throws Exception {
        try (var buffer = buffer(4096);
                var mapping = buffer.map(Direction.READ_WRITE);
                var threads = Executors.newFixedThreadPool(4)) {
            var go = new CountDownLatch(1);
            var done = new ArrayList<Future<?>>();
            for (int i = 0; i < 4; i++) {
                Direction direction = i % 2 == 0 ? Direction.READ : Direction.WRITE;
                int at = i * 4;
                done.add(threads.submit(() -> {
                    go.await();
                    for (int j = 0; j < 300; j++) {
                        try (var _ = buffer.access(direction)) {
                            MemorySegment segment = mapping.segment();
                            if (direction == Direction.WRITE) {
                                segment.set(INT, at, j);
                            }
                            assertEquals(direction == Direction.WRITE ? j : 0, segment.get(INT, at));
                        }
                    }
                    return null;
                }));
            }
            go.countDown();
            for (var one : done) {
                one.get();
            }
            isOutside(mapping);
        }
    }

    @Test
    void moving() throws Exception {
        try (var buffer = cenalloc.create(4096)) {
            try (var mapping = buffer.map(Direction.WRITE);
                    var _ = buffer.access(Direction.WRITE)) {
                mapping.segment().set(INT, 0, 42);
            }
            buffer.relocate(Device.of("camera", Constraints.NONE.contiguous(), "test"));
            try (var mapping = buffer.map(Direction.READ);
                    var _ = buffer.access(Direction.READ)) {
                assertEquals(42, mapping.segment().get(INT, 0));
            }
        }
    }

    @Test
    void withoutItASegmentIsThereAsLongAsItsMapping() throws Exception {
        System.clearProperty(DmaBuf.CHECK);
        try (var buffer = buffer(4096);
                var mapping = buffer.map(Direction.READ_WRITE)) {
            MemorySegment kept = mapping.segment();
            try (var _ = buffer.access(Direction.READ)) {
                assertSame(kept, mapping.segment());
                assertFalse(kept.isReadOnly());
            }
            kept.set(INT, 0, 1);
        }
    }
}
