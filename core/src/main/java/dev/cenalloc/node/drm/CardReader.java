// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_format_modifier;
import dev.cenalloc.bindings.drm.drm_format_modifier_blob;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_card_res;
import dev.cenalloc.bindings.drm.drm_mode_get_blob;
import dev.cenalloc.bindings.drm.drm_mode_get_connector;
import dev.cenalloc.bindings.drm.drm_mode_get_encoder;
import dev.cenalloc.bindings.drm.drm_mode_get_plane;
import dev.cenalloc.bindings.drm.drm_mode_get_plane_res;
import dev.cenalloc.bindings.drm.drm_mode_get_property;
import dev.cenalloc.bindings.drm.drm_mode_modeinfo;
import dev.cenalloc.bindings.drm.drm_mode_obj_get_properties;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Reads the objects of a DRM card: connectors, CRTCs, planes, properties, blobs. Changes nothing, holds nothing open;
 * the node is its user's. For one thread.
 *
 * <p>Everything that has a length is asked for twice, first for the count, then for the content. An object may come or
 * go between the two, so the smaller count is used; a count that no display has is an error.
 */
final class CardReader {
    /** {@code connector_status_connected}, which the kernel's user headers describe in words only. */
    private static final int CONNECTED = 1;

    private static final String PROPERTIES = "DRM_IOCTL_MODE_OBJ_GETPROPERTIES";
    /** To get the modes of a screen that changes. */
    private static final int ATTEMPTS = 4;
    /** More objects, properties, modes or formats than any display has. */
    private static final int MOST = 4096;
    /** More bytes than any blob that is read here has. */
    private static final int MOST_BYTES = 1 << 20;

    /**
     * A connector.
     *
     * @param type {@code DRM_MODE_CONNECTOR_*}
     * @param number of this among its type
     * @param encoders that can feed it
     * @param modes of the screen; none if there is no screen
     * @param doubts what the driver says of the modes that cannot be, in words
     */
    record Connector(
            int id,
            int type,
            int number,
            boolean isConnected,
            int widthMm,
            int heightMm,
            List<Integer> encoders,
            List<Scanout.Mode> modes,
            List<String> doubts) {
        boolean isWriteback() {
            return type == drm_h.DRM_MODE_CONNECTOR_WRITEBACK();
        }
    }

    /**
     * The numbers of a card's objects.
     *
     * @param crtcs in the order of the bits in {@code possible_crtcs}
     */
    record Resources(List<Integer> crtcs, List<Integer> connectors) {}

    /**
     * A plane.
     *
     * @param crtcs a bit for each CRTC that it can feed, in the order of the resources
     * @param formats codes, {@code DRM_FORMAT_*}
     */
    record Plane(int id, int crtcs, List<Integer> formats) {
        boolean reaches(int crtcIndex) {
            return (crtcs >> crtcIndex & 1) == 1;
        }
    }

    private final DeviceNode node;
    /** Names of properties by their number. Neither changes. */
    private final Map<Integer, String> names = new HashMap<>();

    CardReader(DeviceNode node) {
        this.node = node;
    }

