// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.CenallocException;
import dev.cenalloc.Fence;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.node.Trial;
import dev.cenalloc.node.drm.AtomicRequest;
import dev.cenalloc.node.drm.Placement;
import dev.cenalloc.node.drm.Scanout;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.util.List;
import java.util.Objects;

/**
 * A plane above the frames of a {@link Display}, with frames of its own. Closed by the caller, which takes it off the
 * screen; or with its display. For the thread of the display.
 */
public final class Overlay implements AutoCloseable {
    private final Display display;
    private final Screen screen;
    private final Layer layer;
    private final Plane plane;
    private final Scanout.Overlay known;
    private boolean closed;

    Overlay(Display display, Screen screen, Layer layer, Plane plane, Scanout.Overlay known) {
        this.display = display;
        this.screen = screen;
        this.layer = layer;
        this.plane = plane;
        this.known = known;
    }

    boolean isOf(Plane other) {
        return plane.id() == other.id();
    }

    /** {@return the plane} */
    public Plane plane() {
        return plane;
    }

    /** {@return the images that the plane takes, for a negotiation} As {@link Display#port}. */
    public Port port() {
        checkOpen();
        String name = display.name() + " plane " + plane.id();
        var trial = new Trial(display.cenalloc(), display.node(), screen.card().number(), name);
        return display.port(name, trial, where());
    }

    private Scanout where() {
        return display.scanout().through(known);
    }

    /**
     * Gets ready to show the frames of a ring, in the middle of the screen. As {@link Display#use}.
     *
     * @param ring of images that the plane takes; it stays the caller's
     * @throws IllegalArgumentException if the plane has no such images
     * @throws NotShownException ETIMEDOUT: the frame before is not on the screen yet
     * @throws CenallocException EINVAL: the driver takes no such memory; else its errno. Nothing has changed
     */
    public void use(Ring ring) throws CenallocException {
        Objects.requireNonNull(ring, "ring");
        checkOpen();
        Scanout where = where();
        List<Layout> layouts = Display.layouts(ring.agreement(), where);
        Image image = layouts.getFirst().image();
        if (!where.formats(image.modifier()).contains(image.format())) {
            throw new IllegalArgumentException("plane " + plane.id() + " of " + display.name() + " shows no " + image
                    + ": negotiate with its port()");
        }
        display.settle();
        layer.use(ring, layouts, Placement.centred(image, display.modeInUse()));
    }

    /**
     * Shows a part of each image at a place of the screen, scaled if the sizes differ, from the next frame on. As
     * {@link Display#place}.
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
        display.place(layer, source, target);
    }

    /**
     * Shows a frame above those of the display, which must show one. As {@link Display#show(Frame)}; of the display and
     * its overlays, one shows a frame at each refresh.
     *
     * @param frame lent by the stream that fills the ring in use, or another ring of the same agreement
     * @throws IllegalArgumentException if it is a frame of a ring of another agreement
     * @throws IllegalStateException as {@link Display#show(Frame)}, or if the display shows nothing
     * @throws CenallocException as {@link Display#show(Frame)}
     */
    public void show(Frame frame) throws CenallocException {
        prepare(frame);
        display.show(layer, frame, null, null);
    }

    /**
     * As {@link #show(Frame)}, of a frame that is not complete yet.
     *
     * @param frame as there
     * @param ready signalled when the frame is complete; it stays the caller's
     * @throws IllegalStateException as there, or if the fence is closed
     * @throws CenallocException as there
     */
    public void show(Frame frame, Fence ready) throws CenallocException {
        Objects.requireNonNull(ready, "ready");
        prepare(frame);
        display.show(layer, frame, ready, null);
    }

    private void prepare(Frame frame) throws CenallocException {
        Objects.requireNonNull(frame, "frame");
        checkOpen();
        layer.check(frame);
        if (!screen.hasBegun()) {
            throw new IllegalStateException(
                    "the display " + display.name() + " shows nothing: show a frame on it first");
        }
        if (!layer.hasFrames()) {
            screen.alsoRestore(plane.id());
        }
    }

    /**
     * Takes the overlay off the screen, and gives its frame back. Blocks until the next refresh. Nothing if it shows
     * none.
     *
     * @throws CenallocException as {@link Display#show(Frame)}
     */
    public void hide() throws CenallocException {
        checkOpen();
        display.settle();
        if (layer.onScreen() != null) {
            screen.commitNow(
                    new AtomicRequest.Builder()
                            .set(layer.plane(), "FB_ID", 0)
                            .set(layer.plane(), "CRTC_ID", 0)
                            .build(),
                    "to hide plane " + plane.id());
            layer.hidden();
        }
    }

    private void checkOpen() {
        display.checkOpen();
        if (closed) {
            throw new IllegalStateException("the overlay of plane " + plane.id() + " is closed");
        }
    }

    /** The display closes it. */
    void end() throws CenallocException {
        closed = true;
        layer.close();
    }

    /**
     * Takes it off the screen, and gives back its frames. Idempotent.
     *
     * @throws CenallocException as {@link #hide}; it counts as closed
     */
    @Override
    public void close() throws CenallocException {
        if (closed) {
            return;
        }
        try {
            hide();
        } finally {
            display.closed(this);
            end();
        }
    }
}
