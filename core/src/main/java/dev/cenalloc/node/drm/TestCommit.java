package dev.cenalloc.node.drm;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_atomic;
import dev.cenalloc.bindings.drm.drm_mode_create_blob;
import dev.cenalloc.bindings.drm.drm_mode_destroy_blob;
import dev.cenalloc.image.Image;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;

/** Asks a display whether it would show a framebuffer, and changes nothing. Holds nothing open. For one thread. */
final class TestCommit {
    private final DeviceNode file;
    private final Card card;

    TestCommit(DeviceNode file, Card card) {
        this.file = file;
        this.card = card;
    }

    /** What to set, in the order of the objects. */
    private static final class Change {
        private final Map<Integer, Map<Integer, Long>> objects = new LinkedHashMap<>();

        void set(int object, Card.Property property, long value) {
            objects.computeIfAbsent(object, _ -> new LinkedHashMap<>()).put(property.id(), value);
        }

        MemorySegment request(Arena arena, int flags) {
            var request = drm_mode_atomic.allocate(arena);
            drm_mode_atomic.flags(request, flags);
            drm_mode_atomic.count_objs(request, objects.size());
            drm_mode_atomic.objs_ptr(
                    request, integers(arena, objects.keySet().stream().mapToInt(id -> id)));
            drm_mode_atomic.count_props_ptr(
                    request, integers(arena, objects.values().stream().mapToInt(Map::size)));
            drm_mode_atomic.props_ptr(
                    request,
                    integers(
                            arena,
                            objects.values().stream()
                                    .flatMap(set -> set.keySet().stream())
                                    .mapToInt(id -> id)));
            drm_mode_atomic.prop_values_ptr(
                    request,
                    arena.allocateFrom(
                                    ValueLayout.JAVA_LONG,
                                    objects.values().stream()
                                            .flatMap(set -> set.values().stream())
                                            .mapToLong(value -> value)
                                            .toArray())
                            .address());
            return request;
        }

        private static long integers(Arena arena, IntStream values) {
            return arena.allocateFrom(ValueLayout.JAVA_INT, values.toArray()).address();
        }
    }

    /**
     * Asks whether a framebuffer could be on the screen, without putting it there ({@code DRM_MODE_ATOMIC_TEST_ONLY}).
     *
     * @return the result, or {@code -errno}; EACCES if another program controls the display
     */
    int result(Scanout scanout, Scanout.Mode mode, Image image, int framebuffer) throws CenallocException {
        if (file.tryIoctl(drm_h.DRM_IOCTL_SET_MASTER(), MemorySegment.NULL) < 0) {
            return -Errno.EACCES;
        }
        try (Arena arena = Arena.ofConfined()) {
            int blob = createBlob(arena, mode.info());
            try {
                return file.tryIoctl(
                        drm_h.DRM_IOCTL_MODE_ATOMIC(),
                        change(scanout, mode, image, framebuffer, blob)
                                .request(
                                        arena,
                                        drm_h.DRM_MODE_ATOMIC_TEST_ONLY() | drm_h.DRM_MODE_ATOMIC_ALLOW_MODESET()));
            } finally {
                destroyBlob(arena, blob);
            }
        } finally {
            file.tryIoctl(drm_h.DRM_IOCTL_DROP_MASTER(), MemorySegment.NULL);
        }
    }

    private Change change(Scanout scanout, Scanout.Mode mode, Image image, int framebuffer, int blob)
            throws CenallocException {
        var change = new Change();
        setCrtc(change, scanout.crtc(), "MODE_ID", blob);
        setCrtc(change, scanout.crtc(), "ACTIVE", 1);
        int connector = scanout.connector();
        change.set(connector, card.property(connector, drm_h.DRM_MODE_OBJECT_CONNECTOR(), "CRTC_ID"), scanout.crtc());
        int plane = scanout.plane();
        setPlane(change, plane, "FB_ID", framebuffer);
        setPlane(change, plane, "CRTC_ID", scanout.crtc());
        setPlane(change, plane, "CRTC_X", (mode.width() - image.width()) / 2);
        setPlane(change, plane, "CRTC_Y", (mode.height() - image.height()) / 2);
        setPlane(change, plane, "CRTC_W", image.width());
        setPlane(change, plane, "CRTC_H", image.height());
        setPlane(change, plane, "SRC_X", 0);
        setPlane(change, plane, "SRC_Y", 0);
        // In 16.16 fixed point.
        setPlane(change, plane, "SRC_W", (long) image.width() << 16);
        setPlane(change, plane, "SRC_H", (long) image.height() << 16);
        return change;
    }

    private void setCrtc(Change change, int crtc, String name, long value) throws CenallocException {
        change.set(crtc, card.property(crtc, drm_h.DRM_MODE_OBJECT_CRTC(), name), value);
    }

    private void setPlane(Change change, int plane, String name, long value) throws CenallocException {
        change.set(plane, card.property(plane, drm_h.DRM_MODE_OBJECT_PLANE(), name), value);
    }

    private int createBlob(Arena arena, MemorySegment content) throws CenallocException {
        MemorySegment create = drm_mode_create_blob.allocate(arena);
        MemorySegment copy = arena.allocate(content.byteSize(), Long.BYTES).copyFrom(content);
        drm_mode_create_blob.data(create, copy.address());
        drm_mode_create_blob.length(create, (int) copy.byteSize());
        file.ioctl("DRM_IOCTL_MODE_CREATEPROPBLOB", drm_h.DRM_IOCTL_MODE_CREATEPROPBLOB(), create);
        return drm_mode_create_blob.blob_id(create);
    }

    /** If that fails, closing the node does it. */
    private void destroyBlob(Arena arena, int id) {
        MemorySegment destroy = drm_mode_destroy_blob.allocate(arena);
        drm_mode_destroy_blob.blob_id(destroy, id);
        file.tryIoctl(drm_h.DRM_IOCTL_MODE_DESTROYPROPBLOB(), destroy);
    }
}
