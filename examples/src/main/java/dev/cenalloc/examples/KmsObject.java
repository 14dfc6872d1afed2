package dev.cenalloc.examples;

import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_get_blob;
import dev.cenalloc.bindings.drm.drm_mode_get_property;
import dev.cenalloc.bindings.drm.drm_mode_obj_get_properties;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A plane, CRTC or connector with its properties as they were when it was read. A value.
 *
 * @param id the kernel's number for it
 * @param properties by name
 */
record KmsObject(int id, Map<String, Property> properties) {
    /**
     * One property.
     *
     * @param id the kernel's number for it
     * @param value what it was
     */
    record Property(int id, long value) {}

    /** Reads an object; {@code type} is one of {@code DRM_MODE_OBJECT_*}. */
    static KmsObject read(DeviceNode node, int id, int type) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment query = drm_mode_obj_get_properties.allocate(arena);
            drm_mode_obj_get_properties.obj_id(query, id);
            drm_mode_obj_get_properties.obj_type(query, type);
            // Asked twice, as everything in DRM that has a length: first for the count, then for the content.
            node.ioctl("OBJ_GETPROPERTIES", drm_h.DRM_IOCTL_MODE_OBJ_GETPROPERTIES(), query);
            int count = drm_mode_obj_get_properties.count_props(query);
            MemorySegment ids = arena.allocate(ValueLayout.JAVA_INT, count);
            MemorySegment values = arena.allocate(ValueLayout.JAVA_LONG, count);
            drm_mode_obj_get_properties.props_ptr(query, ids.address());
            drm_mode_obj_get_properties.prop_values_ptr(query, values.address());
            node.ioctl("OBJ_GETPROPERTIES", drm_h.DRM_IOCTL_MODE_OBJ_GETPROPERTIES(), query);
            var properties = new LinkedHashMap<String, Property>();
            MemorySegment property = drm_mode_get_property.allocate(arena);
            for (int i = 0; i < count; i++) {
                property.fill((byte) 0);
                int propertyId = ids.getAtIndex(ValueLayout.JAVA_INT, i);
                drm_mode_get_property.prop_id(property, propertyId);
                node.ioctl("GETPROPERTY", drm_h.DRM_IOCTL_MODE_GETPROPERTY(), property);
                properties.put(
                        drm_mode_get_property.name(property).getString(0),
                        new Property(propertyId, values.getAtIndex(ValueLayout.JAVA_LONG, i)));
            }
            return new KmsObject(id, Map.copyOf(properties));
        }
    }

    /** Reads a blob, the content of a property too large to be a number. */
    static MemorySegment readBlob(DeviceNode node, int id, Arena arena) throws IOException {
        MemorySegment get = drm_mode_get_blob.allocate(arena);
        drm_mode_get_blob.blob_id(get, id);
        node.ioctl("GETPROPBLOB", drm_h.DRM_IOCTL_MODE_GETPROPBLOB(), get);
        MemorySegment content = arena.allocate(drm_mode_get_blob.length(get), Long.BYTES);
        drm_mode_get_blob.data(get, content.address());
        node.ioctl("GETPROPBLOB", drm_h.DRM_IOCTL_MODE_GETPROPBLOB(), get);
        return content;
    }

    int propertyId(String name) throws IOException {
        return property(name).id();
    }

    long value(String name) throws IOException {
        return property(name).value();
    }

    private Property property(String name) throws IOException {
        @Nullable Property property = properties.get(name);
        if (property == null) {
            throw new IOException("display object " + id + " has no property " + name + " but " + properties.keySet());
        }
        return property;
    }
}
