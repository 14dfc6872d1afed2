// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.TestContext;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kms.Display;
import dev.cenalloc.kms.Writeback;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import dev.cenalloc.v4l2.Converter;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * A small pipeline from a camera to a display, from the first open to the last close. What memory the devices take is
 * known: to try that out takes longer than all the rest.
 *
 * @param converter as nodes are
 */
record StreamRun(Path camera, Path converter, Path display) {
    /** Frames to show. */
    static final int FRAMES = 2;

    private static final int BUFFERS = 4;
    private static final Duration LIMIT = Duration.ofSeconds(5);
    private static final ImageRequest REQUEST = ImageRequest.ANY.size(320, 180);
    private static final Constraints SYSTEM = Constraints.NONE.onlyHeaps(Set.of("system"));

    /** What a test does while a pipeline runs. */
    interface Loop {
        /**
         * Shows frames.
         *
         * @param source gives the next frame
         */
        void run(Source source, Display display) throws Exception;
    }

    /** Gives frames. */
    interface Source {
        Frame next() throws CenallocException;
    }

    /** The devices of this machine. */
    static StreamRun find() throws CenallocException {
        try (var cenalloc = Cenalloc.open()) {
            return new StreamRun(
                    Devices.camera(cenalloc, "vivid-000"),
                    Devices.converter(cenalloc, "vim2m"),
                    Devices.display(cenalloc, "vkms"));
        }
    }

    private static Port known(String name, Port port) {
        return Port.of(Device.of(name, SYSTEM, "known"), port.images());
    }

    private static Cenalloc open(Kernel kernel) throws CenallocException {
        return TestContext.open(kernel, Path.of("/dev/dma_heap"));
    }

    /** Shows some frames. */
    static void showSome(Source source, Display shown) throws CenallocException {
        for (int i = 0; i < FRAMES; i++) {
            shown.show(source.next());
        }
        shown.awaitShown(LIMIT);
        assertEquals(FRAMES, shown.flips());
    }

    /** From the camera to the display, in memory of a heap. */
    void direct(Kernel kernel, Loop loop) throws Exception {
        try (var cenalloc = open(kernel);
                var from = Camera.open(cenalloc, camera);
                var to = Display.open(cenalloc, display)) {
            Agreement agreement = Agreement.negotiate(
                    cenalloc, REQUEST, List.of(known("camera", from.port()), known("display", to.port())));
            from.configure(agreement);
            to.configure(agreement);
            try (Ring ring = Ring.allocate(cenalloc, agreement, BUFFERS)) {
                from.use(ring);
                to.use(ring);
                from.start();
                loop.run(() -> from.next(LIMIT), to);
                from.stop();
            }
        }
    }

    /** Shows a frame, with the next ones under way, and closes nothing. */
    void lose() throws Exception {
        var cenalloc = Cenalloc.open();
        var from = Camera.open(cenalloc, camera);
        var to = Display.open(cenalloc, display);
        Agreement agreement = Agreement.negotiate(
                cenalloc, REQUEST, List.of(known("camera", from.port()), known("display", to.port())));
        from.configure(agreement);
        to.configure(agreement);
        Ring ring = Ring.allocate(cenalloc, agreement, BUFFERS);
        from.use(ring);
        to.use(ring);
        from.start();
        to.show(from.next(LIMIT));
        from.next(LIMIT);
    }

    /** As {@link #direct}, by way of a converter. */
    void converted(Kernel kernel, Loop loop) throws Exception {
        try (var cenalloc = open(kernel);
                var from = Camera.open(cenalloc, camera);
                var through = Converter.open(cenalloc, converter);
                var to = Display.open(cenalloc, display)) {
            Agreement taken = Agreement.negotiate(
                    cenalloc, REQUEST, List.of(known("camera", from.port()), known("converter", through.input())));
            Agreement given = Agreement.negotiate(
                    cenalloc, REQUEST, List.of(known("converter", through.output()), known("display", to.port())));
            from.configure(taken);
            through.configure(taken, given);
            to.configure(given);
            try (Ring first = Ring.allocate(cenalloc, taken, BUFFERS);
                    Ring second = Ring.allocate(cenalloc, given, BUFFERS)) {
                from.use(first);
                through.use(first, second);
                to.use(second);
                from.start();
                through.start();
                loop.run(
                        () -> {
                            through.put(from.next(LIMIT));
                            return through.next(LIMIT);
                        },
                        to);
                through.stop();
                from.stop();
            }
        }
    }

    /** As {@link #direct}, in memory that the camera lends. */
    void lent(Kernel kernel, Loop loop) throws Exception {
        // This memory is from no heap, so nothing that is known about heaps helps.
        Constraints any = Constraints.NONE;
        try (var cenalloc = open(kernel);
                var from = Camera.open(cenalloc, camera);
                var to = Display.open(cenalloc, display)) {
            Agreement agreement = Agreement.negotiate(
                    cenalloc,
                    REQUEST,
                    List.of(
                            Port.of(
                                    Device.of("camera", any, "known"),
                                    from.exports().images()),
                            Port.of(
                                    Device.of("display", any, "known"),
                                    to.port().images())));
            from.configure(agreement);
            to.configure(agreement);
            try (Ring ring = from.lend(agreement, BUFFERS)) {
                to.use(ring);
                from.start();
                loop.run(() -> from.next(LIMIT), to);
                from.stop();
            }
        }
    }

    /** Shows a frame, and another one by way of the writeback, which is compared with it in every pixel. */
    static void captureOne(Source source, Display shown) throws CenallocException {
        Writeback writeback = shown.writeback().orElseThrow();
        shown.show(source.next());
        Frame frame = source.next();
        int[] expected;
        try (var pixels = frame.access(Direction.READ)) {
            expected = pixels(pixels.segment(), frame.layout());
        }
        assertTrue(Arrays.stream(expected).distinct().count() > 2, "the camera gives a picture");
        try (Frame picture = writeback.capture(frame, LIMIT);
                var pixels = picture.access(Direction.READ)) {
            int width = frame.layout().image().width();
            int height = frame.layout().image().height();
            int wide = picture.layout().image().width();
            int high = picture.layout().image().height();
            int left = (wide - width) / 2;
            int top = (high - height) / 2;
            int[] captured = pixels(pixels.segment(), picture.layout());
            for (int y = 0; y < high; y++) {
                for (int x = 0; x < wide; x++) {
                    boolean inside = x >= left && x < left + width && y >= top && y < top + height;
                    int here = captured[y * wide + x];
                    int there = inside ? expected[(y - top) * width + x - left] : 0;
                    if (here != there) {
                        assertEquals(Integer.toHexString(there), Integer.toHexString(here), "at " + x + "," + y);
                    }
                }
            }
        }
        shown.awaitShown(LIMIT);
        assertEquals(2, shown.flips());
    }

    /** The colours, without the byte that has none. */
    private static int[] pixels(MemorySegment memory, Layout layout) {
        assertEquals(PixelFormat.XR24, layout.image().format());
        Layout.Plane plane = layout.planes().getFirst();
        int width = layout.image().width();
        int height = layout.image().height();
        var pixels = new int[width * height];
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                pixels[y * width + x] =
                        memory.get(ValueLayout.JAVA_INT, plane.offset() + y * plane.pitch() + 4L * x) & 0xFFFFFF;
            }
        }
        return pixels;
    }
}
