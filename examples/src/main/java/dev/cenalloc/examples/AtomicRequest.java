package dev.cenalloc.examples;

import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_atomic;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A change of the display's state that happens as a whole or not at all ({@code DRM_IOCTL_MODE_ATOMIC}). Built once, in
 * memory that the kernel reads; committing it, any number of times, is one system call and allocates nothing. Memory
 * belongs to the arena it was built in.
 */
final class AtomicRequest {
    private final MemorySegment request;
    private final MemorySegment values;
    /** Where each property's value is among the values. */
    private final Map<String, Integer> places;

    private AtomicRequest(MemorySegment request, MemorySegment values, Map<String, Integer> places) {
        this.request = request;
        this.values = values;
        this.places = Map.copyOf(places);
    }

    /** Gathers properties by object. */
    static final class Builder {
        private record Setting(String property, int id, long value) {}

        private final Map<KmsObject, List<Setting>> properties = new LinkedHashMap<>();

        Builder set(KmsObject object, String property, long value) throws IOException {
            properties
                    .computeIfAbsent(object, key -> new ArrayList<>())
                    .add(new Setting(property, object.propertyId(property), value));
            return this;
        }

        AtomicRequest build(Arena arena, int flags, long userData) {
            int total = properties.values().stream().mapToInt(List::size).sum();
            MemorySegment objects = arena.allocate(ValueLayout.JAVA_INT, properties.size());
            MemorySegment counts = arena.allocate(ValueLayout.JAVA_INT, properties.size());
            MemorySegment ids = arena.allocate(ValueLayout.JAVA_INT, total);
            MemorySegment values = arena.allocate(ValueLayout.JAVA_LONG, total);
            var places = new HashMap<String, Integer>();
            int object = 0;
            int place = 0;
            for (var entry : properties.entrySet()) {
                objects.setAtIndex(ValueLayout.JAVA_INT, object, entry.getKey().id());
                counts.setAtIndex(ValueLayout.JAVA_INT, object, entry.getValue().size());
                object++;
                for (Setting setting : entry.getValue()) {
                    ids.setAtIndex(ValueLayout.JAVA_INT, place, setting.id);
                    values.setAtIndex(ValueLayout.JAVA_LONG, place, setting.value);
                    places.put(setting.property, place++);
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
            return new AtomicRequest(request, values, places);
        }
    }

    /** Changes the value of a property that only one of the objects is given. Allocates nothing. */
    void set(String property, long value) {
        values.setAtIndex(ValueLayout.JAVA_LONG, Objects.requireNonNull(places.get(property)), value);
    }

    /** Commits: 0, or {@code -errno}. */
    int tryCommit(DeviceNode node) {
        return node.tryIoctl(drm_h.DRM_IOCTL_MODE_ATOMIC(), request);
    }

    void commit(DeviceNode node) throws IOException {
        node.frameIoctl("DRM_IOCTL_MODE_ATOMIC", drm_h.DRM_IOCTL_MODE_ATOMIC(), request);
    }
}
