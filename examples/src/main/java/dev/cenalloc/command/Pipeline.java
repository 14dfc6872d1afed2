// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Choice;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.json.MachineProfile;
import dev.cenalloc.json.PlanJson;
import dev.cenalloc.json.Profile;
import dev.cenalloc.kms.Display;
import dev.cenalloc.kms.Writeback;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.DeviceMemory;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.FrameSink;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import dev.cenalloc.v4l2.Converter;
import dev.cenalloc.v4l2.DamagedStreamException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Camera to display without a copy, measured and checked: the buffer that the camera or a converter filled is scanned
 * out. Closed by the caller that opened it. {@code CameraToDisplay} is the same without the options.
 */
final class Pipeline implements AutoCloseable {
    /** How long a device may take for a frame. */
    private static final Duration LIMIT = Duration.ofSeconds(5);
    /** Two to fill by turns; one on the screen, one about to be, one that is being checked. */
    private static final int FRAMES = 5;
    /** Two to fill by turns, two to be converted. */
    private static final int FRAMES_TO_CONVERT = 4;

    /** Whose memory the frames are in. */
    enum Memory {
        /** Ours, from the heap that suits all devices. */
        HEAPS,
        /** The camera's own, which it exports. */
        CAMERA
    }

    /**
     * What the user asked for.
     *
     * @param camera a name, if one was given
     * @param through the name of a converter between camera and display, if one is to be used
     * @param display a name, if one was given; {@code wayland} for a window
     * @param images which images; the devices agree on the rest
     * @param profile what the user knows of the devices, if that was given; the shipped profiles come after it
     * @param heap the only heap to use, if one was given
     * @param draw whether the CPU draws over the frames
     * @param fences whether the display is told by a fence when a frame is ready, and tells by one when it is shown
     * @param check whether frames are compared with what the display puts out, where that can be read back
     */
    record Request(
            Optional<String> camera,
            Optional<String> through,
            Optional<String> display,
            ImageRequest images,
            Optional<Profile> profile,
            Memory memory,
            Optional<String> heap,
            boolean draw,
            boolean fences,
            boolean check) {
        /** From camera to display, 640x480 at 30 frames a second, with a check and without options. */
        static Request of(String camera, String display) {
            return new Request(
                    Optional.of(camera),
                    Optional.empty(),
                    Optional.of(display),
                    ImageRequest.ANY.size(640, 480).rate(30),
                    Optional.empty(),
                    Memory.HEAPS,
                    Optional.empty(),
                    false,
                    false,
                    true);
        }

        Request through(String converter) {
            return new Request(
                    camera, Optional.of(converter), display, images, profile, memory, heap, draw, fences, check);
        }

        Request with(ImageRequest other) {
            return new Request(camera, through, display, other, profile, memory, heap, draw, fences, check);
        }

        Request with(Profile known) {
            return new Request(camera, through, display, images, Optional.of(known), memory, heap, draw, fences, check);
        }

        Request in(Memory other) {
            return new Request(camera, through, display, images, profile, other, heap, draw, fences, check);
        }

        Request drawing() {
            return new Request(camera, through, display, images, profile, memory, heap, true, fences, check);
        }

        Request fenced() {
            return new Request(camera, through, display, images, profile, memory, heap, draw, true, check);
        }

        Request unchecked() {
            return new Request(camera, through, display, images, profile, memory, heap, draw, fences, false);
        }
    }

    /** A frame on its way over the screen. It goes back to its stream when neither display nor checker needs it. */
    private final class ShownFrame extends Frame {
        private @Nullable Frame inner;

        ShownFrame(int index) {
            super(ring, index);
        }

        ShownFrame of(Frame frame) {
            inner = frame;
            lend();
            return this;
        }

        @Override
        public long sequence() {
            return inner == null ? 0 : inner.sequence();
        }

        @Override
        public long timestampNanos() {
            return inner == null ? 0 : inner.timestampNanos();
        }

