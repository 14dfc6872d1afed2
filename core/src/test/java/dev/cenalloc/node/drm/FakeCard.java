// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.drm.drm_format_modifier;
import dev.cenalloc.bindings.drm.drm_format_modifier_blob;
import dev.cenalloc.bindings.drm.drm_gem_close;
import dev.cenalloc.bindings.drm.drm_get_cap;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_card_res;
import dev.cenalloc.bindings.drm.drm_mode_create_blob;
import dev.cenalloc.bindings.drm.drm_mode_create_dumb;
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
import dev.cenalloc.bindings.drm.drm_set_client_cap;
import dev.cenalloc.bindings.drm.drm_version;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.LongConsumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A DRM card: without displays, or with one screen of two modes, whose plane shows XR24 and RG16. Another program's
 * picture is on the screen. Commits are checked and kept; events come when they are waited for.
 */
public final class FakeCard implements FakeKernel.Device {
    private final FakeKernel kernel;
    private final boolean imports;
    private final boolean hasDisplays;
    /** The size of each object, by its handle; framebuffers by their id, with the handle that they are of. */
    private final Map<Integer, Long> objects = new HashMap<>();

    private final Map<Integer, Integer> framebuffers = new HashMap<>();
    private int numbers;

    // What the kernel numbers.
    static final int CRTC = 1000;
    static final int OTHER_CRTC = 1007;
    static final int OTHER_CONNECTOR = 1008;
    static final int OTHER_PRIMARY = 1009;
    static final int CONNECTOR = 1001;
    static final int WRITEBACK = 1002;
    static final int ENCODER = 1003;
    static final int OVERLAY = 1004;
    static final int PRIMARY = 1005;
    static final int IN_FORMATS = 1006;
    static final int WRITEBACK_FORMATS = 1010;
    /** Of the program before. */
    static final int CONSOLE_MODE = 1011;

    static final int CONSOLE = 1012;
    /** That is listed, and is gone when it is asked. */
    static final int LOST_ENCODER = 1013;

    static final List<String> PROPERTIES = List.of(
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
            "ACTIVE",
            "IN_FENCE_FD",
            "OUT_FENCE_PTR",
            "WRITEBACK_PIXEL_FORMATS",
            "WRITEBACK_FB_ID",
            "WRITEBACK_OUT_FENCE_PTR");
    /** Of each plane. */
    public List<Integer> fourccs = List.of(
            PixelFormat.XR24.drmFourcc().orElseThrow(),
            0x12345678,
            PixelFormat.RG16.drmFourcc().orElseThrow());

    /** Of the framebuffer that was made last. */
    public int lastFormat;
    /** Lines of the framebuffer that was made last. */
    public int lastLines;
    /** Columns, and where the planes begin, of the framebuffer that was made last. */
    public int lastColumns;

    public List<Long> lastOffsets = List.of();
    /** Whether it takes a second plane only right behind the lines of the first. */
    public boolean takesNoGaps;
    /** The object of each plane of the framebuffer that was made last. */
    public List<Integer> lastHandles = List.of();
    /** Whether all planes of a framebuffer must have one pitch. */
    public boolean wantsOnePitch;
    /** Whether all planes of a framebuffer must be of one object, as with Intel's and AMD's drivers. */
    public boolean wantsOneBuffer;

    /** A modifier other than linear. */
    public static final long TILED = 1L << 56 | 1;

    public boolean isConnected = true;
    /** Whether there is a second screen, with a CRTC and a plane more; each CRTC reaches both. */
    public boolean hasTwo;
    /** Whether the second screen was unplugged; its connector goes with it, as in a chain of DisplayPort. */
    public boolean hasLostOther;
    /** The encoders of each connector. */
    public List<Integer> encoders = List.of(ENCODER);
    /** How many modes more there are from the second question on. */
    public int growing;
    /** Of what the driver counts more than there can be. */
    public String absurd = "";

    private int questions;
    /** Whether it allocates memory itself. */
    public boolean hasDumbBuffers = true;
    /** Of what the pitches of its framebuffers are multiples. */
    public int pitchMultiple = 1;
    /** Another program, which controls the display. */
    public boolean isControlled;
    /** What a test of a commit gives. */
    public int verdict;
    /** What a commit that is no test gives. */
    public int refusal;
    /** The commits that were tested. */
    public int tests;
    /** The commits that changed something. Only a program that shows frames makes some. */
    public int commits;

