// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.Fence;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.FirstFailure;
import dev.cenalloc.kernel.Lost;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.node.Closing;
import dev.cenalloc.node.Importer;
import dev.cenalloc.node.Trial;
import dev.cenalloc.node.drm.Card;
import dev.cenalloc.node.drm.DrmImporter;
import dev.cenalloc.node.drm.Placement;
import dev.cenalloc.node.drm.Scanout;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.FrameSink;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.lang.invoke.MethodHandles;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A screen that frames of a stream are shown on, without a copy. Closed by the caller, which puts back what was on the
 * screen before; a program that ends without closing it, after Ctrl-C for example, puts that back as well.
 *
 * {@snippet :
 * try (var display = Display.open(cenalloc, node)) {
 *     Agreement agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(camera.port(), display.port()));
 *     try (Ring ring = Ring.allocate(cenalloc, agreement, 5)) {
 *         camera.use(ring);
 *         display.use(ring);
 *         while (running) {
 *             display.show(camera.next(SECOND)); // the one before goes back to the camera when it has left the screen
 *         }
 *     }
 * }
 * }
 *
 * <p>Opening a display, or asking it what it can show, disturbs no other program. To show a frame, this program becomes
 * the card's DRM master, which only one program can be at a time, and stays it until the close. For one thread at a
 * time; every use after the close throws {@link IllegalStateException}.
 *
 * <p>Source: {@code Documentation/gpu/drm-kms.rst} and {@code include/uapi/drm/drm_mode.h} of Linux 6.12.
 */
public final class Display implements FrameSink {
    static {
        FirstFailure.prepare(
                MethodHandles.lookup(),
                DisplayRefusalException.class,
                NoMasterException.class,
                NoScreenException.class,
                NotShownException.class);
    }

    private static final Duration LIMIT = Duration.ofSeconds(5);

    private final Cenalloc cenalloc;
    private final Card card;
    private final Trial trial;
    private final List<Scanout> scanouts;
    private final List<Overlay> overlays = new ArrayList<>();

    private Scanout scanout;
    private Screen screen;
    private Layer primary;
    private @Nullable Agreement agreement;
    private Scanout.Mode mode;
    private @Nullable Writeback writeback;
    private boolean closed;

    private Display(Cenalloc cenalloc, Card card, Trial trial, List<Scanout> scanouts) throws CenallocException {
        this.cenalloc = cenalloc;
        this.card = card;
        this.trial = trial;
        this.scanouts = scanouts;
        this.scanout = scanouts.getFirst();
        this.screen = new Screen(card, scanout);
        Lost.register(this, screen::restore);
        this.primary = new Layer(screen, scanout.plane());
        this.mode = preferred(scanout);
    }

    /**
     * Opens a display with its first connected screen. Reads what the card has; blocks for as long as the driver does.
     *
     * @param cenalloc whose heaps the memory comes from
     * @param node a DRM card, such as {@code /dev/dri/card0}
     * @return the display, which the caller closes
     * @throws NoPermissionException EACCES, EPERM: this process may not open the node
     * @throws MissingDeviceException ENOENT: there is no such node
     * @throws NoScreenException ENODEV: no screen is connected
     * @throws DeviceGoneException ENODEV: it was unplugged meanwhile
     * @throws CenallocException ENOTTY if it is no DRM node; EOPNOTSUPP if it has no displays, or its driver no atomic
     *     mode setting; EPROTO if the driver answers nonsense; else the errno of the driver
     */
    public static Display open(Cenalloc cenalloc, Path node) throws CenallocException {
        Objects.requireNonNull(cenalloc, "cenalloc");
        Objects.requireNonNull(node, "node");
        Card card = Card.open(Seam.kernel(cenalloc), node);
        boolean usable = false;
        try {
            if (!card.setsModes()) {
                throw new CenallocException(
                        Errno.EOPNOTSUPP,
                        "DRM_IOCTL_SET_CLIENT_CAP",
                        node,
                        -1,
                        card.name() + " has no displays, or its driver has no atomic mode setting",
                        "take another card");
            }
            List<Scanout> scanouts = card.scanouts();
            if (scanouts.isEmpty()) {
                throw new NoScreenException(node);
            }
            var trial = new Trial(cenalloc, node, card.number(), card.name());
            var display = new Display(cenalloc, card, trial, scanouts);
            usable = true;
            return display;
        } finally {
            if (!usable) {
                card.close();
            }
        }
    }

