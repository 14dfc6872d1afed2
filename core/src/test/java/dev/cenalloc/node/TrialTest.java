// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.NoSuitableHeapException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import java.nio.file.Path;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a trial makes of what happens during it, with a device that only answers. */
class TrialTest {
    private static final long MEMORY = 64 << 20;
    private static final long NUMBER = 81 << 8;

    private final FakeKernel kernel = new FakeKernel().heap("reserved", MEMORY).heap("system", MEMORY);
    private final Cenalloc cenalloc = kernel.open();

    @AfterEach
    void close() {
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
    }

    private static Layout layout(int width) {
        return Demand.ofImage(new Image(PixelFormat.R8, width, 64))
                .layout(Constraints.NONE)
                .orElseThrow();
    }

    private Trial trial(long number) {
        return new Trial(cenalloc, Path.of("/dev/video0"), number, "device " + number);
    }

    /** Takes memory, or refuses it. */
    private record Stub(Supplier<Optional<Refusal>> answer) implements Importer {
        static final Stub WILLING = new Stub(Optional::empty);

        @Override
        public String driver() {
            return "stub";
        }

        @Override
        public String name() {
            return "stub";
        }

        @Override
        public Optional<List<ImageRange>> produces() {
            return Optional.empty();
        }

        @Override
        public Optional<List<ImageRange>> consumes() {
            return Optional.empty();
        }

        @Override
        public long prepare(Layout layout) {
            return layout.size();
        }

        @Override
        public Constraints needs() {
            return Constraints.NONE;
        }

        @Override
        public Optional<Refusal> offer(List<DmaBuf> buffers) {
            return answer.get();
        }

        @Override
        public String omitted() {
            return "";
        }

        @Override
        public void close() {}
    }

    private Heap register() {
        return cenalloc.register(
                "sram",
                HeapProperties.UNKNOWN.withOnlyWhenNamed(false),
                size -> kernel.foreignDmaBuf("sram", size, false));
    }

    @Test
    void aHeapThatIsUnregisteredDuringATrialIsNotTried() throws Exception {
        Heap heap = register();
        var once = new CountDownLatch(1);
        var stub = new Stub(() -> {
            if (once.getCount() > 0) {
                once.countDown();
                cenalloc.unregister(heap);
            }
            return Optional.empty();
        });
        Device device = trial(NUMBER).device(layout(64), () -> stub);
        assertEquals(Origin.TRIAL_IMPORT, device.origin());
        assertTrue(device.detail().contains("took system, reserved"), device::detail);
        assertTrue(device.detail().contains("not tried: sram (it was unregistered meanwhile)"), device::detail);
        assertTrue(
                !trial(NUMBER).device(layout(64), () -> Stub.WILLING).detail().contains("sram"),
                "without that heap it is another question");
    }

    @Test
    void aContextThatIsClosedDuringATrialIsNoDeviceWithoutMemory() {
        var stub = new Stub(() -> {
            cenalloc.close();
            return Optional.empty();
        });
        assertThrows(IllegalStateException.class, () -> trial(NUMBER).device(layout(64), () -> stub));
    }

    @Test
    void theReasonIsTheSameForAllImages() {
        var refusing = new Stub(() -> Optional.of(Refusal.ofMemory("VIDIOC_QBUF", Errno.EFAULT)));
        var small =
                assertThrows(NoSuitableHeapException.class, () -> trial(NUMBER).device(layout(64), () -> refusing));
        var large =
                assertThrows(NoSuitableHeapException.class, () -> trial(NUMBER).device(layout(1024), () -> refusing));
        String reason = "device " + NUMBER + " takes no memory of any heap: refused system (VIDIOC_QBUF gave EFAULT),"
                + " reserved (VIDIOC_QBUF gave EFAULT)";
        assertEquals(reason + " (trial import: ENODEV on /dev/video0 for 4096 bytes)", small.reason());
        assertTrue(large.reason().startsWith(reason), large::reason);
        assertTrue(small.remedy().contains("memory of its own"), small::remedy);
    }

    @Test
    void anotherDeviceIsTriedMeanwhile() throws Exception {
        var begun = new CountDownLatch(1);
        var other = new CountDownLatch(1);
        var first = CompletableFuture.supplyAsync(() -> {
            try {
                return trial(NUMBER).device(layout(64), () -> {
                    begun.countDown();
                    await(other);
                    return Stub.WILLING;
                });
            } catch (CenallocException e) {
                throw new IllegalStateException(e);
            }
        });
        await(begun);
        assertEquals(
                Origin.TRIAL_IMPORT,
                trial(NUMBER + 1).device(layout(64), () -> Stub.WILLING).origin());
        other.countDown();
        Device found = first.join();
        assertSame(found, trial(NUMBER).device(layout(64), () -> {
            throw new AssertionError("the result is kept");
        }));
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void resultsAndLocksAreBounded() throws Exception {
        TrialCache cache = TrialCache.of(cenalloc);
        Set<Object> locks = Collections.newSetFromMap(new IdentityHashMap<>());
        for (int i = 0; i < 3 * TrialCache.MOST; i++) {
            trial(NUMBER + i).device(layout(64), () -> Stub.WILLING);
            locks.add(TrialCache.lock(NUMBER + i));
        }
        assertEquals(2 * TrialCache.MOST, cache.size());
        assertEquals(64, locks.size());
        assertSame(TrialCache.lock(NUMBER), TrialCache.lock(NUMBER));
        // Trials with another context would find the device in use.
        try (Cenalloc another = kernel.open()) {
            assertTrue(TrialCache.of(another) != cache);
        }
    }

    @Test
    void whatIsUsedStaysInTheCache() throws Exception {
        trial(NUMBER).device(layout(64), () -> Stub.WILLING);
        for (int i = 1; i < 2 * TrialCache.MOST; i++) {
            trial(NUMBER + i).device(layout(64), () -> Stub.WILLING);
            trial(NUMBER).device(layout(64), () -> {
                throw new AssertionError("the result is kept");
            });
        }
    }
}