    public boolean mayChange;
    /** What happens before a request; the kernel's number for it. */
    public LongConsumer beforeRequest = _ -> {};
    /** Whether it was pulled out. */
    public boolean isGone;
    /** Whether commits never come on the screen. */
    public boolean isStuck;
    /** Commits come on the screen by themselves, long before anybody asks; else when their event is read. */
    public boolean isPrompt;
    /** Commits are taken while others are under way; each comes on the screen when it is waited for. */
    public boolean isQueueing;

    private boolean isAwaited;
    /** Whether the output goes to memory in place of the screen only. */
    public boolean writesInstead;
    /** Whether captures never complete. */
    public boolean losesCaptures;
    /** What the last commit had to wait for; -1 for nothing. */
    public long inFence = -1;

    private final FakeScreen screen;
    /** The content of all blobs there ever were. */
    private final Map<Integer, byte[]> contents = new HashMap<>();

    private final Set<Integer> blobs = new HashSet<>();
    private boolean isMaster;
    private boolean listsWriteback;
    /** Whether it writes nothing back, whatever it lists. */
    public boolean refusesWriteback;
    /** In place of the right content of its planes' IN_FORMATS. */
    byte @Nullable [] inFormats;
    /** What its writeback writes. */
    public int[] writebackFormats = {0x12345678, PixelFormat.XR24.drmFourcc().orElseThrow()};
    /** Width and height of the second mode of each connector. */
    public int[] secondMode = {640, 480};

    public FakeCard(FakeKernel kernel, boolean imports, boolean hasDisplays) {
        this.kernel = kernel;
        this.imports = imports;
        this.hasDisplays = hasDisplays;
        contents.put(CONSOLE_MODE, new byte[] {7, 7, 7});
        this.screen = new FakeScreen(this, kernel);
    }

    /** How many framebuffers there are. */
    public int framebuffers() {
        return framebuffers.size();
    }

    /** What programs have made and not removed. */
    public String state() {
        return objects + " " + framebuffers + (blobs.isEmpty() ? "" : " blobs " + blobs) + (isMaster ? " master" : "");
    }

    /** What is on the screen; modes by their content. */
    public String screen() {
        return screen.toString();
    }

    /** Whether another program's picture is on the screen. */
    public boolean showsConsole() {
        return screen.value(PRIMARY, "FB_ID") == CONSOLE && screen.value(CRTC, "ACTIVE") == 1;
    }

    /** The framebuffer on the screen. */
    public long onScreen() {
        return screen.value(PRIMARY, "FB_ID");
    }

    /** A property of the primary plane, or of the overlay. */
    public long plane(boolean overlay, String property) {
        return screen.value(overlay ? OVERLAY : PRIMARY, property);
    }

    /** The content of a blob, whatever became of it. */
    byte @Nullable [] content(long blob) {
        return contents.get((int) blob);
    }

    /** Whether a program has made a blob and not destroyed it. */
    boolean hasBlob(long blob) {
        return blobs.contains((int) blob);
    }

    /** Whether a program has made a framebuffer and not removed it. */
    boolean hasFramebuffer(long framebuffer) {
        return framebuffers.containsKey((int) framebuffer);
    }

    private boolean remove(int framebuffer) {
        if (framebuffers.remove(framebuffer) == null) {
            return false;
        }
        screen.removed(framebuffer);
        return true;
    }

    @Override
    public int ready(int fd) {
        isAwaited = true;
        return screen.hasEvent() && !isStuck && !isGone ? Linux.POLLIN : 0;
    }

    @Override
    public long read(int fd, MemorySegment target) {
        if (isGone) {
            return -Errno.ENODEV;
        }
        boolean isUnseen = isQueueing && !isAwaited;
        int ready = ready(fd);
        isAwaited = false;
        return isUnseen || ready == 0 ? -Errno.EAGAIN : screen.readEvents(target);
    }

    @Override
    public long number() {
        return 226 << 8 | 1;
    }

