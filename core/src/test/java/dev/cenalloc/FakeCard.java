package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.drm.drm_gem_close;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_fb_cmd2;
import dev.cenalloc.bindings.drm.drm_prime_handle;
import dev.cenalloc.bindings.drm.drm_version;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;

/** A DRM card. */
final class FakeCard implements FakeKernel.Device {
    private final FakeKernel kernel;
    private final boolean imports;
    private final boolean hasDisplays;
    /** The size of each object, by its handle; framebuffers by their id, with the handle that they are of. */
    private final Map<Integer, Long> objects = new HashMap<>();

    private final Map<Integer, Integer> framebuffers = new HashMap<>();
    private int numbers;

    FakeCard(FakeKernel kernel, boolean imports, boolean hasDisplays) {
        this.kernel = kernel;
        this.imports = imports;
        this.hasDisplays = hasDisplays;
    }

    String state() {
        return objects + " " + framebuffers;
    }

    @Override
    public long number() {
        return 226 << 8 | 1;
    }

    @Override
    public int ioctl(int fd, long request, MemorySegment argument) {
        if (request == drm_h.DRM_IOCTL_DROP_MASTER()) {
            return 0;
        }
        if (request == drm_h.DRM_IOCTL_VERSION()) {
            long room = drm_version.name_len(argument);
            drm_version.name_len(argument, 4);
            if (room >= 4) {
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment name = Linux.view(drm_version.name(argument).address(), 4, arena, () -> {});
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
        return -Errno.ENOTTY;
    }

    @Override
    public void closed(int fd) {
        objects.clear();
        framebuffers.clear();
    }
}
