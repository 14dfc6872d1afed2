package dev.cenalloc.node.drm;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.drm.drm_format_modifier;
import dev.cenalloc.bindings.drm.drm_format_modifier_blob;
import dev.cenalloc.bindings.drm.drm_gem_close;
import dev.cenalloc.bindings.drm.drm_get_cap;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_atomic;
import dev.cenalloc.bindings.drm.drm_mode_card_res;
import dev.cenalloc.bindings.drm.drm_mode_create_blob;
import dev.cenalloc.bindings.drm.drm_mode_destroy_blob;
import dev.cenalloc.bindings.drm.drm_mode_fb_cmd2;
import dev.cenalloc.bindings.drm.drm_mode_get_blob;
import dev.cenalloc.bindings.drm.drm_mode_get_connector;
import dev.cenalloc.bindings.drm.drm_mode_get_encoder;
import dev.cenalloc.bindings.drm.drm_mode_get_plane;
import dev.cenalloc.bindings.drm.drm_mode_get_plane_res;
import dev.cenalloc.bindings.drm.drm_mode_get_property;
import dev.cenalloc.bindings.drm.drm_mode_modeinfo;
import dev.cenalloc.bindings.drm.drm_mode_obj_get_properties;
import dev.cenalloc.bindings.drm.drm_prime_handle;
import dev.cenalloc.bindings.drm.drm_version;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;

/** A DRM card: without displays, or with one screen of two modes, whose plane shows XR24 and RG16. */
public final class FakeCard implements FakeKernel.Device {
    private final FakeKernel kernel;
    private final boolean imports;
    private final boolean hasDisplays;
    /** The size of each object, by its handle; framebuffers by their id, with the handle that they are of. */
    private final Map<Integer, Long> objects = new HashMap<>();

    private final Map<Integer, Integer> framebuffers = new HashMap<>();
    private int numbers;

    // What the kernel numbers.
    private static final int CRTC = 1000;
    private static final int OTHER_CRTC = 1007;
    private static final int OTHER_CONNECTOR = 1008;
    private static final int OTHER_PRIMARY = 1009;
    private static final int CONNECTOR = 1001;
    private static final int WRITEBACK = 1002;
    private static final int ENCODER = 1003;
    private static final int OVERLAY = 1004;
    private static final int PRIMARY = 1005;
    private static final int IN_FORMATS = 1006;
    private static final List<String> PROPERTIES = List.of(
            "type",
            "IN_FORMATS",
            "FB_ID",
            "CRTC_ID",
            "CRTC_X",
            "CRTC_Y",
            "CRTC_W",
            "CRTC_H",
            "SRC_X",
            "SRC_Y",
            "SRC_W",
            "SRC_H",
            "MODE_ID",
            "ACTIVE");
    private static final List<Integer> FOURCCS =
            List.of(PixelFormat.XR24.drmFourcc(), 0x12345678, PixelFormat.RG16.drmFourcc());
    /** A modifier other than linear. */
    public static final long TILED = 1L << 56 | 1;

    public boolean isConnected = true;
    /** Whether there is a second screen, with a CRTC and a plane more; each CRTC reaches both. */
    public boolean hasTwo;
    /** How many modes more there are from the second question on. */
    public int growing;

    private int questions;
    /** Another program, which controls the display. */
    public boolean isControlled;
    /** What a test of a commit gives. */
    public int verdict;
    /** The commits that were tested. */
    public int tests;

    private final Set<Integer> blobs = new HashSet<>();
    private boolean isMaster;

    public FakeCard(FakeKernel kernel, boolean imports, boolean hasDisplays) {
        this.kernel = kernel;
        this.imports = imports;
        this.hasDisplays = hasDisplays;
    }

    public String state() {
        return objects + " " + framebuffers + (blobs.isEmpty() ? "" : " blobs " + blobs) + (isMaster ? " master" : "");
    }

    @Override
    public long number() {
        return 226 << 8 | 1;
    }

