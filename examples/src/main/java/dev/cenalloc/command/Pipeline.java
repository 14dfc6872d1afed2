package dev.cenalloc.command;

import dev.cenalloc.stream.Agreement;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.Choice;
import dev.cenalloc.plan.Device;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.json.Profile;
import dev.cenalloc.SharedBuffer;
import static dev.cenalloc.examples.VideoQueue.NONE;

import java.awt.image.BufferedImage;
import java.io.IOException;
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
     * @param wish which images; the devices agree on the rest
     * @param profile what somebody wrote down about the devices
     * @param draw whether the CPU draws over the frames
     * @param fences whether the display is told and tells by fences when a frame is ready and when it is shown
     * @param check whether frames are compared with what the display puts out, where that can be read back
     */
    record Request(
            String camera,
            Optional<String> through,
            String display,
            ImageRequest wish,
            Profile profile,
            Memory memory,
            String heap,
            boolean draw,
            boolean fences,
            boolean check) {
        /** From camera to display, 640x480 at 30 frames a second, the rest as it comes. */
        static Request of(String camera, String display) {
            return new Request(
                    camera,
                    Optional.empty(),
                    display,
                    ImageRequest.ANY.size(640, 480).rate(FrameRate.of(30)),
                    Profile.empty("none"),
                    Memory.HEAPS,
                    "auto",
                    false,
                    false,
                    true);
        }

        Request through(String converter) {
            return new Request(
                    camera, Optional.of(converter), display, wish, profile, memory, heap, draw, fences, check);
        }

        Request wishing(ImageRequest other) {
            return new Request(camera, through, display, other, profile, memory, heap, draw, fences, check);
        }

        Request knowing(Profile known) {
            return new Request(camera, through, display, wish, known, memory, heap, draw, fences, check);
        }

        Request in(Memory other) {
            return new Request(camera, through, display, wish, profile, other, heap, draw, fences, check);
        }

        Request drawing() {
            return new Request(camera, through, display, wish, profile, memory, heap, true, fences, check);
        }

        Request fenced() {
            return new Request(camera, through, display, wish, profile, memory, heap, draw, true, check);
        }

        Request unchecked() {
            return new Request(camera, through, display, wish, profile, memory, heap, draw, fences, false);
        }
    }

    /** Something that is done to a frame before it is shown. */
    private interface Step {
        void apply(int index) throws IOException;
    }

    private final Undo opened;
    private final Agreement agreement;
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
            Agreement agreement,
            Camera camera,
            Source source,
            Step step,
            Display display,
            List<SharedBuffer> buffers,
            Checker checker) {
        this.opened = opened;
        this.agreement = agreement;
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
            // Who takes part, and on which images and memory they agree: nothing is allocated yet.
            Cenalloc cenalloc = opened.add(Cenalloc.open());
            Participants who = Participants.find(cenalloc, request);
            Agreement agreement = who.agreement();
            Layout layout = agreement.layout();

            Camera camera = opened.add(Camera.open(who.camera(), nodes));
            camera.configure(layout, agreement.rate());
            Source source = camera;
            if (who.converter().isPresent()) {
                source = opened.add(Converter.open(who.converter().get(), nodes, camera, layout));
            }
            Display display = opened.add(Display.open(who.display(), nodes, layout, agreement.rate(), request.check()));

            // Buffers: those that the camera has, or some whose heap is chosen at the first use.
            List<SharedBuffer> buffers = new ArrayList<>();
            List<DmaBuf> memory = new ArrayList<>();
            int count = source.depth() + BUFFERS_OF_DISPLAY;
            if (request.memory() == Memory.CAMERA) {
                camera.lend(count);
            }
            for (int i = 0; i < count; i++) {
                SharedBuffer buffer = opened.add(
                        request.memory() == Memory.CAMERA
                                ? cenalloc.adopt(camera.export(i))
                                : cenalloc.create(agreement.image()));
                buffer.name("pipeline " + i);
                for (Device device : agreement.devices()) {
                    buffer.attach(device);
                }
                buffers.add(buffer);
                memory.add(buffer.dmaBuf()); // the first use
            }
            source.use(memory);
            Step step = request.draw() ? opened.add(new Painter(memory, layout))::draw : index -> {};
            display.use(memory, request.fences());

            // What is read back goes to a buffer that only the display writes and the CPU reads.
            Checker checker = new Checker(layout);
            Optional<Layout> captureLayout = display.captureLayout();
            if (captureLayout.isPresent()) {
                SharedBuffer capture =
                        opened.add(cenalloc.create(captureLayout.get().image()));
                capture.attach(who.display().device(captureLayout.get()));
                display.captureTo(capture.dmaBuf());
                opened.add(checker).use(memory, capture.dmaBuf(), captureLayout.get());
            }

            return new Pipeline(opened.keep(), agreement, camera, source, step, display, buffers, checker);
        }
    }

    /** Starts camera and display, the latter with the first frame; without one, if {@link #stop} is called before. */
    void start() throws IOException {
        source.start();
        int first = NONE;
        while (first == NONE) {
            if (stopped) {
                return;
            }
            first = source.next();
        }
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

    /** Ends {@link #start} and {@link #run} after the frame that is under way. For any thread. */
    void stop() {
        stopped = true;
    }

    /** Whether frames are compared from now on, where {@link #canCapture}; yes, unless this says otherwise. */
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

    /** Which images and which heap, and why; what the devices said. */
    String explain() {
        return agreement.explain() + System.lineSeparator() + buffers.getFirst().explain();
    }

    String devices() {
        return source.name() + " -> " + display;
    }

    /** Whether what the display puts out is read back: as requested, and as it can. Known once started. */
    boolean canCapture() {
        return display.canCapture();
    }

    int onScreen() {
        return onScreen;
    }

    /** A picture of what is in a buffer. */
    BufferedImage picture(int index) throws IOException {
        return Checker.picture(buffers.get(index).dmaBuf(), agreement.layout());
    }

    /** Stops the camera, puts back what was on the screen, releases the memory. After {@link #run} has returned. */
    @Override
    public void close() throws IOException {
        opened.close();
    }
}
