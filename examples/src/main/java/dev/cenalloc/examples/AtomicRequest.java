package dev.cenalloc.examples;

import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_atomic;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A change of the display's state that happens as a whole or not at all ({@code DRM_IOCTL_MODE_ATOMIC}). Built once, in
 * memory that the kernel reads; committing it, any number of times, is one system call and allocates nothing. Memory
 * belongs to the arena it was built in.
 */
final class AtomicRequest {
    private final MemorySegment request;
    /** What {@link #set} changes: one of the values, or nothing. */
    private final MemorySegment varying;

    private AtomicRequest(MemorySegment request, MemorySegment varying) {
        this.request = request;
        this.varying = varying;
    }

    /** Gathers properties by object. */
    static final class Builder {
        private record Setting(int id, long value, boolean varies) {}

        private final Map<KmsObject, List<Setting>> properties = new LinkedHashMap<>();

        Builder set(KmsObject object, String property, long value) throws IOException {
            return add(object, new Setting(object.propertyId(property), value, false));
        }

        /** A property whose value {@link AtomicRequest#set} gives, before each commit; one at most. */
        Builder vary(KmsObject object, String property) throws IOException {
            return add(object, new Setting(object.propertyId(property), 0, true));
        }

        private Builder add(KmsObject object, Setting setting) {
            properties.computeIfAbsent(object, key -> new ArrayList<>()).add(setting);
            return this;
        }

        AtomicRequest build(Arena arena, int flags, long userData) {
            int total = properties.values().stream().mapToInt(List::size).sum();
            MemorySegment objects = arena.allocate(ValueLayout.JAVA_INT, properties.size());
            MemorySegment counts = arena.allocate(ValueLayout.JAVA_INT, properties.size());
            MemorySegment ids = arena.allocate(ValueLayout.JAVA_INT, total);
            MemorySegment values = arena.allocate(ValueLayout.JAVA_LONG, total);
            MemorySegment varying = MemorySegment.NULL;
            int object = 0;
            int place = 0;
            for (var entry : properties.entrySet()) {
                objects.setAtIndex(ValueLayout.JAVA_INT, object, entry.getKey().id());
                counts.setAtIndex(ValueLayout.JAVA_INT, object, entry.getValue().size());
                object++;
                for (Setting setting : entry.getValue()) {
                    ids.setAtIndex(ValueLayout.JAVA_INT, place, setting.id);
                    values.setAtIndex(ValueLayout.JAVA_LONG, place, setting.value);
                    varying = setting.varies ? values.asSlice((long) place * Long.BYTES, Long.BYTES) : varying;
                    place++;
                }
            }
            MemorySegment request = drm_mode_atomic.allocate(arena);
            drm_mode_atomic.flags(request, flags);
            drm_mode_atomic.count_objs(request, properties.size());
            drm_mode_atomic.objs_ptr(request, objects.address());
            drm_mode_atomic.count_props_ptr(request, counts.address());
            drm_mode_atomic.props_ptr(request, ids.address());
            drm_mode_atomic.prop_values_ptr(request, values.address());
            drm_mode_atomic.user_data(request, userData);
            return new AtomicRequest(request, varying);
        }
    }

    /** Gives the property that varies its value. Allocates nothing. */
    void set(long value) {
        varying.set(ValueLayout.JAVA_LONG, 0, value);
    }

    /** Commits: 0, or {@code -errno}. */
    int tryCommit(DeviceNode node) {
        return node.tryIoctl(drm_h.DRM_IOCTL_MODE_ATOMIC(), request);
    }

    void commit(DeviceNode node) throws IOException {
        node.frameIoctl("DRM_IOCTL_MODE_ATOMIC", drm_h.DRM_IOCTL_MODE_ATOMIC(), request);
    }
}
