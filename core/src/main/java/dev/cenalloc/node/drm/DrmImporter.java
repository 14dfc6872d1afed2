package dev.cenalloc.node.drm;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_gem_close;
import dev.cenalloc.bindings.drm.drm_get_cap;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_fb_cmd2;
import dev.cenalloc.bindings.drm.drm_prime_handle;
import dev.cenalloc.bindings.drm.drm_version;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.node.Importer;
import dev.cenalloc.node.Refusal;
import dev.cenalloc.node.Sysfs;
import dev.cenalloc.plan.Constraints;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A DRM node. Buffers are imported and made framebuffers, which nothing shows; a connected screen is asked whether it would
 * show them, unless another program controls it. A driver without displays, such as vgem, has no framebuffers, nor has a render
 * node: there the import alone counts.
 */
public final class DrmImporter implements Importer {
    private static final String TEST = "DRM_IOCTL_MODE_ATOMIC with DRM_MODE_ATOMIC_TEST_ONLY";

    private final DeviceNode file;
    private final String driver;
    private final String name;
    private final Card card;
    private @Nullable Layout layout;
    /** Where the images could be seen; null if nowhere. */
    private @Nullable Scanout scanout;

    private boolean hasModifiers;
    private String omitted = "";

    private DrmImporter(DeviceNode file, String driver, String place) {
        this.file = file;
        this.driver = driver;
        this.name = driver.equals(place) ? driver : driver + " " + place;
        this.card = new Card(file);
    }

    public static DrmImporter open(Kernel kernel, Path path, long number) throws CenallocException {
        DeviceNode file = DeviceNode.open(kernel, path);
        boolean usable = false;
        try (Arena arena = Arena.ofConfined()) {
            // Who opens a card that nobody controls is made its master. Given back at once: a desktop may start any
            // moment.
            file.tryIoctl(drm_h.DRM_IOCTL_DROP_MASTER(), MemorySegment.NULL);
            MemorySegment version = drm_version.allocate(arena);
            file.ioctl("DRM_IOCTL_VERSION", drm_h.DRM_IOCTL_VERSION(), version);
            MemorySegment name = arena.allocate(drm_version.name_len(version) + 1);
            drm_version.name(version, name);
            drm_version.date_len(version, 0);
            drm_version.desc_len(version, 0);
            file.ioctl("DRM_IOCTL_VERSION", drm_h.DRM_IOCTL_VERSION(), version);
            String place = Sysfs.place(kernel.sysfs(number)).orElseGet(() -> String.valueOf(path.getFileName()));
            var opened = new DrmImporter(file, name.getString(0), place);
            usable = true;
            return opened;
        } finally {
            if (!usable) {
                file.close();
            }
        }
    }

