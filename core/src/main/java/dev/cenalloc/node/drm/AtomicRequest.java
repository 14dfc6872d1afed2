// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_atomic;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A change of a display's state that happens as a whole or not at all ({@code DRM_IOCTL_MODE_ATOMIC}). Built once, in
 * memory that the kernel reads; a commit is one system call and allocates nothing. Holds nothing but memory, which the
 * collector frees. For one thread at a time.
 */
public final class AtomicRequest {
    /** Asks whether the change is possible, and changes nothing. */
    public static final int TEST_ONLY = drm_h.DRM_MODE_ATOMIC_TEST_ONLY();
    /** The change may interrupt the output. */
    public static final int ALLOW_MODESET = drm_h.DRM_MODE_ATOMIC_ALLOW_MODESET();
    /** Returns before the change is on the screen. */
    public static final int NONBLOCK = drm_h.DRM_MODE_ATOMIC_NONBLOCK();
    /** Sends an event when the change is on the screen. */
    public static final int EVENT = drm_h.DRM_MODE_PAGE_FLIP_EVENT();

    private final MemorySegment request;
    private final MemorySegment values;
    private final Map<Integer, Map<Integer, Integer>> places;

    private AtomicRequest(MemorySegment request, MemorySegment values, Map<Integer, Map<Integer, Integer>> places) {
        this.request = request;
        this.values = values;
        this.places = places;
    }

    /** Gathers properties by object; of a property that is set twice, the last value counts. For one thread. */
    public static final class Builder {
        private final Map<Integer, Map<Integer, Long>> objects = new LinkedHashMap<>();

        /**
         * Sets a property.
         *
         * @throws CenallocException EINVAL if the object has no such property
         */
        public Builder set(KmsObject object, String property, long value) throws CenallocException {
            objects.computeIfAbsent(object.id(), _ -> new LinkedHashMap<>()).put(object.propertyId(property), value);
            return this;
        }

        /** The request; the builder may be used again. */
        public AtomicRequest build() {
            int total = objects.values().stream().mapToInt(Map::size).sum();
            // All pieces live as long as one of them is reachable.
            Arena arena = Arena.ofAuto();
            MemorySegment ids = arena.allocate(ValueLayout.JAVA_INT, objects.size());
            MemorySegment counts = arena.allocate(ValueLayout.JAVA_INT, objects.size());
            MemorySegment properties = arena.allocate(ValueLayout.JAVA_INT, total);
            MemorySegment values = arena.allocate(ValueLayout.JAVA_LONG, total);
            var places = new LinkedHashMap<Integer, Map<Integer, Integer>>();
            int object = 0;
            int place = 0;
            for (var entry : objects.entrySet()) {
                ids.setAtIndex(ValueLayout.JAVA_INT, object, entry.getKey());
                counts.setAtIndex(ValueLayout.JAVA_INT, object, entry.getValue().size());
                object++;
                for (var setting : entry.getValue().entrySet()) {
                    properties.setAtIndex(ValueLayout.JAVA_INT, place, setting.getKey());
                    values.setAtIndex(ValueLayout.JAVA_LONG, place, setting.getValue());
                    places.computeIfAbsent(entry.getKey(), _ -> new LinkedHashMap<>())
                            .put(setting.getKey(), place);
                    place++;
                }
            }
            MemorySegment request = drm_mode_atomic.allocate(arena);
            drm_mode_atomic.count_objs(request, objects.size());
            drm_mode_atomic.objs_ptr(request, ids.address());
            drm_mode_atomic.count_props_ptr(request, counts.address());
            drm_mode_atomic.props_ptr(request, properties.address());
            drm_mode_atomic.prop_values_ptr(request, values.address());
            return new AtomicRequest(request, values, places);
        }
    }

    /**
     * The place of a property's value, for {@link #set}.
     *
     * @throws CenallocException EINVAL if the object has no such property
     * @throws IllegalArgumentException if the request does not set it
     */
    public int place(KmsObject object, String property) throws CenallocException {
        Integer place = places.getOrDefault(object.id(), Map.of()).get(object.propertyId(property));
        if (place == null) {
            throw new IllegalArgumentException("the request does not set " + property);
        }
        return place;
    }

    /** Gives a property another value for the next commits. Allocates nothing. */
    public void set(int place, long value) {
        values.setAtIndex(ValueLayout.JAVA_LONG, place, value);
    }

    /**
     * Commits: 0, or {@code -errno}. Allocates nothing.
     *
     * @param flags {@link #NONBLOCK} and the like
     * @param userData comes back in the event
     */
    public int tryCommit(DeviceNode node, int flags, long userData) {
        drm_mode_atomic.flags(request, flags);
        drm_mode_atomic.user_data(request, userData);
        int result;
        do {
            // DRM says EAGAIN where it means EINTR.
            result = node.tryFrameIoctl(drm_h.DRM_IOCTL_MODE_ATOMIC(), request);
        } while (result == -Errno.EAGAIN);
        return result;
    }
}
