// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_get_cap;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_create_blob;
import dev.cenalloc.bindings.drm.drm_mode_destroy_blob;
import dev.cenalloc.bindings.drm.drm_set_client_cap;
import dev.cenalloc.bindings.drm.drm_version;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.node.Sysfs;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * An open DRM node: what it is, and who controls its displays. Closed by the object that opened it. For one thread at a
 * time.
 */
public final class Card implements AutoCloseable {
    /** The major number of DRM nodes; Documentation/admin-guide/devices.txt. */
    private static final int DRM = 226;

    private static final int MOST_CHARACTERS = 1024;

    private final DeviceNode node;
    private final long number;
    private final CardReader reader;
    private final String driver;
    private final String place;
    private final String name;
    private final boolean hasModifiers;
    /** Whether the driver has confirmed it; it stays so as long as the node is open. */
    private boolean setsModes;
    /** How many need the control of the displays at present. */
    private int masters;

    private Card(DeviceNode node, long number, String driver, String place) {
        this.node = node;
        this.number = number;
        this.reader = new CardReader(node);
        this.driver = driver;
        this.place = place;
        this.name = driver.equals(place) ? driver : driver + " " + place;
        this.hasModifiers = capability(drm_h.DRM_CAP_ADDFB2_MODIFIERS()) == 1;
    }

    /**
     * Opens a DRM node. Whoever controls its displays is not disturbed.
     *
     * @throws CenallocException ENOTTY if it is none, without opening it; else the errno of stat, of open or of the
     *     driver
     */
    public static Card open(Kernel kernel, Path path) throws CenallocException {
        long number = kernel.deviceNumber(path);
        if (number < 0) {
            throw CenallocException.ofCall((int) -number, "stat", path, -1);
        }
        if (Kernel.major(number) != DRM) {
            throw new CenallocException(
                    Errno.ENOTTY,
                    "open display",
                    path,
                    -1,
                    "this is no DRM device",
                    "give a node such as /dev/dri/card0");
        }
        return open(kernel, path, number);
    }

    /** As {@link #open(Kernel, Path)}, of a node that is known to be of DRM. */
    static Card open(Kernel kernel, Path path, long number) throws CenallocException {
        DeviceNode node = DeviceNode.open(kernel, path);
        boolean usable = false;
        try {
            // The kernel makes the first program that opens a card its master. Given back at once: a desktop may start
            // any moment.
            node.tryIoctl(drm_h.DRM_IOCTL_DROP_MASTER(), MemorySegment.NULL);
            String place =
                    Sysfs.place(kernel, kernel.sysfs(number)).orElseGet(() -> String.valueOf(path.getFileName()));
            var card = new Card(node, number, driver(node), place);
            usable = true;
            return card;
        } finally {
            if (!usable) {
                node.close();
            }
        }
    }

