// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.Mapping;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.node.Closing;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.stream.DeviceMemory;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A buffer of a heap, or of a device's own memory. Closed by the test that made it.
 *
 * @param owner the device that allocated it; null for a heap
 * @param isLent whether the owner cannot be offered it, since its queue has it
 * @param isLucky whether it is contiguous, as memory of the heap need not be: it tells nothing of such memory
 */
record Memory(
        Heap heap,
        DmaBuf buffer,
        @Nullable Participant owner,
        boolean isLent,
        boolean isLucky,
        List<AutoCloseable> closing)
        implements AutoCloseable {
    /** More than any image here has, and hardly ever contiguous by luck: see {@code Trial}. */
    static final long LARGE = 16 << 20;

    /** Of so many small buffers one is hardly ever contiguous by luck. */
    static final int CHOICE = 2;

    static Memory of(Cenalloc cenalloc, Heap heap) throws Exception {
        DmaBuf buffer = cenalloc.allocate(heap, LARGE);
        return new Memory(heap, buffer, null, false, false, List.of(buffer));
    }

    static Memory lent(Participant owner, DeviceMemory.Offer offer) throws Exception {
        Heap heap = owner.ownHeap();
        boolean isScattered = heap.properties().contiguous() == Trait.NO;
        for (DmaBuf buffer : offer.buffers()) {
            if (!isScattered || !isContiguous(buffer)) {
                return new Memory(heap, buffer, owner, true, false, List.of(offer));
            }
        }
        return new Memory(heap, offer.buffers().getFirst(), owner, true, true, List.of(offer));
    }

    static Memory kept(Participant owner, DmaBuf buffer) {
        return new Memory(owner.ownHeap(), buffer, owner, false, false, List.of());
    }

    boolean isLentBy(Participant device) {
        return isLent && device == owner;
    }

    /**
     * Whether the pages lie in a row, of memory of videobuf2. Documentation/admin-guide/mm/pagemap.rst: 8 bytes a page,
     * of which 55 bits are the number of its frame.
     */
    private static boolean isContiguous(DmaBuf buffer) throws Exception {
        long page = LinuxKernel.instance().pageSize();
        int pages = Math.toIntExact(buffer.size() / page);
        try (Mapping mapping = buffer.map(Direction.READ);
                var map = new RandomAccessFile("/proc/self/pagemap", "r")) {
            MemorySegment memory = mapping.segment();
            for (int i = 0; i < pages; i++) {
                byte _ = memory.get(ValueLayout.JAVA_BYTE, i * page); // it has no frame before
            }
            var entries = new byte[pages * Long.BYTES];
            map.seek(memory.address() / page * Long.BYTES);
            map.readFully(entries);
            var frames = ByteBuffer.wrap(entries).order(ByteOrder.nativeOrder()).asLongBuffer();
            for (int i = 0; i < pages; i++) {
                long frame = frames.get(i) & ((1L << 55) - 1);
                assertNotEquals(
                        0, frame, "no frame is shown: this is not root, or no memory of vmalloc, as the profile says");
                if (i > 0 && frame != (frames.get(i - 1) & ((1L << 55) - 1)) + 1) {
                    return false;
                }
            }
            return true;
        }
    }

    @Override
    public void close() throws CenallocException {
        Closing.all(closing);
    }
}
