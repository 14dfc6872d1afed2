// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.Times;
import dev.cenalloc.node.Trial;
import dev.cenalloc.plan.Device;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.ProtocolException;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.DeviceMemory;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.FrameSink;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.text.Printable;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/**
 * A window on a desktop that frames of a stream are shown in, without a copy: the way to a screen whose DRM master is a
 * Wayland compositor. Closed by the caller.
 *
 * {@snippet :
 * try (var window = Window.open(cenalloc, "camera")) {
 *     Agreement agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(camera.port(), window.port()));
 *     try (Ring ring = Ring.allocate(cenalloc, agreement, 6)) {
 *         camera.use(ring);
 *         window.use(ring);
 *         while (!window.isCloseRequested()) {
 *             window.show(camera.next(SECOND)); // goes back to the camera when the compositor releases it
 *         }
 *     }
 * }
 * }
 *
 * <p>The compositor keeps the frame that is on the screen, and mostly one more. A frame comes back to its stream, by
 * its {@link Frame#close}, in a later call of this object, in the thread that makes it. A program that shows no frames
 * for a while calls {@link #handleEvents}: a compositor takes a window that does not answer for dead.
 *
 * <p>A compositor that takes no dma-bufs, such as one without a GPU, gets copies in shared memory ({@code wl_shm}): the CPU
 * copies each frame, which goes back to its stream at once. The log says so, as a warning, the explanation of the
 * agreement does, and {@link #copied} counts them.
 *
 * <p>When the compositor is gone, or ends the connection, each method says so, and all frames are given back. The
 * program closes this window and opens another, which can use the same ring. For one thread at a time; every use after
 * the close throws {@link IllegalStateException}.
 *
 * <p>When a frame came on the screen, or that it never did, is known where the compositor tells it ({@code
 * presentation-time}). Else, what it has drawn counts as shown, and there are no times.
 *
 * <p>Source: the protocols {@code wayland}, {@code xdg-shell}, {@code linux-dmabuf} (version 3 to 5), {@code
 * viewporter} and {@code presentation-time}.
 */
public final class Window implements FrameSink {
    private static final String NAME = "Wayland compositor";
    /** A request has at most 4096 bytes in the C library of compositors. */
    private static final int LONGEST_TITLE = 1000;
    /** How long a frame waits for the one before; then the window is taken for hidden, and they wait no more. */
    private static final long PATIENCE = TimeUnit.MILLISECONDS.toNanos(200);
    /** How long the close waits for what the compositor still reads. */
    private static final long FAREWELL = Times.SHORT;

    private final Channel channel;
    private final Surface surface;
    private final Delivery delivery;
    private final String title;

    private boolean hidden;
    private boolean closed;

    private Window(Cenalloc cenalloc, Endpoint endpoint, Channel channel, String title) throws CenallocException {
        this.channel = channel;
        this.title = title;
        var globals = Globals.read(channel);
        this.delivery = delivery(cenalloc, endpoint, channel, globals);
        this.surface = Surface.open(channel, globals, bytes(title));
    }

    /** Copies only where the compositor takes no dma-bufs. */
    private static Delivery delivery(Cenalloc cenalloc, Endpoint endpoint, Channel channel, Globals globals)
            throws CenallocException {
        if (!Formats.areOffered(globals) && globals.version(Wire.SHM) != 0) {
            return new Copies(channel, globals, NAME);
        }
        Formats formats = Formats.read(channel, globals);
        // Another compositor may have other rules.
        String process = " of process " + endpoint.connection().peer().pid();
        var trial = new Trial(cenalloc, endpoint.path(), formats.device(), NAME, process);
        return new Buffers(channel, formats, trial, NAME);
    }

    /**
     * Opens a window of the compositor that the environment tells: {@code WAYLAND_SOCKET}, a descriptor, for the first
     * window; or else {@code WAYLAND_DISPLAY}, {@code wayland-0} if that is not set, in {@code XDG_RUNTIME_DIR}. It
     * appears with its first frame. Blocks until the compositor has answered, at most 15 seconds for each answer.
     *
     * @param cenalloc whose heaps the memory comes from
     * @param title of the window, at most 1000 bytes of UTF-8
     * @return the window, which the caller closes
     * @throws IllegalArgumentException if the title is longer, or has a NUL
     * @throws NoCompositorException ENOENT, ECONNREFUSED: there is no compositor, or the environment does not tell
     * @throws NoPermissionException EACCES: this process may not connect to it
     * @throws ProtocolException EPROTO: what listens there is no compositor, or breaks the protocol
     * @throws DisconnectedException EPIPE, ECONNRESET: it ended the connection
     * @throws CenallocException EOPNOTSUPP: it shows no windows, or takes neither dma-bufs nor shared memory; ETIMEDOUT: it does not answer;
     *     EPROTO: it ended the connection, and says why; EMFILE
     */
    public static Window open(Cenalloc cenalloc, String title) throws CenallocException {
        Objects.requireNonNull(cenalloc, "cenalloc");
        bytes(title);
        return open(cenalloc, Endpoint.of(cenalloc, System.getenv()), title);
    }

