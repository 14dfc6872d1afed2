package dev.cenalloc.examples;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.Choice;
import dev.cenalloc.Constraints;
import dev.cenalloc.Device;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Camera to display without a copy: the buffer that the camera filled is the one that is scanned out. Closed by whoever
 * opened it. {@link #open} is how to share buffers, {@link #run} is how to use them: it makes the system calls that a C
 * program would make and allocates nothing.
 */
final class Pipeline implements AutoCloseable {
    /** On the screen, about to be, being checked, and two for the camera to fill. */
    private static final int BUFFERS = 5;

    private static final int STALL_MILLIS = 5_000;
    private static final int NONE = -1;

    /** What the user asked for; {@code auto} is a choice of ours. */
    record Request(String camera, String display, String heap, int width, int height, int framesPerSecond) {}

    private final Undo opened;
    private final Camera camera;
    private final Display display;
    private final Frame frame;
    private final List<SharedBuffer> buffers = new ArrayList<>();
    private final SharedBuffer capture;
    private final Checker checker;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment waiting = arena.allocate(Linux.POLLFD);

    // Written by the frame loop, read by whoever looks on.
    private final AtomicLong shown = new AtomicLong();
    private final AtomicLong dropped = new AtomicLong();
    private volatile boolean stopped;
    private volatile boolean checked = true;
    private long firstFlipMicros;
    private long lastFlipMicros;

    // The frame loop's own.
    private int onScreen;
    private int sequence;
    /** A buffer that the display is done with while the checker still reads it. */
    private int held = NONE;

    private Pipeline(
            Undo opened,
            Camera camera,
            Display display,
            Frame frame,
            List<SharedBuffer> buffers,
            SharedBuffer capture,
            Checker checker) {
        this.opened = opened;
        this.camera = camera;
        this.display = display;
        this.frame = frame;
        this.buffers.addAll(buffers);
        this.capture = capture;
        this.checker = checker;
    }

    /** Opens both devices, lets them say what memory they take, and creates buffers that suit both. */
    static Pipeline open(Request request) throws IOException {
        try (var opened = new Undo()) {
            Cenalloc cenalloc = opened.add(Cenalloc.open());
            Camera camera = opened.add(Camera.open(request.camera()));
            Frame frame = camera.configure(request.width(), request.height(), request.framesPerSecond());
            Display display = opened.add(Display.open(request.display(), cenalloc, frame));

            // Both are asked before anything is allocated.
            List<Device> devices = new ArrayList<>();
            devices.add(cenalloc.probe(camera.path()).device(frame.layout()));
            devices.add(display.device());
            if (!request.heap().equals("auto")) {
                var only = Constraints.NONE.onlyHeaps(List.of(request.heap()));
                devices.add(Device.of("the user", only, "asked for by --heap"));
            }
            List<SharedBuffer> buffers = new ArrayList<>();
            List<DmaBuf> memory = new ArrayList<>();
            for (int i = 0; i < BUFFERS; i++) {
                SharedBuffer buffer = opened.add(cenalloc.create(frame.size()));
                for (Device device : devices) {
                    buffer.attach(device);
                }
                buffers.add(buffer);
                memory.add(buffer.dmaBuf()); // the first use: here the heap is chosen
                buffer.dmaBuf().name("pipeline " + i);
            }
            // What the display puts out goes to a buffer that only the display writes and the CPU reads.
            SharedBuffer capture = opened.add(cenalloc.create(frame.size()));
            capture.attach(devices.get(1));
            Checker checker = opened.add(new Checker(memory, capture.dmaBuf(), frame));

            return new Pipeline(opened.keep(), camera, display, frame, buffers, capture, checker);
        }
    }

    /** Starts camera and display. */
    void start() throws IOException {
        List<DmaBuf> memory = new ArrayList<>();
        for (SharedBuffer buffer : buffers) {
            memory.add(buffer.dmaBuf());
        }
        camera.start(memory);
        int first;
        do {
            await(camera.fd(), "the camera gave no frame");
            first = camera.dequeue();
        } while (first == NONE);
        display.start(memory, first, capture.dmaBuf(), frame);
        onScreen = first;
        sequence = camera.sequence();
    }

    /**
     * Shows this many frames, or fewer if {@link #stop} is called, and counts anew. Blocks, so it belongs on a platform
     * thread.
     */
    void run(long frames) throws IOException {
        shown.set(0);
        dropped.set(0);
        firstFlipMicros = 0;
        while (shown.get() < frames && !stopped) {
            await(camera.fd(), "the camera gave no frame");
            int next = camera.dequeue();
            if (next == NONE) {
                continue;
            }
            dropped.addAndGet(camera.sequence() - sequence - 1);
            sequence = camera.sequence();

            // The checker reads along on a thread of its own; this one only waits for a capture that outlasts a frame.
            checker.awaitCapture();
            if (checked && display.canCapture() && held == NONE && checker.isReady()) {
                checker.check(next, display.showAndCapture(next));
            } else {
                display.show(next);
            }
            await(display.fd(), "the display did not show the frame");
            if (display.awaitFlip() != next) {
                throw new IOException("the display showed another frame than it was given");
            }

            // The frame that was on the screen is free to be filled again.
            if (held != NONE && !checker.isReading(held)) {
                camera.queue(held);
                held = NONE;
            }
            if (held == NONE && checker.isReading(onScreen)) {
                held = onScreen;
            } else {
                camera.queue(onScreen);
            }
            onScreen = next;
            lastFlipMicros = display.flipMicros();
            if (firstFlipMicros == 0) {
                firstFlipMicros = lastFlipMicros;
            }
            shown.incrementAndGet();
        }
    }

    /** Waits until a descriptor is readable; a device that stalls is an error, not a hang. */
    private void await(int fd, String otherwise) throws IOException {
        waiting.set(ValueLayout.JAVA_INT, 0, fd);
        waiting.set(ValueLayout.JAVA_SHORT, 4, Linux.POLLIN);
        int ready;
        do {
            ready = Linux.poll(waiting, 1, STALL_MILLIS);
        } while (ready == -Errno.EINTR);
        if (ready < 0) {
            throw new IOException("poll gave " + Errno.name(-ready));
        }
        if (ready == 0) {
            throw new IOException(otherwise + " for " + STALL_MILLIS / 1000 + " seconds");
        }
        if ((waiting.get(ValueLayout.JAVA_SHORT, 6) & Linux.POLLIN) == 0) {
            throw new IOException(otherwise + ": the device reports an error");
        }
    }

    /** Ends {@link #run} after the frame that is under way. For any thread. */
    void stop() {
        stopped = true;
    }

    /** Whether frames are compared with what the display puts out, where it tells; yes, unless this says otherwise. */
    void check(boolean wanted) {
        checked = wanted;
    }

    long shown() {
        return shown.get();
    }

    /** Frames that the camera took and had no buffer for. */
    long dropped() {
        return dropped.get();
    }

    /** From the display's own time stamps; 0 with fewer than two frames. */
    double framesPerSecond() {
        return lastFlipMicros == firstFlipMicros ? 0 : (shown.get() - 1) * 1e6 / (lastFlipMicros - firstFlipMicros);
    }

    Checker checker() {
        return checker;
    }

    List<SharedBuffer> buffers() {
        return List.copyOf(buffers);
    }

    Frame frame() {
        return frame;
    }

    Choice choice() {
        return buffers.getFirst().choice().orElseThrow();
    }

    String devices() {
        return camera.name() + " -> " + display;
    }

    boolean canCapture() {
        return display.canCapture();
    }

    int onScreen() {
        return onScreen;
    }

    /** Stops the camera, puts back what was on the screen, releases the memory. After {@link #run} has returned. */
    @Override
    public void close() throws IOException {
        try (arena) {
            opened.close();
        }
    }
}