        @Override
        public boolean isDamaged() {
            return inner != null && inner.isDamaged();
        }

        @Override
        protected void giveBack() throws CenallocException {
            Frame done = inner;
            inner = null;
            if (done != null && checker.isReading(index())) {
                held = done;
            } else if (done != null && done.isLent()) {
                done.close();
            }
        }
    }

    private final Undo opened;
    private final Agreement agreement;
    private final MachineProfile profiles;
    private final Camera camera;
    private final @Nullable Converter converter;
    private final FrameSink sink;
    /** The sink, if it is the screen of a display; null if it is a window. */
    private final @Nullable Display display;

    private final Ring ring;
    private final @Nullable Painter painter;
    private final @Nullable Fences fences;
    private final Checker checker;
    private final boolean readsBack;
    private final ShownFrame[] frames;

    // Written by the frame loop, read by other threads.
    private final AtomicLong shown = new AtomicLong();
    private final AtomicLong dropped = new AtomicLong();
    private volatile boolean stopped;
    private volatile boolean checked = true;
    private long begun;
    private long copiedBefore;
    private double framesPerSecond;

    // The frame loop's own.
    private @Nullable Writeback writeback;
    private int last;
    private boolean ahead;
    /** Whether the last frame that was waited for is on the screen. */
    private boolean onScreen;
    /** A frame that has left the screen while the checker still reads it. */
    private @Nullable Frame held;

    /** The devices of which it is not known whether they take the memory. */
    List<Device> unknown() {
        return agreement.unknown();
    }

    private Pipeline(
            Undo opened,
            Request request,
            Participants devices,
            Ring ring,
            @Nullable Painter painter,
            @Nullable Fences fences,
            Checker checker) {
        this.opened = opened;
        this.agreement = devices.agreement();
        this.profiles = devices.profiles();
        this.camera = devices.camera();
        this.converter = devices.converter();
        this.sink = devices.target().sink();
        this.display = devices.target().display();
        this.ring = ring;
        this.painter = painter;
        this.checker = checker;
        this.readsBack = request.check();
        this.fences = fences;
        this.frames = new ShownFrame[ring.size()];
        for (int i = 0; i < frames.length; i++) {
            frames[i] = new ShownFrame(i);
        }
    }

    /** Opens the devices, lets them agree on images and memory, and allocates buffers that suit all. */
    static Pipeline open(Request request) throws IOException {
        try (var opened = new Undo()) {
            Cenalloc cenalloc = opened.add(Cenalloc.open());
            Participants devices = Participants.open(cenalloc, request, opened);
            Agreement agreement = devices.agreement();
            devices.camera().configure(agreement);
            Converter converter = devices.converter();
            int toFill = converter == null ? FRAMES : FRAMES_TO_CONVERT;
            Ring filled;
            if (request.memory() == Memory.CAMERA) {
                filled = opened.add(devices.camera().lend(agreement, toFill));
            } else {
                filled = opened.add(Ring.allocate(cenalloc, agreement, toFill));
                devices.camera().use(filled);
            }
            Ring ring = filled;
            if (converter != null) {
                ring = opened.add(Ring.allocate(cenalloc, agreement, FRAMES));
                converter.configure(agreement, agreement);
                converter.use(filled, ring);
            }
            devices.target().sink().use(ring);
            Painter painter = request.draw() ? new Painter(ring.agreement().layout()) : null;
            Checker checker = opened.add(new Checker(ring));
            Display display = devices.target().display();
            if (request.fences() && display == null) {
                throw new IOException("a window has no explicit fences: leave out --fences, or name a --display");
            }
            Fences fences = request.fences() && display != null ? opened.add(new Fences(display, ring)) : null;
            var kept = new Undo();
            var pipeline = new Pipeline(kept, request, devices, ring, painter, fences, checker);
            kept.takeOver(opened);
            return pipeline;
        }
    }

