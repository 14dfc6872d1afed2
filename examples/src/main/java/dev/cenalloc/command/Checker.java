// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.DmaBuf;
import dev.cenalloc.Mapping;
import dev.cenalloc.examples.Colours;
import dev.cenalloc.examples.Pictures;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kms.Writeback;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
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
import org.jspecify.annotations.Nullable;

/**
 * Compares what the display put out with what the camera wrote, pixel by pixel, on a thread of its own: as many frames
 * as it can follow. Between two frames it sleeps until the frame loop wakes it, which costs the loop one system call
 * for a frame that is compared; while nothing is compared, the thread costs nothing. Compares nothing before {@link
 * #use}. Closed by the caller that made it.
 */
final class Checker implements AutoCloseable {
    private static final int NONE = -1;
    private static final Duration CAPTURE_LIMIT = Duration.ofSeconds(5);
    private static final long WAIT_NANOS = 4_000_000;
    private static final long LOOK_NANOS = 500_000;

    private final Ring ring;
    private final Layout layout;
    /** Of each frame of the ring; apart from the frames' own accesses, which belong to the frame loop. */
    private final List<Mapping> mapped = new ArrayList<>();
    /** What the display puts out; null before {@link #use}. */
    private @Nullable Writeback writeback;

    private final Thread thread = new Thread(this::work, "checker");

    /** The frame under check; written by the frame loop to begin, by the checker to end. */
    private volatile int index = NONE;

    private volatile boolean capturing;
    private volatile boolean closed;
    /** What was captured last; it stays in its buffer until the next capture. */
    private volatile @Nullable Frame last;

    private final AtomicLong frames = new AtomicLong();
    private final AtomicLong lost = new AtomicLong();
    private final AtomicLong different = new AtomicLong();

    /** @param ring whose frames are to be compared, if {@link #use} says with what */
    Checker(Ring ring) {
        this.ring = ring;
        this.layout = ring.agreement().layout();
    }

    /** Whether the colours of such an image can be read. */
    static boolean canCompare(Layout layout) {
        return Colours.of(layout.image().format()).isPresent();
    }

    /** Maps the frames and begins to wait. */
    void use(Writeback output) throws IOException {
        for (int i = 0; i < ring.size(); i++) {
            mapped.add(ring.buffers(i).getFirst().map(Direction.READ));
        }
        writeback = output;
        thread.setDaemon(true);
        thread.start();
    }

    boolean isUsed() {
        return writeback != null;
    }

    /**
     * Whether a check may begin. After a lost capture none may: the next to complete might be the one that was lost.
     */
    boolean isReady() {
        return index == NONE && lost.get() == 0;
    }

    boolean isReading(int frame) {
        return index == frame;
    }

    /** Checks a frame against the capture that is under way. Only when ready. */
    void check(int frame) {
        capturing = true;
        index = frame;
        LockSupport.unpark(thread);
    }

    /**
     * Waits until the display has written its capture: before that, the next frame must not be committed. Captures take
     * less than a frame does, on a machine that keeps up.
     */
    void awaitCapture() {
        while (capturing) {
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
        Frame captured = Objects.requireNonNull(last, "nothing was read back");
        return picture(captured.buffers().getFirst(), captured.layout());
    }

    /** A picture of what is in a frame. */
    BufferedImage picture(int frame) throws IOException {
        return picture(ring.buffers(frame).getFirst(), layout);
    }

    private static BufferedImage picture(DmaBuf buffer, Layout layout) throws IOException {
        try (Mapping mapping = buffer.map(Direction.READ);
                var _ = buffer.access(Direction.READ)) {
            return Pictures.of(mapping.segment(), layout);
        }
    }

    private void work() {
        while (!closed) {
            if (index == NONE) {
                LockSupport.park(this);
                continue;
            }
            try (Frame picture = Objects.requireNonNull(writeback).await(CAPTURE_LIMIT)) {
                capturing = false;
                different.addAndGet(compare(index, picture));
                frames.incrementAndGet();
            } catch (IOException | RuntimeException | Error e) {
                // Looked up here: to set up logging takes a fifth of the start of a pipeline.
                LogManager.getLogger(Checker.class).error("the check of a frame failed", e);
                lost.incrementAndGet();
            } finally {
                capturing = false;
                index = NONE;
            }
        }
    }

    private long compare(int frame, Frame picture) throws IOException {
        try (var _ = ring.buffers(frame).getFirst().access(Direction.READ);
                var there = picture.access(Direction.READ)) {
            last = picture;
            return differences(mapped.get(frame).segment(), layout, there.segment(), picture.layout());
        }
    }

    /**
     * How many pixels of an image differ in colour from those in the middle of a picture of the screen, which is where
     * a display puts an image; as far as both formats keep colours.
     */
    static long differences(MemorySegment image, Layout layout, MemorySegment screen, Layout screenLayout)
            throws IOException {
        Colours here = colours(layout);
        Colours there = colours(screenLayout);
        int precision = here.precision() & there.precision();
        Image size = layout.image();
        int left = (screenLayout.image().width() - size.width()) / 2;
        int top = (screenLayout.image().height() - size.height()) / 2;
        Layout.Plane from = layout.planes().getFirst();
        Layout.Plane to = screenLayout.planes().getFirst();
        long count = 0;
        for (int y = 0; y < size.height(); y++) {
            long a = from.offset() + y * from.pitch();
            long b = to.offset() + (top + y) * to.pitch() + (long) left * there.bytes();
            for (int x = 0; x < size.width(); x++) {
                if (((here.get(image, a) ^ there.get(screen, b)) & precision) != 0) {
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
        mapped.forEach(Mapping::close);
    }
}
