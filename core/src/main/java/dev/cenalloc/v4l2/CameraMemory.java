package dev.cenalloc.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.image.Layout;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.DeviceMemory;
import dev.cenalloc.stream.Ring;
import java.util.Objects;

/** The memory that a camera's driver allocates. Owns nothing. */
final class CameraMemory implements DeviceMemory {
    private final Camera camera;

    CameraMemory(Camera camera) {
        this.camera = camera;
    }

    @Override
    public String name() {
        return "memory of " + camera.name();
    }

    @Override
    public Offer offer(Layout layout, int count) throws CenallocException {
        Objects.requireNonNull(layout, "layout");
        return camera.offer(name(), layout, count);
    }

    @Override
    public Ring allocate(Agreement agreement, int count) throws CenallocException {
        Objects.requireNonNull(agreement, "agreement");
        return camera.lendFor(agreement, count);
    }

    @Override
    public String toString() {
        return name();
    }
}