    @Override
    public int ioctl(int fd, long request, MemorySegment argument) {
        beforeRequest.accept(request);
        if (isGone) {
            return -Errno.ENODEV;
        }
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
        if (request == drm_h.DRM_IOCTL_MODE_CREATE_DUMB()) {
            if (!hasDumbBuffers) {
                return -Errno.ENOSYS;
            }
            long pitch = (long) drm_mode_create_dumb.width(argument) * drm_mode_create_dumb.bpp(argument) / Byte.SIZE;
            long size = pitch * drm_mode_create_dumb.height(argument);
            objects.put(++numbers, size);
            drm_mode_create_dumb.handle(argument, numbers);
            drm_mode_create_dumb.size(argument, size);
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_PRIME_HANDLE_TO_FD()) {
            Long size = objects.get(drm_prime_handle.handle(argument));
            if (size == null) {
                return -Errno.ENOENT;
            }
            drm_prime_handle.fd(argument, kernel.foreignDmaBuf("drm", size, false));
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_ADDFB2()) {
            if (!hasDisplays) {
                return -Errno.EOPNOTSUPP;
            }
            int errno = framebuffer(argument);
            if (errno != 0) {
                return -errno;
            }
            if (takesNoGaps
                    && drm_mode_fb_cmd2.pitches(argument, 1) > 0
                    && Integer.toUnsignedLong(drm_mode_fb_cmd2.offsets(argument, 1))
                            != (long) drm_mode_fb_cmd2.pitches(argument, 0) * drm_mode_fb_cmd2.height(argument)) {
                return -Errno.EINVAL;
            }
            lastFormat = drm_mode_fb_cmd2.pixel_format(argument);
            lastLines = drm_mode_fb_cmd2.height(argument);
            lastColumns = drm_mode_fb_cmd2.width(argument);
            lastOffsets = IntStream.range(
                            0,
                            PixelFormat.ofDrm(lastFormat).orElseThrow().planes().size())
                    .mapToObj(i -> Integer.toUnsignedLong(drm_mode_fb_cmd2.offsets(argument, i)))
                    .toList();
            framebuffers.put(++numbers, drm_mode_fb_cmd2.handles(argument, 0));
            drm_mode_fb_cmd2.fb_id(argument, numbers);
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_RMFB()) {
            return remove(argument.get(ValueLayout.JAVA_INT, 0)) ? 0 : -Errno.ENOENT;
        }
        if (request == drm_h.DRM_IOCTL_GEM_CLOSE()) {
            return objects.remove(drm_gem_close.handle(argument)) == null ? -Errno.EINVAL : 0;
        }
        return hasDisplays ? display(request, argument) : -Errno.EOPNOTSUPP;
    }

    /** Checks the planes, as framebuffer_check and drm_gem_fb_init_with_funcs of the kernel do: an errno, or 0. */
    private int framebuffer(MemorySegment argument) {
        PixelFormat format =
                PixelFormat.ofDrm(drm_mode_fb_cmd2.pixel_format(argument)).orElseThrow();
        List<PixelFormat.Sampling> planes = format.planes();
        var handles = new ArrayList<Integer>();
        for (int i = 0; i < planes.size(); i++) {
            PixelFormat.Sampling plane = planes.get(i);
            int handle = drm_mode_fb_cmd2.handles(argument, i);
            long pitch = Integer.toUnsignedLong(drm_mode_fb_cmd2.pitches(argument, i));
            long offset = Integer.toUnsignedLong(drm_mode_fb_cmd2.offsets(argument, i));
            long lines = Math.ceilDiv(drm_mode_fb_cmd2.height(argument), plane.vertical());
            long least = (long) Math.ceilDiv(drm_mode_fb_cmd2.width(argument), plane.width()) * plane.bytes();
            if (pitch % pitchMultiple != 0
                    || pitch < least
                    || !objects.containsKey(handle)
                    || Objects.requireNonNull(objects.get(handle)) < offset + pitch * lines) {
                return Errno.EINVAL;
            }
            handles.add(handle);
        }
        if (wantsOnePitch
                && IntStream.range(0, planes.size())
                                .map(i -> drm_mode_fb_cmd2.pitches(argument, i))
                                .distinct()
                                .count()
                        > 1) {
            return Errno.EINVAL;
        }
        if (wantsOneBuffer && handles.stream().distinct().count() > 1) {
            return Errno.EINVAL;
        }
        lastHandles = List.copyOf(handles);
        return 0;
    }

