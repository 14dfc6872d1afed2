// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Fence;
import dev.cenalloc.HostOnly;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Faults;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Every call of every operation of a display fails in turn, with every errno that it may plausibly give. Afterwards the
 * screen shows what it showed before, descriptors, mappings, memory and frames are back, and the error is the one that
 * the kernel gave.
 */
class DisplayFaultsTest {
    private static final Path NODE = Path.of("/dev/dri/card0");
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final long MEMORY = 64 << 20;
    private static final ImageRequest SMALL =
            ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480);

    enum Operation {
        CANVAS {
            @Override
            void run(Cenalloc cenalloc, Display display, Ring ring) throws CenallocException {
                try (Canvas canvas = display.canvas(2)) {
                    for (int i = 0; i < 3; i++) {
                        Frame frame = canvas.next(SECOND);
                        try (var pixels = frame.access(Direction.WRITE)) {
                            pixels.segment().fill((byte) i);
                        }
                        frame.close();
                    }
                }
            }
        },
        FRAMES {
            @Override
            void run(Cenalloc cenalloc, Display display, Ring ring) throws CenallocException {
                display.use(ring);
                var frames = TestFrame.of(ring);
                try {
                    for (int i = 0; i < 5; i++) {
                        display.show(frames.get(i % 3).lendAgain());
                    }
                    display.awaitShown(SECOND);
                } finally {
                    display.close();
                    // What was not handed over stays the caller's, all else came back: two lent at most, one of them
                    // none.
                    assertTrue(frames.stream().filter(Frame::isLent).count() <= 1);
                }
            }
        },
        FENCES {
            @Override
            void run(Cenalloc cenalloc, Display display, Ring ring) throws CenallocException {
                display.use(ring);
                var frames = TestFrame.of(ring);
                try (Fence ready = ring.buffers(0).getFirst().exportFence(Direction.READ);
                        Fence shown = ring.buffers(0).getFirst().exportFence(Direction.READ)) {
                    display.show(frames.get(0).lendAgain(), ready, shown);
                    display.show(frames.get(1).lendAgain(), ready, shown);
                    display.show(frames.get(2).lendAgain(), ready);
                }
            }
        },
        PLACE {
            @Override
            void run(Cenalloc cenalloc, Display display, Ring ring) throws CenallocException {
                display.use(ring);
                display.place(new Area(0, 0, 100, 100), new Area(5, 5, 100, 100));
                display.show(TestFrame.of(ring).getFirst().lendAgain());
            }
        },
        OVERLAY {
            @Override
            void run(Cenalloc cenalloc, Display display, Ring ring) throws CenallocException {
                display.use(ring);
                display.show(TestFrame.of(ring).getFirst().lendAgain());
                try (Overlay overlay = display.overlay(display.planes().getLast())) {
                    overlay.use(ring);
                    overlay.place(new Area(0, 0, 100, 100), new Area(5, 5, 100, 100));
                    overlay.show(TestFrame.of(ring).get(1).lendAgain());
                    overlay.show(TestFrame.of(ring).get(2).lendAgain());
                }
            }
        },
        WRITEBACK {
            @Override
            void run(Cenalloc cenalloc, Display display, Ring ring) throws CenallocException {
                var frames = TestFrame.of(ring);
                display.use(ring);
                display.show(frames.get(0).lendAgain());
                var writeback = display.writeback();
                if (writeback.isPresent()) {
                    writeback.get().show(frames.get(1).lendAgain());
                    display.awaitShown(SECOND);
                    writeback.get().await(SECOND).close();
                }
            }
        },
        ANOTHER_RING {
            @Override
            void run(Cenalloc cenalloc, Display display, Ring ring) throws CenallocException {
                display.use(ring);
                display.show(TestFrame.of(ring).getFirst().lendAgain());
                try (Ring large = Ring.allocate(
                        cenalloc, Canvas.negotiate(cenalloc, display, ImageRequest.ANY.size(1024, 768)), 2)) {
                    display.use(large);
                    display.show(TestFrame.of(large).getFirst().lendAgain());
                }
            }
        };

        abstract void run(Cenalloc cenalloc, Display display, Ring ring) throws CenallocException;
    }

    /** The number of calls. */
    private static int run(Operation operation, int call, int errno, Set<String> outcomes) throws Exception {
        String what = operation + ", call " + call + ", " + Errno.name(errno);
        FakeKernel kernel = new FakeKernel().heap("system", MEMORY);
        var card = new FakeCard(kernel, true, true);
        card.mayChange = true;
        kernel.device(NODE.toString(), card);
        String before = card.screen();
        int calls = 0;
        try (var cenalloc = kernel.open()) {
            // An agreement and memory of before, made with another display of the card.
            Ring ring;
            try (Display other = Display.open(cenalloc, NODE)) {
                ring = Ring.allocate(cenalloc, Canvas.negotiate(cenalloc, other, SMALL), 3);
            }
            int from = 0;
            // To open it takes many calls, which need not fail in each operation.
            boolean opens = operation == Operation.CANVAS;
            try (ring) {
                if (opens) {
                    from = fail(kernel, call, errno);
                }
                try (Display display = Display.open(cenalloc, NODE)) {
                    if (!opens) {
                        from = fail(kernel, call, errno);
                    }
                    operation.run(cenalloc, display, ring);
                } catch (CenallocException e) {
                    outcomes.add("told");
                    boolean isOurs = e instanceof NoMasterException || e instanceof NoScreenException;
                    assertTrue(
                            e.errno() == errno || isOurs || e.errno() == Errno.EOPNOTSUPP || e.errno() == Errno.EINVAL,
                            () -> what + ": " + e);
                }
                calls = kernel.calls.size() - from;
                kernel.failNoCall();
                assertEquals("{} {}", card.state(), what);
            }
            if (call < 0) {
                assertTrue(outcomes.isEmpty(), "without a fault nothing fails");
            }
            assertEquals(MEMORY, kernel.free(), what);
            assertFalse(kernel.openFiles() > 1, () -> what + ": only the node of the heap may be open");
        }
        assertEquals(0, kernel.openFiles(), what);
        assertEquals(0, kernel.openMappings(), what);
        assertEquals(before, card.screen(), what);
        return calls;
    }

    /** The calls so far. */
    private static int fail(FakeKernel kernel, int call, int errno) {
        if (call >= 0) {
            kernel.failCall(call, errno);
        }
        return kernel.calls.size();
    }

    @HostOnly
    @ParameterizedTest
    @EnumSource(Operation.class)
    void everyFaultOfEveryCallGivesEverythingBack(Operation operation) throws Exception {
        int calls = run(operation, -1, 0, new HashSet<>());
        assertTrue(calls > 10);
        var outcomes = new HashSet<String>();
        for (int call = 0; call < calls; call++) {
            for (int errno : Faults.ERRNOS) {
                run(operation, call, errno, outcomes);
            }
        }
        assertTrue(outcomes.contains("told"), operation + ": " + outcomes);
    }
}
