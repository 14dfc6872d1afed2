// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Many buffers, and lost ones: at the end neither the process nor the kernel holds more than at the beginning. */
@RequiresHeap({"system", "reserved"})
class EnduranceDeviceTest {
    /** The JVM maps memory for itself now and then; a leak would be a mapping a buffer. */
    private static final int MAPPINGS_OF_THE_JVM = 100;

    private int files;
    private int mappings;
    private String buffers = "";

    private static void cycle(Cenalloc cenalloc, Device device) throws Exception {
        try (var buffer = cenalloc.create(4096)) {
            buffer.attach(device);
            try (var mapping = buffer.map(Direction.READ_WRITE)) {
                mapping.segment().set(ValueLayout.JAVA_LONG, 0, 1);
            }
        }
    }

    private static final Device ANY = Device.of("display", Constraints.NONE, "test");
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "test");

    @BeforeEach
    void count() throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            cycle(cenalloc, ANY);
        }
        files = Traces.openFiles();
        mappings = Traces.mappings();
        buffers = Traces.dmaBufs();
        assertEquals(0, Traces.mappedDmaBufs());
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        assertEquals(files, Traces.openFiles());
        assertEquals(buffers, Traces.dmaBufs());
        assertEquals(0, Traces.mappedDmaBufs());
        assertTrue(Traces.mappings() < mappings + MAPPINGS_OF_THE_JVM, () -> "many more mappings than " + mappings);
    }

    /** {@code -Dcenalloc.buffers=1000000} for more (ci/soak). */
    @Test
    @Timeout(value = 1, unit = TimeUnit.DAYS)
    void manyBuffersOneAfterTheOther() throws Exception {
        int cycles = Integer.getInteger("cenalloc.buffers", 10_000);
        try (var cenalloc = Cenalloc.open()) {
            for (int i = 0; i < cycles; i++) {
                cycle(cenalloc, ANY);
            }
            assertEquals(
                    0,
                    cenalloc.heaps().stream()
                            .mapToInt(heap -> cenalloc.usage(heap).buffers())
                            .sum());
        }
    }

    @Test
    void twoThreadsWithTwoThousandBuffersEach() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var threads = Executors.newFixedThreadPool(2)) {
            var results = new ArrayList<Future<?>>();
            for (Device device : List.of(ANY, CONTIGUOUS)) {
                results.add(threads.submit(() -> {
                    for (int i = 0; i < 2_000; i++) {
                        cycle(cenalloc, device);
                    }
                    return null;
                }));
            }
            for (var result : results) {
                result.get();
            }
        }
    }

    @Test
    void aLostBufferIsReleasedAndItsPlaceLogged() throws Exception {
        System.setProperty(DmaBuf.TRACE, "true");
        try (var log = new LogCapture();
                var cenalloc = Cenalloc.open()) {
            loseOne(cenalloc);
            long limit = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            // The cleaner logs after it has released.
            while ((!Traces.dmaBufs().equals(buffers) || !log.text().contains("loseOne"))
                    && System.nanoTime() < limit) {
                System.gc();
                Thread.sleep(100);
            }
            assertEquals(buffers, Traces.dmaBufs(), "the kernel's list");
            assertEquals(
                    0,
                    cenalloc.heaps().stream()
                            .mapToInt(heap -> cenalloc.usage(heap).buffers())
                            .sum());
            assertTrue(log.text().contains("4096 bytes was never closed"), log::text);
            assertTrue(log.text().contains("loseOne"), log::text);
        } finally {
            System.clearProperty(DmaBuf.TRACE);
        }
    }

    private static void loseOne(Cenalloc cenalloc) throws Exception {
        var lost = cenalloc.create(4096);
        lost.attach(ANY);
        lost.map(Direction.WRITE);
    }
}
