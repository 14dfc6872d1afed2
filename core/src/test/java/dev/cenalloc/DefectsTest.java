// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.Plan;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The twelve defects of the RFC as posted in 2014, one test each: none of them may come back. */
class DefectsTest {
    private static final Device ANY = Device.of("display", Constraints.NONE, "test");
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "test");

    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20).heap("reserved", 1 << 16);
    private final Cenalloc cenalloc = kernel.open();

    @AfterEach
    void nothingIsLost() {
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        assertEquals((1 << 20) + (1 << 16), kernel.free());
    }

    /** The context's declaration and definition disagreed: it could not be had at all. */
    @Test
    void d1TheContextCanBeHad() {
        assertNotNull(cenalloc);
        assertEquals(2, cenalloc.heaps().size());
    }

    /** Exporting lacked an operation: creating always failed. An incomplete heap is refused where it is registered. */
    @Test
    @SuppressWarnings({"NullAway", "DataFlowIssue"}) // what it is about
    void d2WhatIsIncompleteIsRefusedAtTheStart() throws Exception {
        assertThrows(NullPointerException.class, () -> cenalloc.register("x", HeapProperties.UNKNOWN, null));
        assertThrows(NullPointerException.class, () -> cenalloc.register("x", null, _ -> 0));
        assertEquals(2, cenalloc.heaps().size());
        try (var buffer = cenalloc.create(100)) {
            buffer.dmaBuf();
        }
    }

    /** The first map used the allocator before it was chosen. */
    @Test
    void d3TheHeapIsChosenBeforeItIsUsed() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(CONTIGUOUS);
            assertEquals("reserved", buffer.dmaBuf().exporter());
        }
    }

    /** The search did not stop at the first match: the last, worst one won. */
    @Test
    void d4TheBestCandidateWins() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(ANY);
            assertEquals(
                    List.of("system", "reserved"),
                    buffer.plan().candidates().stream().map(Heap::name).toList());
            assertEquals("system", buffer.dmaBuf().exporter());
        }
    }

    /** One allocator was picked, and if it had no memory, that was that. */
    @Test
    void d5TheNextCandidateIsTried() throws Exception {
        try (var all = cenalloc.create(1 << 20);
                var buffer = cenalloc.create(100)) {
            all.dmaBuf();
            assertEquals("reserved", buffer.dmaBuf().exporter());
            assertEquals(
                    "[system: ENOMEM]", buffer.choice().orElseThrow().failed().toString());
        }
    }

    /** The second map lost the storage, the third allocated again. */
    @Test
    void d6EveryUseFindsTheSameStorage() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            DmaBuf first = buffer.dmaBuf();
            for (int i = 0; i < 3; i++) {
                buffer.map(Direction.READ).close();
                assertSame(first, buffer.dmaBuf());
            }
        }
        assertEquals(1, kernel.calls.stream().filter("alloc"::equals).count());
    }

    /** Whether there is storage was asked outside the lock: two first uses could both allocate. */
    @Test
    void d7RacingFirstUsesAllocateOnce() throws Exception {
        try (var buffer = cenalloc.create(100);
                var threads = Executors.newFixedThreadPool(8)) {
            var go = new CountDownLatch(1);
            var uses = new ArrayList<Future<Mapping>>();
            for (int i = 0; i < 8; i++) {
                uses.add(threads.submit(() -> {
                    go.await();
                    return buffer.map(Direction.READ);
                }));
            }
            go.countDown();
            for (var use : uses) {
                use.get().close();
            }
        }
        assertEquals(1, kernel.calls.stream().filter("alloc"::equals).count());
    }

    /** A query took its lock twice, and waited for itself for ever. */
    @Test
    void d8QueriesReturn() throws Exception {
        try (var buffer = cenalloc.create(100);
                var thread = Executors.newSingleThreadExecutor()) {
            buffer.attach(ANY);
            for (int i = 0; i < 2; i++) {
                String all = thread.submit(() -> buffer.explain()
                                + buffer.choice()
                                + buffer.plan()
                                + buffer.layout()
                                + buffer.attachments()
                                + buffer.isComplete()
                                + cenalloc.dump())
                        .get(10, TimeUnit.SECONDS);
                assertTrue(all.contains("display"));
                buffer.dmaBuf();
            }
        }
    }

    /** Releasing, accessing or asking about a buffer that was never mapped crashed. */
    @Test
    void d9ABufferThatWasNeverUsedCanBeAskedAndClosed() throws Exception {
        SharedBuffer buffer = cenalloc.create(100);
        buffer.attach(ANY);
        assertTrue(buffer.choice().isEmpty());
        buffer.relocate();
        assertTrue(cenalloc.dump().contains("no memory yet"), cenalloc::dump);
        buffer.close();
        assertEquals(List.of(), kernel.calls);
        try (var other = cenalloc.create(100)) {
            other.access(Direction.READ).close();
        }
    }

    /** What belonged to the storage leaked, always or when something failed. */
    @Test
    void d10FailuresGiveEverythingBack() throws Exception {
        for (int call = 0; call < 6; call++) {
            kernel.failCall(call, Errno.ENOMEM);
            try (var buffer = cenalloc.create(100)) {
                buffer.attach(CONTIGUOUS);
                buffer.map(Direction.WRITE).close();
            } catch (CenallocException e) {
                assertEquals(Errno.ENOMEM, e.errno());
            }
            kernel.failNoCall();
            assertEquals((1 << 20) + (1 << 16), kernel.free(), "call " + call);
        }
    }

    /** Lists and locks were made after they could be reached. */
    @Test
    void d11WhatCanBeReachedIsReady() throws Exception {
        try (var threads = Executors.newFixedThreadPool(4)) {
            var results = new ArrayList<Future<?>>();
            for (int i = 0; i < 200; i++) {
                results.add(threads.submit(() -> {
                    try (var buffer = cenalloc.create(100)) {
                        buffer.attach(ANY);
                        // Reached from the context while another thread is in it.
                        assertTrue(cenalloc.dump().contains("display"));
                        buffer.dmaBuf();
                    }
                    return null;
                }));
            }
            for (var result : results) {
                result.get();
            }
        }
    }

    /** A refused attach left its mark: nobody could attach any more. */
    @Test
    void d12ARefusedAttachLeavesNoMark() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            buffer.attach(Device.of("a", Constraints.NONE.onlyHeaps(Set.of("system")), "test"));
            Plan before = buffer.plan();
            String shown = cenalloc.dump();
            assertThrows(IncompatibleConstraintsException.class, () -> buffer.attach(CONTIGUOUS));
            assertEquals(before, buffer.plan());
            assertEquals(shown, cenalloc.dump());
            buffer.attach(ANY);
        }
    }
}
