// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.CenallocException;
import dev.cenalloc.Fence;
import dev.cenalloc.PoolBuffer;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.node.drm.AtomicRequest;
import dev.cenalloc.node.drm.Framebuffer;
import dev.cenalloc.node.drm.KmsObject;
import dev.cenalloc.node.drm.Placement;
import dev.cenalloc.node.drm.Scanout;
import dev.cenalloc.node.drm.Source;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The frames of one plane: on the screen, and about to be. Closed by its {@link Display}. For one thread at a time. */
@SuppressWarnings("ReferenceEquality") // a frame is one object, handed out again and again
final class Layer {
    /** More come only from a stream that makes new memory for each frame. */
    private static final int MOST_OTHERS = 64;

    private final Screen screen;
    private final KmsObject plane;

    private @Nullable Ring ring;
    /**
     * By the memory of the frames: of those that the ring had, and of those that came later, also of other rings of the
     * same agreement, as a pipeline's frames have a ring each.
     */
    private final Map<PoolBuffer, Framebuffer> framebuffers = new LinkedHashMap<>();

    /** Of the ring before, one of which may be on the screen. */
    private List<Framebuffer> outdated = List.of();

    /** What the framebuffers are made of. */
    private @Nullable Source source;

    /** Of the image, wherever it lies in its framebuffer. */
    private @Nullable Placement placement;
    /** Shows a frame at its place. */
    private @Nullable Flip flip;

    private @Nullable Frame onScreen;
    private @Nullable Frame pending;
    /** Which loans of them: a frame whose stream began anew may come again. */
    private long onScreenLoan;

    private long pendingLoan;
    /** Has left the screen, and is not given back yet. */
    private @Nullable Frame left;

    private long leftLoan;
    /** The frame that is being given back, which its stream may ask for. */
    private @Nullable Frame returning;

    /**
     * A prepared change, with the places of what varies.
     *
     * @param framebuffer of the property FB_ID
     * @param inFence of the property IN_FENCE_FD
     * @param outFence of the property OUT_FENCE_PTR
     */
    record Flip(AtomicRequest request, int framebuffer, int inFence, int outFence) {}

    Layer(Screen screen, int plane) throws CenallocException {
        this.screen = screen;
        this.plane = screen.card().plane(plane);
    }

    KmsObject crtc() {
        return screen.crtc();
    }

    KmsObject plane() {
        return plane;
    }

    boolean hasRing() {
        return ring != null;
    }

    Ring ring() {
        if (ring == null) {
            throw new IllegalStateException("no ring is in use: call use(ring) first");
        }
        return ring;
    }

    Placement placement() {
        return Objects.requireNonNull(placement);
    }

    @Nullable
    Frame onScreen() {
        return onScreen;
    }

    boolean hasFrames() {
        return onScreen != null || pending != null;
    }

    boolean isReturning(Frame frame) {
        return returning == frame;
    }

    /** Whether the display has this frame. */
    boolean has(Frame frame) {
        return (frame == onScreen && frame.loans() == onScreenLoan)
                || (frame == pending && frame.loans() == pendingLoan);
    }

    /**
     * Makes framebuffers of the frames of a ring. If it fails, nothing has changed.
     *
     * @param layouts where the images lie, in a format of the plane
     */
    void use(Ring next, List<Layout> layouts, Placement place) throws CenallocException {
        var made = new LinkedHashMap<PoolBuffer, Framebuffer>();
        Source shown = Source.of(layouts);
        boolean complete = false;
        try {
            for (PoolBuffer memory : next.pool().buffers()) {
                made.put(memory, Framebuffer.of(screen.card(), memory.buffers(), shown.layouts()));
            }
            Flip prepared = flip(builder(made.firstEntry().getValue().id(), place.in(shown)));
            // What may be on the screen is removed when something else is: to remove it blanks the screen.
            var old = new ArrayList<>(outdated);
            old.addAll(framebuffers.values());
            outdated = List.copyOf(old);
            ring = next;
            framebuffers.clear();
            framebuffers.putAll(made);
            source = shown;
            placement = place;
            flip = prepared;
            complete = true;
        } finally {
            if (!complete) {
                made.values().forEach(Framebuffer::close);
            }
        }
    }