    @Override
    public int ioctl(int fd, long request, MemorySegment argument) {
        if (request == drm_h.DRM_IOCTL_DROP_MASTER()) {
            isMaster = false;
            return isControlled ? -Errno.EINVAL : 0;
        }
        if (request == drm_h.DRM_IOCTL_SET_MASTER()) {
            isMaster = !isControlled;
            return isControlled ? -Errno.EBUSY : 0;
        }
        if (request == drm_h.DRM_IOCTL_GET_CAP()) {
            drm_get_cap.value(argument, 1);
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_VERSION()) {
            long room = drm_version.name_len(argument);
            drm_version.name_len(argument, 4);
            if (room >= 4) {
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment name = Linux.view(drm_version.name(argument).address(), 4, arena);
                    name.copyFrom(MemorySegment.ofArray(new byte[] {'f', 'a', 'k', 'e'}));
                }
            }
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_PRIME_FD_TO_HANDLE()) {
            int buffer = drm_prime_handle.fd(argument);
            if (!imports || kernel.heapOf(buffer) == null) {
                return -Errno.EINVAL;
            }
            objects.put(++numbers, kernel.sizeOf(buffer));
            drm_prime_handle.handle(argument, numbers);
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_ADDFB2()) {
            if (!hasDisplays) {
                return -Errno.EOPNOTSUPP;
            }
            int handle = drm_mode_fb_cmd2.handles(argument, 0);
            long needed = (long) drm_mode_fb_cmd2.pitches(argument, 0) * drm_mode_fb_cmd2.height(argument);
            if (!objects.containsKey(handle) || Objects.requireNonNull(objects.get(handle)) < needed) {
                return -Errno.EINVAL;
            }
            framebuffers.put(++numbers, handle);
            drm_mode_fb_cmd2.fb_id(argument, numbers);
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_RMFB()) {
            return framebuffers.remove(argument.get(ValueLayout.JAVA_INT, 0)) == null ? -Errno.ENOENT : 0;
        }
        if (request == drm_h.DRM_IOCTL_GEM_CLOSE()) {
            return objects.remove(drm_gem_close.handle(argument)) == null ? -Errno.EINVAL : 0;
        }
        return hasDisplays ? display(request, argument) : -Errno.EOPNOTSUPP;
    }

    private int display(long request, MemorySegment argument) {
        if (request == drm_h.DRM_IOCTL_SET_CLIENT_CAP()) {
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_GETRESOURCES()) {
            drm_mode_card_res.count_crtcs(
                    argument,
                    list(
                            drm_mode_card_res.crtc_id_ptr(argument),
                            drm_mode_card_res.count_crtcs(argument),
                            hasTwo ? List.of(CRTC, OTHER_CRTC) : List.of(CRTC)));
            drm_mode_card_res.count_connectors(
                    argument,
                    list(
                            drm_mode_card_res.connector_id_ptr(argument),
                            drm_mode_card_res.count_connectors(argument),
                            hasTwo ? List.of(WRITEBACK, CONNECTOR, OTHER_CONNECTOR) : List.of(WRITEBACK, CONNECTOR)));
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_GETCONNECTOR()) {
            return connector(argument);
        }
        if (request == drm_h.DRM_IOCTL_MODE_GETENCODER()) {
            drm_mode_get_encoder.possible_crtcs(argument, 0b11);
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_GETPLANERESOURCES()) {
            drm_mode_get_plane_res.count_planes(
                    argument,
                    list(
                            drm_mode_get_plane_res.plane_id_ptr(argument),
                            drm_mode_get_plane_res.count_planes(argument),
                            hasTwo ? List.of(OVERLAY, PRIMARY, OTHER_PRIMARY) : List.of(OVERLAY, PRIMARY)));
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_GETPLANE()) {
            drm_mode_get_plane.possible_crtcs(
                    argument, drm_mode_get_plane.plane_id(argument) == OTHER_PRIMARY ? 0b10 : 0b1);
            drm_mode_get_plane.count_format_types(
                    argument,
                    list(
                            drm_mode_get_plane.format_type_ptr(argument),
                            drm_mode_get_plane.count_format_types(argument),
                            FOURCCS));
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_OBJ_GETPROPERTIES()) {
            return properties(argument);
        }
        if (request == drm_h.DRM_IOCTL_MODE_GETPROPERTY()) {
            drm_mode_get_property
                    .name(argument)
                    .setString(0, PROPERTIES.get(drm_mode_get_property.prop_id(argument) - 1));
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_GETPROPBLOB()) {
            return formats(argument);
        }
        if (request == drm_h.DRM_IOCTL_MODE_CREATEPROPBLOB()) {
            blobs.add(++numbers);
            drm_mode_create_blob.blob_id(argument, numbers);
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_DESTROYPROPBLOB()) {
            return blobs.remove(drm_mode_destroy_blob.blob_id(argument)) ? 0 : -Errno.ENOENT;
        }
        if (request == drm_h.DRM_IOCTL_MODE_ATOMIC()) {
            return isMaster ? test(argument) : -Errno.EACCES;
        }
        return -Errno.ENOTTY;
    }

    private int connector(MemorySegment argument) {
        boolean isScreen = drm_mode_get_connector.connector_id(argument) != WRITEBACK;
        drm_mode_get_connector.connector_type(
                argument, isScreen ? drm_h.DRM_MODE_CONNECTOR_VIRTUAL() : drm_h.DRM_MODE_CONNECTOR_WRITEBACK());
        drm_mode_get_connector.connection(argument, isScreen && isConnected ? 1 : 2);
        drm_mode_get_connector.count_encoders(
                argument,
                list(
                        drm_mode_get_connector.encoders_ptr(argument),
                        drm_mode_get_connector.count_encoders(argument),
                        List.of(ENCODER)));
        int modeCount = 2 + (questions++ > 0 ? growing : 0);
        if (drm_mode_get_connector.count_modes(argument) >= modeCount) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment modes = memory(
                        arena, drm_mode_get_connector.modes_ptr(argument), modeCount * drm_mode_modeinfo.sizeof());
                mode(drm_mode_modeinfo.asSlice(modes, 0), 1024, 768, 60, drm_h.DRM_MODE_TYPE_PREFERRED());
                for (int i = 1; i < modeCount; i++) {
                    mode(drm_mode_modeinfo.asSlice(modes, i), 640, 480, 75, 0);
                }
            }
        }
        drm_mode_get_connector.count_modes(argument, modeCount);
        return 0;
    }

    private static void mode(MemorySegment mode, int width, int height, int refresh, int type) {
        drm_mode_modeinfo.hdisplay(mode, (short) width);
        drm_mode_modeinfo.vdisplay(mode, (short) height);
        drm_mode_modeinfo.vrefresh(mode, refresh);
        drm_mode_modeinfo.type(mode, type);
    }

    /** Every object has every property; the value matters of two only. */
    private static int properties(MemorySegment argument) {
        int object = drm_mode_obj_get_properties.obj_id(argument);
        if (drm_mode_obj_get_properties.count_props(argument) >= PROPERTIES.size()) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment values = memory(
                        arena,
                        drm_mode_obj_get_properties.prop_values_ptr(argument),
                        (long) PROPERTIES.size() * Long.BYTES);
                values.setAtIndex(ValueLayout.JAVA_LONG, 0, object == PRIMARY || object == OTHER_PRIMARY ? 1 : 0);
                values.setAtIndex(ValueLayout.JAVA_LONG, 1, IN_FORMATS);
            }
        }
        drm_mode_obj_get_properties.count_props(
                argument,
                list(
                        drm_mode_obj_get_properties.props_ptr(argument),
                        drm_mode_obj_get_properties.count_props(argument),
                        IntStream.rangeClosed(1, PROPERTIES.size()).boxed().toList()));
        return 0;
    }

    /** All formats are linear; the last may be tiled, too. */
    private static int formats(MemorySegment argument) {
        int formatsAt = 24;
        int modifiersAt = 40;
        int size = (int) (modifiersAt + 2 * drm_format_modifier.sizeof());
        if (drm_mode_get_blob.length(argument) >= size) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment blob = memory(arena, drm_mode_get_blob.data(argument), size);
                drm_format_modifier_blob.formats_offset(blob, formatsAt);
                drm_format_modifier_blob.modifiers_offset(blob, modifiersAt);
                drm_format_modifier_blob.count_modifiers(blob, 2);
                for (int i = 0; i < FOURCCS.size(); i++) {
                    blob.set(ValueLayout.JAVA_INT, formatsAt + 4L * i, FOURCCS.get(i));
                }
                MemorySegment linear = blob.asSlice(modifiersAt);
                drm_format_modifier.formats(linear, 0b111);
                MemorySegment tiled = blob.asSlice(modifiersAt + drm_format_modifier.sizeof());
                drm_format_modifier.formats(tiled, 0b10);
                drm_format_modifier.offset(tiled, 1);
                drm_format_modifier.modifier(tiled, TILED);
            }
        }
        drm_mode_get_blob.length(argument, size);
        return 0;
    }

    private int test(MemorySegment argument) {
        boolean asked = (drm_mode_atomic.flags(argument) & drm_h.DRM_MODE_ATOMIC_TEST_ONLY()) != 0;
        if (!asked || drm_mode_atomic.count_objs(argument) != 3) {
            throw new AssertionError("the display would have been changed");
        }
        tests++;
        return -verdict;
    }

    private static MemorySegment memory(Arena arena, long address, long size) {
        return Linux.view(address, size, arena);
    }

    /** Fills in a list if there is room for it, and tells how long it is. */
    private static int list(long address, int room, List<Integer> numbers) {
        if (room >= numbers.size()) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment to = memory(arena, address, (long) numbers.size() * Integer.BYTES);
                for (int i = 0; i < numbers.size(); i++) {
                    to.setAtIndex(ValueLayout.JAVA_INT, i, numbers.get(i));
                }
            }
        }
        return numbers.size();
    }

    @Override
    public void closed(int fd) {
        objects.clear();
        framebuffers.clear();
        blobs.clear();
        isMaster = false;
    }
}
