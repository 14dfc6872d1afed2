package dev.cenalloc.examples;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.device.Probe;
import dev.cenalloc.node.drm.Scanout;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_card_res;
import dev.cenalloc.bindings.drm.drm_mode_get_connector;
import dev.cenalloc.bindings.drm.drm_mode_get_encoder;
import dev.cenalloc.bindings.drm.drm_set_client_cap;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;

/**
 * A way from memory to a screen, with the properties of what is on it. A value.
 *
 * @param name what explanations call the display
 * @param scanout plane, CRTC and connector
 * @param mode of the screen
 * @param connector the connected output
 * @param crtc what drives it
 * @param plane what scans out
 * @param writeback the output that goes back to memory, if that is wanted, where there is one, the mode is of the image's
 *     size, and what goes back can be compared
 */
record KmsOutput(
        String name,
        Scanout scanout,
        Scanout.Mode mode,
        KmsObject connector,
        KmsObject crtc,
        KmsObject plane,
        Optional<KmsObject> writeback) {
    static final List<String> PLANE_PROPERTIES =
            List.of("FB_ID", "CRTC_ID", "CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H", "SRC_X", "SRC_Y", "SRC_W", "SRC_H");

    /** What goes back to memory is asked for in this format, which keeps every bit of the others that have {@link Colours}. */
    static final PixelFormat WRITTEN_BACK = PixelFormat.XR24;

    /**
     * The first way of a display for an image that its port has.
     *
     * @param rate how often it changes
     * @param readBack whether what goes out is wanted back, where that can be
     */
    static KmsOutput of(DeviceNode node, Probe display, Image image, FrameRate rate, boolean readBack) throws IOException {
        Scanout scanout = display.scanouts().stream()
                .filter(one -> one.shows(image))
                .findFirst()
                .orElseThrow(() -> new IOException(display + " has no connected screen any more that shows " + image));
        Scanout.Mode mode = scanout.mode(image, rate).orElseThrow();
        for (int capability : new int[] {drm_h.DRM_CLIENT_CAP_UNIVERSAL_PLANES(), drm_h.DRM_CLIENT_CAP_ATOMIC()}) {
            int result = enable(node, capability);
            if (result < 0) {
                throw new IOException(
                        display + " has no atomic mode setting: DRM_IOCTL_SET_CLIENT_CAP gave " + Errno.name(-result));
            }
        }
        boolean comparable = readBack
                && mode.width() == image.width()
                && mode.height() == image.height()
                && Colours.of(image.format()).isPresent()
                && scanout.shows(writtenBack(image)); // else it cannot be tried which memory does
        return new KmsOutput(
                display.name(),
                scanout,
                mode,
                KmsObject.read(node, scanout.connector(), drm_h.DRM_MODE_OBJECT_CONNECTOR()),
                KmsObject.read(node, scanout.crtc(), drm_h.DRM_MODE_OBJECT_CRTC()),
                KmsObject.read(node, scanout.plane(), drm_h.DRM_MODE_OBJECT_PLANE()),
                comparable ? writeback(node, scanout.crtc()) : Optional.empty());
    }

    /** What goes back while an image is on the screen. */
    static Image writtenBack(Image shown) {
        return new Image(WRITTEN_BACK, shown.width(), shown.height());
    }

    /** A connector that vanished meanwhile is as good as none. */
    private static Optional<KmsObject> writeback(DeviceNode node, int crtc) throws IOException {
        if (enable(node, drm_h.DRM_CLIENT_CAP_WRITEBACK_CONNECTORS()) < 0) {
            return Optional.empty();
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment resources = drm_mode_card_res.allocate(arena);
            node.ioctl("GETRESOURCES", drm_h.DRM_IOCTL_MODE_GETRESOURCES(), resources);
            MemorySegment crtcs = arena.allocate(ValueLayout.JAVA_INT, drm_mode_card_res.count_crtcs(resources));
            MemorySegment connectors =
                    arena.allocate(ValueLayout.JAVA_INT, drm_mode_card_res.count_connectors(resources));
            drm_mode_card_res.crtc_id_ptr(resources, crtcs.address());
            drm_mode_card_res.connector_id_ptr(resources, connectors.address());
            drm_mode_card_res.count_fbs(resources, 0);
            drm_mode_card_res.count_encoders(resources, 0);
            node.ioctl("GETRESOURCES", drm_h.DRM_IOCTL_MODE_GETRESOURCES(), resources);
            int crtcIndex = 0;
            while (crtcs.getAtIndex(ValueLayout.JAVA_INT, crtcIndex) != crtc) {
                crtcIndex++;
            }
            MemorySegment connector = drm_mode_get_connector.allocate(arena);
            for (int i = 0; i < connectors.byteSize() / Integer.BYTES; i++) {
                int id = connectors.getAtIndex(ValueLayout.JAVA_INT, i);
                if (isWriteback(node, connector, id) && reaches(node, connector, crtcIndex)) {
                    KmsObject object = KmsObject.read(node, id, drm_h.DRM_MODE_OBJECT_CONNECTOR());
                    int formats = (int) object.value("WRITEBACK_PIXEL_FORMATS");
                    if (KmsObject.readBlob(node, formats, arena)
                            .elements(ValueLayout.JAVA_INT)
                            .anyMatch(code -> code.get(ValueLayout.JAVA_INT, 0) == WRITTEN_BACK.drmFourcc())) {
                        return Optional.of(object);
                    }
                }
            }
            return Optional.empty();
        }
    }

    private static boolean isWriteback(DeviceNode node, MemorySegment connector, int id) throws IOException {
        connector.fill((byte) 0);
        drm_mode_get_connector.connector_id(connector, id);
        int result = node.tryIoctl(drm_h.DRM_IOCTL_MODE_GETCONNECTOR(), connector);
        if (result < 0 && result != -Errno.ENOENT) {
            throw new IOException("GETCONNECTOR on " + node.path() + " gave " + Errno.name(-result));
        }
        return result == 0 && drm_mode_get_connector.connector_type(connector) == drm_h.DRM_MODE_CONNECTOR_WRITEBACK();
    }

    /** Whether one of a connector's encoders does; writeback connectors have one. */
    private static boolean reaches(DeviceNode node, MemorySegment connector, int crtcIndex) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            int count = drm_mode_get_connector.count_encoders(connector);
            MemorySegment encoders = arena.allocate(ValueLayout.JAVA_INT, count);
            drm_mode_get_connector.encoders_ptr(connector, encoders.address());
            drm_mode_get_connector.count_modes(connector, 0);
            drm_mode_get_connector.count_props(connector, 0);
            node.ioctl("GETCONNECTOR", drm_h.DRM_IOCTL_MODE_GETCONNECTOR(), connector);
            MemorySegment encoder = drm_mode_get_encoder.allocate(arena);
            for (int i = 0; i < Math.min(count, drm_mode_get_connector.count_encoders(connector)); i++) {
                drm_mode_get_encoder.encoder_id(encoder, encoders.getAtIndex(ValueLayout.JAVA_INT, i));
                node.ioctl("GETENCODER", drm_h.DRM_IOCTL_MODE_GETENCODER(), encoder);
                if ((drm_mode_get_encoder.possible_crtcs(encoder) >> crtcIndex & 1) == 1) {
                    return true;
                }
            }
            return false;
        }
    }

    private static int enable(DeviceNode node, int capability) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cap = drm_set_client_cap.allocate(arena);
            drm_set_client_cap.capability(cap, capability);
            drm_set_client_cap.value(cap, 1);
            return node.tryIoctl(drm_h.DRM_IOCTL_SET_CLIENT_CAP(), cap);
        }
    }

    @Override
    public String toString() {
        return name + " " + mode;
    }
}