    /** Gives the frames another place from the next on. */
    void place(Placement place) throws CenallocException {
        flip = flip(requestAt(place));
        placement = place;
    }

    /** Shows a frame at its place, after {@link #check}. */
    AtomicRequest.Builder request(Frame frame) throws CenallocException {
        return builder(framebuffer(frame), placement().in(Objects.requireNonNull(source)));
    }

    private int framebuffer(Frame frame) {
        return Objects.requireNonNull(framebuffers.get(frame.memory())).id();
    }

    /** As {@link #request}, of any frame at another place. */
    AtomicRequest.Builder requestAt(Placement place) throws CenallocException {
        return builder(framebuffers.values().iterator().next().id(), place.in(Objects.requireNonNull(source)));
    }

    private AtomicRequest.Builder builder(int framebuffer, Placement place) throws CenallocException {
        var builder = new AtomicRequest.Builder().set(plane, "FB_ID", framebuffer);
        return place.set(builder, plane, screen.crtc().id());
    }

    /** Adds what varies from frame to frame. */
    Flip flip(AtomicRequest.Builder builder) throws CenallocException {
        AtomicRequest request = builder.set(plane, "IN_FENCE_FD", -1)
                .set(screen.crtc(), "OUT_FENCE_PTR", 0)
                .build();
        return new Flip(
                request,
                request.place(plane, "FB_ID"),
                request.place(plane, "IN_FENCE_FD"),
                request.place(screen.crtc(), "OUT_FENCE_PTR"));
    }

    /**
     * Checks that a frame can be handed to the display, and makes a framebuffer if its memory is new.
     *
     * @throws IllegalArgumentException if it is of a ring of another agreement
     * @throws IllegalStateException if it was given back, or the display has it
     * @throws CenallocException if the driver makes no framebuffer of it
     */
    void check(Frame frame) throws CenallocException {
        if (frame.ring().agreement() != ring().agreement()) {
            throw new IllegalArgumentException(frame + " is of another ring than the one in use, " + ring);
        }
        if (has(frame)) {
            throw new IllegalStateException(frame + " was handed to the display already");
        }
        if (!frame.isLent()) {
            throw new IllegalStateException(frame + " was given back, or its stream has ended");
        }
        if (!framebuffers.containsKey(frame.memory())) {
            if (framebuffers.size() >= ring().size() + MOST_OTHERS) {
                forgetOthers();
            }
            framebuffers.put(
                    frame.memory(),
                    Framebuffer.of(
                            screen.card(),
                            frame.buffers(),
                            Objects.requireNonNull(source).layouts()));
        }
    }

    /** Removes the framebuffers of frames that are not of the ring, nor on the screen, nor about to be. */
    private void forgetOthers() {
        var kept = new ArrayList<>(ring().pool().buffers());
        if (onScreen != null) {
            kept.add(onScreen.memory());
        }
        if (pending != null) {
            kept.add(pending.memory());
        }
        framebuffers.entrySet().removeIf(one -> {
            if (kept.contains(one.getKey())) {
                return false;
            }
            one.getValue().close();
            return true;
        });
    }

    /** Sets the mode, and shows a frame; of a ring before nothing is needed any more. */
    void begin(Scanout.Mode mode, Frame frame, @Nullable Fence in, @Nullable Fence out) throws CenallocException {
        Descriptor taken = out == null ? null : seize(out);
        boolean done = false;
        try {
            screen.begin(this, mode, frame, in, out != null);
            done = true;
        } finally {
            handBack(taken, done);
        }
        taken(frame);
        flipped();
    }

    private void taken(Frame frame) {
        pending = frame;
        pendingLoan = frame.loans();
        if (frame.memory().isLent()) { // else the program took it back, and the commit stands all the same
            frame.handTo(screen.card().name());
        }
    }

