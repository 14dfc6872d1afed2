// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.LogCapture;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.stream.RingFrame;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A compositor that takes no dma-bufs: frames are copied, which is told and counted. */
class CopiesTest extends WindowFixture {
    private static final ValueLayout.OfInt PIXEL = ValueLayout.JAVA_INT;

    @BeforeEach
    void takesNoDmaBufs() {
        compositor.dmabufVersion = 0;
    }

    /** Each pixel has another value. */
    private static void draw(RingFrame frame, int seed) throws CenallocException {
        var layout = frame.layout();
        try (var access = frame.access(Direction.WRITE)) {
            for (int y = 0; y < layout.image().height(); y++) {
                MemorySegment row = layout.row(access.segment(), 0, y);
                for (int x = 0; x < layout.image().width(); x++) {
                    row.setAtIndex(PIXEL, x, seed + 1000 * y + x);
                }
            }
        }
    }

    /** What the compositor has on the screen. */
    private void checkShown(int seed) {
        compositor.pump();
        var shown = Objects.requireNonNull(compositor.buffers.get(compositor.currentBuffer()));
        MemorySegment bytes = Objects.requireNonNull(shown.bytes);
        for (int y = 0; y < shown.height; y++) {
            for (int x = 0; x < shown.width; x++) {
                assertEquals(seed + 1000 * y + x, bytes.get(PIXEL, (long) y * shown.stride + 4L * x), x + "," + y);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2})
    void framesAreCopiedAndGoBackAtOnce(int version) throws Exception {
        compositor.dmabufVersion = version;
        Window window;
        try (var log = new LogCapture()) {
            window = window();
            assertTrue(log.text().contains("each frame is copied into shared memory"), log::text);
        }
        Agreement agreement = agreement(window);
        Ring ring = ring(agreement, 2);
        assertTrue(ring.explain().replaceAll("\\s+", " ").contains("the CPU copies each frame into shared memory"));
        window.use(ring);
        for (int i = 0; i < 10; i++) {
            RingFrame frame = lend(ring);
            draw(frame, 7 * i);
            window.show(frame);
            assertFalse(frame.isLent(), "it went back");
            assertTrue(window.awaitShown(SECOND));
            checkShown(7 * i);
            assertEquals(i + 1, window.copied());
        }
        settle(window);
        assertEquals(1, window.held(), "the copy on the screen");
        assertEquals(0, compositor.imports);
        assertEquals(3, compositor.buffers.size());
    }

    @Test
    void wholeLinesOfAPaddedImageAreCopied() throws Exception {
        Window window = window();
        var padded = Port.of(
                Device.of("padding", Constraints.NONE.pitchAlignment(256).cpuWrite(), "test"),
                List.of(new ImageRange(PixelFormat.XR24, ImageRange.Sizes.of(50, 33))));
        Agreement agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(padded, window.port()));
        Ring ring = ring(agreement, 2);
        window.use(ring);
        RingFrame frame = lend(ring);
        draw(frame, -5);
        window.show(frame);
        checkShown(-5);
        assertEquals(256, Objects.requireNonNull(compositor.buffers.get(compositor.currentBuffer())).stride);
    }

    @Test
    void formatsOfOnePlaneAreTaken() throws Exception {
        compositor.shmFormats = new int[] {
            0,
            1,
            PixelFormat.NV12.drmFourcc().orElseThrow(),
            PixelFormat.RG16.drmFourcc().orElseThrow(),
            -1,
            0x7FFF_FFFF
        };
        assertEquals(
                List.of(PixelFormat.AR24, PixelFormat.XR24, PixelFormat.RG16),
                window().port().images().stream().map(ImageRange::format).toList());
    }

    @Test
    void aCompositorThatReleasesNothingGetsThree() throws Exception {
        compositor.releases = false;
        Window window = window();
        Ring ring = ring(agreement(window), 2);
        window.use(ring);
        for (int i = 0; i < 3; i++) {
            window.show(lend(ring));
        }
        RingFrame fourth = lend(ring);
        var e = assertThrows(CenallocException.class, () -> window.show(fourth));
        assertEquals(Errno.ETIMEDOUT, e.errno());
        assertTrue(fourth.isLent());
        compositor.releaseOthers();
        window.show(fourth);
        assertFalse(fourth.isLent());
    }

    @Test
    void anotherRingTakesThePlaceOfTheFirst() throws Exception {
        compositor.releases = false;
        Window window = window();
        Ring first = ring(agreement(window), 2);
        window.use(first);
        window.show(lend(first));
        window.show(lend(first));
        settle(window);
        Ring second = ring(agreement(window, ImageRequest.ANY.size(96, 32)), 2);
        window.use(second);
        settle(window);
        assertEquals(5, compositor.buffers.size(), "two are with the compositor still");
        compositor.releases = true;
        compositor.releaseOthers();
        RingFrame frame = lend(second);
        draw(frame, 3);
        window.show(frame);
        settle(window);
        checkShown(3);
        assertEquals(3, compositor.buffers.size());
    }

    @ParameterizedTest
    @ValueSource(strings = {"memfd_create", "ftruncate", "fcntl", "mmap"})
    void aFailureInGettingReadyChangesNothing(String call) throws Exception {
        Window window = window();
        Ring ring = ring(agreement(window), 2);
        window.use(ring);
        int before = kernel.openFiles();
        int mappings = kernel.openMappings();
        Ring other = ring(agreement(window, ImageRequest.ANY.size(96, 32)), 2);
        int after = kernel.openFiles();
        // Of the calls of use, the first that has the name.
        kernel.failCall(List.of("memfd_create", "ftruncate", "fcntl", "mmap").indexOf(call), Errno.EMFILE);
        var e = assertThrows(CenallocException.class, () -> window.use(other));
        assertEquals(call, e.call());
        assertEquals(Errno.EMFILE, e.errno());
        assertEquals(after, kernel.openFiles());
        assertEquals(mappings, kernel.openMappings());
        assertTrue(after >= before);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
    }

    @Test
    void aCompositorThatDiesIsToldAndTheFrameStays() throws Exception {
        Window window = window();
        Ring ring = ring(agreement(window), 2);
        window.use(ring);
        window.show(lend(ring));
        RingFrame next = lend(ring);
        compositor.close();
        assertThrows(DisconnectedException.class, () -> {
            window.show(next);
            window.awaitShown(SECOND);
        });
        window.close();
        if (next.isLent()) {
            next.close();
        }
        assertEquals(2, ring.pool().free());
    }

    /** As libwayland does with memory that it cannot map. */
    @Test
    void aRefusalOfTheMemoryIsToldByUse() throws Exception {
        compositor.isLenient = true;
        compositor.shmFormats = new int[] {1};
        Window window = window();
        Ring ring = ring(agreement(window), 2);
        compositor.refusesPools = true;
        var e = assertThrows(CenallocException.class, () -> window.use(ring));
        assertTrue(String.valueOf(e.getMessage()).contains("invalid_fd of wl_shm"), e::getMessage);
    }
}