    /**
     * As {@link #open(Cenalloc, Path)}, and negotiates with the display alone which images it shows: ready for {@link
     * #canvas}. Unless a size is requested, the images have the size of the mode that the screen prefers.
     *
     * @param cenalloc whose heaps the memory comes from
     * @param node a DRM card
     * @param request which images the CPU is to draw
     * @return the display, which the caller closes
     * @throws NoCommonImageException EINVAL: it shows no such images, or there is no memory for them
     * @throws CenallocException as {@link #open(Cenalloc, Path)}
     */
    public static Display open(Cenalloc cenalloc, Path node, ImageRequest request) throws CenallocException {
        Objects.requireNonNull(request, "request");
        Display display = open(cenalloc, node);
        boolean usable = false;
        try {
            Mode preferred = display.mode();
            ImageRequest sized =
                    request.size().isPresent() ? request : request.size(preferred.width(), preferred.height());
            display.configure(Canvas.negotiate(cenalloc, display, sized));
            usable = true;
            return display;
        } finally {
            if (!usable) {
                display.close();
            }
        }
    }

    private static Scanout.Mode preferred(Scanout scanout) {
        return scanout.modes().stream()
                .filter(Scanout.Mode::isPreferred)
                .findFirst()
                .orElse(scanout.modes().getFirst());
    }

    // ---- what it is ----

    /** {@return what explanations call it: driver and place, which last from boot to boot} */
    @Override
    public String name() {
        return card.name();
    }

    /** {@return the name of the driver, by its own word} */
    public String driver() {
        return card.driver();
    }

    /** {@return the node} */
    public Path node() {
        return card.node().path();
    }

    /** {@return the connectors with a screen, as they were when this was opened; at least one} */
    public List<Output> outputs() {
        return scanouts.stream().map(Output::of).toList();
    }

    /** {@return the connector whose screen shows the frames: the first, unless another was {@link #select}ed} */
    public Output output() {
        return Output.of(scanout);
    }