    /** Keeps others from a fence that gets a new number: after the commit nothing may fail. */
    private static Descriptor seize(Fence fence) {
        Descriptor descriptor = Seam.fenceDescriptor(fence);
        if (!descriptor.seize()) {
            throw new IllegalStateException(
                    descriptor.isOpen() ? "the fence is in use by another thread" : "the fence is closed");
        }
        return descriptor;
    }

    private void handBack(@Nullable Descriptor taken, boolean committed) {
        if (taken != null && committed) {
            // A driver may write -1, for a fence that is signalled.
            taken.reopen(screen.outFence());
        } else if (taken != null) {
            taken.reopen();
        }
    }

    /** Whether the frame on the screen is of the ring in use, so that another needs no mode to be set. */
    boolean isRunning() {
        return onScreen != null && outdated.isEmpty();
    }

    /**
     * Commits a frame, to be on the screen from the next refresh on. If this throws, the commit was not made: what the
     * return of the frame before fails with is told by the next call.
     */
    void commit(Frame frame, @Nullable Fence in, @Nullable Fence out) throws CenallocException {
        commit(Objects.requireNonNull(flip), frame, in, out);
    }

    void commit(Flip how, Frame frame, @Nullable Fence in, @Nullable Fence out) throws CenallocException {
        how.request.set(how.framebuffer, framebuffer(frame));
        how.request.set(how.outFence, out == null ? 0 : screen.outFencePointer());
        Descriptor taken = out == null ? null : seize(out);
        Layer before = null;
        boolean done = false;
        try {
            before = screen.commit(this, how.request, how.inFence, in);
            done = true;
        } finally {
            handBack(taken, done);
        }
        if (before == null) {
            taken(frame);
            return;
        }
        before.advance();
        taken(frame);
        try {
            before.returnLeft();
        } catch (CenallocException | RuntimeException e) {
            screen.owe(e);
        }
    }

    /** The pending frame is on the screen, and the one before goes back to its stream. */
    void flipped() throws CenallocException {
        advance();
        returnLeft();
    }

    private void advance() {
        left = onScreen;
        leftLoan = onScreenLoan;
        onScreen = pending;
        onScreenLoan = pendingLoan;
        pending = null;
        if (!outdated.isEmpty()) { // else the iterator is an object a frame
            outdated.forEach(Framebuffer::close);
            outdated = List.of();
        }
    }

    private void returnLeft() throws CenallocException {
        Frame gone = left;
        left = null;
        if (gone != onScreen) {
            giveBack(gone, leftLoan);
        }
    }

    /** Nothing of it is on the screen any more. */
    void hidden() throws CenallocException {
        pending = null;
        flipped();
    }

    private void giveBack(@Nullable Frame frame, long loan) throws CenallocException {
        // Its stream may have ended meanwhile; or the caller gave it back, though it was not its own, and got it again.
        if (frame == null || !frame.isLent() || frame.loans() != loan) {
            return;
        }
        returning = frame;
        try {
            frame.close();
        } finally {
            returning = null;
        }
    }

    /** Shows an area of an image in an area of the screen. The first must be inside the image. */
    static Placement placement(Image image, Area source, Area target) {
        if (!source.isInside(image.width(), image.height())) {
            throw new IllegalArgumentException("the source " + source + " is not inside " + image);
        }
        return new Placement(
                target.x(),
                target.y(),
                target.width(),
                target.height(),
                source.x(),
                source.y(),
                source.width(),
                source.height());
    }

    /** Removes the framebuffers, and gives back the frames. What is on the screen goes. Idempotent. */
    void close() throws CenallocException {
        outdated.forEach(Framebuffer::close);
        framebuffers.values().forEach(Framebuffer::close);
        Frame first = pending;
        Frame second = onScreen;
        pending = null;
        onScreen = null;
        ring = null;
        try {
            giveBack(second, onScreenLoan);
        } finally {
            giveBack(first, pendingLoan); // perhaps the same frame, of another loan
        }
    }
}
