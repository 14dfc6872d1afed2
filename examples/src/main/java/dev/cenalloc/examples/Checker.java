package dev.cenalloc.examples;

import dev.cenalloc.Direction;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.Mapping;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/**
 * Compares what the display put out with what the camera wrote, pixel by pixel, on a thread of its own: as many frames as
 * it can follow. The frame loop hands frames over through volatile fields, so that being watched costs it no system call
 * as long as a capture takes less time than a frame. Closed by whoever made it.
 */
final class Checker implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(Checker.class);
    private static final int NONE = -1;
    private static final int CAPTURE_MILLIS = 2_000;
    private static final long WAIT_NANOS = 4_000_000;
    private static final long LOOK_NANOS = 500_000;
    /**
     * Between the end of a capture and the next. Drivers tidy up in their own time: VKMS (6.12) loses a capture that is asked
     * for before it has put the one before away.
     */
    private static final long PAUSE_NANOS = 100_000_000;
    /** Blue, green and red; the fourth byte of XR24 means nothing. */
    private static final int COLOURS = 0x00FFFFFF;

    private final Frame frame;
    private final List<DmaBuf> buffers;
    private final DmaBuf capture;
    private final List<Mapping> mappings = new ArrayList<>();
    private final Mapping captured;
    private final Undo mapped;
    private final Thread thread = new Thread(this::work, "checker");

    /** The buffer under check; written by the frame loop to begin, by the checker to end. */
    private volatile int index = NONE;

    private volatile int fence = NONE;
    private volatile boolean closed;
    private final AtomicLong frames = new AtomicLong();
    private final AtomicLong lost = new AtomicLong();
    private final AtomicLong different = new AtomicLong();

    Checker(List<DmaBuf> buffers, DmaBuf capture, Frame frame) throws IOException {
        this.frame = frame;
        this.buffers = List.copyOf(buffers);
        this.capture = capture;
        try (var opened = new Undo()) {
            this.captured = opened.add(capture.map(Direction.READ));
            for (DmaBuf buffer : buffers) {
                mappings.add(opened.add(buffer.map(Direction.READ)));
            }
            this.mapped = opened.keep();
        }
        thread.setDaemon(true);
        thread.start();
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
        return (long) frame.width() * frame.height();
    }

    /** Reads what the display put out last, while no check is under way. */
    void readCapture(Consumer<MemorySegment> reader) throws IOException {
        read(capture, captured, reader);
    }

    /** Reads what is in a buffer of the camera. */
    void read(int buffer, Consumer<MemorySegment> reader) throws IOException {
        read(buffers.get(buffer), mappings.get(buffer), reader);
    }

    private static void read(DmaBuf buffer, Mapping mapping, Consumer<MemorySegment> reader) throws IOException {
        try (var _ = buffer.access(Direction.READ)) {
            reader.accept(mapping.segment());
        }
    }

    private void work() {
        while (!closed) {
            if (index == NONE) {
                LockSupport.parkNanos(LOOK_NANOS);
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

    private boolean captureCompletes() {
        int fd = fence;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment poll = arena.allocate(Linux.POLLFD);
            poll.set(ValueLayout.JAVA_INT, 0, fd);
            poll.set(ValueLayout.JAVA_SHORT, 4, Linux.POLLIN);
            int ready;
            do {
                ready = Linux.poll(poll, 1, CAPTURE_MILLIS);
            } while (ready == -Errno.EINTR);
            return ready == 1;
        } finally {
            Linux.close(fd);
        }
    }

    private long compare(int buffer) throws IOException {
        try (var _ = buffers.get(buffer).access(Direction.READ);
                var _ = capture.access(Direction.READ)) {
            return differences(mappings.get(buffer).segment(), captured.segment(), frame);
        }
    }

    /** How many pixels differ in colour. */
    static long differences(MemorySegment one, MemorySegment other, Frame frame) {
        long count = 0;
        for (int y = 0; y < frame.height(); y++) {
            long line = (long) y * frame.stride();
            for (int x = 0; x < frame.width(); x++) {
                int a = one.get(ValueLayout.JAVA_INT, line + x * 4L);
                int b = other.get(ValueLayout.JAVA_INT, line + x * 4L);
                if (((a ^ b) & COLOURS) != 0) {
                    count++;
                }
            }
        }
        return count;
    }

    @Override
    public void close() throws IOException {
        closed = true;
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