    /**
     * As {@link #open(Cenalloc, String)}, of the compositor that listens at a path.
     *
     * @param cenalloc whose heaps the memory comes from
     * @param socket such as {@code /run/user/1000/wayland-0}
     * @param title of the window, at most 1000 bytes of UTF-8
     * @return the window, which the caller closes
     * @throws IllegalArgumentException as there
     * @throws CenallocException as there
     */
    public static Window open(Cenalloc cenalloc, Path socket, String title) throws CenallocException {
        Objects.requireNonNull(cenalloc, "cenalloc");
        Objects.requireNonNull(socket, "socket");
        bytes(title);
        return open(cenalloc, Endpoint.of(cenalloc, socket), title);
    }

    /** Owns the connection, also if this fails. */
    static Window open(Cenalloc cenalloc, Endpoint endpoint, String title) throws CenallocException {
        Channel channel = null;
        boolean usable = false;
        try {
            channel = new Channel(Seam.kernel(cenalloc), endpoint.connection());
            var window = new Window(cenalloc, endpoint, channel, title);
            usable = true;
            return window;
        } finally {
            if (!usable && channel != null) {
                channel.close();
            } else if (!usable) {
                endpoint.connection().close();
            }
        }
    }

    /**
     * Checks a title, before anything else is opened.
     *
     * @param title at most 1000 bytes of UTF-8
     * @throws IllegalArgumentException if it is longer, or has a NUL
     */
    public static void checkTitle(String title) {
        bytes(title);
    }

    private static byte[] bytes(String title) {
        byte[] text = Objects.requireNonNull(title, "title").getBytes(StandardCharsets.UTF_8);
        if (text.length > LONGEST_TITLE || title.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(
                    "title must have at most " + LONGEST_TITLE + " bytes without NUL, not " + text.length);
        }
        return text;
    }

    // ---- what it is ----

    /** {@return what explanations call it} */
    @Override
    public String name() {
        return NAME;
    }

    /**
     * {@return the images that the compositor takes, for a negotiation} If the compositor goes away during that, the
     * negotiation throws what {@link #show} would. In any size: it scales where it can, else the
     * window has the size of the image. During the negotiation the compositor is offered memory, which it imports and
     * shows nowhere.
     */
    @Override
    public Port port() {
        checkOpen();
        return Port.of(NAME, delivery.images(), new ConnectedTerms(delivery.terms()))
                .withOtherFormats(delivery.others());
    }

    /** What a trial finds, as long as there is a compositor. */
    private final class ConnectedTerms implements Port.Terms {
        private final Port.Terms tried;

        ConnectedTerms(Port.Terms tried) {
            this.tried = tried;
        }

        @Override
        public Device device(Layout layout) throws CenallocException {
            checkOpen();
            try {
                return tried.device(layout);
            } finally {
                settle();
            }
        }

        @Override
        public Device device(Layout layout, DeviceMemory.Offer offer) throws CenallocException {
            checkOpen();
            try {
                return tried.device(layout, offer);
            } finally {
                settle();
            }
        }

        @Override
        public boolean isReachable() {
            return channel.isUsable();
        }
    }

    /**
     * {@return whether somebody wants the window closed, as far as events were handled} The compositor only asks; the
     * program closes it, or does not.
     */
    @Override
    public boolean isCloseRequested() {
        return surface.isCloseRequested();
    }

    /** {@return how many frames, or copies of them, the compositor has, as far as events were handled} */
    public int held() {
        return delivery.held();
    }

    /** {@return how many frames were copied into shared memory, as the compositor takes no dma-bufs} */
    @Override
    public long copied() {
        return delivery.copied();
    }

    // ---- getting ready ----

