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
import dev.cenalloc.bindings.drm.drm_set_client_cap;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What a DRM card can show: reads connectors, CRTCs and planes, and changes none of them. Holds nothing open; the file is its
 * user's. For one thread.
 */
final class Card {
    /** {@code connector_status_connected}, which the kernel's user headers describe in words only. */
    private static final int CONNECTED = 1;
    /** Value of a plane's property "type": 0 is an overlay, 2 the cursor. */
    private static final int PRIMARY = 1;
    /** To get the modes of a screen that changes. */
    private static final int ATTEMPTS = 4;

    /** A property of a plane, CRTC or connector: the kernel's number for it, and what it is now. */
    record Property(int id, long value) {}

    /** A connected output; what drives it now, or 0. */
    private record Connector(int id, int type, int crtc, List<Integer> encoders, List<Scanout.Mode> modes) {}

    private final DeviceNode file;
    /** By the object's number. */
    private final Map<Integer, Map<String, Property>> properties = new HashMap<>();

    Card(DeviceNode file) {
        this.file = file;
    }

    /** Whether there are displays, and a driver with atomic mode setting. */
    boolean setsModes() throws CenallocException {
        return enable(drm_h.DRM_CLIENT_CAP_UNIVERSAL_PLANES()) && enable(drm_h.DRM_CLIENT_CAP_ATOMIC());
    }

    /** The ways to its screens, one for each that is connected; none if the driver has no atomic mode setting. */
    List<Scanout> scanouts() throws CenallocException {
        if (!setsModes()) {
            return List.of();
        }
        // Only whoever controls the display has the kernel look whether a screen is connected; others are told what was
        // found last.
        boolean isMaster = file.tryIoctl(drm_h.DRM_IOCTL_SET_MASTER(), MemorySegment.NULL) >= 0;
        try {
            return scanouts(resources());
        } finally {
            if (isMaster) {
                file.tryIoctl(drm_h.DRM_IOCTL_DROP_MASTER(), MemorySegment.NULL);
            }
        }
    }

    private record Resources(List<Integer> crtcs, List<Integer> connectors) {}

    private List<Scanout> scanouts(Resources resources) throws CenallocException {
        var connectors = new ArrayList<Connector>();
        for (int id : resources.connectors) {
            connector(id).ifPresent(connectors::add);
        }
        // What drives a screen now goes on to; of the others, none drives two.
        var taken = new HashSet<Integer>();
        connectors.forEach(connector -> taken.add(connector.crtc));
        var scanouts = new ArrayList<Scanout>();
        for (Connector connector : connectors) {
            Optional<Scanout> scanout = scanout(connector, resources.crtcs, taken);
            scanout.ifPresent(found -> taken.add(found.crtc()));
            scanout.ifPresent(scanouts::add);
        }
        return scanouts;
    }

    private Resources resources() throws CenallocException {
        try (Arena arena = Arena.ofConfined()) {
            // Asked twice, as everything in DRM that has a length: first for the count, then for the content.
            MemorySegment resources = drm_mode_card_res.allocate(arena);
            resources(resources);
            int crtcCount = drm_mode_card_res.count_crtcs(resources);
            int connectorCount = drm_mode_card_res.count_connectors(resources);
            MemorySegment crtcs = arena.allocate(ValueLayout.JAVA_INT, crtcCount);
            MemorySegment connectors = arena.allocate(ValueLayout.JAVA_INT, connectorCount);
            drm_mode_card_res.crtc_id_ptr(resources, crtcs.address());
            drm_mode_card_res.connector_id_ptr(resources, connectors.address());
            drm_mode_card_res.count_fbs(resources, 0);
            drm_mode_card_res.count_encoders(resources, 0);
            resources(resources);
            return new Resources(
                    integers(crtcs, Math.min(crtcCount, drm_mode_card_res.count_crtcs(resources))),
                    integers(connectors, Math.min(connectorCount, drm_mode_card_res.count_connectors(resources))));
        }
    }

    private void resources(MemorySegment resources) throws CenallocException {
        file.ioctl("DRM_IOCTL_MODE_GETRESOURCES", drm_h.DRM_IOCTL_MODE_GETRESOURCES(), resources);
    }

