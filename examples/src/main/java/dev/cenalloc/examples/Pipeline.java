package dev.cenalloc.examples;

import static dev.cenalloc.examples.VideoQueue.NONE;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.Choice;
import dev.cenalloc.Constraints;
import dev.cenalloc.Device;
import dev.cenalloc.Direction;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.Image;
import dev.cenalloc.Layout;
import dev.cenalloc.PixelFormat;
import dev.cenalloc.SharedBuffer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Camera to display without a copy: the buffer that the camera filled, or a converter behind it, is the one that is scanned
 * out. Closed by whoever opened it. {@link #open} is how to share buffers, {@link #run} is how to use them: it makes the
 * system calls that a C program would make and allocates nothing.
 */
final class Pipeline implements AutoCloseable {
    /** On the screen, about to be, and being checked. */
    private static final int BUFFERS_OF_DISPLAY = 3;

    /** Whose memory the frames are in. */
    enum Memory {
        /** Ours, from the heap that suits all devices. */
        HEAPS,
        /** The camera's own, which it exports. */
        CAMERA
    }

    /**
     * What the user asked for; {@code auto} is a choice of ours.
     *
     * @param through a converter between camera and display, if wanted
     * @param draw whether the CPU draws over the frames
     */
    record Request(
            String camera,
            Optional<String> through,
            String display,
            PixelFormat format,
            int width,
            int height,
            int framesPerSecond,
            Memory memory,
            String heap,
            boolean draw) {
        /** From camera to display, the rest as it comes. */
        static Request of(String camera, String display) {
            return new Request(
                    camera, Optional.empty(), display, PixelFormat.XR24, 640, 480, 30, Memory.HEAPS, "auto", false);
        }

        Request atRate(int rate) {
            return new Request(camera, through, display, format, width, height, rate, memory, heap, draw);
        }
    }

    /** Something that is done to a frame before it is shown. */
    private interface Step {
        void apply(int index) throws IOException;
    }

    private final Undo opened;
    private final Camera camera;
    private final Source source;
    private final Step step;
    private final Display display;
    private final List<SharedBuffer> buffers;
    private final Checker checker;

    // Written by the frame loop, read by whoever looks on.
    private final AtomicLong shown = new AtomicLong();
    private final AtomicLong dropped = new AtomicLong();
    private volatile boolean stopped;
    private volatile boolean checked = true;
    private long firstFlipMicros;
    private long lastFlipMicros;

    // The frame loop's own.
    private int onScreen;
    /** A buffer that the display is done with while the checker still reads it. */
    private int held = NONE;

    private Pipeline(
            Undo opened,
            Camera camera,
            Source source,
            Step step,
            Display display,
            List<SharedBuffer> buffers,
            Checker checker) {
        this.opened = opened;
        this.camera = camera;
        this.source = source;
        this.step = step;
        this.display = display;
        this.buffers = List.copyOf(buffers);
        this.checker = checker;
    }

    /** Opens the devices, lets them say what memory they take, and gets buffers that suit all. */
    static Pipeline open(Request request) throws IOException {
        return open(request, DeviceNode::new);
    }

    /** As {@link #open(Request)}, with other means to open device nodes. */
    static Pipeline open(Request request, DeviceNode.Opener nodes) throws IOException {
        try (var opened = new Undo()) {
            // Who takes part, and how frames lie in memory: the camera decides, the others have to agree.
            Cenalloc cenalloc = opened.add(Cenalloc.open());
            Camera camera = opened.add(Camera.open(request.camera(), nodes, request.format()));
            var image = new Image(request.format(), request.width(), request.height());
            Layout layout = camera.configure(image, request.framesPerSecond()).getFirst();
            Source source = camera;
            if (request.through().isPresent()) {
                source = opened.add(Converter.open(request.through().get(), nodes, camera, layout));
            }
            Display display = opened.add(Display.open(request.display(), nodes, cenalloc, layout));

            // Buffers: those that the camera has, or some without memory as yet.
            List<SharedBuffer> buffers = new ArrayList<>();
            int count = source.depth() + BUFFERS_OF_DISPLAY;
            if (request.memory() == Memory.CAMERA) {
                camera.lend(count);
            }
            for (int i = 0; i < count; i++) {
                buffers.add(opened.add(
                        request.memory() == Memory.CAMERA
                                ? cenalloc.adopt(camera.export(i))
                                : cenalloc.create(layout.size())));
            }

            // All who will import them are asked before anything is allocated.
            List<Device> devices = new ArrayList<>();
            for (Path node : source.importers()) {
                devices.add(cenalloc.probe(node).device(layout));
            }
            devices.add(display.device());
            if (request.draw()) {
                devices.add(Device.cpu(Direction.READ_WRITE));
            }
            if (!request.heap().equals("auto")) {
                var only = Constraints.NONE.onlyHeaps(List.of(request.heap()));
                devices.add(Device.of("the user", only, "asked for by --heap"));
            }
            List<DmaBuf> memory = new ArrayList<>();
            for (SharedBuffer buffer : buffers) {
                buffer.name("pipeline " + memory.size());
                for (Device device : devices) {
                    buffer.attach(device);
                }
                memory.add(buffer.dmaBuf()); // the first use: here the heap is chosen
            }
            source.use(memory);
            Step step = request.draw() ? opened.add(new Painter(memory, layout))::draw : index -> {};

            // What the display puts out goes to a buffer that only the display writes and the CPU reads.
            Layout captureLayout = display.captureLayout();
            SharedBuffer capture = opened.add(cenalloc.create(captureLayout.size()));
            capture.attach(cenalloc.probe(display.path()).device(captureLayout));
            display.use(memory, capture.dmaBuf());
            Checker checker = opened.add(new Checker(memory, layout, capture.dmaBuf(), captureLayout));

            return new Pipeline(opened.keep(), camera, source, step, display, buffers, checker);
        }
    }

    /** Starts camera and display. */
    void start() throws IOException {
        source.start();
        int first;
        do {
            first = source.next();
        } while (first == NONE);
        if (camera.headerBytes(0) > 0) {
            throw new IOException(camera.name() + " puts " + camera.headerBytes(0)
                    + " bytes before each frame, which it had not said: use another --format");
        }
        step.apply(first);
        display.start(first);
        onScreen = first;
    }

    /**
     * Shows this many frames, or fewer if {@link #stop} is called, and counts anew. Blocks, so it belongs on a platform
     * thread.
     */
    void run(long frames) throws IOException {
        shown.set(0);
        dropped.set(0);
        long droppedBefore = camera.dropped();
        firstFlipMicros = 0;
        while (shown.get() < frames && !stopped) {
            int next = source.next();
            if (next == NONE) {
                continue;
            }
            dropped.set(camera.dropped() - droppedBefore);
            step.apply(next);

            // The checker reads along on a thread of its own; this one only waits for a capture that outlasts a frame.
            checker.awaitCapture();
            if (checked && display.canCapture() && held == NONE && checker.isReady()) {
                checker.check(next, display.showAndCapture(next));
            } else {
                display.show(next);
            }
            if (display.awaitFlip() != next) {
                throw new IOException("the display showed another frame than it was given");
            }

            // The frame that was on the screen is free to be filled again.
            if (held != NONE && !checker.isReading(held)) {
                source.giveBack(held);
                held = NONE;
            }
            if (held == NONE && checker.isReading(onScreen)) {
                held = onScreen;
            } else {
                source.giveBack(onScreen);
            }
            onScreen = next;
            lastFlipMicros = display.flipMicros();
            if (firstFlipMicros == 0) {
                firstFlipMicros = lastFlipMicros;
            }
            shown.incrementAndGet();
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

    Choice choice() {
        return buffers.getFirst().choice().orElseThrow();
    }

    /** Which heap, and why; what the devices said. */
    String explain() {
        return buffers.getFirst().explain();
    }

    String devices() {
        return source.name() + " -> " + display;
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
        opened.close();
    }
}
