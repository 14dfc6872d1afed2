package dev.cenalloc.command;

import dev.cenalloc.plan.Direction;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.Fence;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.Mapping;
import dev.cenalloc.bindings.Linux;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/**
 * Compares what the display put out with what the camera wrote, pixel by pixel, on a thread of its own: as many frames as
 * it can follow. Between two frames it sleeps until the frame loop wakes it, which costs the loop one system call for a frame
 * that is compared; while nothing is compared, the thread costs nothing. Compares nothing before {@link #use}. Closed by
 * whoever made it.
 */
final class Checker implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(Checker.class);
    private static final int NONE = -1;
    private static final Duration CAPTURE_LIMIT = Duration.ofSeconds(5);
    private static final long WAIT_NANOS = 4_000_000;
    private static final long LOOK_NANOS = 500_000;
    /**
     * Between the end of a capture and the next. Drivers tidy up in their own time: VKMS (6.12) loses a capture that is asked
     * for before it has put the one before away.
     */
    private static final long PAUSE_NANOS = 100_000_000;

    /** A buffer with an image, mapped for as long as this is open. */
    private record Mapped(DmaBuf buffer, Mapping mapping, Layout layout) {}

    private final Layout layout;
    private final List<Mapped> shown = new ArrayList<>();
    /** What the display puts out; null before {@link #use}. */
    private @Nullable Mapped captured;

    private final Undo mapped = new Undo();
    private final Thread thread = new Thread(this::work, "checker");

    /** The buffer under check; written by the frame loop to begin, by the checker to end. */
    private volatile int index = NONE;

    private volatile int fence = NONE;
    private volatile boolean closed;
    private final AtomicLong frames = new AtomicLong();
    private final AtomicLong lost = new AtomicLong();
    private final AtomicLong different = new AtomicLong();

    /**
     * Of frames that are to be compared, if {@link #use} says with what.
     *
     * @param layout how they lie in their buffers
     */
    Checker(Layout layout) {
        this.layout = layout;
    }

    /**
     * Maps the memory and begins to wait.
     *
     * @param memory of the frames
     * @param output what the display puts out
     * @param outputLayout how it lies there
     */
    void use(List<DmaBuf> memory, DmaBuf output, Layout outputLayout) throws IOException {
        captured = map(output, outputLayout);
        for (DmaBuf buffer : memory) {
            shown.add(map(buffer, layout));
        }
        thread.setDaemon(true);
        thread.start();
    }

    private Mapped map(DmaBuf buffer, Layout layout) throws IOException {
        return new Mapped(buffer, mapped.add(buffer.map(Direction.READ)), layout);
    }

    /** Whether a check may begin. After a lost capture none may: the next to complete might be the one that was lost. */
    boolean isReady() {
        return index == NONE && lost.get() == 0;
    }

    boolean isReading(int buffer) {
        return index == buffer;
    }

    /** Checks a buffer against the capture that completes with the fence, which is closed here. Only when ready. */
    void check(int buffer, int captureFence) {
        fence = captureFence;
        index = buffer;
        LockSupport.unpark(thread);
    }

    /**
     * Waits until the display has written its capture: before that, the next frame must not be committed. Captures take less
     * than a frame does, on a machine that keeps up.
     */
    void awaitCapture() {
        while (fence != NONE) {
            LockSupport.parkNanos(WAIT_NANOS);
        }
    }

    /** Waits for the end of the check that is under way. */
    void awaitIdle() {
        while (index != NONE) {
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }

    /** Frames compared, each in every pixel. */
    long frames() {
        return frames.get();
    }

    /** Captures that the display did not complete. */
    long lost() {
        return lost.get();
    }

    /** Pixels that differed, in all frames. */
    long different() {
        return different.get();
    }

    long pixelsPerFrame() {
        return (long) layout.image().width() * layout.image().height();
    }

    /** A picture of what the display put out last, while no check is under way. */
    BufferedImage pictureOfCapture() throws IOException {
        return picture(captured().buffer, captured().layout);
    }

    private Mapped captured() {
        return Objects.requireNonNull(captured, "nothing is read back");
    }

    /** A picture of what is in a buffer. */
    static BufferedImage picture(DmaBuf buffer, Layout layout) throws IOException {
        Image image = layout.image();
        Colours colours = colours(layout);
        var picture = new BufferedImage(image.width(), image.height(), BufferedImage.TYPE_INT_RGB);
        try (Mapping mapping = buffer.map(Direction.READ);
                var _ = buffer.access(Direction.READ)) {
            for (int y = 0; y < image.height(); y++) {
                long line = layout.planes().getFirst().offset()
                        + y * layout.planes().getFirst().pitch();
                for (int x = 0; x < image.width(); x++) {
                    picture.setRGB(x, y, colours.get(mapping.segment(), line + (long) x * colours.bytes()));
                }
            }
        }
        return picture;
    }

    private void work() {
        while (!closed) {
            if (index == NONE) {
                LockSupport.park(this);
                continue;
            }
            try {
                if (captureCompletes()) {
                    fence = NONE;
                    different.addAndGet(compare(index));
                    frames.incrementAndGet();
                } else {
                    lost.incrementAndGet();
                }
            } catch (IOException | RuntimeException | Error e) {
                LOG.error("the check of a frame failed", e);
                lost.incrementAndGet();
            } finally {
                fence = NONE;
                LockSupport.parkNanos(PAUSE_NANOS);
                index = NONE;
            }
        }
    }

    private boolean captureCompletes() throws IOException {
        try (Fence captureDone = Fence.adopt(fence)) {
            return captureDone.await(CAPTURE_LIMIT);
        }
    }

    private long compare(int buffer) throws IOException {
        Mapped here = shown.get(buffer);
        Mapped there = captured();
        try (var _ = here.buffer.access(Direction.READ);
                var _ = there.buffer.access(Direction.READ)) {
            return differences(here.mapping.segment(), here.layout, there.mapping.segment(), there.layout);
        }
    }

    /** How many pixels differ in colour, as far as both formats keep it. */
    static long differences(MemorySegment one, Layout oneLayout, MemorySegment other, Layout otherLayout)
            throws IOException {
        Colours here = colours(oneLayout);
        Colours there = colours(otherLayout);
        int precision = here.precision() & there.precision();
        long count = 0;
        for (int y = 0; y < oneLayout.image().height(); y++) {
            long a = oneLayout.planes().getFirst().offset()
                    + y * oneLayout.planes().getFirst().pitch();
            long b = otherLayout.planes().getFirst().offset()
                    + y * otherLayout.planes().getFirst().pitch();
            for (int x = 0; x < oneLayout.image().width(); x++) {
                if (((here.get(one, a) ^ there.get(other, b)) & precision) != 0) {
                    count++;
                }
                a += here.bytes();
                b += there.bytes();
            }
        }
        return count;
    }

    private static Colours colours(Layout layout) throws IOException {
        return Colours.of(layout.image().format())
                .orElseThrow(() -> new IOException(
                        "colours cannot be read in " + layout.image().format() + ": use --format " + Colours.XR24));
    }

    @Override
    public void close() throws IOException {
        closed = true;
        LockSupport.unpark(thread);
        boolean interrupted = false;
        while (thread.isAlive()) { // no longer than a check takes
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (fence != NONE) { // handed over, and never looked at
            Linux.close(fence);
        }
        mapped.close();
    }
}
