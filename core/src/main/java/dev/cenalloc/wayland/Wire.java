// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Map;

/**
 * The numbers of the messages: requests and events of each interface in the order in which its description has them.
 * Stateless. The protocol has the byte order of the machine; those that this library supports are little-endian.
 *
 * <p>Source: {@code protocol/wayland.xml} of Wayland 1.23; {@code stable/xdg-shell}, {@code stable/linux-dmabuf},
 * {@code stable/viewporter} and {@code stable/presentation-time} of wayland-protocols 1.44.
 */
final class Wire {
    static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Object, and size with the number of the request or event. */
    static final int HEADER = 8;

    static final String DISPLAY = "wl_display";
    static final String REGISTRY = "wl_registry";
    static final String CALLBACK = "wl_callback";
    static final String COMPOSITOR = "wl_compositor";
    static final String SURFACE = "wl_surface";
    static final String BUFFER = "wl_buffer";
    static final String WM_BASE = "xdg_wm_base";
    static final String XDG_SURFACE = "xdg_surface";
    static final String TOPLEVEL = "xdg_toplevel";
    static final String VIEWPORTER = "wp_viewporter";
    static final String VIEWPORT = "wp_viewport";
    static final String PRESENTATION = "wp_presentation";
    static final String OUTCOME = "wp_presentation_feedback";
    static final String DMABUF = "zwp_linux_dmabuf_v1";
    static final String PARAMS = "zwp_linux_buffer_params_v1";
    static final String SHM = "wl_shm";
    static final String SHM_POOL = "wl_shm_pool";
    static final String FEEDBACK = "zwp_linux_dmabuf_feedback_v1";

    static final int DISPLAY_ID = 1;
    static final int DISPLAY_SYNC = 0;
    static final int DISPLAY_GET_REGISTRY = 1;
    static final int DISPLAY_ERROR = 0;
    static final int DISPLAY_DELETE_ID = 1;

    static final int REGISTRY_BIND = 0;
    static final int REGISTRY_GLOBAL = 0;

    static final int CALLBACK_DONE = 0;

    static final int COMPOSITOR_CREATE_SURFACE = 0;

    static final int SURFACE_DESTROY = 0;
    static final int SURFACE_ATTACH = 1;
    static final int SURFACE_DAMAGE = 2;
    static final int SURFACE_FRAME = 3;
    static final int SURFACE_COMMIT = 6;
    static final int SURFACE_DAMAGE_BUFFER = 9;

    static final int BUFFER_DESTROY = 0;
    static final int BUFFER_RELEASE = 0;

    static final int WM_BASE_GET_XDG_SURFACE = 2;
    static final int WM_BASE_PONG = 3;
    static final int WM_BASE_PING = 0;

    static final int XDG_SURFACE_DESTROY = 0;
    static final int XDG_SURFACE_GET_TOPLEVEL = 1;
    static final int XDG_SURFACE_ACK_CONFIGURE = 4;
    static final int XDG_SURFACE_CONFIGURE = 0;

    static final int TOPLEVEL_DESTROY = 0;
    static final int TOPLEVEL_SET_TITLE = 2;
    static final int TOPLEVEL_SET_APP_ID = 3;
    static final int TOPLEVEL_SET_FULLSCREEN = 11;
    static final int TOPLEVEL_UNSET_FULLSCREEN = 12;
    static final int TOPLEVEL_CONFIGURE = 0;
    static final int TOPLEVEL_CLOSE = 1;
    static final int STATE_MAXIMIZED = 1;
    static final int STATE_TILED_LEFT = 5;
    static final int STATE_TILED_BOTTOM = 8;

    static final int VIEWPORTER_GET_VIEWPORT = 1;
    static final int VIEWPORT_DESTROY = 0;
    static final int VIEWPORT_SET_DESTINATION = 2;

    static final int PRESENTATION_FEEDBACK = 1;
    static final int PRESENTATION_CLOCK_ID = 0;

    static final int OUTCOME_PRESENTED = 1;
    static final int OUTCOME_DISCARDED = 2;

    static final int DMABUF_CREATE_PARAMS = 1;
    static final int DMABUF_GET_DEFAULT_FEEDBACK = 2;
    static final int DMABUF_MODIFIER = 1;

    static final int PARAMS_DESTROY = 0;
    static final int PARAMS_ADD = 1;
    static final int PARAMS_CREATE = 2;
    static final int PARAMS_CREATED = 0;
    static final int PARAMS_FAILED = 1;

    static final int SHM_CREATE_POOL = 0;
    static final int SHM_FORMAT = 0;
    static final int SHM_POOL_CREATE_BUFFER = 0;
    static final int SHM_POOL_DESTROY = 1;
    /** wl_shm has numbers of its own for these two formats, and those of DRM for all others. */
    static final int SHM_ARGB8888 = 0;

    static final int SHM_XRGB8888 = 1;

    static final int FEEDBACK_DONE = 0;
    static final int FEEDBACK_FORMAT_TABLE = 1;
    static final int FEEDBACK_MAIN_DEVICE = 2;
    static final int FEEDBACK_TRANCHE_FORMATS = 5;

    /** DRM_FORMAT_MOD_INVALID: where the pixels lie is the driver's affair; it takes memory of others as linear. */
    static final long IMPLICIT = 0x00FF_FFFF_FFFF_FFFFL;

    /** The names of the errors, by interface and number. */
    private static final Map<String, String[]> ERRORS = Map.ofEntries(
            Map.entry(DISPLAY, words("invalid_object invalid_method no_memory implementation")),
            Map.entry(
                    SURFACE, words("invalid_scale invalid_transform invalid_size invalid_offset defunct_role_object")),
            Map.entry(
                    WM_BASE,
                    words("role defunct_surfaces not_the_topmost_popup invalid_popup_parent invalid_surface_state"
                            + " invalid_positioner unresponsive")),
            Map.entry(
                    XDG_SURFACE,
                    words("- not_constructed already_constructed unconfigured_buffer invalid_serial invalid_size"
                            + " defunct_role_object")),
            Map.entry(TOPLEVEL, words("invalid_resize_edge invalid_parent invalid_size")),
            Map.entry(VIEWPORTER, words("viewport_exists")),
            Map.entry(PRESENTATION, words("invalid_timestamp invalid_flag")),
            Map.entry(VIEWPORT, words("bad_value bad_size out_of_buffer no_surface")),
            Map.entry(
                    PARAMS,
                    words("already_used plane_idx plane_set incomplete invalid_format invalid_dimensions out_of_bounds"
                            + " invalid_wl_buffer invalid_dev_t_size")),
            Map.entry(SHM, words("invalid_format invalid_stride invalid_fd")));

    private Wire() {}

    private static String[] words(String text) {
        return text.split(" ", -1);
    }

    /** The name of an error, or its number if it has none here. */
    static String error(String type, int code) {
        // Every object may be the subject of an error of the display.
        String[] names = ERRORS.getOrDefault(type, ERRORS.get(DISPLAY));
        return names != null && code >= 0 && code < names.length && !names[code].equals("-")
                ? names[code]
                : "error " + Integer.toUnsignedString(code);
    }
}