    private static String driver(DeviceNode node) throws CenallocException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment version = drm_version.allocate(arena);
            node.ioctl("DRM_IOCTL_VERSION", drm_h.DRM_IOCTL_VERSION(), version);
            long length = Math.clamp(drm_version.name_len(version), 0, MOST_CHARACTERS);
            MemorySegment name = arena.allocate(length + 1);
            drm_version.name_len(version, length);
            drm_version.name(version, name);
            drm_version.date_len(version, 0);
            drm_version.desc_len(version, 0);
            node.ioctl("DRM_IOCTL_VERSION", drm_h.DRM_IOCTL_VERSION(), version);
            return CardReader.text(name);
        }
    }

    public DeviceNode node() {
        return node;
    }

    /** The device number of the node. */
    public long number() {
        return number;
    }

    /** What the driver calls itself. */
    public String driver() {
        return driver;
    }

    /** Its place on the bus, which lasts from boot to boot; else the name of the node. */
    public String place() {
        return place;
    }

    /** What explanations call the device: driver and place. */
    public String name() {
        return name;
    }

    /** Whether framebuffers are told their modifier; without, the driver guesses. */
    public boolean hasModifiers() {
        return hasModifiers;
    }

    /** Whether it takes dma-bufs of other devices. */
    public boolean importsDmaBufs() {
        return (capability(drm_h.DRM_CAP_PRIME()) & drm_h.DRM_PRIME_CAP_IMPORT()) != 0;
    }

    /** What the driver says of a capability; 0 if it does not know it. */
    private long capability(int which) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cap = drm_get_cap.allocate(arena);
            drm_get_cap.capability(cap, which);
            return node.tryIoctl(drm_h.DRM_IOCTL_GET_CAP(), cap) < 0 ? 0 : drm_get_cap.value(cap);
        }
    }

    /** Whether the device is there; a display that was unplugged answers nothing. */
    public boolean isPresent() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cap = drm_get_cap.allocate(arena);
            drm_get_cap.capability(cap, drm_h.DRM_CAP_PRIME());
            return node.tryIoctl(drm_h.DRM_IOCTL_GET_CAP(), cap) != -Errno.ENODEV;
        }
    }

    /** Whether there are displays, and a driver with atomic mode setting. */
    public boolean setsModes() throws CenallocException {
        setsModes =
                setsModes || (enable(drm_h.DRM_CLIENT_CAP_UNIVERSAL_PLANES()) && enable(drm_h.DRM_CLIENT_CAP_ATOMIC()));
        return setsModes;
    }

    /** Lists writeback connectors among the others from now on; whether that can be. */
    boolean enableWriteback() throws CenallocException {
        return enable(drm_h.DRM_CLIENT_CAP_WRITEBACK_CONNECTORS());
    }

    private boolean enable(int capability) throws CenallocException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cap = drm_set_client_cap.allocate(arena);
            drm_set_client_cap.capability(cap, capability);
            drm_set_client_cap.value(cap, 1);
            int result = node.tryIoctl(drm_h.DRM_IOCTL_SET_CLIENT_CAP(), cap);
            return switch (-result) {
                // No displays, no atomic driver, a node for rendering only.
                case Errno.EOPNOTSUPP, Errno.EINVAL, Errno.EACCES -> false;
                default -> {
                    if (result < 0) {
                        throw node.failure(-result, "DRM_IOCTL_SET_CLIENT_CAP");
                    }
                    yield true;
                }
            };
        }
    }

    /**
     * Takes the control of the displays, if it does not have it: 0, or {@code -errno}; EBUSY if another program has it,
     * EACCES if this process may not take it. Each success needs a {@link #releaseMaster}.
     */
    public int acquireMaster() {
        int result = masters > 0 ? 0 : node.tryIoctl(drm_h.DRM_IOCTL_SET_MASTER(), MemorySegment.NULL);
        if (result >= 0) {
            masters++;
        }
        return result;
    }

    /** Gives the control of the displays back, once it was released as many times as it was acquired. */
    public void releaseMaster() {
        if (--masters == 0) {
            node.tryIoctl(drm_h.DRM_IOCTL_DROP_MASTER(), MemorySegment.NULL);
        }
    }

    /** Whether this process could control the displays now: 0, or as {@link #acquireMaster}. Nothing stays acquired. */
    public int tryMaster() {
        int result = acquireMaster();
        if (result >= 0) {
            releaseMaster();
        }
        return result;
    }

    /** Whether a screen is connected, as was found last: the kernel does not look again. */
    public boolean hasConnectedOutput() throws CenallocException {
        if (!setsModes()) {
            return false;
        }
        for (int id : reader.resources().connectors()) {
            Optional<CardReader.Connector> connector = reader.connector(id);
            if (connector.isPresent()
                    && connector.get().isConnected()
                    && !connector.get().isWriteback()) {
                return true;
            }
        }
        return false;
    }

    /** The ways to its screens, one for each that is connected; none if the driver has no atomic mode setting. */
    public List<Scanout> scanouts() throws CenallocException {
        if (!setsModes()) {
            return List.of();
        }
        // The kernel looks whether a screen is connected only for the program that controls the displays; others are
        // told what was found last.
        boolean isMaster = acquireMaster() >= 0;
        try {
            return new Scanouts(reader).all();
        } finally {
            if (isMaster) {
                releaseMaster();
            }
        }
    }

    /** A connector with its properties as they are now. */
    public KmsObject connector(int id) throws CenallocException {
        return reader.object(id, drm_h.DRM_MODE_OBJECT_CONNECTOR());
    }

    /** A CRTC with its properties as they are now. */
    public KmsObject crtc(int id) throws CenallocException {
        return reader.object(id, drm_h.DRM_MODE_OBJECT_CRTC());
    }

    /** A plane with its properties as they are now. */
    public KmsObject plane(int id) throws CenallocException {
        return reader.object(id, drm_h.DRM_MODE_OBJECT_PLANE());
    }

    /**
     * A connector that writes the output of a CRTC to memory.
     *
     * @param formats that it writes, of those that have a name here
     * @param otherFormats that it writes, without a name here, by their four characters
     * @param modes whose pictures it writes, by its own word
     * @param doubts what the driver says of the modes that cannot be, in words
     */
    public record Writeback(
            KmsObject connector,
            List<PixelFormat> formats,
            List<String> otherFormats,
            List<Scanout.Mode> modes,
            List<String> doubts) {}

    /** What writes the output of a CRTC to memory; empty if nothing does. */
    public Optional<Writeback> writeback(int crtc) throws CenallocException {
        if (!enableWriteback()) {
            return Optional.empty();
        }
        CardReader.Resources resources = reader.resources();
        int crtcIndex = resources.crtcs().indexOf(crtc);
        for (int id : resources.connectors()) {
            Optional<CardReader.Connector> connector = reader.connector(id);
            if (crtcIndex < 0
                    || connector.isEmpty()
                    || !connector.get().isWriteback()
                    || !reader.reaches(connector.get(), crtcIndex)) {
                continue;
            }
            KmsObject object = connector(id);
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment list = reader.blob(arena, (int) object.value("WRITEBACK_PIXEL_FORMATS"));
                List<Integer> codes = list.asSlice(0, list.byteSize() / Integer.BYTES * Integer.BYTES)
                        .elements(ValueLayout.JAVA_INT)
                        .map(code -> code.get(ValueLayout.JAVA_INT, 0))
                        .distinct()
                        .toList();
                return Optional.of(new Writeback(
                        object,
                        codes.stream()
                                .map(PixelFormat::ofDrm)
                                .flatMap(Optional::stream)
                                .toList(),
                        codes.stream()
                                .filter(code -> PixelFormat.ofDrm(code).isEmpty())
                                .map(PixelFormat::characters)
                                .toList(),
                        connector.get().modes(),
                        connector.get().doubts()));
            }
        }
        return Optional.empty();
    }

    /** Makes a blob: the kernel's number for it. Freed by {@link #destroyBlob}, or with the node. */
    public int createBlob(MemorySegment content) throws CenallocException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment create = drm_mode_create_blob.allocate(arena);
            MemorySegment copy = arena.allocate(content.byteSize(), Long.BYTES).copyFrom(content);
            drm_mode_create_blob.data(create, copy.address());
            drm_mode_create_blob.length(create, (int) copy.byteSize());
            node.ioctl("DRM_IOCTL_MODE_CREATEPROPBLOB", drm_h.DRM_IOCTL_MODE_CREATEPROPBLOB(), create);
            return drm_mode_create_blob.blob_id(create);
        }
    }

    /** Another blob of the same content, which lives as long as its maker wants; 0 of none. */
    public int copyOfBlob(int id) throws CenallocException {
        if (id == 0) {
            return 0;
        }
        try (Arena arena = Arena.ofConfined()) {
            return createBlob(reader.blob(arena, id));
        }
    }

    /** Frees a blob; if that fails, closing the node does it. */
    public void destroyBlob(int id) {
        if (id != 0) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment destroy = drm_mode_destroy_blob.allocate(arena);
                drm_mode_destroy_blob.blob_id(destroy, id);
                node.tryIoctl(drm_h.DRM_IOCTL_MODE_DESTROYPROPBLOB(), destroy);
            } catch (OutOfMemoryError | StackOverflowError e) {
                // It goes with the node; what the caller has committed stands.
            }
        }
    }

    /** Closes the node; framebuffers, blobs and the control of the displays go with it. Idempotent. */
    @Override
    public void close() {
        node.close();
    }
}