    @Override
    public String driver() {
        return driver;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Optional<List<ImageRange>> produces() {
        return Optional.empty();
    }

    @Override
    public Optional<List<ImageRange>> consumes() throws CenallocException {
        return card.setsModes()
                ? Optional.of(
                        scanouts().stream().findFirst().map(Scanout::images).orElse(List.of()))
                : Optional.empty();
    }

    /** The ways to its screens. */
    public List<Scanout> scanouts() throws CenallocException {
        return card.scanouts();
    }

    @Override
    public long prepare(Layout wanted) throws CenallocException {
        Image image = wanted.image();
        List<Scanout> scanouts = scanouts();
        List<ImageRange> images =
                scanouts.stream().flatMap(one -> one.images().stream()).toList();
        if (!images.isEmpty() && images.stream().noneMatch(range -> range.format() == image.format())) {
            throw new CenallocException(
                    Errno.EINVAL,
                    "DRM_IOCTL_MODE_GETPLANE",
                    file.path(),
                    -1,
                    name() + " shows no images of " + image.format(),
                    "what it shows: "
                            + images.stream()
                                    .map(range -> range.format().toString())
                                    .distinct()
                                    .collect(Collectors.joining(", ")));
        }
        layout = wanted;
        scanout = scanouts.stream().filter(one -> one.shows(image)).findFirst().orElse(null);
        if (scanout == null && card.setsModes()) {
            omitted = "not tried on a screen, since none that is connected has such images";
        }
        hasModifiers = hasModifiers();
        return wanted.size();
    }

    /** Whether framebuffers are told their modifier; without, the driver guesses. */
    private boolean hasModifiers() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cap = drm_get_cap.allocate(arena);
            drm_get_cap.capability(cap, drm_h.DRM_CAP_ADDFB2_MODIFIERS());
            return file.tryIoctl(drm_h.DRM_IOCTL_GET_CAP(), cap) == 0 && drm_get_cap.value(cap) == 1;
        }
    }

    @Override
    public Constraints needs() {
        return Constraints.NONE;
    }

    @Override
    public String omitted() {
        return omitted;
    }

    @Override
    public Optional<Refusal> offer(List<DmaBuf> buffers) throws CenallocException {
        var handles = new ArrayList<Integer>();
        var framebuffers = new ArrayList<Integer>();
        try (Arena arena = Arena.ofConfined()) {
            for (DmaBuf buffer : buffers) {
                MemorySegment prime = drm_prime_handle.allocate(arena);
                drm_prime_handle.fd(prime, buffer.fd());
                Optional<Refusal> refusal = file.refusal(
                        file.tryIoctl(drm_h.DRM_IOCTL_PRIME_FD_TO_HANDLE(), prime), "DRM_IOCTL_PRIME_FD_TO_HANDLE");
                if (refusal.isPresent()) {
                    return refusal;
                }
                handles.add(drm_prime_handle.handle(prime));
                MemorySegment add = framebuffer(arena, Objects.requireNonNull(layout), handles.getLast());
                int result = file.tryIoctl(drm_h.DRM_IOCTL_MODE_ADDFB2(), add);
                // No displays, or a node that is for rendering only.
                if (result == -Errno.EOPNOTSUPP || result == -Errno.EACCES) {
                    continue;
                }
                refusal = file.refusal(result, "DRM_IOCTL_MODE_ADDFB2");
                if (refusal.isPresent()) {
                    return refusal;
                }
                framebuffers.add(drm_mode_fb_cmd2.fb_id(add));
                refusal = shown(framebuffers.getLast());
                if (refusal.isPresent()) {
                    return refusal;
                }
            }
            return Optional.empty();
        } finally {
            // What a driver fails to let go of now, it lets go of when the node is closed.
            framebuffers.forEach(this::remove);
            handles.forEach(this::letGo);
        }
    }

    /** The display's refusal to show a framebuffer; empty if it would, or cannot be asked. */
    private Optional<Refusal> shown(int framebuffer) throws CenallocException {
        if (scanout == null) {
            return Optional.empty();
        }
        Image image = Objects.requireNonNull(layout).image();
        Scanout.Mode mode = scanout.mode(image).orElseThrow();
        int result = new TestCommit(file, card).result(scanout, mode, image, framebuffer);
        if (result == -Errno.EACCES) {
            omitted = "not tried on the screen, which another program controls";
            return Optional.empty();
        }
        return file.refusal(result, TEST).map(refusal -> Refusal.ofImage(refusal.call(), refusal.errno()));
    }

    private MemorySegment framebuffer(Arena arena, Layout layout, int handle) {
        MemorySegment add = drm_mode_fb_cmd2.allocate(arena);
        drm_mode_fb_cmd2.width(add, layout.image().width());
        drm_mode_fb_cmd2.height(add, layout.image().height());
        drm_mode_fb_cmd2.pixel_format(add, layout.image().format().drmFourcc());
        for (int i = 0; i < layout.planes().size(); i++) {
            drm_mode_fb_cmd2.handles(add, i, handle);
            drm_mode_fb_cmd2.pitches(add, i, (int) layout.planes().get(i).pitch());
            drm_mode_fb_cmd2.offsets(add, i, (int) layout.planes().get(i).offset());
            if (hasModifiers) {
                drm_mode_fb_cmd2.modifier(add, i, layout.image().modifier());
            }
        }
        if (hasModifiers) {
            drm_mode_fb_cmd2.flags(add, drm_h.DRM_MODE_FB_MODIFIERS());
        }
        return add;
    }

    private void remove(int framebuffer) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment id = arena.allocateFrom(ValueLayout.JAVA_INT, framebuffer);
            file.tryIoctl(drm_h.DRM_IOCTL_MODE_RMFB(), id);
        }
    }

    private void letGo(int handle) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment close = drm_gem_close.allocate(arena);
            drm_gem_close.handle(close, handle);
            file.tryIoctl(drm_h.DRM_IOCTL_GEM_CLOSE(), close);
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