    /**
     * Imports the memory of a ring, once for all its frames; or allocates shared memory for copies. Blocks until the compositor has answered. If frames of
     * another ring were shown, the last of them stays in the window until the first of the new ring is shown.
     *
     * @param ring of images that the compositor takes; it stays the caller's
     * @throws IllegalArgumentException if the compositor has no such images, or the memory has no room for whole lines
     * @throws IllegalStateException if the ring is closed
     * @throws CenallocException EINVAL: the compositor does not take the memory, and nothing has changed; else as
     *     {@link #show}
     */
    @Override
    public void use(Ring ring) throws CenallocException {
        Objects.requireNonNull(ring, "ring");
        checkOpen();
        Agreement images = ring.agreement();
        Image image = images.image();
        List<Layout> layouts = images.layoutsIn(delivery.formats(image.modifier()), false);
        Layout first = layouts.getFirst();
        if (layouts.size() > 1
                || !delivery.formats(image.modifier()).contains(first.image().format())) {
            throw new IllegalArgumentException(
                    NAME + " does not take " + image + ": negotiate with the window's port()");
        }
        try {
            delivery.use(ring, first);
            channel.flush();
        } finally {
            settle();
        }
        delivery.checkGivenBack();
    }

    /**
     * Changes the title. One system call.
     *
     * @param title at most 1000 bytes of UTF-8
     * @throws IllegalArgumentException if it is longer, or has a NUL
     * @throws CenallocException as {@link #show}
     */
    public void setTitle(String title) throws CenallocException {
        byte[] text = bytes(title);
        checkOpen();
        try {
            surface.setTitle(text);
            channel.flush();
        } finally {
            settle();
        }
    }

    /**
     * Asks the compositor to fill a screen with the window, or to make it a window among others again. The image is
     * scaled to fit, if the compositor can scale.
     *
     * @param on whether it is to fill the screen
     * @throws CenallocException as {@link #show}
     */
    public void setFullscreen(boolean on) throws CenallocException {
        checkOpen();
        try {
            surface.setFullscreen(on);
            channel.flush();
        } finally {
            settle();
        }
    }

    // ---- showing ----

    /**
     * Shows a frame, from the next time on that the compositor draws. It belongs to the compositor from now on, until
     * that releases it: then it is given back to its stream, and never before. If this throws, the frame stays the
     * caller's.
     *
     * <p>Waits until the compositor has drawn the frame before, so that no more are shown than the screen refreshes;
     * not until that is on the screen, since a compositor that draws right after a refresh would then miss every
     * other one. If that takes more than 200 milliseconds, the window is taken for hidden, and frames are handed over
     * without a wait until the compositor draws again. The compositor gets all frames of the ring but two, and two at
     * least: for more this waits until it releases one, up to 15 seconds. Two system calls a frame, and one more if
     * the compositor tells during the wait that an earlier frame is on the screen; allocates nothing, unless a wait
     * ends without an event.
     *
     * @param frame lent by the stream that fills the ring in use, or another ring of the same agreement: that is
     *     imported when it is shown first. The CPU must not access it any more
     * @throws IllegalArgumentException if it is a frame of a ring of another agreement
     * @throws IllegalStateException if no ring is in use, or the frame is not lent, or the compositor has it already
     * @throws DisconnectedException EPIPE, ECONNRESET: the compositor is gone
     * @throws ProtocolException EPROTO: it breaks the protocol
     * @throws CenallocException EPROTO: it ended the connection, and says why; ETIMEDOUT: it does not read, which
     *     ends the connection, or releases no frame, which does not; or that of the stream that another frame goes back
     *     to
     */
    @Override
    public void show(Frame frame) throws CenallocException {
        Objects.requireNonNull(frame, "frame");
        checkOpen();
        if (frame.ring().agreement() != delivery.ring().agreement()) {
            throw new IllegalArgumentException(
                    frame + " is of another agreement than the ring in use, " + delivery.ring());
        }
        if (!frame.isLent()) {
            throw new IllegalStateException(frame + " was given back, or its stream has ended");
        }
        if (delivery.has(frame)) {
            throw new IllegalStateException(frame + " was handed to the compositor already");
        }
        try {
            if (hidden || !surface.isPending()) {
                channel.receive(0);
            } else {
                awaitTurn();
            }
            hidden = surface.isPending();
            awaitRelease();
            delivery.checkGivenBack();
            delivery.show(frame, surface);
        } finally {
            settle();
        }
    }

    /** Waits until the compositor has so few frames that the stream has some, too. */
    private void awaitRelease() throws CenallocException {
        long start = System.nanoTime();
        long silence = 0;
        while (delivery.isFull()) {
            if (silence >= Channel.LIMIT || System.nanoTime() - start >= Channel.LIMIT) {
                throw new CenallocException(
                        Errno.ETIMEDOUT,
                        "show",
                        null,
                        -1,
                        "the compositor has " + delivery.held() + " frames, and has released none for "
                                + TimeUnit.NANOSECONDS.toSeconds(Channel.LIMIT) + " seconds",
                        "check that the compositor runs; or allocate a ring of more frames");
            }
            // For the same time as ever: the socket is told another by a system call.
            silence += channel.receive(PATIENCE) ? 0 : PATIENCE;
        }
    }

