package dev.cenalloc.examples;

import dev.cenalloc.Image;
import dev.cenalloc.PixelFormat;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_card_res;
import dev.cenalloc.bindings.drm.drm_mode_get_connector;
import dev.cenalloc.bindings.drm.drm_mode_get_encoder;
import dev.cenalloc.bindings.drm.drm_mode_get_plane;
import dev.cenalloc.bindings.drm.drm_mode_get_plane_res;
import dev.cenalloc.bindings.drm.drm_mode_modeinfo;
import dev.cenalloc.bindings.drm.drm_set_client_cap;
import dev.cenalloc.bindings.drm.drm_version;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * The path from memory to a screen: a plane that scans out, the CRTC that times it, the connector with the screen, and a
 * mode. A value.
 *
 * @param driver the name of the driver
 * @param connector the connected output
 * @param virtual whether its screen exists in the driver only
 * @param crtc the CRTC that drives it
 * @param plane its primary plane
 * @param writeback the output that goes back to memory, where there is one, the mode is of the image's size, and what
 *     goes back can be compared
 * @param mode a {@code drm_mode_modeinfo}
 */
record KmsOutput(
        String driver,
        KmsObject connector,
        boolean virtual,
        KmsObject crtc,
        KmsObject plane,
        Optional<KmsObject> writeback,
        MemorySegment mode) {
    static final List<String> PLANE_PROPERTIES =
            List.of("FB_ID", "CRTC_ID", "CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H", "SRC_X", "SRC_Y", "SRC_W", "SRC_H");

    /** {@code connector_status_connected}, which the kernel's user headers describe in words only. */
    private static final int CONNECTED = 1;
    /** Value of a plane's property "type": 0 is an overlay, 2 the cursor. */
    private static final int PRIMARY = 1;

    /** What goes back to memory is asked for in this format, which keeps every bit of the others that have {@link Colours}. */
    static final PixelFormat WRITTEN_BACK = PixelFormat.XR24;

    private record Connector(int id, int type, boolean connected, List<Integer> encoders, List<MemorySegment> modes) {}

    int width() {
        return Short.toUnsignedInt(drm_mode_modeinfo.hdisplay(mode));
    }

    int height() {
        return Short.toUnsignedInt(drm_mode_modeinfo.vdisplay(mode));
    }

    @Override
    public String toString() {
        return driver + " " + width() + "x" + height() + " at " + drm_mode_modeinfo.vrefresh(mode) + " Hz";
    }

    /** The name of the driver behind a node. */
    static String driver(DeviceNode node) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment version = drm_version.allocate(arena);
            node.ioctl("DRM_IOCTL_VERSION", drm_h.DRM_IOCTL_VERSION(), version);
            MemorySegment name = arena.allocate(drm_version.name_len(version) + 1);
            drm_version.name(version, name);
            drm_version.date_len(version, 0);
            drm_version.desc_len(version, 0);
            node.ioctl("DRM_IOCTL_VERSION", drm_h.DRM_IOCTL_VERSION(), version);
            return name.getString(0);
        }
    }

    /** Finds a path for the image, or says what there is none of. */
    static KmsOutput find(DeviceNode node, String driver, Image image) throws IOException {
        for (int capability : new int[] {drm_h.DRM_CLIENT_CAP_UNIVERSAL_PLANES(), drm_h.DRM_CLIENT_CAP_ATOMIC()}) {
            int result = enable(node, capability);
            if (result < 0) {
                throw new IOException("has no atomic mode setting (" + Errno.name(-result) + ")");
            }
        }
        boolean hasWriteback = enable(node, drm_h.DRM_CLIENT_CAP_WRITEBACK_CONNECTORS()) == 0;
        var shown = new TreeSet<String>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment resources = drm_mode_card_res.allocate(arena);
            node.ioctl("GETRESOURCES", drm_h.DRM_IOCTL_MODE_GETRESOURCES(), resources);
            int connectorCount = drm_mode_card_res.count_connectors(resources);
            MemorySegment crtcs = arena.allocate(ValueLayout.JAVA_INT, drm_mode_card_res.count_crtcs(resources));
            MemorySegment connectorIds = arena.allocate(ValueLayout.JAVA_INT, connectorCount);
            drm_mode_card_res.crtc_id_ptr(resources, crtcs.address());
            drm_mode_card_res.connector_id_ptr(resources, connectorIds.address());
            drm_mode_card_res.count_fbs(resources, 0);
            drm_mode_card_res.count_encoders(resources, 0);
            node.ioctl("GETRESOURCES", drm_h.DRM_IOCTL_MODE_GETRESOURCES(), resources);

            List<Connector> connectors = IntStream.range(
                            0, Math.min(connectorCount, drm_mode_card_res.count_connectors(resources)))
                    .mapToObj(i -> connectorIds.getAtIndex(ValueLayout.JAVA_INT, i))
                    .map(id -> readConnector(node, id))
                    .flatMap(Optional::stream)
                    .toList();
            for (Connector connector : connectors) {
                if (connector.type() == drm_h.DRM_MODE_CONNECTOR_WRITEBACK()
                        || !connector.connected()
                        || mode(connector.modes(), image).isEmpty()) {
                    continue;
                }
                MemorySegment mode = mode(connector.modes(), image).orElseThrow();
                for (int index = 0; index < drm_mode_card_res.count_crtcs(resources); index++) {
                    if (!reaches(node, connector, index)) {
                        continue;
                    }
                    Optional<KmsObject> plane = primaryPlane(node, index, image.format(), shown);
                    if (plane.isPresent()) {
                        int crtc = index;
                        Optional<KmsObject> writeback = Optional.empty();
                        if (hasWriteback
                                && isExact(mode, image)
                                && Colours.of(image.format()).isPresent()) {
                            writeback = writeback(
                                    node,
                                    connectors.stream()
                                            .filter(c -> reaches(node, c, crtc))
                                            .toList());
                        }
                        return new KmsOutput(
                                driver,
                                KmsObject.read(node, connector.id(), drm_h.DRM_MODE_OBJECT_CONNECTOR()),
                                connector.type() == drm_h.DRM_MODE_CONNECTOR_VIRTUAL(),
                                KmsObject.read(
                                        node,
                                        crtcs.getAtIndex(ValueLayout.JAVA_INT, crtc),
                                        drm_h.DRM_MODE_OBJECT_CRTC()),
                                plane.get(),
                                writeback,
                                mode);
                    }
                }
            }
        }
        throw new IOException(
                shown.isEmpty()
                        ? "has no connected screen with a mode for " + image.width() + "x" + image.height()
                        : "shows no " + image.format() + " but " + String.join(", ", shown));
    }

    private static Optional<KmsObject> writeback(DeviceNode node, List<Connector> connectors) throws IOException {
        for (Connector connector : connectors) {
            if (connector.type() == drm_h.DRM_MODE_CONNECTOR_WRITEBACK()) {
                KmsObject object = KmsObject.read(node, connector.id(), drm_h.DRM_MODE_OBJECT_CONNECTOR());
                try (Arena arena = Arena.ofConfined()) {
                    int id = (int) object.value("WRITEBACK_PIXEL_FORMATS");
                    if (contains(KmsObject.readBlob(node, id, arena), WRITTEN_BACK)) {
                        return Optional.of(object);
                    }
                }
            }
        }
        return Optional.empty();
    }

    private static boolean contains(MemorySegment formats, PixelFormat format) {
        return formats.elements(ValueLayout.JAVA_INT)
                .anyMatch(code -> code.get(ValueLayout.JAVA_INT, 0) == format.drmFourcc());
    }

    private static int enable(DeviceNode node, int capability) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cap = drm_set_client_cap.allocate(arena);
            drm_set_client_cap.capability(cap, capability);
            drm_set_client_cap.value(cap, 1);
            return node.tryIoctl(drm_h.DRM_IOCTL_SET_CLIENT_CAP(), cap);
        }
    }

    /** The mode of the image's size, else the preferred or first one that the image fits in, where it is centred. */
    private static Optional<MemorySegment> mode(List<MemorySegment> modes, Image image) {
        Comparator<MemorySegment> exactFirst = Comparator.comparing(mode -> !isExact(mode, image));
        return modes.stream()
                .filter(mode -> Short.toUnsignedInt(drm_mode_modeinfo.hdisplay(mode)) >= image.width()
                        && Short.toUnsignedInt(drm_mode_modeinfo.vdisplay(mode)) >= image.height())
                .min(exactFirst.thenComparing(
                        mode -> (drm_mode_modeinfo.type(mode) & drm_h.DRM_MODE_TYPE_PREFERRED()) == 0));
    }

    private static boolean isExact(MemorySegment mode, Image image) {
        return Short.toUnsignedInt(drm_mode_modeinfo.hdisplay(mode)) == image.width()
                && Short.toUnsignedInt(drm_mode_modeinfo.vdisplay(mode)) == image.height();
    }

    /** A connector that vanished meanwhile is as good as none. */
    private static Optional<Connector> readConnector(DeviceNode node, int id) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment query = drm_mode_get_connector.allocate(arena);
            drm_mode_get_connector.connector_id(query, id);
            if (node.tryIoctl(drm_h.DRM_IOCTL_MODE_GETCONNECTOR(), query) < 0) {
                return Optional.empty();
            }
            int modeCount = drm_mode_get_connector.count_modes(query);
            int encoderCount = drm_mode_get_connector.count_encoders(query);
            // The chosen mode outlives this call, so it is the collector's.
            MemorySegment modes = drm_mode_modeinfo.allocateArray(modeCount, Arena.ofAuto());
            MemorySegment encoders = arena.allocate(ValueLayout.JAVA_INT, encoderCount);
            drm_mode_get_connector.modes_ptr(query, modes.address());
            drm_mode_get_connector.encoders_ptr(query, encoders.address());
            drm_mode_get_connector.count_props(query, 0);
            if (node.tryIoctl(drm_h.DRM_IOCTL_MODE_GETCONNECTOR(), query) < 0) {
                return Optional.empty();
            }
            return Optional.of(new Connector(
                    id,
                    drm_mode_get_connector.connector_type(query),
                    drm_mode_get_connector.connection(query) == CONNECTED,
                    IntStream.range(0, Math.min(encoderCount, drm_mode_get_connector.count_encoders(query)))
                            .mapToObj(i -> encoders.getAtIndex(ValueLayout.JAVA_INT, i))
                            .toList(),
                    IntStream.range(0, Math.min(modeCount, drm_mode_get_connector.count_modes(query)))
                            .mapToObj(i -> modes.asSlice(i * drm_mode_modeinfo.sizeof(), drm_mode_modeinfo.sizeof()))
                            .toList()));
        }
    }

    private static boolean reaches(DeviceNode node, Connector connector, int crtcIndex) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment encoder = drm_mode_get_encoder.allocate(arena);
            return connector.encoders().stream().anyMatch(id -> {
                drm_mode_get_encoder.encoder_id(encoder, id);
                return node.tryIoctl(drm_h.DRM_IOCTL_MODE_GETENCODER(), encoder) == 0
                        && (drm_mode_get_encoder.possible_crtcs(encoder) >> crtcIndex & 1) == 1;
            });
        }
    }

    /** A primary plane for the format; if there is none, those for others are added to what is shown. */
    private static Optional<KmsObject> primaryPlane(
            DeviceNode node, int crtcIndex, PixelFormat format, Set<String> shown) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment resources = drm_mode_get_plane_res.allocate(arena);
            node.ioctl("GETPLANERESOURCES", drm_h.DRM_IOCTL_MODE_GETPLANERESOURCES(), resources);
            int count = drm_mode_get_plane_res.count_planes(resources);
            MemorySegment ids = arena.allocate(ValueLayout.JAVA_INT, count);
            drm_mode_get_plane_res.plane_id_ptr(resources, ids.address());
            node.ioctl("GETPLANERESOURCES", drm_h.DRM_IOCTL_MODE_GETPLANERESOURCES(), resources);
            for (int i = 0; i < count; i++) {
                int id = ids.getAtIndex(ValueLayout.JAVA_INT, i);
                MemorySegment plane = drm_mode_get_plane.allocate(arena);
                drm_mode_get_plane.plane_id(plane, id);
                node.ioctl("GETPLANE", drm_h.DRM_IOCTL_MODE_GETPLANE(), plane);
                MemorySegment formats =
                        arena.allocate(ValueLayout.JAVA_INT, drm_mode_get_plane.count_format_types(plane));
                drm_mode_get_plane.format_type_ptr(plane, formats.address());
                node.ioctl("GETPLANE", drm_h.DRM_IOCTL_MODE_GETPLANE(), plane);
                if ((drm_mode_get_plane.possible_crtcs(plane) >> crtcIndex & 1) == 1) {
                    KmsObject object = KmsObject.read(node, id, drm_h.DRM_MODE_OBJECT_PLANE());
                    if (object.value("type") == PRIMARY) {
                        if (contains(formats, format)) {
                            return Optional.of(object);
                        }
                        formats.elements(ValueLayout.JAVA_INT)
                                .map(code -> Fourcc.name(code.get(ValueLayout.JAVA_INT, 0)))
                                .forEach(shown::add);
                    }
                }
            }
        }
        return Optional.empty();
    }
}