    /**
     * Chooses the screen that shows the frames.
     *
     * @param output one of {@link #outputs}
     * @throws IllegalArgumentException if it is none of them
     * @throws IllegalStateException if a ring is in use
     * @throws CenallocException with the errno of the driver
     */
    public void select(Output output) throws CenallocException {
        Objects.requireNonNull(output, "output");
        checkOpen();
        Scanout chosen = scanouts.stream()
                .filter(candidate -> candidate.name().equals(output.name()))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(
                        "no screen is connected to " + output + " of " + name() + ", but to " + outputs()));
        if (primary.hasRing() || !overlays.isEmpty()) {
            throw new IllegalStateException("frames are in use for " + scanout.name() + ": select the output before");
        }
        var other = new Screen(card, chosen);
        Lost.register(this, other::restore);
        primary = new Layer(other, chosen.plane());
        screen = other;
        scanout = chosen;
        mode = preferred(chosen);
        agreement = null;
    }

    /** {@return the modes of the chosen output's screen} */
    public List<Mode> modes() {
        return output().modes();
    }

    /** {@return the mode in use: the one that {@link #configure} chose; before, the one that the screen prefers} */
    public Mode mode() {
        return Mode.of(mode);
    }

    /** {@return the planes of the chosen output, the primary one first} */
    public List<Plane> planes() {
        var planes = new ArrayList<Plane>();
        planes.add(new Plane(scanout.plane(), Plane.Kind.PRIMARY, scanout.images()));
        for (Scanout.Overlay overlay : scanout.overlays()) {
            planes.add(new Plane(
                    overlay.id(), overlay.isCursor() ? Plane.Kind.CURSOR : Plane.Kind.OVERLAY, overlay.images()));
        }
        return List.copyOf(planes);
    }

    /**
     * Checks that this program could control the display now, as {@link #show} has to. Nothing changes on the screen,
     * and the display stays free for other programs.
     *
     * @throws NoMasterException EBUSY, EACCES, EPERM: another program controls the display
     * @throws CenallocException with the errno of the driver
     */
    public void checkControl() throws CenallocException {
        checkOpen();
        int result = card.tryMaster();
        switch (-result) {
            case 0 -> {}
            case Errno.EBUSY, Errno.EACCES, Errno.EPERM ->
                throw new NoMasterException(-result, "DRM_IOCTL_SET_MASTER", node());
            default -> throw card.node().failure(-result, "DRM_IOCTL_SET_MASTER");
        }
    }

    // ---- getting ready ----

    /**
     * {@return the images that the chosen output's primary plane takes, for a negotiation} During the negotiation the
     * display is offered memory, through the node that is open: it is imported and made a framebuffer that nothing
     * shows, and unless another program controls the display, it is asked whether it would show that.
     */
    @Override
    public Port port() {
        checkOpen();
        return port(name(), trial, scanout).withMemory(new DisplayMemory(this));
    }

    /** A port whose memory is tried on the node that is open. */
    Port port(String portName, Trial how, Scanout where) {
        return Port.of(portName, where.images(), how.terms(() -> importer(where)))
                .withOtherFormats(where.otherFormats())
                .withDoubts(where.doubts());
    }

    /** Offers memory to the chosen output. */
    Importer importer() {
        return importer(scanout);
    }

    private Importer importer(Scanout where) {
        checkOpen();
        return DrmImporter.of(card, where);
    }

    /**
     * Gets ready for images: chooses the mode. One that refreshes as often as the images change, if there is one; of
     * these, one of the image's very size; else the one that the screen prefers, or else the smallest, of those that
     * are larger. A smaller image is shown in the middle of the screen. Makes no system call; the mode is set when the
     * first frame is shown.
     *
     * @param images what was agreed on with this display's {@link #port}
     * @throws IllegalArgumentException if the chosen output has no such images
     */
    public void configure(Agreement images) {
        Objects.requireNonNull(images, "images");
        checkOpen();
        Image image = layouts(images, scanout).getFirst().image();
        if (!scanout.shows(image)) {
            throw new IllegalArgumentException(
                    scanout.name() + " of " + name() + " shows no " + image + ": negotiate with the display's port()");
        }
        mode = scanout.mode(image, images.rate()).orElseThrow();
        agreement = images;
    }

    /** Where the images lie, in the format that a plane lists. */
    static List<Layout> layouts(Agreement images, Scanout where) {
        return images.layoutsIn(where.formats(images.image().modifier()), false);
    }

    /**
     * Gets ready to show the frames of a ring: makes a framebuffer of each. Configures the display for them, unless
     * that was done. The framebuffers keep the memory alive, so the ring may be closed before the display. If frames of
     * another ring were shown, the last of them stays on the screen until the first of the new ring is shown.
     *
     * <p>Waits until the frame that was shown last is on the screen, up to 5 seconds.
     *
     * @param ring of images that the chosen output shows; it stays the caller's
     * @throws IllegalArgumentException if the output has no such images
     * @throws NotShownException ETIMEDOUT: the frame before is not on the screen yet
     * @throws CenallocException EINVAL: the driver takes no such memory; else its errno. Nothing has changed
     */
    @Override
    public void use(Ring ring) throws CenallocException {
        Objects.requireNonNull(ring, "ring");
        checkOpen();
        // A framebuffer that is about to come on the screen must not count as outdated when it does.
        settle();
        if (agreement != ring.agreement()) {
            configure(ring.agreement());
        }
        primary.use(
                ring,
                layouts(ring.agreement(), scanout),
                Placement.centred(ring.agreement().image(), mode));
    }

    /**
     * Shows a part of each image at a place of the screen, scaled if the sizes differ, from the next frame on. After
     * {@link #use}, which puts the whole image in the middle.
     *
     * @param source in pixels of the image
     * @param target in pixels of the screen
     * @throws IllegalArgumentException if the source is not inside the image
     * @throws IllegalStateException if no ring is in use
     * @throws DisplayRefusalException EINVAL, ERANGE, ENOSPC: the hardware cannot; nothing has changed
     * @throws NoMasterException EACCES, EPERM: another program controls the display, so that it cannot be asked
     * @throws CenallocException with the errno of the driver
     */
    public void place(Area source, Area target) throws CenallocException {
        checkOpen();
        place(primary, source, target);
    }

    void place(Layer layer, Area source, Area target) throws CenallocException {
        Objects.requireNonNull(source, "source");
        Objects.requireNonNull(target, "target");
        Image image = layer.ring().agreement().image();
        Placement before = layer.placement();
        layer.place(Layer.placement(image, source, target));
        boolean possible = false;
        try {
            int result = screen.test(layer, mode);
            if (result < 0) {
                throw screen.refusal(
                        -result,
                        source + " of the image " + target.width() + "x" + target.height() + " large at " + target.x()
                                + "," + target.y());
            }
            possible = true;
        } finally {
            if (!possible) {
                layer.place(before);
            }
        }
    }

    // ---- showing ----

    /**
     * Shows a frame. It belongs to the display from now on, until it has left the screen: then the display gives it
     * back to its stream. If this throws, the frame stays the caller's, and what is on the screen stays there.
     *
     * <p>The first frame sets the mode, which blocks until it is on the screen. Each further one waits until the one
     * before it is on the screen (up to 5 seconds), gives back the one that left it, and returns at once: the frame is
     * on the screen from the next refresh on, {@link #awaitShown} tells when. So frames are shown at most at the
     * display's rate. One system call a frame beside those that give a frame back, and two more in every hundred; while
     * frames come sooner than the screen refreshes, three. Allocates nothing. What the return of the frame before fails
     * with is thrown by this call or by the next.
     *
     * @param frame lent by the stream that fills the ring in use, or another ring of the same agreement: of that, a
     *     framebuffer is made when the frame is shown first, and kept until {@link #use} or {@link #close}. The CPU
     *     must not access it any more
     * @throws IllegalArgumentException if it is a frame of a ring of another agreement
     * @throws IllegalStateException if no ring is in use, or the frame is not lent, or the display has it already
     * @throws NoMasterException EACCES, EPERM: another program controls the display
     * @throws DisplayRefusalException EINVAL, ERANGE, ENOSPC: the display cannot show it
     * @throws NotShownException ETIMEDOUT: the one before is not on the screen yet
     * @throws DeviceGoneException ENODEV: the display was unplugged
     * @throws CenallocException with the errno of the driver, or that of the stream that the frame before goes back to
     */
    @Override
    public void show(Frame frame) throws CenallocException {
        show(primary, frame, null, null);
    }

    /**
     * As {@link #show(Frame)}, of a frame that is not complete yet: the display waits for a fence before it shows it.
     *
     * @param frame as there
     * @param ready signalled when the frame is complete; it stays the caller's, and may be closed after this
     * @throws IllegalStateException as there, or if the fence is closed
     * @throws CenallocException as {@link #show(Frame)}
     */
    public void show(Frame frame, Fence ready) throws CenallocException {
        Objects.requireNonNull(ready, "ready");
        show(primary, frame, ready, null);
    }

    /**
     * As {@link #show(Frame, Fence)}, and tells by a fence when the frame is on the screen. The display still gives
     * frames back by itself. Allocates nothing.
     *
     * @param frame as there
     * @param ready signalled when the frame is complete, or null if it is
     * @param shown gets what is signalled when the frame is on the screen, in place of what is in it; signalled already
     *     if this was the first frame, of which this method waits for
     * @throws IllegalStateException as there, or if a fence is closed
     * @throws CenallocException as {@link #show(Frame)}
     */
    public void show(Frame frame, @Nullable Fence ready, Fence shown) throws CenallocException {
        Objects.requireNonNull(shown, "shown");
        show(primary, frame, ready, shown);
    }

    /** Shows a frame on a plane. */
    void show(Layer layer, Frame frame, @Nullable Fence ready, @Nullable Fence shown) throws CenallocException {
        prepare(layer, frame);
        if (layer == primary && !layer.isRunning()) {
            settle();
            // The mode is set by a call that waits for the fence, however long that takes, and holds up the restoring.
            if (ready != null && !ready.await(LIMIT)) {
                throw notShown("the first frame is not shown: its fence was not signalled within 5 seconds");
            }
            layer.begin(mode, frame, null, shown);
        } else {
            layer.commit(frame, ready, shown);
        }
    }

    /** Checks a frame, and waits where the commit of the next would not be made. */
    void prepare(Layer layer, Frame frame) throws CenallocException {
        Objects.requireNonNull(frame, "frame");
        checkOpen();
        layer.check(frame);
        screen.pay();
        if (!screen.isReady(layer) || (writeback != null && writeback.isUnderWay())) {
            settle();
        }
    }

    /** Waits until no commit is under way, and nothing is written back. */
    void settle() throws CenallocException {
        if (!screen.awaitFlip(Screen.LIMIT_NANOS)) {
            throw screen.late();
        }
        if (writeback != null) {
            writeback.settle();
        }
    }

    NotShownException notShown(String what) {
        return new NotShownException(node(), what);
    }

    /**
     * Waits until the last frame that was handed over is on the screen, and gives back the one that left it. Returns at
     * once if it is there. At most four system calls; allocates nothing.
     *
     * @param timeout how long at most
     * @return whether it is on the screen; a screen that is on takes no longer than two refreshes
     * @throws DeviceGoneException ENODEV: the display was unplugged
     * @throws CenallocException with the errno of the driver, or that of the stream that the frame before goes back to
     */
    @Override
    public boolean awaitShown(Duration timeout) throws CenallocException {
        Objects.requireNonNull(timeout, "timeout");
        checkOpen();
        return screen.awaitFlip(TimeUnit.NANOSECONDS.convert(timeout));
    }

    /** {@return no} */
    @Override
    public boolean isCloseRequested() {
        return false;
    }

    /** {@return 0: no frame is copied on its way to the screen} */
    @Override
    public long copied() {
        return 0;
    }

    /** {@return how many frames are known to have come on the screen: all but the last, until that is waited for} */
    @Override
    public long flips() {
        return screen.flips();
    }

    /** {@return 0: each frame that is shown comes on the screen} */
    @Override
    public long discarded() {
        return 0;
    }

    /**
     * {@return the number of the refresh at which the last frame came on the screen, which grows by one each refresh
     * and wraps at 2^32; 0 before the second frame}
     */
    @Override
    public long lastFlipSequence() {
        readEvents();
        return screen.sequence();
    }

    /** {@return when the last frame came on the screen, in nanoseconds of the monotonic clock; 0 before the first} */
    @Override
    public long lastFlipNanos() {
        readEvents();
        return screen.flipNanos();
    }

    private void readEvents() {
        if (!closed) {
            screen.readEvents();
        }
    }

    // ---- more ----

    /**
     * {@return a ring of frames that the CPU draws on, and this display shows} Of the images that were negotiated when
     * the display was opened, or else of the best that it has.
     *
     * @param frames how many, from 2 to 64: 2 for double buffering
     * @throws IllegalArgumentException if the count is out of its range
     * @throws CenallocException as {@link Agreement#negotiate}, {@link Ring#allocate} and {@link #use}; nothing stays
     *     allocated
     */
    public Canvas canvas(int frames) throws CenallocException {
        checkOpen();
        if (frames < 2) {
            throw new IllegalArgumentException(
                    "frames must be from 2 to 64, one on the screen and one to draw on, not " + frames);
        }
        Agreement images = agreement;
        if (images == null) {
            images = Canvas.negotiate(cenalloc, this, ImageRequest.ANY);
        }
        return Canvas.open(cenalloc, this, images, frames);
    }

    /**
     * {@return a plane above the frames of this display; closed by the caller, or with the display}
     *
     * @param plane one of {@link #planes} that is not the primary one, and not open already
     * @throws IllegalArgumentException if it is none of them
     * @throws IllegalStateException if it is open already
     * @throws CenallocException with the errno of the driver
     */
    public Overlay overlay(Plane plane) throws CenallocException {
        Objects.requireNonNull(plane, "plane");
        checkOpen();
        Scanout.Overlay known = scanout.overlays().stream()
                .filter(one -> one.id() == plane.id())
                .findFirst()
                .orElseThrow(() ->
                        new IllegalArgumentException("plane " + plane.id() + " is no overlay of " + scanout.name()));
        if (overlays.stream().anyMatch(open -> open.isOf(plane))) {
            throw new IllegalStateException("plane " + plane.id() + " is open already");
        }
        var overlay = new Overlay(this, screen, new Layer(screen, plane.id()), plane, known);
        overlays.add(overlay);
        return overlay;
    }

    /**
     * {@return what the display puts out, as pictures in memory; empty if the driver cannot write it back} If it has
     * what is needed for that, and cannot do it for what is shown, the log says why, as a warning. After {@link #use}.
     * Some drivers write back in place of the screen; that happens only where the screen is virtual. The same object
     * each time; closed with the display.
     *
     * @throws IllegalStateException if no ring is in use
     * @throws NoMasterException EACCES, EPERM: another program controls the display, so that it cannot be asked
     * @throws CenallocException as {@link Agreement#negotiate} and {@link Ring#allocate}; else with the errno of the
     *     driver
     */
    public Optional<Writeback> writeback() throws CenallocException {
        checkOpen();
        if (writeback == null) {
            settle();
            writeback = Writeback.open(this);
        }
        return Optional.ofNullable(writeback);
    }

    Layer primary() {
        return primary;
    }

    Screen screen() {
        return screen;
    }

    Cenalloc cenalloc() {
        return cenalloc;
    }

    Scanout scanout() {
        return scanout;
    }

    Trial trial() {
        return trial;
    }

    Card card() {
        return card;
    }

    Scanout.Mode modeInUse() {
        return mode;
    }

    void closed(Overlay overlay) {
        overlays.remove(overlay);
    }

    boolean isOpen() {
        return !closed;
    }

    void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the display " + name() + " is closed");
        }
    }

    /**
     * Puts back what was on the screen, gives back the frames, and closes the node. Idempotent.
     *
     * @throws CenallocException with the errno of a stream that a frame goes back to; everything is closed all the same
     */
    @Override
    public void close() throws CenallocException {
        if (closed) {
            if (writeback != null) {
                writeback.closeRing(); // again after it refused
            }
            return;
        }
        closed = true;
        var closing = new ArrayList<AutoCloseable>();
        closing.add(screen::restore);
        overlays.forEach(overlay -> closing.add(overlay::end));
        closing.add(primary::close);
        if (writeback != null) {
            closing.add(writeback::close);
        }
        closing.add(card);
        closing.add(screen::pay);
        Closing.all(closing);
    }

    @Override
    public String toString() {
        return name() + " " + scanout.name() + " " + mode;
    }
}