    private int display(long request, MemorySegment argument) {
        if (request == drm_h.DRM_IOCTL_SET_CLIENT_CAP()) {
            listsWriteback |= drm_set_client_cap.capability(argument) == drm_h.DRM_CLIENT_CAP_WRITEBACK_CONNECTORS();
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_GETRESOURCES()) {
            var connectors = new ArrayList<>(List.of(CONNECTOR));
            if (hasTwo && !hasLostOther) {
                connectors.add(OTHER_CONNECTOR);
            }
            if (listsWriteback) {
                connectors.addFirst(WRITEBACK);
            }
            drm_mode_card_res.count_crtcs(
                    argument,
                    list(
                            "crtcs",
                            drm_mode_card_res.crtc_id_ptr(argument),
                            drm_mode_card_res.count_crtcs(argument),
                            hasTwo ? List.of(CRTC, OTHER_CRTC) : List.of(CRTC)));
            drm_mode_card_res.count_connectors(
                    argument,
                    list(
                            "connectors",
                            drm_mode_card_res.connector_id_ptr(argument),
                            drm_mode_card_res.count_connectors(argument),
                            connectors));
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_GETCONNECTOR()) {
            return isLost(drm_mode_get_connector.connector_id(argument)) ? -Errno.ENOENT : connector(argument);
        }
        if (request == drm_h.DRM_IOCTL_MODE_GETENCODER()) {
            if (drm_mode_get_encoder.encoder_id(argument) == LOST_ENCODER) {
                return -Errno.ENOENT;
            }
            drm_mode_get_encoder.possible_crtcs(argument, 0b11);
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_GETPLANERESOURCES()) {
            drm_mode_get_plane_res.count_planes(
                    argument,
                    list(
                            "planes",
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
                            "formats",
                            drm_mode_get_plane.format_type_ptr(argument),
                            drm_mode_get_plane.count_format_types(argument),
                            fourccs));
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_OBJ_GETPROPERTIES()) {
            return isLost(drm_mode_obj_get_properties.obj_id(argument)) ? -Errno.ENOENT : properties(argument);
        }
        if (request == drm_h.DRM_IOCTL_MODE_GETPROPERTY()) {
            drm_mode_get_property
                    .name(argument)
                    .setString(0, PROPERTIES.get(drm_mode_get_property.prop_id(argument) - 1));
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_GETPROPBLOB()) {
            return blob(argument);
        }
        if (request == drm_h.DRM_IOCTL_MODE_CREATEPROPBLOB()) {
            blobs.add(++numbers);
            try (Arena arena = Arena.ofConfined()) {
                contents.put(
                        numbers,
                        memory(arena, drm_mode_create_blob.data(argument), drm_mode_create_blob.length(argument))
                                .toArray(ValueLayout.JAVA_BYTE));
            }
            drm_mode_create_blob.blob_id(argument, numbers);
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_MODE_DESTROYPROPBLOB()) {
            return blobs.remove(drm_mode_destroy_blob.blob_id(argument)) ? 0 : -Errno.ENOENT;
        }
        if (request == drm_h.DRM_IOCTL_MODE_ATOMIC()) {
            return isMaster ? screen.commit(argument) : -Errno.EACCES;
        }
        return -Errno.ENOTTY;
    }

    private boolean isLost(int object) {
        return hasLostOther && object == OTHER_CONNECTOR;
    }

