package dev.cenalloc.examples;

import dev.cenalloc.plan.Constraints;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.device.Probe;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_event;
import dev.cenalloc.bindings.drm.drm_event_vblank;
import dev.cenalloc.bindings.drm.drm_gem_close;
import dev.cenalloc.bindings.drm.drm_get_cap;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_create_blob;
import dev.cenalloc.bindings.drm.drm_mode_fb_cmd2;
import dev.cenalloc.bindings.drm.drm_prime_handle;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/**
 * A KMS display that scans out dma-bufs of ours, closed by whoever opened it, which puts back what was on it before.
 * For one thread. Once started, {@link #show} and {@link #awaitFlip} are one system call each beside the wait, and
 * allocate nothing.
 */
final class Display implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(Display.class);
    private static final int EVENTS = 1024;

    private final DeviceNode node;
    private final KmsOutput output;
    private final Layout layout;
    private final boolean hasModifiers;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment events = arena.allocate(EVENTS, Long.BYTES);
    private final List<Integer> framebuffers = new ArrayList<>();
    private int captureFramebuffer;
    /** One prepared change a buffer: show it; show it and write back what comes out. */
    private final List<AtomicRequest> flips = new ArrayList<>();

    private final List<AtomicRequest> captures = new ArrayList<>();
    /** Where the kernel puts the fence of a capture. */
    private final MemorySegment fence = arena.allocate(ValueLayout.JAVA_INT);

    private final AtomicRequest restore;
    /** Of frames that wait and tell by fences; null if the display sends events. */
    private @Nullable Fences fences;

    private boolean started;
    private int flipped;
    private long flipMicros;

    private Display(DeviceNode node, KmsOutput output, Layout layout) throws IOException {
        this.node = node;
        this.output = output;
        this.layout = layout;
        this.hasModifiers = hasModifiers(node);
        boolean known = false;
        try {
            this.restore = whatIsOnTheScreen();
            known = true;
        } finally {
            if (!known) {
                arena.close();
            }
        }
    }

    /**
     * Opens a display.
     *
     * @param layout how the frames lie in memory, of an image that the display's port has
     * @param rate how often they change
     * @param readBack whether what it puts out is to be read back, where it can be
     */
    static Display open(Probe probe, DeviceNode.Opener nodes, Layout layout, FrameRate rate, boolean readBack)
            throws IOException {
        try (var opened = new Undo()) {
            DeviceNode node = opened.add(nodes.open(probe.node()));
            var display = new Display(node, KmsOutput.of(node, probe, layout.image(), rate, readBack), layout);
            opened.keep();
            return display;
        }
    }

    /** Whether framebuffers are told how their bytes are arranged; without, the driver guesses. */
    private static boolean hasModifiers(DeviceNode node) {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment cap = drm_get_cap.allocate(call);
            drm_get_cap.capability(cap, drm_h.DRM_CAP_ADDFB2_MODIFIERS());
            return node.tryIoctl(drm_h.DRM_IOCTL_GET_CAP(), cap) == 0 && drm_get_cap.value(cap) == 1;
        }
    }

    /** What is shown now, as values to be set again. */
    private AtomicRequest whatIsOnTheScreen() throws IOException {
        var before = new AtomicRequest.Builder()
                .set(output.crtc(), "MODE_ID", copyOfBlob((int) output.crtc().value("MODE_ID")))
                .set(output.crtc(), "ACTIVE", output.crtc().value("ACTIVE"))
                .set(output.connector(), "CRTC_ID", output.connector().value("CRTC_ID"));
        for (String property : KmsOutput.PLANE_PROPERTIES) {
            before.set(output.plane(), property, output.plane().value(property));
        }
        if (output.writeback().isPresent()) {
            before.set(output.writeback().get(), "CRTC_ID", 0);
        }
        return before.build(arena, drm_h.DRM_MODE_ATOMIC_ALLOW_MODESET(), 0);
    }

    /** The mode of before may live only as long as it is set; a copy is ours. */
    private int copyOfBlob(int id) throws IOException {
        if (id == 0) {
            return 0;
        }
        try (Arena call = Arena.ofConfined()) {
            return createBlob(KmsObject.readBlob(node, id, call));
        }
    }

    /** Whether it can give back what it puts out, {@link #showAndCapture}. Known once started. */
    boolean canCapture() {
        return !captures.isEmpty();
    }

    /** How what the display puts out will lie in the buffer that takes it; empty if it is not read back. */
    Optional<Layout> captureLayout() {
        return output.writeback().map(_ -> Layout.of(KmsOutput.writtenBack(layout.image()), 0, Constraints.NONE));
    }

    /**
     * Makes framebuffers of the buffers. From now on the index of a buffer in this list is its name.
     *
     * @param fenced whether the display is told by a fence when a frame is ready, and tells by one when it is shown
     */
    void use(List<DmaBuf> buffers, boolean fenced) throws IOException {
        fences = fenced ? new Fences(node, buffers, arena) : null;
        for (DmaBuf buffer : buffers) {
            framebuffers.add(framebuffer(buffer, layout));
        }
    }

    /** Takes a buffer for what it puts out, which lies there as {@link #captureLayout} says. */
    void captureTo(DmaBuf buffer) throws IOException {
        captureFramebuffer = framebuffer(buffer, captureLayout().orElseThrow());
    }

    /** Puts a buffer on the screen, and from then on shows what it is told to. */
    void start(int first) throws IOException {
        Optional<KmsObject> writeback = begin(framebuffers.get(first));
        started = true;

        int flags = drm_h.DRM_MODE_ATOMIC_NONBLOCK() | (fences == null ? drm_h.DRM_MODE_PAGE_FLIP_EVENT() : 0);
        for (int i = 0; i < framebuffers.size(); i++) {
            flips.add(flip(framebuffers.get(i)).build(arena, flags, i));
            if (writeback.isPresent()) {
                captures.add(flip(framebuffers.get(i))
                        .set(writeback.get(), "WRITEBACK_FB_ID", captureFramebuffer)
                        .set(writeback.get(), "WRITEBACK_OUT_FENCE_PTR", fence.address())
                        .build(arena, flags, i));
            }
        }
    }

    private AtomicRequest.Builder flip(int framebuffer) throws IOException {
        var flip = new AtomicRequest.Builder().set(output.plane(), "FB_ID", framebuffer);
        return fences == null
                ? flip
                : flip.vary(output.plane(), "IN_FENCE_FD").set(output.crtc(), "OUT_FENCE_PTR", fences.shownPointer());
    }

    /**
     * Sets the mode and puts a framebuffer on the screen. The output goes back to memory beside the screen, where the
     * driver can do both; else in place of the screen, if that is a virtual one, with nobody in front of it.
     *
     * @return the output that goes back to memory, if there is one
     */
    private Optional<KmsObject> begin(int framebuffer) throws IOException {
        int blob = createBlob(output.mode().info());
        if (output.writeback().isPresent()) {
            KmsObject writeback = output.writeback().get();
            int crtc = output.crtc().id();
            var beside = modeset(framebuffer, blob)
                    .set(output.connector(), "CRTC_ID", crtc)
                    .set(writeback, "CRTC_ID", crtc);
            var instead = modeset(framebuffer, blob)
                    .set(output.connector(), "CRTC_ID", 0)
                    .set(writeback, "CRTC_ID", crtc);
            if (tryModeset(beside) == 0 || (output.scanout().isVirtual() && tryModeset(instead) == 0)) {
                return output.writeback();
            }
        }
        int result = tryModeset(modeset(framebuffer, blob)
                .set(output.connector(), "CRTC_ID", output.crtc().id()));
        if (result == -Errno.EACCES || result == -Errno.EPERM) {
            throw new IOException("another program, perhaps a desktop, controls the display " + node.path()
                    + " (DRM_IOCTL_MODE_ATOMIC gave " + Errno.name(-result)
                    + "): stop it, or switch to a text console");
        }
        if (result < 0) {
            throw new IOException("the display " + node.path() + " refuses " + output + ": DRM_IOCTL_MODE_ATOMIC gave "
                    + Errno.name(-result));
        }
        return Optional.empty();
    }

    private int tryModeset(AtomicRequest.Builder request) {
        return request.build(arena, drm_h.DRM_MODE_ATOMIC_ALLOW_MODESET(), 0).tryCommit(node);
    }

    private AtomicRequest.Builder modeset(int framebuffer, int modeBlob) throws IOException {
        Image image = layout.image();
        return new AtomicRequest.Builder()
                .set(output.crtc(), "MODE_ID", modeBlob)
                .set(output.crtc(), "ACTIVE", 1)
                .set(output.plane(), "FB_ID", framebuffer)
                .set(output.plane(), "CRTC_ID", output.crtc().id())
                .set(output.plane(), "CRTC_X", (output.mode().width() - image.width()) / 2)
                .set(output.plane(), "CRTC_Y", (output.mode().height() - image.height()) / 2)
                .set(output.plane(), "CRTC_W", image.width())
                .set(output.plane(), "CRTC_H", image.height())
                // In 16.16 fixed point.
                .set(output.plane(), "SRC_X", 0)
                .set(output.plane(), "SRC_Y", 0)
                .set(output.plane(), "SRC_W", (long) image.width() << 16)
                .set(output.plane(), "SRC_H", (long) image.height() << 16);
    }

    /** Asks for a buffer to be on the screen from the next refresh on. Returns at once; {@link #awaitFlip} tells when. */
    void show(int index) throws IOException {
        commit(index, flips.get(index));
    }

    /**
     * As {@link #show}, and has what the display puts out then written to the capture buffer.
     *
     * @return a fence, a descriptor that the caller closes: it becomes readable when the capture is complete
     */
    int showAndCapture(int index) throws IOException {
        commit(index, captures.get(index));
        return fence.get(ValueLayout.JAVA_INT, 0);
    }

    private void commit(int index, AtomicRequest request) throws IOException {
        if (fences == null) {
            request.commit(node);
        } else {
            fences.commit(index, request);
            flipped = index;
        }
    }

    /**
     * Waits until the buffer that is to be shown has come on the screen: the one before is not needed any more.
     *
     * @return the index of the buffer
     */
    int awaitFlip() throws IOException {
        if (fences != null) {
            fences.awaitShown();
            flipMicros = System.nanoTime() / 1000; // the same clock
            return flipped;
        }
        boolean _ = node.await("the display did not show the frame");
        long length = node.read(events);
        for (long at = 0; at < length; at += events.get(ValueLayout.JAVA_INT, at + drm_event.length$offset())) {
            if (events.get(ValueLayout.JAVA_INT, at + drm_event.type$offset()) == drm_h.DRM_EVENT_FLIP_COMPLETE()) {
                flipped = (int) events.get(ValueLayout.JAVA_LONG, at + drm_event_vblank.user_data$offset());
                flipMicros = events.get(ValueLayout.JAVA_INT, at + drm_event_vblank.tv_sec$offset()) * 1_000_000L
                        + events.get(ValueLayout.JAVA_INT, at + drm_event_vblank.tv_usec$offset());
            }
        }
        return flipped;
    }

    /** When the last flip happened, in microseconds of the kernel's monotonic clock. */
    long flipMicros() {
        return flipMicros;
    }

    /** A dma-buf as something to scan out: import, wrap, and let go of the handle, which the framebuffer keeps alive. */
    private int framebuffer(DmaBuf buffer, Layout layout) throws IOException {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment prime = drm_prime_handle.allocate(call);
            drm_prime_handle.fd(prime, buffer.fd());
            node.ioctl("PRIME_FD_TO_HANDLE", drm_h.DRM_IOCTL_PRIME_FD_TO_HANDLE(), prime);
            int handle = drm_prime_handle.handle(prime);
            try {
                MemorySegment add = drm_mode_fb_cmd2.allocate(call);
                drm_mode_fb_cmd2.width(add, layout.image().width());
                drm_mode_fb_cmd2.height(add, layout.image().height());
                drm_mode_fb_cmd2.pixel_format(add, layout.image().format().drmFourcc());
                for (int i = 0; i < layout.planes().size(); i++) {
                    drm_mode_fb_cmd2.handles(add, i, handle);
                    drm_mode_fb_cmd2.pitches(
                            add, i, (int) layout.planes().get(i).pitch());
                    drm_mode_fb_cmd2.offsets(
                            add, i, (int) layout.planes().get(i).offset());
                    if (hasModifiers) {
                        drm_mode_fb_cmd2.modifier(add, i, layout.image().modifier());
                    }
                }
                drm_mode_fb_cmd2.flags(add, hasModifiers ? drm_h.DRM_MODE_FB_MODIFIERS() : 0);
                node.ioctl("ADDFB2", drm_h.DRM_IOCTL_MODE_ADDFB2(), add);
                return drm_mode_fb_cmd2.fb_id(add);
            } finally {
                MemorySegment close = drm_gem_close.allocate(call);
                drm_gem_close.handle(close, handle);
                node.tryIoctl(drm_h.DRM_IOCTL_GEM_CLOSE(), close);
            }
        }
    }

    /** Freed with the descriptor, as every object that this program has made. */
    private int createBlob(MemorySegment content) throws IOException {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment create = drm_mode_create_blob.allocate(call);
            drm_mode_create_blob.data(create, content.address());
            drm_mode_create_blob.length(create, (int) content.byteSize());
            node.ioctl("CREATEPROPBLOB", drm_h.DRM_IOCTL_MODE_CREATEPROPBLOB(), create);
            return drm_mode_create_blob.blob_id(create);
        }
    }

    @Override
    public void close() {
        if (started) {
            started = false;
            // The framebuffer of before may be gone with the program that made it. Then the last close of the node has
            // the kernel bring its console back.
            int result = restore.tryCommit(node);
            if (result < 0) {
                LOG.info("what was on the screen before cannot be put back: {}", Errno.name(-result));
            }
        }
        if (fences != null) {
            fences.close();
        }
        node.close(); // with it go its framebuffers
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    @Override
    public String toString() {
        return output.toString();
    }
}
