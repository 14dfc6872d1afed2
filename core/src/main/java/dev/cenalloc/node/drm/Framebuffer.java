// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_gem_close;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_fb_cmd2;
import dev.cenalloc.bindings.drm.drm_prime_handle;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.List;

/**
 * Something that a display can scan out: dma-bufs with a layout. Keeps the memory alive by itself, so that the buffers
 * may be closed before it. Closed by the object that made it; while it is on the screen, that blanks the screen.
 */
public final class Framebuffer implements AutoCloseable {
    static final String IMPORT = "DRM_IOCTL_PRIME_FD_TO_HANDLE";
    static final String ADD = "DRM_IOCTL_MODE_ADDFB2";

    private final DeviceNode node;
    private final int id;
    private boolean closed;

    Framebuffer(DeviceNode node, int id) {
        this.node = node;
        this.id = id;
    }

    /**
     * Imports the buffers of an image and makes a framebuffer of them.
     *
     * @param buffers one, or one for each plane
     * @param layouts where the image lies in each, in a format that DRM defines
     * @throws CenallocException with the errno of the driver: EINVAL if it takes no such memory or image
     */
    public static Framebuffer of(Card card, List<DmaBuf> buffers, List<Layout> layouts) throws CenallocException {
        DeviceNode node = card.node();
        var handles = new ArrayList<Integer>();
        try (Arena arena = Arena.ofConfined()) {
            for (DmaBuf buffer : buffers) {
                int handle = tryImport(node, arena, buffer);
                if (handle < 0) {
                    throw node.failure(-handle, IMPORT);
                }
                handles.add(handle);
            }
            int id = tryAdd(card, arena, handles, layouts);
            if (id < 0) {
                throw node.failure(-id, ADD);
            }
            return new Framebuffer(node, id);
        } finally {
            // The framebuffer keeps what it needs.
            handles.stream().distinct().forEach(handle -> release(node, handle));
        }
    }

    /** Imports a buffer: the handle, or {@code -errno}. Buffers of the same memory have the same handle. */
    static int tryImport(DeviceNode node, Arena arena, DmaBuf buffer) {
        MemorySegment prime = drm_prime_handle.allocate(arena);
        // The number must not be closed and used again between here and the kernel.
        Descriptor descriptor = Seam.descriptor(buffer);
        int result;
        try {
            drm_prime_handle.fd(prime, descriptor.acquire());
            try {
                result = node.tryIoctl(drm_h.DRM_IOCTL_PRIME_FD_TO_HANDLE(), prime);
            } finally {
                descriptor.release();
            }
        } finally {
            Reference.reachabilityFence(buffer);
        }
        return result < 0 ? result : drm_prime_handle.handle(prime);
    }

    /**
     * Makes a framebuffer: its number, or {@code -errno}. It has the lines of the image. A driver that derives from
     * those where the second plane begins refuses that if there is more room before it; then the framebuffer has all
     * lines that are stored, of which a plane shows the first.
     */
    static int tryAdd(Card card, Arena arena, List<Integer> handles, List<Layout> layouts) {
        Image image = layouts.getFirst().image();
        int result = tryAdd(card, arena, handles, layouts, image.height());
        long stored = layouts.stream().mapToLong(Layout::storedLines).min().orElseThrow();
        return result == -Errno.EINVAL
                        && image.modifier() == Image.LINEAR
                        && stored > image.height()
                        && stored <= Integer.MAX_VALUE
                ? tryAdd(card, arena, handles, layouts, (int) stored)
                : result;
    }

    private static int tryAdd(Card card, Arena arena, List<Integer> handles, List<Layout> layouts, int lines) {
        Image image = layouts.getFirst().image();
        boolean hasModifiers = card.hasModifiers();
        MemorySegment add = drm_mode_fb_cmd2.allocate(arena);
        drm_mode_fb_cmd2.width(add, image.width());
        drm_mode_fb_cmd2.height(add, lines);
        drm_mode_fb_cmd2.pixel_format(add, image.format().drmFourcc().orElseThrow());
        drm_mode_fb_cmd2.flags(add, hasModifiers ? drm_h.DRM_MODE_FB_MODIFIERS() : 0);
        int place = 0;
        for (int buffer = 0; buffer < layouts.size(); buffer++) {
            for (Layout.Plane plane : layouts.get(buffer).planes()) {
                drm_mode_fb_cmd2.handles(add, place, handles.get(buffer));
                drm_mode_fb_cmd2.pitches(add, place, (int) plane.pitch());
                drm_mode_fb_cmd2.offsets(add, place, (int) plane.offset());
                if (hasModifiers) {
                    drm_mode_fb_cmd2.modifier(add, place, image.modifier());
                }
                place++;
            }
        }
        int result = card.node().tryIoctl(drm_h.DRM_IOCTL_MODE_ADDFB2(), add);
        return result < 0 ? result : drm_mode_fb_cmd2.fb_id(add);
    }

    /** Gives a handle back. What a driver fails to let go of now, it lets go of when the node is closed. */
    static void release(DeviceNode node, int handle) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment close = drm_gem_close.allocate(arena);
            drm_gem_close.handle(close, handle);
            node.tryIoctl(drm_h.DRM_IOCTL_GEM_CLOSE(), close);
        }
    }

    /** The kernel's number for it. */
    public int id() {
        return id;
    }

    /** Removes it. Idempotent. What a driver fails to let go of now, it lets go of when the node is closed. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        try (Arena arena = Arena.ofConfined()) {
            node.tryIoctl(drm_h.DRM_IOCTL_MODE_RMFB(), arena.allocateFrom(ValueLayout.JAVA_INT, id));
        }
    }
}
