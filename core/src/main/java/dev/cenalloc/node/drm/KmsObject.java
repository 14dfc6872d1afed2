// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;
import java.util.Map;

/**
 * A plane, CRTC or connector with its properties as they were when it was read. A value.
 *
 * @param node where it was read, for messages
 * @param id the kernel's number for it
 * @param properties by name
 */
public record KmsObject(Path node, int id, Map<String, Property> properties) {
    /**
     * One property.
     *
     * @param id the kernel's number for it
     * @param value what it was
     */
    public record Property(int id, long value) {}

    /** Makes it immutable. */
    public KmsObject {
        properties = Map.copyOf(properties);
    }

    /** The kernel's number for a property. */
    int propertyId(String name) throws CenallocException {
        return property(name).id;
    }

    /** What a property was. */
    public long value(String name) throws CenallocException {
        return property(name).value;
    }

    /** Whether it has a property. */
    public boolean has(String name) {
        return properties.containsKey(name);
    }

    private Property property(String name) throws CenallocException {
        Property property = properties.get(name);
        if (property == null) {
            throw new CenallocException(
                    Errno.EINVAL,
                    "DRM_IOCTL_MODE_OBJ_GETPROPERTIES",
                    node,
                    -1,
                    "display object " + id + " has no property " + name,
                    "report it to the authors of the driver");
        }
        return property;
    }
}