    private boolean enable(int capability) throws CenallocException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cap = drm_set_client_cap.allocate(arena);
            drm_set_client_cap.capability(cap, capability);
            drm_set_client_cap.value(cap, 1);
            int result = file.tryIoctl(drm_h.DRM_IOCTL_SET_CLIENT_CAP(), cap);
            return switch (-result) {
                // No displays, no atomic driver, a node for rendering only.
                case Errno.EOPNOTSUPP, Errno.EINVAL, Errno.EACCES -> false;
                default -> {
                    if (result < 0) {
                        throw file.failure(-result, "DRM_IOCTL_SET_CLIENT_CAP");
                    }
                    yield true;
                }
            };
        }
    }

    /** Empty if nothing is connected, if what comes out goes back to memory, or if it vanished meanwhile. */
    private Optional<Connector> connector(int id) throws CenallocException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment query = drm_mode_get_connector.allocate(arena);
            int modeCount = 0;
            int encoderCount = 0;
            // A screen that is plugged in meanwhile may have more modes than there is room for; then none are told.
            for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
                // The modes outlive this call, so they are the collector's.
                MemorySegment modes = drm_mode_modeinfo.allocateArray(modeCount, Arena.ofAuto());
                MemorySegment encoders = arena.allocate(ValueLayout.JAVA_INT, encoderCount);
                query.fill((byte) 0);
                drm_mode_get_connector.connector_id(query, id);
                drm_mode_get_connector.modes_ptr(query, modes.address());
                drm_mode_get_connector.count_modes(query, modeCount);
                drm_mode_get_connector.encoders_ptr(query, encoders.address());
                drm_mode_get_connector.count_encoders(query, encoderCount);
                if (file.tryIoctl(drm_h.DRM_IOCTL_MODE_GETCONNECTOR(), query) < 0) {
                    return Optional.empty();
                }
                int modesNow = drm_mode_get_connector.count_modes(query);
                int encodersNow = drm_mode_get_connector.count_encoders(query);
                if (attempt > 0 && modesNow <= modeCount && encodersNow <= encoderCount) {
                    return connector(id, query, modes, integers(encoders, encodersNow));
                }
                modeCount = modesNow;
                encoderCount = encodersNow;
            }
            return Optional.empty();
        }
    }

    private Optional<Connector> connector(int id, MemorySegment query, MemorySegment modes, List<Integer> encoders)
            throws CenallocException {
        if (drm_mode_get_connector.connection(query) != CONNECTED
                || drm_mode_get_connector.connector_type(query) == drm_h.DRM_MODE_CONNECTOR_WRITEBACK()) {
            return Optional.empty();
        }
        return Optional.of(new Connector(
                id,
                drm_mode_get_connector.connector_type(query),
                (int) property(id, drm_h.DRM_MODE_OBJECT_CONNECTOR(), "CRTC_ID").value,
                encoders,
                modes.elements(drm_mode_modeinfo.layout())
                        .limit(drm_mode_get_connector.count_modes(query))
                        .map(Card::mode)
                        .toList()));
    }

    private static List<Integer> integers(MemorySegment segment, int count) {
        return segment.elements(ValueLayout.JAVA_INT)
                .limit(count)
                .map(one -> one.get(ValueLayout.JAVA_INT, 0))
                .toList();
    }

    private static Scanout.Mode mode(MemorySegment info) {
        return new Scanout.Mode(
                Short.toUnsignedInt(drm_mode_modeinfo.hdisplay(info)),
                Short.toUnsignedInt(drm_mode_modeinfo.vdisplay(info)),
                FrameRate.of(Math.max(1, drm_mode_modeinfo.vrefresh(info))),
                (drm_mode_modeinfo.type(info) & drm_h.DRM_MODE_TYPE_PREFERRED()) != 0,
                info.asReadOnly());
    }

    private Optional<Scanout> scanout(Connector connector, List<Integer> crtcs, Set<Integer> taken)
            throws CenallocException {
        for (int index = 0; index < crtcs.size() && !connector.modes.isEmpty(); index++) {
            int crtc = crtcs.get(index);
            if (crtc != connector.crtc && (connector.crtc != 0 || taken.contains(crtc) || !reaches(connector, index))) {
                continue;
            }
            for (int plane : planes(index)) {
                if (property(plane, drm_h.DRM_MODE_OBJECT_PLANE(), "type").value == PRIMARY) {
                    return Optional.of(new Scanout(
                            plane,
                            crtc,
                            connector.id,
                            connector.type == drm_h.DRM_MODE_CONNECTOR_VIRTUAL(),
                            connector.modes,
                            images(plane, connector.modes)));
                }
            }
        }
        return Optional.empty();
    }

    private boolean reaches(Connector connector, int crtcIndex) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment encoder = drm_mode_get_encoder.allocate(arena);
            return connector.encoders.stream().anyMatch(id -> {
                drm_mode_get_encoder.encoder_id(encoder, id);
                return file.tryIoctl(drm_h.DRM_IOCTL_MODE_GETENCODER(), encoder) == 0
                        && (drm_mode_get_encoder.possible_crtcs(encoder) >> crtcIndex & 1) == 1;
            });
        }
    }

    private List<Integer> planes(int crtcIndex) throws CenallocException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment resources = drm_mode_get_plane_res.allocate(arena);
            file.ioctl("DRM_IOCTL_MODE_GETPLANERESOURCES", drm_h.DRM_IOCTL_MODE_GETPLANERESOURCES(), resources);
            int count = drm_mode_get_plane_res.count_planes(resources);
            MemorySegment ids = arena.allocate(ValueLayout.JAVA_INT, count);
            drm_mode_get_plane_res.plane_id_ptr(resources, ids.address());
            file.ioctl("DRM_IOCTL_MODE_GETPLANERESOURCES", drm_h.DRM_IOCTL_MODE_GETPLANERESOURCES(), resources);
            var planes = new ArrayList<Integer>();
            MemorySegment plane = drm_mode_get_plane.allocate(arena);
            for (int id : integers(ids, Math.min(count, drm_mode_get_plane_res.count_planes(resources)))) {
                plane.fill((byte) 0);
                drm_mode_get_plane.plane_id(plane, id);
                file.ioctl("DRM_IOCTL_MODE_GETPLANE", drm_h.DRM_IOCTL_MODE_GETPLANE(), plane);
                if ((drm_mode_get_plane.possible_crtcs(plane) >> crtcIndex & 1) == 1) {
                    planes.add(id);
                }
            }
            return planes;
        }
    }

    /** What a plane takes, in a mode or another. */
    private List<ImageRange> images(int plane, List<Scanout.Mode> modes) throws CenallocException {
        var images = new ArrayList<ImageRange>();
        for (var known : formats(plane).entrySet()) {
            for (long modifier : known.getValue()) {
                for (Scanout.Mode mode : modes) {
                    if (modes.stream().noneMatch(other -> exceeds(other, mode))) {
                        images.add(new ImageRange(
                                known.getKey(),
                                modifier,
                                ImageRange.Sizes.upTo(mode.width(), mode.height()),
                                // A frame may stay on the screen for any time.
                                List.of(ImageRange.Rates.upTo(mode.refresh()))));
                    }
                }
            }
        }
        return images.stream().distinct().toList();
    }

    /** Whether another mode can do all that this one can, and more. */
    private static boolean exceeds(Scanout.Mode candidate, Scanout.Mode mode) {
        int rates = candidate.refresh().compareTo(mode.refresh());
        return candidate.width() >= mode.width()
                && candidate.height() >= mode.height()
                && rates >= 0
                && (candidate.width() > mode.width() || candidate.height() > mode.height() || rates > 0);
    }

    /** The formats of a plane that have a name here, with their modifiers. */
    private Map<PixelFormat, Set<Long>> formats(int plane) throws CenallocException {
        var formats = new LinkedHashMap<PixelFormat, Set<Long>>();
        for (int fourcc : fourccs(plane)) {
            PixelFormat.ofDrm(fourcc).ifPresent(format -> formats.computeIfAbsent(format, _ -> new LinkedHashSet<>()));
        }
        Property blob = properties(plane, drm_h.DRM_MODE_OBJECT_PLANE()).get("IN_FORMATS");
        if (blob == null || blob.value == 0) {
            // A driver that knows of no modifiers.
            formats.values().forEach(modifiers -> modifiers.add(Image.LINEAR));
            return formats;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment content = blob(arena, (int) blob.value);
            int base = drm_format_modifier_blob.formats_offset(content);
            int at = drm_format_modifier_blob.modifiers_offset(content);
            for (int i = 0; i < drm_format_modifier_blob.count_modifiers(content); i++) {
                MemorySegment modifier = content.asSlice(at + i * drm_format_modifier.sizeof());
                // 64 formats at a time, a bit each, from the one with this number on.
                for (int bit = 0; bit < Long.SIZE; bit++) {
                    if ((drm_format_modifier.formats(modifier) >> bit & 1) == 1) {
                        long index = Integer.toUnsignedLong(drm_format_modifier.offset(modifier)) + bit;
                        int fourcc = content.get(ValueLayout.JAVA_INT, base + index * Integer.BYTES);
                        long value = drm_format_modifier.modifier(modifier);
                        PixelFormat.ofDrm(fourcc)
                                .ifPresent(format -> formats.computeIfAbsent(format, _ -> new LinkedHashSet<>())
                                        .add(value));
                    }
                }
            }
        }
        return formats;
    }

    private List<Integer> fourccs(int id) throws CenallocException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment plane = drm_mode_get_plane.allocate(arena);
            drm_mode_get_plane.plane_id(plane, id);
            file.ioctl("DRM_IOCTL_MODE_GETPLANE", drm_h.DRM_IOCTL_MODE_GETPLANE(), plane);
            int count = drm_mode_get_plane.count_format_types(plane);
            MemorySegment formats = arena.allocate(ValueLayout.JAVA_INT, count);
            drm_mode_get_plane.format_type_ptr(plane, formats.address());
            file.ioctl("DRM_IOCTL_MODE_GETPLANE", drm_h.DRM_IOCTL_MODE_GETPLANE(), plane);
            return integers(formats, Math.min(count, drm_mode_get_plane.count_format_types(plane)));
        }
    }

    private MemorySegment blob(Arena arena, int id) throws CenallocException {
        MemorySegment get = drm_mode_get_blob.allocate(arena);
        drm_mode_get_blob.blob_id(get, id);
        file.ioctl("DRM_IOCTL_MODE_GETPROPBLOB", drm_h.DRM_IOCTL_MODE_GETPROPBLOB(), get);
        MemorySegment content = arena.allocate(drm_mode_get_blob.length(get), Long.BYTES);
        drm_mode_get_blob.data(get, content.address());
        file.ioctl("DRM_IOCTL_MODE_GETPROPBLOB", drm_h.DRM_IOCTL_MODE_GETPROPBLOB(), get);
        return content;
    }

    private Map<String, Property> properties(int object, int type) throws CenallocException {
        Map<String, Property> known = properties.get(object);
        if (known != null) {
            return known;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment query = drm_mode_obj_get_properties.allocate(arena);
            drm_mode_obj_get_properties.obj_id(query, object);
            drm_mode_obj_get_properties.obj_type(query, type);
            file.ioctl("DRM_IOCTL_MODE_OBJ_GETPROPERTIES", drm_h.DRM_IOCTL_MODE_OBJ_GETPROPERTIES(), query);
            int count = drm_mode_obj_get_properties.count_props(query);
            MemorySegment ids = arena.allocate(ValueLayout.JAVA_INT, count);
            MemorySegment values = arena.allocate(ValueLayout.JAVA_LONG, count);
            drm_mode_obj_get_properties.props_ptr(query, ids.address());
            drm_mode_obj_get_properties.prop_values_ptr(query, values.address());
            file.ioctl("DRM_IOCTL_MODE_OBJ_GETPROPERTIES", drm_h.DRM_IOCTL_MODE_OBJ_GETPROPERTIES(), query);
            var read = new HashMap<String, Property>();
            MemorySegment property = drm_mode_get_property.allocate(arena);
            for (int i = 0; i < Math.min(count, drm_mode_obj_get_properties.count_props(query)); i++) {
                property.fill((byte) 0);
                int id = ids.getAtIndex(ValueLayout.JAVA_INT, i);
                drm_mode_get_property.prop_id(property, id);
                file.ioctl("DRM_IOCTL_MODE_GETPROPERTY", drm_h.DRM_IOCTL_MODE_GETPROPERTY(), property);
                read.put(
                        drm_mode_get_property.name(property).getString(0),
                        new Property(id, values.getAtIndex(ValueLayout.JAVA_LONG, i)));
            }
            properties.put(object, read);
            return read;
        }
    }

    /**
     * A property that an object must have.
     *
     * @param type {@code DRM_MODE_OBJECT_*}
     */
    Property property(int object, int type, String name) throws CenallocException {
        Property property = properties(object, type).get(name);
        if (property == null) {
            throw new CenallocException(
                    Errno.EINVAL,
                    "DRM_IOCTL_MODE_OBJ_GETPROPERTIES",
                    file.path(),
                    -1,
                    "display object " + object + " has no property " + name,
                    "report it to the authors of the driver");
        }
        return property;
    }
}