    private int connector(MemorySegment argument) {
        boolean isScreen = drm_mode_get_connector.connector_id(argument) != WRITEBACK;
        drm_mode_get_connector.connector_type_id(
                argument, drm_mode_get_connector.connector_id(argument) == OTHER_CONNECTOR ? 2 : 1);
        drm_mode_get_connector.connector_type(
                argument, isScreen ? drm_h.DRM_MODE_CONNECTOR_VIRTUAL() : drm_h.DRM_MODE_CONNECTOR_WRITEBACK());
        drm_mode_get_connector.connection(argument, isScreen && isConnected ? 1 : 2);
        drm_mode_get_connector.count_encoders(
                argument,
                list(
                        "encoders",
                        drm_mode_get_connector.encoders_ptr(argument),
                        drm_mode_get_connector.count_encoders(argument),
                        encoders));
        int modeCount = 2 + (questions++ > 0 ? growing : 0);
        if (drm_mode_get_connector.count_modes(argument) >= modeCount) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment modes = memory(
                        arena, drm_mode_get_connector.modes_ptr(argument), modeCount * drm_mode_modeinfo.sizeof());
                mode(drm_mode_modeinfo.asSlice(modes, 0), 1024, 768, 60, drm_h.DRM_MODE_TYPE_PREFERRED());
                for (int i = 1; i < modeCount; i++) {
                    mode(drm_mode_modeinfo.asSlice(modes, i), secondMode[0], secondMode[1], 75, 0);
                }
            }
        }
        drm_mode_get_connector.count_modes(argument, absurd.equals("modes") ? -5 : modeCount);
        return 0;
    }

    private static void mode(MemorySegment mode, int width, int height, int refresh, int type) {
        drm_mode_modeinfo.hdisplay(mode, (short) width);
        drm_mode_modeinfo.vdisplay(mode, (short) height);
        drm_mode_modeinfo.vrefresh(mode, refresh);
        drm_mode_modeinfo.type(mode, type);
    }

    /** Every object has every property. */
    private int properties(MemorySegment argument) {
        int object = drm_mode_obj_get_properties.obj_id(argument);
        if (drm_mode_obj_get_properties.count_props(argument) >= PROPERTIES.size()) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment values = memory(
                        arena,
                        drm_mode_obj_get_properties.prop_values_ptr(argument),
                        (long) PROPERTIES.size() * Long.BYTES);
                for (int i = 0; i < PROPERTIES.size(); i++) {
                    long value = switch (PROPERTIES.get(i)) {
                        case "type" -> object == PRIMARY || object == OTHER_PRIMARY ? 1 : 0;
                        case "IN_FORMATS" -> IN_FORMATS;
                        case "WRITEBACK_PIXEL_FORMATS" -> WRITEBACK_FORMATS;
                        default -> screen.value(object, PROPERTIES.get(i));
                    };
                    values.setAtIndex(ValueLayout.JAVA_LONG, i, value);
                }
            }
        }
        drm_mode_obj_get_properties.count_props(
                argument,
                list(
                        "properties",
                        drm_mode_obj_get_properties.props_ptr(argument),
                        drm_mode_obj_get_properties.count_props(argument),
                        IntStream.rangeClosed(1, PROPERTIES.size()).boxed().toList()));
        return 0;
    }

    private int blob(MemorySegment argument) {
        int id = drm_mode_get_blob.blob_id(argument);
        if (id == IN_FORMATS && inFormats == null) {
            return formats(argument);
        }
        byte[] content = id == WRITEBACK_FORMATS
                ? MemorySegment.ofArray(writebackFormats).toArray(ValueLayout.JAVA_BYTE)
                : id == IN_FORMATS ? inFormats : contents.get(id);
        if (content == null) {
            return -Errno.ENOENT;
        }
        if (drm_mode_get_blob.length(argument) == content.length) {
            try (Arena arena = Arena.ofConfined()) {
                memory(arena, drm_mode_get_blob.data(argument), content.length)
                        .copyFrom(MemorySegment.ofArray(content));
            }
        }
        drm_mode_get_blob.length(argument, content.length);
        return 0;
    }

    /** All formats are linear; the last may be tiled, too. */
    private int formats(MemorySegment argument) {
        int formatsAt = 24;
        int modifiersAt = 40;
        int size = (int) (modifiersAt + 2 * drm_format_modifier.sizeof());
        if (drm_mode_get_blob.length(argument) >= size) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment blob = memory(arena, drm_mode_get_blob.data(argument), size);
                drm_format_modifier_blob.formats_offset(blob, formatsAt);
                drm_format_modifier_blob.modifiers_offset(
                        blob, absurd.equals("offset") ? Integer.MAX_VALUE : modifiersAt);
                drm_format_modifier_blob.count_modifiers(blob, absurd.equals("modifiers") ? -1 : 2);
                for (int i = 0; i < fourccs.size(); i++) {
                    blob.set(ValueLayout.JAVA_INT, formatsAt + 4L * i, fourccs.get(i));
                }
                MemorySegment linear = blob.asSlice(modifiersAt);
                drm_format_modifier.formats(linear, 0b111);
                MemorySegment tiled = blob.asSlice(modifiersAt + drm_format_modifier.sizeof());
                drm_format_modifier.formats(tiled, 0b10);
                drm_format_modifier.offset(tiled, 1);
                drm_format_modifier.modifier(tiled, TILED);
            }
        }
        drm_mode_get_blob.length(argument, absurd.equals("blob") ? Integer.MAX_VALUE : size);
        return 0;
    }

    static MemorySegment memory(Arena arena, long address, long size) {
        return Linux.view(address, size, arena);
    }

    /** Fills in a list if there is room for it, and tells how long it is. */
    private int list(String what, long address, int room, List<Integer> numbers) {
        if (absurd.equals(what)) {
            return -3;
        }
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
        List.copyOf(framebuffers.keySet()).forEach(this::remove);
        blobs.clear();
        screen.closed();
        isMaster = false;
        listsWriteback = false;
    }
}
