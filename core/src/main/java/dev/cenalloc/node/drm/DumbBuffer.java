// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_create_dumb;
import dev.cenalloc.bindings.drm.drm_prime_handle;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Memory that a display's driver allocates for pictures that the CPU draws (dumb buffers), exported as dma-bufs. It
 * suits the display by its nature. Stateless.
 */
public final class DumbBuffer {
    /** Bytes of a line: whole pages, so that no driver rounds it up. */
    private static final int PITCH = 4096;

    private static final int BITS = 32;

    private DumbBuffer() {}

    /**
     * Allocates.
     *
     * @param size in bytes, positive
     * @return the descriptor of a dma-buf, readable and writable, that the caller closes
     * @throws CenallocException ENOSYS, EOPNOTSUPP, EACCES: the driver has no dumb buffers, or not at this node;
     *     ENOMEM; EINVAL: too large; else the errno of the driver
     */
    public static int export(Card card, long size) throws CenallocException {
        DeviceNode node = card.node();
        try (Arena arena = Arena.ofConfined()) {
            int handle = tryCreate(node, arena, size);
            if (handle < 0) {
                throw node.failure(-handle, "DRM_IOCTL_MODE_CREATE_DUMB");
            }
            try {
                MemorySegment prime = drm_prime_handle.allocate(arena);
                drm_prime_handle.handle(prime, handle);
                drm_prime_handle.flags(prime, Linux.O_RDWR | Linux.O_CLOEXEC);
                node.ioctl("DRM_IOCTL_PRIME_HANDLE_TO_FD", drm_h.DRM_IOCTL_PRIME_HANDLE_TO_FD(), prime);
                return drm_prime_handle.fd(prime);
            } finally {
                // The dma-buf keeps the memory.
                Framebuffer.release(node, handle);
            }
        }
    }

    /** Allocates: the handle, which {@link Framebuffer#release} gives back, or {@code -errno}. */
    static int tryCreate(DeviceNode node, Arena arena, long size) {
        long lines = (size + PITCH - 1) / PITCH;
        if (lines > Integer.MAX_VALUE) {
            return -Errno.EINVAL;
        }
        MemorySegment create = drm_mode_create_dumb.allocate(arena);
        drm_mode_create_dumb.width(create, PITCH * Byte.SIZE / BITS);
        drm_mode_create_dumb.height(create, (int) lines);
        drm_mode_create_dumb.bpp(create, BITS);
        int result = node.tryIoctl(drm_h.DRM_IOCTL_MODE_CREATE_DUMB(), create);
        return result < 0 ? result : drm_mode_create_dumb.handle(create);
    }
}
