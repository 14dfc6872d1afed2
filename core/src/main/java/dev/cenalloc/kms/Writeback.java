// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.CenallocException;
import dev.cenalloc.Fence;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Log;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.node.Closing;
import dev.cenalloc.node.drm.AtomicRequest;
import dev.cenalloc.node.drm.Card;
import dev.cenalloc.node.drm.Framebuffer;
import dev.cenalloc.node.drm.KmsObject;
import dev.cenalloc.node.drm.Placement;
import dev.cenalloc.node.drm.Scanout;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link Display} puts out, as pictures in memory of its own: a screen shot at the end of the hardware's way,
 * with all planes. One capture at a time. Closed with the display. For the thread of the display, but for {@link
 * #await} and closing the picture, which one other thread may do.
 *
 * <p>Source: {@code Documentation/gpu/drm-kms.rst}, section Writeback Connectors.
 */
@SuppressWarnings("ReferenceEquality") // a mode and a placement are replaced as a whole
public final class Writeback {
    private static final Duration LIMIT = Duration.ofSeconds(5);
    /**
     * Between the end of a capture and the next. VKMS (6.12) loses a capture that is asked for before it has put the
     * one before away, which it does in its own time.
     */
    private static final long VKMS_PAUSE_NANOS = 100_000_000;

    private final Display display;
    private final Layer layer;
    private final Scanout.Mode mode;
    private final KmsObject connector;
    private final Ring ring;
    private final Framebuffer framebuffer;
    private final Picture picture;
    private final String leftOut;
    private final long pauseNanos;
    /** Where the kernel puts the fence of a capture. */
    private final MemorySegment pointer = Arena.ofAuto().allocate(ValueLayout.JAVA_INT);

    private Layer.@Nullable Flip flip;
    /** What the flip was prepared for. */
    private @Nullable Placement preparedFor;

    private @Nullable Fence complete;
    private volatile boolean underWay;
    private volatile boolean lost;
    /** When the last capture ended. */
    private volatile long ended;

    private final class Picture extends Frame {
        private long sequence = -1;
        private long nanos;

        Picture() {
            super(ring, 0);
            hold(display.name());
        }

        void begin() {
            sequence++;
            nanos = display.lastFlipNanos();
            lend();
        }

        void end() {
            revoke();
        }

        @Override
        public long sequence() {
            return sequence;
        }

        @Override
        public long timestampNanos() {
            return nanos;
        }

        @Override
        public boolean isDamaged() {
            return false;
        }

        @Override
        protected void giveBack() {}
    }

    private Writeback(Display display, KmsObject connector, Ring ring, Framebuffer framebuffer, String leftOut) {
        this.display = display;
        this.leftOut = leftOut;
        this.layer = display.primary();
        this.mode = display.modeInUse();
        this.connector = connector;
        this.ring = ring;
        this.framebuffer = framebuffer;
        this.picture = new Picture();
        this.pauseNanos = display.driver().equals("vkms") ? VKMS_PAUSE_NANOS : 0;
        this.ended = System.nanoTime() - pauseNanos;
    }

    /** Null if the driver cannot write back what is shown; if it has a connector for that, the log says why. */
    static @Nullable Writeback open(Display display) throws CenallocException {
        Layer layer = display.primary();
        layer.ring();
        Screen screen = display.screen();
        Card card = screen.card();
        Optional<Card.Writeback> found = card.writeback(display.scanout().crtc());
        if (found.isEmpty()) {
            return null;
        }
        Scanout.Mode mode = display.modeInUse();
        var formats = WritebackFormats.of(found.get(), mode, display.scanout());
        Optional<PixelFormat> format = formats.best();
        if (format.isEmpty()) {
            Log.warn(
                    "{} is not written back: its plane shows none of the formats of its writeback, which are {}",
                    display.name(),
                    formats.all());
            return null;
        }
        var closing = new ArrayList<AutoCloseable>();
        boolean usable = false;
        try {
            Ring ring = Ring.allocate(display.cenalloc(), negotiate(display, formats, format.get()), 1);
            closing.add(ring);
            Framebuffer framebuffer = Framebuffer.of(card, ring.buffers(0), ring.layouts());
            closing.addFirst(framebuffer);
            if (!screen.write(found.get().connector(), layer, mode)) {
                Log.warn(
                        "{} is not written back: the driver refuses {} in the mode {}; its writeback lists {}",
                        display.name(),
                        format.get(),
                        mode,
                        formats.sizes());
                return null;
            }
            Frame onScreen = layer.onScreen();
            if (onScreen != null && layer.isRunning()) {
                layer.begin(mode, onScreen, null, null);
            }
            usable = true;
            return new Writeback(display, found.get().connector(), ring, framebuffer, formats.leftOut());
        } finally {
            if (!usable) {
                Closing.all(closing);
            }
        }
    }

    private static Agreement negotiate(Display display, WritebackFormats formats, PixelFormat format)
            throws CenallocException {
        var images = List.of(new ImageRange(
                format,
                ImageRange.Sizes.of(formats.mode().width(), formats.mode().height())));
        Port source = Port.of(display.name(), images, display.port()::device)
                .withOtherFormats(formats.written().otherFormats())
                .withDoubts(formats.doubts())
                .withMemory(new DisplayMemory(display));
        return Agreement.negotiate(
                display.cenalloc(), ImageRequest.ANY, List.of(source, Port.of(Device.cpu(Direction.READ), images)));
    }

    /** {@return the pictures: format, and the size of the mode} */
    public Image image() {
        return ring.agreement().image();
    }

    /**
     * {@return why these pictures and this memory, in words, in lines, with the formats and modes of the driver that
     * are left out}
     */
    public String explain() {
        return ring.explain() + leftOut;
    }

    /**
     * {@return whether a capture can begin without waiting} Not while one is under way or its picture was not given
     * back; after a capture, some drivers need a pause. Never after the display was closed.
     */
    public boolean isReady() {
        return display.isOpen() && !underWay && !lost && !picture.isLent() && pause() <= 0;
    }

    private long pause() {
        return ended + pauseNanos - System.nanoTime();
    }

    /**
     * Captures what is on the screen, at the next refresh.
     *
     * @param timeout how long at most, beside the pause that some drivers need after a capture
     * @return the picture, which the caller gives back by its close; it is valid until then
     * @throws IllegalStateException if nothing of the ring in use is on the screen, a capture is under way, or its
     *     picture was not given back
     * @throws NotShownException ETIMEDOUT: it is not complete yet, {@link #await} waits longer; or the driver lost one
     *     before
     * @throws CenallocException as {@link Display#show(Frame)}
     */
    public Frame capture(Duration timeout) throws CenallocException {
        Objects.requireNonNull(timeout, "timeout");
        checkReady();
        display.settle();
        Frame frame = layer.onScreen();
        if (frame == null || !layer.isRunning()) {
            throw new IllegalStateException("no frame of the ring in use is on the screen: show one first");
        }
        begin(frame);
        return await(timeout);
    }

    /**
     * Shows a frame, as {@link Display#show(Frame)}, and captures it. {@link #await} waits for the picture. The display
     * must show a frame already; until the capture is complete, it shows no other.
     *
     * @param frame as there
     * @throws IllegalArgumentException as there
     * @throws IllegalStateException as there, or if a capture is under way, or its picture was not given back
     * @throws CenallocException as there
     */
    public void show(Frame frame) throws CenallocException {
        Objects.requireNonNull(frame, "frame");
        checkReady();
        display.prepare(layer, frame);
        display.settle(); // so that the kernel makes the commit at once, and the last flip is known
        if (!layer.isRunning()) {
            throw new IllegalStateException("show a first frame on the display itself: display.show(frame)");
        }
        begin(frame);
    }

    /**
     * Shows a frame and captures it.
     *
     * @param frame as {@link #show}
     * @param timeout how long to wait for the picture at most
     * @return the picture, which the caller gives back by its close
     * @throws CenallocException as {@link #show} and {@link #await}
     */
    public Frame capture(Frame frame, Duration timeout) throws CenallocException {
        Objects.requireNonNull(timeout, "timeout");
        show(frame);
        return await(timeout);
    }

    private void checkReady() throws CenallocException {
        display.checkOpen();
        if (mode != display.modeInUse()) {
            throw new IllegalStateException(
                    "the mode has changed since the writeback was opened: open the display anew");
        }
        if (lost) {
            throw lost();
        }
        if (underWay || picture.isLent()) {
            throw new IllegalStateException(
                    underWay ? "a capture is under way: await it first" : "give the picture back first");
        }
    }

    private NotShownException lost() {
        // The next to complete might be the one that was lost.
        return new NotShownException(
                display.node(), "the driver lost a capture, so there are no more: open the display anew");
    }

    private void begin(Frame frame) throws CenallocException {
        awaitPause();
        Layer.Flip prepared = flip;
        if (prepared == null || preparedFor != layer.placement()) {
            AtomicRequest.Builder request = layer.request(frame)
                    .set(connector, "WRITEBACK_FB_ID", framebuffer.id())
                    .set(connector, "WRITEBACK_OUT_FENCE_PTR", pointer.address());
            prepared = layer.flip(request);
            flip = prepared;
            preparedFor = layer.placement();
        }
        layer.commit(prepared, frame, null, null);
        int fd = pointer.get(ValueLayout.JAVA_INT, 0);
        Fence known = complete;
        if (known == null) {
            complete = Seam.fence(Fence.class, Seam.kernel(display.cenalloc()), fd);
        } else {
            known.replace(fd);
        }
        underWay = true;
    }

    private void awaitPause() {
        boolean interrupted = false;
        for (long left = pause(); left > 0; left = pause()) {
            LockSupport.parkNanos(left);
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Waits for the capture under way. Blocks, and pins the carrier of a virtual thread meanwhile.
     *
     * @param timeout how long at most
     * @return the picture, which the caller gives back by its close; it is valid until then
     * @throws IllegalStateException if no capture is under way
     * @throws NotShownException ETIMEDOUT: it is not complete yet
     * @throws CenallocException with the errno of the driver; EIO or the like if the capture failed
     */
    public Frame await(Duration timeout) throws CenallocException {
        Objects.requireNonNull(timeout, "timeout");
        if (lost) {
            throw lost();
        }
        Fence fence = complete;
        if (!underWay || fence == null) {
            throw new IllegalStateException("no capture is under way");
        }
        if (!wait(fence, timeout)) {
            throw new NotShownException(display.node(), "the capture is not complete after " + timeout);
        }
        picture.begin();
        end();
        return picture;
    }

    private boolean wait(Fence fence, Duration timeout) throws CenallocException {
        boolean answered = false;
        try {
            boolean signalled = fence.await(timeout);
            answered = true;
            return signalled;
        } finally {
            if (!answered) {
                end();
            }
        }
    }

    private void end() {
        ended = System.nanoTime();
        underWay = false;
    }

    /** Whether something is being written: meanwhile no frame may be committed. */
    boolean isUnderWay() {
        return underWay;
    }

    /** Waits until nothing is being written. */
    void settle() throws CenallocException {
        Fence fence = complete;
        if (underWay && fence != null && !fence.await(LIMIT)) {
            lost = true;
            end();
        }
    }

    /** After a {@link #close} that an open access of the CPU kept from releasing the memory. */
    void closeRing() {
        ring.close();
    }

    /** The display closes it. */
    void close() throws CenallocException {
        var closing = new ArrayList<AutoCloseable>();
        closing.add(framebuffer);
        Fence fence = complete;
        if (fence != null) {
            closing.add(fence);
        }
        closing.add(picture::end);
        closing.add(ring);
        Closing.all(closing);
    }
}