    /** Starts camera and display, the latter with the first frame; without one, if {@link #stop} is called before. */
    void start() throws IOException {
        camera.start();
        if (converter != null) {
            converter.start();
        }
        Frame first = next();
        if (first != null) {
            show(first);
            if (readsBack && display != null) {
                writeback = display.writeback().orElse(null);
                if (writeback != null && Checker.canCompare(agreement.layout())) {
                    checker.use(writeback);
                }
            }
        }
    }

    /** The next frame to show; null if the pipeline was stopped. */
    private @Nullable Frame next() throws IOException {
        while (!stopped) {
            try {
                if (converter == null) {
                    return camera.next(LIMIT);
                }
                if (!ahead) {
                    // One frame is converted while the one before is shown.
                    ahead = true;
                    converter.put(camera.next(LIMIT));
                }
                converter.put(camera.next(LIMIT));
                return converter.next(LIMIT);
            } catch (DamagedStreamException e) {
                if (!stopped) {
                    throw e;
                }
            }
        }
        return null;
    }

    private void show(Frame frame) throws IOException {
        if (painter != null) {
            painter.draw(frame);
        }
        last = frame.index();
        ShownFrame own = frames[last].of(frame);
        if (fences != null) {
            fences.show(own);
        } else {
            sink.show(own);
        }
    }

    private void showAndCapture(Writeback into, Frame frame) throws IOException {
        if (painter != null) {
            painter.draw(frame);
        }
        last = frame.index();
        into.show(frames[last].of(frame));
        checker.check(last);
    }

    /** As {@link #run(long, long)}, for as long as it takes. */
    void run(long count) throws IOException {
        run(count, Long.MAX_VALUE);
    }

    /**
     * Shows this many frames, or fewer if the time is over or {@link #stop} is called, and counts anew. Blocks, so it
     * belongs on a platform thread.
     */
    void run(long count, long nanos) throws IOException {
        try {
            showFrames(count, nanos);
        } catch (IllegalStateException e) {
            if (!isProgramEnding()) {
                throw e;
            }
            // After Ctrl-C the library gives the display back at once, whatever frame is under way.
            stopped = true;
        }
        long time = now() - begun;
        framesPerSecond = time == 0 ? 0 : shown.get() * 1e9 / time;
    }

    /** When the last frame came on the screen; if a compositor hides it, or does not tell, now. */
    private long now() {
        long told = sink.lastFlipNanos();
        return onScreen && told != 0 ? told : System.nanoTime();
    }

    /** Waits until the last frame is on the screen. A window may be hidden. */
    private void awaitShown() throws IOException {
        onScreen = sink.awaitShown(LIMIT);
        if (!onScreen && display != null) {
            throw new IOException("the display did not show the frame for " + LIMIT.toSeconds() + " seconds");
        }
    }

    /** Whether the virtual machine ends, as after Ctrl-C. */
    static boolean isProgramEnding() {
        var hook = new Thread();
        try {
            Runtime.getRuntime().addShutdownHook(hook);
            Runtime.getRuntime().removeShutdownHook(hook);
            return false;
        } catch (IllegalStateException e) {
            return true;
        }
    }

    private void showFrames(long count, long nanos) throws IOException {
        shown.set(0);
        dropped.set(0);
        long droppedBefore = camera.dropped();
        awaitShown();
        begun = now();
        copiedBefore = sink.copied();
        long start = System.nanoTime();
        while (shown.get() < count && !stopped && !sink.isCloseRequested() && System.nanoTime() - start < nanos) {
            Frame next = next();
            if (next == null) {
                break;
            }
            dropped.set(camera.dropped() - droppedBefore);
            // The checker reads along on a thread of its own; the loop waits only for a capture that outlasts a frame.
            checker.awaitCapture();
            giveBackHeld();
            Writeback into = writeback;
            if (checked && into != null && held == null && checker.isReady() && into.isReady()) {
                showAndCapture(into, next);
            } else {
                show(next);
            }
            shown.incrementAndGet();
        }
        if (fences != null) {
            fences.awaitShown();
        }
        awaitShown();
    }

