// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.stream.RingFrame;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;

/** A compositor on a fake kernel, and what must be true when a test is over, whatever it did. */
abstract class WindowFixture {
    static final Duration NOW = Duration.ZERO;
    static final Duration SECOND = Duration.ofSeconds(1);
    static final long MEMORY = 64 << 20;

    final FakeKernel kernel = new FakeKernel().heap("system", MEMORY);
    final Cenalloc cenalloc = kernel.open();
    ScriptedCompositor compositor = new ScriptedCompositor(kernel);
    private final List<AutoCloseable> open = new ArrayList<>();

    <T extends AutoCloseable> T opened(T object) {
        open.add(object);
        return object;
    }

    @AfterEach
    void everythingIsGivenBack() throws Exception {
        kernel.failNoCall();
        for (AutoCloseable object : open.reversed()) {
            object.close();
        }
        compositor.close();
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        assertEquals(MEMORY, kernel.free());
    }

    Window window() throws CenallocException {
        return opened(Window.open(cenalloc, ScriptedCompositor.SOCKET, "test"));
    }

    /** What the CPU draws for a window. */
    Agreement agreement(Window window, ImageRequest request) throws CenallocException {
        List<ImageRange> drawn = Arrays.stream(PixelFormat.values())
                .filter(format -> format.buffers() == 1)
                .map(format -> new ImageRange(format, ImageRange.Sizes.ANY))
                .toList();
        return Agreement.negotiate(
                cenalloc, request, List.of(Port.of(Device.cpu(Direction.WRITE), drawn), window.port()));
    }

    Agreement agreement(Window window) throws CenallocException {
        return agreement(window, ImageRequest.ANY.size(64, 48));
    }

    /** An agreement that asked nobody. */
    Agreement stated(Image image) throws CenallocException {
        return Agreement.of(cenalloc, List.of(dev.cenalloc.image.Layout.of(image)), FrameRate.of(30), List.of());
    }

    Ring ring(Agreement agreement, int frames) throws CenallocException {
        return opened(Ring.allocate(cenalloc, agreement, frames));
    }

    /** A window that uses a ring of so many frames. */
    Window running(Ring ring) throws CenallocException {
        Window window = window();
        window.use(ring);
        return window;
    }

    /** Both have done what the other said. */
    void settle(Window window) throws CenallocException {
        do {
            compositor.pump();
        } while (window.handleEvents(NOW));
        compositor.pump();
    }

    RingFrame lend(Ring ring) throws Exception {
        return ring.lend("test", NOW);
    }

    /** A frame of a stream of the test's own, which may end, and fail. */
    static final class Loan extends Frame {
        int returns;

        @Nullable
        CenallocException failure;

        Loan(Ring ring, int index) {
            super(ring, index);
        }

        Loan lendAgain() {
            lend();
            return this;
        }

        void end() {
            revoke();
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
        protected void giveBack() throws CenallocException {
            returns++;
            CenallocException thrown = failure;
            failure = null;
            if (thrown != null) {
                throw thrown;
            }
        }
    }
}