    Resources resources() throws CenallocException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment query = drm_mode_card_res.allocate(arena);
            resources(query);
            int crtcCount = count("DRM_IOCTL_MODE_GETRESOURCES", drm_mode_card_res.count_crtcs(query));
            int connectorCount = count("DRM_IOCTL_MODE_GETRESOURCES", drm_mode_card_res.count_connectors(query));
            MemorySegment crtcs = arena.allocate(ValueLayout.JAVA_INT, crtcCount);
            MemorySegment connectors = arena.allocate(ValueLayout.JAVA_INT, connectorCount);
            drm_mode_card_res.crtc_id_ptr(query, crtcs.address());
            drm_mode_card_res.connector_id_ptr(query, connectors.address());
            drm_mode_card_res.count_fbs(query, 0);
            drm_mode_card_res.count_encoders(query, 0);
            resources(query);
            return new Resources(
                    integers(crtcs, drm_mode_card_res.count_crtcs(query)),
                    integers(connectors, drm_mode_card_res.count_connectors(query)));
        }
    }

    private void resources(MemorySegment query) throws CenallocException {
        node.ioctl("DRM_IOCTL_MODE_GETRESOURCES", drm_h.DRM_IOCTL_MODE_GETRESOURCES(), query);
    }

    /** A connector; empty if it went away meanwhile. */
    Optional<Connector> connector(int id) throws CenallocException {
        String call = "DRM_IOCTL_MODE_GETCONNECTOR";
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment query = drm_mode_get_connector.allocate(arena);
            int modeCount = 0;
            int encoderCount = 0;
            // A screen that is plugged in meanwhile may have more modes than there is room for; then none are told.
            for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
                // The modes outlive this call, so the collector frees them.
                MemorySegment modes = drm_mode_modeinfo.allocateArray(modeCount, Arena.ofAuto());
                MemorySegment encoders = arena.allocate(ValueLayout.JAVA_INT, encoderCount);
                query.fill((byte) 0);
                drm_mode_get_connector.connector_id(query, id);
                drm_mode_get_connector.modes_ptr(query, modes.address());
                drm_mode_get_connector.count_modes(query, modeCount);
                drm_mode_get_connector.encoders_ptr(query, encoders.address());
                drm_mode_get_connector.count_encoders(query, encoderCount);
                int result = node.tryIoctl(drm_h.DRM_IOCTL_MODE_GETCONNECTOR(), query);
                if (result == -Errno.ENOENT) {
                    return Optional.empty();
                }
                if (result < 0) {
                    throw node.failure(-result, call);
                }
                int modesNow = count(call, drm_mode_get_connector.count_modes(query));
                int encodersNow = count(call, drm_mode_get_connector.count_encoders(query));
                if (attempt > 0 && modesNow <= modeCount && encodersNow <= encoderCount) {
                    return Optional.of(connector(query, modes, modesNow, integers(encoders, encodersNow)));
                }
                modeCount = modesNow;
                encoderCount = encodersNow;
            }
            return Optional.empty();
        }
    }

    private static Connector connector(
            MemorySegment query, MemorySegment modes, int modeCount, List<Integer> encoders) {
        var usable = new ArrayList<Scanout.Mode>();
        var doubts = new LinkedHashSet<String>();
        modes.elements(drm_mode_modeinfo.layout()).limit(modeCount).forEach(info -> {
            int width = Short.toUnsignedInt(drm_mode_modeinfo.hdisplay(info));
            int height = Short.toUnsignedInt(drm_mode_modeinfo.vdisplay(info));
            if (width != 0 && height != 0) {
                usable.add(mode(info));
            } else {
                doubts.add("it lists the mode " + width + "x" + height + ", which is left out");
            }
        });
        return new Connector(
                drm_mode_get_connector.connector_id(query),
                drm_mode_get_connector.connector_type(query),
                drm_mode_get_connector.connector_type_id(query),
                drm_mode_get_connector.connection(query) == CONNECTED,
                drm_mode_get_connector.mm_width(query),
                drm_mode_get_connector.mm_height(query),
                encoders,
                List.copyOf(usable),
                List.copyOf(doubts));
    }

    private static Scanout.Mode mode(MemorySegment info) {
        return new Scanout.Mode(
                Short.toUnsignedInt(drm_mode_modeinfo.hdisplay(info)),
                Short.toUnsignedInt(drm_mode_modeinfo.vdisplay(info)),
                FrameRate.of(Math.max(1, drm_mode_modeinfo.vrefresh(info))),
                (drm_mode_modeinfo.type(info) & drm_h.DRM_MODE_TYPE_PREFERRED()) != 0,
                info.asReadOnly());
    }

    /** Whether one of a connector's encoders takes the output of a CRTC. */
    boolean reaches(Connector connector, int crtcIndex) throws CenallocException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment encoder = drm_mode_get_encoder.allocate(arena);
            for (int id : connector.encoders) {
                encoder.fill((byte) 0);
                drm_mode_get_encoder.encoder_id(encoder, id);
                int result = node.tryIoctl(drm_h.DRM_IOCTL_MODE_GETENCODER(), encoder);
                // One that went away meanwhile reaches nothing.
                if (result < 0 && result != -Errno.ENOENT) {
                    throw node.failure(-result, "DRM_IOCTL_MODE_GETENCODER");
                }
                if (result >= 0 && (drm_mode_get_encoder.possible_crtcs(encoder) >> crtcIndex & 1) == 1) {
                    return true;
                }
            }
            return false;
        }
    }

    List<Plane> planes() throws CenallocException {
        String call = "DRM_IOCTL_MODE_GETPLANERESOURCES";
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment resources = drm_mode_get_plane_res.allocate(arena);
            node.ioctl(call, drm_h.DRM_IOCTL_MODE_GETPLANERESOURCES(), resources);
            MemorySegment ids =
                    arena.allocate(ValueLayout.JAVA_INT, count(call, drm_mode_get_plane_res.count_planes(resources)));
            drm_mode_get_plane_res.plane_id_ptr(resources, ids.address());
            node.ioctl(call, drm_h.DRM_IOCTL_MODE_GETPLANERESOURCES(), resources);
            var planes = new ArrayList<Plane>();
            for (int id : integers(ids, drm_mode_get_plane_res.count_planes(resources))) {
                planes.add(plane(id));
            }
            return planes;
        }
    }

    private Plane plane(int id) throws CenallocException {
        String call = "DRM_IOCTL_MODE_GETPLANE";
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment plane = drm_mode_get_plane.allocate(arena);
            drm_mode_get_plane.plane_id(plane, id);
            node.ioctl(call, drm_h.DRM_IOCTL_MODE_GETPLANE(), plane);
            MemorySegment formats =
                    arena.allocate(ValueLayout.JAVA_INT, count(call, drm_mode_get_plane.count_format_types(plane)));
            drm_mode_get_plane.format_type_ptr(plane, formats.address());
            node.ioctl(call, drm_h.DRM_IOCTL_MODE_GETPLANE(), plane);
            return new Plane(
                    id,
                    drm_mode_get_plane.possible_crtcs(plane),
                    integers(formats, drm_mode_get_plane.count_format_types(plane)));
        }
    }

    /**
     * An object with its properties, as they are now.
     *
     * @param type {@code DRM_MODE_OBJECT_*}
     * @throws CenallocException ENOENT if it is gone; else with the errno of the driver
     */
    KmsObject object(int id, int type) throws CenallocException {
        return objectIfThere(id, type)
                .orElseThrow(() -> new CenallocException(
                        Errno.ENOENT,
                        PROPERTIES,
                        node.path(),
                        -1,
                        "display object " + id + " is gone, as a screen that was unplugged is",
                        "open the display again"));
    }

    /** As {@link #object}; empty if it is gone: a connector may go with its screen. */
    Optional<KmsObject> objectIfThere(int id, int type) throws CenallocException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment query = drm_mode_obj_get_properties.allocate(arena);
            drm_mode_obj_get_properties.obj_id(query, id);
            drm_mode_obj_get_properties.obj_type(query, type);
            if (!properties(query)) {
                return Optional.empty();
            }
            int count = count(PROPERTIES, drm_mode_obj_get_properties.count_props(query));
            MemorySegment ids = arena.allocate(ValueLayout.JAVA_INT, count);
            MemorySegment values = arena.allocate(ValueLayout.JAVA_LONG, count);
            drm_mode_obj_get_properties.props_ptr(query, ids.address());
            drm_mode_obj_get_properties.prop_values_ptr(query, values.address());
            if (!properties(query)) {
                return Optional.empty();
            }
            var read = new LinkedHashMap<String, KmsObject.Property>();
            List<Integer> known = integers(ids, drm_mode_obj_get_properties.count_props(query));
            for (int i = 0; i < known.size(); i++) {
                read.put(
                        propertyName(known.get(i)),
                        new KmsObject.Property(known.get(i), values.getAtIndex(ValueLayout.JAVA_LONG, i)));
            }
            return Optional.of(new KmsObject(node.path(), id, read));
        }
    }

    /** Whether the object is there. */
    private boolean properties(MemorySegment query) throws CenallocException {
        int result = node.tryIoctl(drm_h.DRM_IOCTL_MODE_OBJ_GETPROPERTIES(), query);
        if (result < 0 && result != -Errno.ENOENT) {
            throw node.failure(-result, PROPERTIES);
        }
        return result >= 0;
    }

    private String propertyName(int id) throws CenallocException {
        String known = names.get(id);
        if (known != null) {
            return known;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment property = drm_mode_get_property.allocate(arena);
            drm_mode_get_property.prop_id(property, id);
            node.ioctl("DRM_IOCTL_MODE_GETPROPERTY", drm_h.DRM_IOCTL_MODE_GETPROPERTY(), property);
            String name = text(drm_mode_get_property.name(property));
            names.put(id, name);
            return name;
        }
    }

    /** The characters up to the first zero, or all of them. */
    static String text(MemorySegment segment) {
        byte[] bytes = segment.toArray(ValueLayout.JAVA_BYTE);
        int length = 0;
        while (length < bytes.length && bytes[length] != 0) {
            length++;
        }
        return new String(bytes, 0, length, StandardCharsets.UTF_8);
    }

    /** The content of a property that is too large to be a number. */
    MemorySegment blob(Arena arena, int id) throws CenallocException {
        String call = "DRM_IOCTL_MODE_GETPROPBLOB";
        MemorySegment get = drm_mode_get_blob.allocate(arena);
        drm_mode_get_blob.blob_id(get, id);
        node.ioctl(call, drm_h.DRM_IOCTL_MODE_GETPROPBLOB(), get);
        int length = drm_mode_get_blob.length(get);
        if (length < 0 || length > MOST_BYTES) {
            throw implausible(call, "blob " + id + " has " + Integer.toUnsignedString(length) + " bytes");
        }
        MemorySegment content = arena.allocate(length, Long.BYTES);
        drm_mode_get_blob.data(get, content.address());
        node.ioctl(call, drm_h.DRM_IOCTL_MODE_GETPROPBLOB(), get);
        if (drm_mode_get_blob.length(get) != length) {
            // Then the kernel has filled in nothing.
            throw implausible(call, "blob " + id + " changed while it was read");
        }
        return content;
    }

    /** The modifiers of each format, of the content of a plane's property IN_FORMATS. */
    Map<Integer, Set<Long>> modifiers(MemorySegment blob) throws CenallocException {
        var formats = new LinkedHashMap<Integer, Set<Long>>();
        try {
            int base = drm_format_modifier_blob.formats_offset(blob);
            int at = drm_format_modifier_blob.modifiers_offset(blob);
            int count = count("DRM_IOCTL_MODE_GETPROPBLOB", drm_format_modifier_blob.count_modifiers(blob));
            for (int i = 0; i < count; i++) {
                MemorySegment modifier =
                        blob.asSlice(at + i * drm_format_modifier.sizeof(), drm_format_modifier.sizeof());
                // 64 formats at a time, a bit each, from the one with this number on.
                for (int bit = 0; bit < Long.SIZE; bit++) {
                    if ((drm_format_modifier.formats(modifier) >> bit & 1) == 1) {
                        long index = Integer.toUnsignedLong(drm_format_modifier.offset(modifier)) + bit;
                        int fourcc = blob.get(ValueLayout.JAVA_INT, base + index * Integer.BYTES);
                        formats.computeIfAbsent(fourcc, _ -> new LinkedHashSet<>())
                                .add(drm_format_modifier.modifier(modifier));
                    }
                }
            }
        } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
            throw implausible("DRM_IOCTL_MODE_GETPROPBLOB", "the list of formats points outside itself");
        }
        return formats;
    }

    private int count(String call, int count) throws CenallocException {
        if (count < 0 || count > MOST) {
            throw implausible(call, "the driver counts " + Integer.toUnsignedString(count) + " of something");
        }
        return count;
    }

    private CenallocException implausible(String call, String what) {
        return new CenallocException(
                Errno.EPROTO, call, node.path(), -1, what, "report it to the authors of the driver");
    }

    /** The first of a list; the kernel may count more than there is room for. */
    private static List<Integer> integers(MemorySegment segment, int count) {
        return segment.elements(ValueLayout.JAVA_INT)
                .limit(Integer.toUnsignedLong(count))
                .map(one -> one.get(ValueLayout.JAVA_INT, 0))
                .toList();
    }
}