    private void giveBackHeld() throws CenallocException {
        Frame done = held;
        if (done != null && !checker.isReading(done.index())) {
            held = null;
            done.close();
        }
    }

    /** Ends {@link #start} and {@link #run} after the frame that is under way. For any thread. */
    void stop() {
        stopped = true;
    }

    /** Whether frames are compared from now on, where {@link #readsBack}; yes, unless this says otherwise. */
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

    /** Of those that were shown, how many the CPU had to copy, since a compositor takes no dma-bufs. */
    long copied() {
        return sink.copied() - copiedBefore;
    }

    /** Keeps the last frame in place; false if somebody closes the window. After {@link #run} has returned. */
    boolean hold() throws IOException {
        boolean _ = sink.awaitShown(Duration.ZERO);
        return !sink.isCloseRequested();
    }

    /** Whether the frames are shown in a window. */
    boolean isWindow() {
        return display == null;
    }

    /** By the display's own time stamps. */
    double framesPerSecond() {
        return framesPerSecond;
    }

    Checker checker() {
        return checker;
    }

    Ring ring() {
        return ring;
    }

    Choice choice() {
        return ring.choice();
    }

    /** The device's own memory that the frames are in, if they are in no heap, since none suits. */
    Optional<String> ownMemory() {
        return agreement.memory().map(DeviceMemory::name);
    }

    /** Which images and which heap, and why. */
    String explain() {
        return ring.explain();
    }

    /** The devices, images and rate. */
    String describe() {
        return camera.name() + (converter == null ? "" : " -> " + converter.name()) + " -> " + sink.name() + ", "
                + agreement.image() + " at " + camera.rate() + " frames a second, "
                + (display == null ? "in the " + sink : "on " + display.mode());
    }

    /** The rate of the camera, as the devices agreed on it. */
    FrameRate rate() {
        return camera.rate();
    }

    /** All of it for programs, by key, once it has run. */
    Map<String, Object> document() {
        var document = new LinkedHashMap<String, Object>();
        document.put("camera", device(camera.name(), camera.node()));
        if (converter != null) {
            document.put("converter", device(converter.name(), converter.node()));
        }
        if (display == null) {
            document.put("window", Map.of("name", sink.name()));
        } else {
            document.put("display", device(display.name(), display.node()));
            document.put("mode", display.mode());
        }
        Image image = agreement.image();
        document.put("image", Map.of("format", image.format(), "width", image.width(), "height", image.height()));
        document.put("rate", rate());
        document.put("memory", ownMemory().orElse(choice().heap().name()));
        document.put("choice", new Json.Document(PlanJson.write(choice())));
        document.put("shown", shown());
        document.put("dropped", dropped());
        document.put("copied", copied());
        document.put("framesPerSecond", framesPerSecond());
        if (readsBack()) {
            document.put(
                    "compared",
                    Map.of(
                            "frames", checker.frames(),
                            "pixels", checker.pixelsPerFrame(),
                            "different", checker.different(),
                            "lost", checker.lost()));
        }
        return document;
    }

    private static Map<String, Object> device(String name, Path node) {
        return Map.of("name", name, "node", node);
    }

    /** What is known of this machine's devices without asking them. */
    MachineProfile profiles() {
        return profiles;
    }

    /** Whether what the display puts out is read back: as requested, and as it can. Known once started. */
    boolean readsBack() {
        return checker.isUsed();
    }

    /** The index of the frame that was shown last. */
    int last() {
        return last;
    }

    /** Stops the camera, puts back what was on the screen, releases the memory. After {@link #run} has returned. */
    @Override
    public void close() throws IOException {
        opened.close();
    }
}
