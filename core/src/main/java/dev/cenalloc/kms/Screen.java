// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.CenallocException;
import dev.cenalloc.Fence;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Log;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.node.drm.AtomicRequest;
import dev.cenalloc.node.drm.Card;
import dev.cenalloc.node.drm.FlipEvents;
import dev.cenalloc.node.drm.KmsObject;
import dev.cenalloc.node.drm.Placement;
import dev.cenalloc.node.drm.Scanout;
import dev.cenalloc.stream.Frame;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashSet;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The state of one CRTC: what was on it before, which commit is under way, when the last one came on the screen. Used
 * by its {@link Display}; {@link #restore} may be called by any thread.
 */
final class Screen {
    private static final String COMMIT = "DRM_IOCTL_MODE_ATOMIC";
    /** For a frame to come on the screen. */
    static final long LIMIT_NANOS = TimeUnit.SECONDS.toNanos(5);
    /** Events that may wait to be read. The kernel has room for 128. */
    private static final int MOST_UNREAD = 100;

    /** Where the output goes to memory, if it does. */
    enum Route {
        /** To the screen and to memory. */
        BESIDE,
        /** To memory in place of a virtual screen, which nobody sees. */
        INSTEAD
    }

    private final Card card;
    private final DeviceNode node;
    private final Scanout scanout;
    private final KmsObject crtc;
    private final KmsObject connector;
    private final FlipEvents events = new FlipEvents();
    /** Where the kernel puts the fence of a commit. */
    private final MemorySegment outFence = Arena.ofAuto().allocate(ValueLayout.JAVA_INT);

    /** Connector that writes back, with the way it does; null if nothing is written back. */
    private @Nullable KmsObject writeback;

    private Route route = Route.BESIDE;

    /** What was on the screen before; null until something else is. */
    private AtomicRequest.@Nullable Builder before;

    /** The planes that will be restored. */
    private final Set<Integer> savedPlanes = new HashSet<>();

    private volatile @Nullable AtomicRequest restore;
    private int modeBefore;
    private boolean isMaster;
    /** Whether it was restored. Guarded by this. */
    private boolean ended;

    /** Whose frame is about to come on the screen; null if no commit is under way. */
    private @Nullable Layer flipping;

    /** Commits that were tried. The kernel tells its number with the event of a commit. */
    private long commits;
    /** The last commit with an event that was made. */
    private long committed;
    /** Whether the frame before was not on the screen yet when a commit was tried, or waited for, the last time. */
    private boolean early;
    /** Whether it was seen that a commit that is made tells of the one before. */
    private boolean proven;
    /** Whether the driver takes commits while others are under way. */
    private boolean queues;

    /** What the return of a frame failed with after the commit was made; told by the next call. */
    private @Nullable Exception owed;

    private long flips;
    /** The last commit that set the mode. */
    private long begun;
    /** When that was on the screen. */
    private long begunNanos;

    Screen(Card card, Scanout scanout) throws CenallocException {
        this.card = card;
        this.node = card.node();
        this.scanout = scanout;
        this.crtc = card.crtc(scanout.crtc());
        this.connector = card.connector(scanout.connector());
    }

    Card card() {
        return card;
    }

    KmsObject crtc() {
        return crtc;
    }

    long flips() {
        return flipping != null && events.last() == committed ? flips + 1 : flips;
    }

    long sequence() {
        return events.sequence();
    }

    long flipNanos() {
        return events.last() > begun ? events.nanos() : begunNanos;
    }

    /** Makes no system call if the last event is known. What fails here fails again when a frame is waited for. */
    void readEvents() {
        if (events.last() < committed) {
            int _ = events.read(node, committed);
        }
    }

    /** Whether frames are on it. */
    boolean hasBegun() {
        return restore != null;
    }

    boolean isFlipping() {
        return flipping != null;
    }

    // ---- the first frame, and what was there before ----

    /**
     * Sets the mode and shows a frame. Blocks until it is on the screen. If it fails, nothing has changed.
     *
     * @param mode the screen's
     * @param frame of the layer's ring
     * @param in what the display waits for, or null
     * @param out whether {@link #outFence} is set to what is signalled when the frame is on the screen
     */
    void begin(Layer layer, Scanout.Mode mode, Frame frame, @Nullable Fence in, boolean out) throws CenallocException {
        StackRoom.requireToOwn();
        AtomicRequest.Builder saved = before;
        boolean first = saved == null;
        if (first) {
            takeMaster();
        }
        boolean mayHaveBegun = false;
        int blob = 0;
        try {
            if (saved == null) {
                saved = whatIsOnTheScreen(layer);
            }
            blob = card.createBlob(mode.info());
            Layer.Flip flip = layer.flip(modeset(blob, layer.request(frame)));
            flip.request().set(flip.outFence(), out ? outFencePointer() : 0);
            // First the way back: the program may be ended at any moment.
            before = saved;
            restore = saved.build();
            ScreenRestorer.add(this);
            mayHaveBegun = true; // after an error, too
            int result = tryCommit(flip.request(), flip.inFence(), in, AtomicRequest.ALLOW_MODESET);
            if (result < 0) {
                mayHaveBegun = false;
                throw refusal(
                        -result, mode + " with " + frame.ring().agreement().image());
            }
        } finally {
            // The kernel keeps the mode as long as it is set.
            card.destroyBlob(blob);
            if (first && !mayHaveBegun) {
                forget();
            }
        }
        flips++;
        begun = commits;
        begunNanos = System.nanoTime(); // CLOCK_MONOTONIC, as the events
    }

    private synchronized void forget() {
        ScreenRestorer.remove(this);
        before = null;
        savedPlanes.clear();
        if (!ended) {
            restore = null;
            card.destroyBlob(modeBefore);
            dropMaster();
        }
        modeBefore = 0;
    }

    /** Takes control of the display, until {@link #restore}; if that fails, the commit will tell. */
    private void takeMaster() throws CenallocException {
        int result = card.acquireMaster();
        isMaster = result >= 0;
        switch (-result) {
            // Old kernels let root only take control, and not lose it before.
            case Errno.EACCES, Errno.EPERM, Errno.EBUSY, Errno.EINVAL -> {}
            default -> {
                if (result < 0) {
                    throw node.failure(-result, "DRM_IOCTL_SET_MASTER");
                }
            }
        }
    }

    private void dropMaster() {
        if (isMaster) {
            isMaster = false;
            card.releaseMaster();
        }
    }

    /** What is shown now, as values to be set again. */
    private AtomicRequest.Builder whatIsOnTheScreen(Layer layer) throws CenallocException {
        KmsObject crtcNow = card.crtc(crtc.id());
        KmsObject connectorNow = card.connector(connector.id());
        // That mode may live only as long as it is set; a copy is ours.
        modeBefore = card.copyOfBlob((int) crtcNow.value("MODE_ID"));
        var saved = new AtomicRequest.Builder()
                .set(crtcNow, "MODE_ID", modeBefore)
                .set(crtcNow, "ACTIVE", crtcNow.value("ACTIVE"))
                .set(connectorNow, "CRTC_ID", connectorNow.value("CRTC_ID"));
        save(saved, layer.plane().id());
        if (writeback != null) {
            saved.set(writeback, "CRTC_ID", 0);
        }
        return saved;
    }

    private void save(AtomicRequest.Builder saved, int plane) throws CenallocException {
        if (savedPlanes.contains(plane)) {
            return;
        }
        KmsObject now = card.plane(plane);
        for (String property : Placement.PROPERTIES) {
            saved.set(now, property, now.value(property));
        }
        savedPlanes.add(plane);
    }

    /** Restores another plane, too, from now on; what is on it now, if it was not done before. */
    void alsoRestore(int plane) throws CenallocException {
        AtomicRequest.Builder saved = Objects.requireNonNull(before);
        save(saved, plane);
        restore = saved.build();
    }

    private AtomicRequest.Builder modeset(int blob, AtomicRequest.Builder request) throws CenallocException {
        KmsObject written = writeback;
        request.set(crtc, "MODE_ID", blob).set(crtc, "ACTIVE", 1);
        request.set(connector, "CRTC_ID", written != null && route == Route.INSTEAD ? 0 : crtc.id());
        return written == null ? request : request.set(written, "CRTC_ID", crtc.id());
    }

    /**
     * Asks whether a change is possible.
     *
     * @return 0, or {@code -errno}
     * @throws NoMasterException EACCES, EPERM: another program controls the display
     */
    int test(Layer layer, Scanout.Mode mode) throws CenallocException {
        boolean borrowed = !isMaster;
        if (borrowed) {
            takeMaster();
        }
        int blob = 0;
        try {
            blob = card.createBlob(mode.info());
            int result = modeset(blob, layer.requestAt(layer.placement()))
                    .build()
                    .tryCommit(node, AtomicRequest.TEST_ONLY | AtomicRequest.ALLOW_MODESET, 0);
            if (result == -Errno.EACCES || result == -Errno.EPERM || result == -Errno.ENODEV) {
                throw refusal(-result, "");
            }
            return result;
        } finally {
            card.destroyBlob(blob);
            if (borrowed) {
                dropMaster();
            }
        }
    }

    /**
     * Has the output written back, beside the screen where the driver can do both; else in place of the screen, if that
     * is a virtual one.
     *
     * @return whether that is possible; takes effect at the next {@link #begin}
     */
    boolean write(KmsObject connectorOfWriteback, Layer layer, Scanout.Mode mode) throws CenallocException {
        writeback = connectorOfWriteback;
        boolean possible = false;
        try {
            for (Route candidate : scanout.isVirtual() ? Route.values() : new Route[] {Route.BESIDE}) {
                route = candidate;
                if (test(layer, mode) == 0) {
                    possible = true;
                    break;
                }
            }
            if (possible && before != null) {
                before.set(connectorOfWriteback, "CRTC_ID", 0);
            }
        } finally {
            if (!possible) {
                writeback = null;
            }
        }
        return possible;
    }

    /** Puts back what was on the screen. Nothing can be shown afterwards. Idempotent, for any thread. */
    synchronized void restore() {
        ScreenRestorer.remove(this);
        if (ended) {
            return;
        }
        ended = true;
        AtomicRequest known = restore;
        if (known == null) {
            return;
        }
        // The framebuffer of before may be gone with the program that made it. Then the last close of the node makes
        // the kernel bring its console back.
        int result = 0;
        boolean tried = false;
        try {
            result = known.tryCommit(node, AtomicRequest.ALLOW_MODESET, 0);
            if (result < 0) {
                // Memory may have been short for a moment.
                result = known.tryCommit(node, AtomicRequest.ALLOW_MODESET, 0);
            }
            tried = true;
        } finally {
            ended = tried; // after an error the next call does it
        }
        if (result < 0) {
            Log.info("what was on the screen of {} cannot be put back: {}", card.name(), Errno.name(-result));
        }
        card.destroyBlob(modeBefore);
        dropMaster();
    }

    // ---- frame by frame ----

    private synchronized int tryCommit(AtomicRequest request, int flags) {
        // Else a frame could come on the screen after it was restored.
        if (ended) {
            throw new IllegalStateException("the program is ending: the display was given back");
        }
        return request.tryCommit(node, flags, ++commits);
    }

    /**
     * Whether a layer may {@link #commit} without a wait for its commit before. The kernel makes no commit while
     * another is under way (EBUSY; {@code drm_atomic_helper_setup_commit}, which looks at the commit before of the same
     * plane). So a commit that is made tells that the frame before is on the screen; its event is read later, with
     * others. Not while frames come sooner than the screen refreshes: then most commits would be tried twice.
     */
    boolean isReady(Layer layer) {
        return flipping == null || (flipping == layer && !early && !queues && committed - events.last() < MOST_UNREAD);
    }

    /**
     * Commits what a layer has prepared, and does not wait until it is on the screen. If another commit is still under
     * way, waits for that first. Allocates nothing.
     *
     * @param in what the display waits for, or null
     * @param inPlace of the property IN_FENCE_FD
     * @return the layer whose frame has come on the screen, and which the caller tells so; null if none has
     * @throws CenallocException the commit was not made
     */
    @Nullable
    Layer commit(Layer layer, AtomicRequest request, int inPlace, @Nullable Fence in) throws CenallocException {
        int result = tryCommit(request, inPlace, in, AtomicRequest.NONBLOCK | AtomicRequest.EVENT);
        if (result == -Errno.EBUSY && flipping != null) {
            early = true;
            if (!awaitFlip(LIMIT_NANOS)) {
                throw late();
            }
            result = tryCommit(request, inPlace, in, AtomicRequest.NONBLOCK | AtomicRequest.EVENT);
        }
        if (result < 0) {
            throw refusal(-result, "the frame");
        }
        Layer before = flipping;
        long commitBefore = committed;
        flipping = layer;
        committed = commits;
        if (before != null) {
            flips++;
            prove(commitBefore);
        }
        return before;
    }

    /**
     * Looks once whether the event of the commit before is there when a commit is made. The kernel allows drivers to
     * take commits while others are under way; none is known that does.
     */
    private void prove(long commitBefore) {
        if (proven) {
            return;
        }
        proven = true;
        if (events.last() < commitBefore) {
            readEvents();
        }
        if (events.last() < commitBefore) {
            queues = true;
            Log.info("{} takes commits while others are under way: each is waited for", card.name());
        }
    }

    /** Has the next call throw this. */
    void owe(Exception failure) {
        owed = failure;
    }

    /** Throws what is owed, once. */
    void pay() throws CenallocException {
        Exception failure = owed;
        owed = null;
        if (failure instanceof CenallocException e) {
            throw e;
        }
        if (failure instanceof RuntimeException e) {
            throw e;
        }
    }

    /** The exception for a frame that does not come on the screen. */
    NotShownException late() {
        return new NotShownException(node.path(), "the frame before is not on the screen after 5 seconds");
    }

    private int tryCommit(AtomicRequest request, int inPlace, @Nullable Fence in, int flags) {
        if (in == null) {
            request.set(inPlace, -1);
            return tryCommit(request, flags);
        }
        // The number must not be closed and used again between here and the kernel.
        Descriptor descriptor = Seam.fenceDescriptor(in);
        request.set(inPlace, descriptor.acquire());
        try {
            return tryCommit(request, flags);
        } finally {
            descriptor.release();
        }
    }

    /** For OUT_FENCE_PTR. */
    long outFencePointer() {
        return outFence.address();
    }

    /** The number that the last commit with an out-fence gave. */
    int outFence() {
        return outFence.get(ValueLayout.JAVA_INT, 0);
    }

    /**
     * Waits for the commit under way, if there is one, and gives back the frame that left the screen. Two system calls,
     * or four if older events were not read; allocates nothing.
     *
     * @return whether none is under way any more
     */
    boolean awaitFlip(long nanos) throws CenallocException {
        pay();
        if (flipping == null) {
            return true;
        }
        long asked = System.nanoTime();
        long left = nanos;
        while (events.last() != committed) {
            int ready = node.await(Linux.POLLIN, left);
            if (ready == 0) {
                if (!card.isPresent()) {
                    throw node.failure(Errno.ENODEV, "poll");
                }
                return false;
            }
            if ((ready & Linux.POLLIN) == 0) {
                throw node.failure(Errno.ENODEV, "poll");
            }
            int result = events.read(node, committed);
            if (result < 0) {
                throw node.failure(-result, "read");
            }
            left = nanos - (System.nanoTime() - asked);
            if (left <= 0 && events.last() != committed) {
                return false;
            }
        }
        early = events.nanos() > asked;
        flips++;
        Layer layer = Objects.requireNonNull(flipping);
        flipping = null;
        layer.flipped();
        return true;
    }

    /** Commits and waits until it is on the screen. */
    void commitNow(AtomicRequest request, String what) throws CenallocException {
        int result = tryCommit(request, AtomicRequest.ALLOW_MODESET);
        if (result < 0) {
            throw refusal(-result, what);
        }
    }

    /** The exception for a commit that failed. */
    CenallocException refusal(int errno, String what) {
        return switch (errno) {
            case Errno.EACCES, Errno.EPERM -> new NoMasterException(errno, COMMIT, node.path());
            case Errno.EINVAL, Errno.ERANGE, Errno.ENOSPC, Errno.EOPNOTSUPP ->
                new DisplayRefusalException(errno, node.path(), what);
            default -> node.failure(errno, COMMIT);
        };
    }
}