    /** As {@link #awaitShown}, as long as a frame waits for the one before. */
    private void awaitTurn() throws CenallocException {
        long start = System.nanoTime();
        while (surface.isPending() && channel.receive(PATIENCE) && System.nanoTime() - start < PATIENCE) {}
    }

    /** Whether the last frame is on the screen. */
    private boolean awaitScreen(long nanos) throws CenallocException {
        long start = System.nanoTime();
        long left = nanos;
        boolean _ = channel.receive(0); // such as the question whether this program is alive
        while (surface.isUndecided() && left >= 0 && channel.receive(left)) {
            left = nanos - (System.nanoTime() - start);
        }
        return surface.isShown();
    }

    /**
     * Waits until the last frame that was shown is on the screen, gives back those that the compositor has released,
     * and handles what it says. Returns at once if the frame is there, or if the compositor says that it never will
     * be. Of a window that is hidden, nothing is shown. A compositor that does not tell when frames are on the screen
     * tells when it has drawn them, which is up to a refresh before. Blocks, and pins the carrier of a virtual
     * thread.
     *
     * @param timeout how long at most, in steps of a millisecond
     * @return whether it is on the screen
     * @throws CenallocException as {@link #show}
     */
    @Override
    public boolean awaitShown(Duration timeout) throws CenallocException {
        long nanos = Times.nanos(timeout);
        checkOpen();
        boolean shown;
        try {
            shown = awaitScreen(nanos);
        } finally {
            settle();
        }
        delivery.checkGivenBack();
        return shown;
    }

    /**
     * {@return how many frames have come on the screen, as far as events were handled; 0 if the compositor does not
     * tell}
     */
    @Override
    public long flips() {
        return surface.presentation().flips();
    }

    /**
     * {@return how many frames the compositor never put on the screen, as far as events were handled; 0 if it does not
     * tell} A later frame took their place before, or the window is hidden.
     */
    @Override
    public long discarded() {
        return surface.presentation().discarded();
    }

    /**
     * {@return when the last of the {@link #flips} was, in nanoseconds of the monotonic clock ({@link
     * System#nanoTime}); 0 before the first, and if the compositor does not tell} A time that the compositor tells of
     * another clock is converted when it comes.
     */
    @Override
    public long lastFlipNanos() {
        return surface.presentation().nanos();
    }

    /**
     * {@return the number of the refresh at which the last of the {@link #flips} was; 0 if the compositor does not
     * tell}
     */
    @Override
    public long lastFlipSequence() {
        return surface.presentation().sequence();
    }

    /**
     * Handles what the compositor says, after waiting for it: gives back frames, answers that this program is alive,
     * and takes a new size. Blocks, and pins the carrier of a virtual thread.
     *
     * @param timeout how long at most, in steps of a millisecond; zero does not wait
     * @return whether it said something
     * @throws CenallocException as {@link #show}
     */
    public boolean handleEvents(Duration timeout) throws CenallocException {
        long nanos = Times.nanos(timeout);
        checkOpen();
        boolean came;
        try {
            came = channel.receive(nanos);
        } finally {
            settle();
        }
        delivery.checkGivenBack();
        return came;
    }

    /** After a connection that has ended, nobody reads the frames any more. */
    private void settle() {
        if (!channel.isUsable()) {
            delivery.giveAllBack();
        }
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the window is closed");
        }
    }

    /**
     * Takes the window from the desktop, and gives back all frames: waits up to a second until the compositor has
     * released them. Idempotent.
     *
     * @throws CenallocException with the errno of a stream that a frame goes back to; everything is closed all the same
     */
    @Override
    public void close() throws CenallocException {
        boolean isFirst = !closed;
        closed = true;
        try {
            if (isFirst) {
                leave();
            }
        } finally {
            try {
                channel.close(); // after an error the next close continues
            } finally {
                try {
                    delivery.giveAllBack();
                } finally {
                    delivery.close();
                }
            }
        }
        if (isFirst) {
            delivery.checkGivenBack();
        }
    }

    private void leave() {
        try {
            if (channel.isUsable()) {
                surface.destroy();
                long deadline = System.nanoTime() + FAREWELL;
                long left = FAREWELL;
                while (delivery.held() > 0 && left > 0 && channel.receive(left)) {
                    left = deadline - System.nanoTime();
                }
            }
        } catch (CenallocException _) {
            // It is gone, and with it the window.
        }
    }

    @Override
    public String toString() {
        return (closed ? "closed window" : "window") + " \"" + Printable.of(title) + "\" " + surface.size();
    }
}
