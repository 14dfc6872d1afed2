package dev.cenalloc.examples;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Constraints;
import dev.cenalloc.Device;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.Heap;
import dev.cenalloc.HeapProperties.Trait;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Learns what memory a driver takes by offering it some, at the real size: neither V4L2 nor DRM can be asked. A small
 * buffer would prove nothing, since up to a megabyte from the system heap can be contiguous by luck.
 */
final class Trial {
    /** Held at the same time, so that one lucky piece of memory decides nothing. */
    private static final int BUFFERS = 3;

    /** Imports a buffer and lets go of it again. */
    interface Import {
        /** The empty string if the driver takes the buffer, else its refusal, such as {@code "VIDIOC_QBUF: EFAULT"}. */
        String refusal(DmaBuf buffer) throws IOException;
    }

    private Trial() {}

    /**
     * The device with the constraints that the trial showed.
     *
     * @throws IOException if it takes no kind of memory that this machine has
     */
    static Device of(String name, Cenalloc cenalloc, long size, Import importer) throws IOException {
        String scattered = refusal(cenalloc, Trait.NO, size, importer);
        if (scattered.isEmpty()) {
            return Device.of(name, Constraints.NONE, "took scattered memory on trial");
        }
        String contiguous = refusal(cenalloc, Trait.YES, size, importer);
        if (contiguous.isEmpty()) {
            return Device.of(
                    name,
                    Constraints.NONE.contiguous(),
                    "took contiguous memory on trial; scattered memory: " + scattered);
        }
        throw new IOException(
                name + " takes no memory of this machine; scattered: " + scattered + "; contiguous: " + contiguous);
    }

    private static String refusal(Cenalloc cenalloc, Trait contiguous, long size, Import importer) throws IOException {
        Heap heap = cenalloc.heaps().stream()
                .filter(h -> h.properties().contiguous() == contiguous)
                .findFirst()
                .orElse(null);
        if (heap == null) {
            return "not tried, there is no such heap";
        }
        List<DmaBuf> held = new ArrayList<>();
        try {
            for (int i = 0; i < BUFFERS; i++) {
                DmaBuf buffer = heap.allocate(size);
                held.add(buffer);
                String refusal = importer.refusal(buffer);
                if (!refusal.isEmpty()) {
                    return "refused (" + refusal + ")";
                }
            }
            return "";
        } catch (CenallocException e) {
            return "not tried (" + e.getMessage() + ")";
        } finally {
            held.forEach(DmaBuf::close);
        }
    }
}
