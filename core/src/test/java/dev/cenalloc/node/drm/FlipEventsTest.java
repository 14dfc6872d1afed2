// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.bindings.drm.drm_event_vblank;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.node.DeviceNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Events as a driver writes them. */
class FlipEventsTest {
    private static final int SIZE = (int) drm_event_vblank.sizeof();
    private static final int VENDOR = 0x8000_0000;

    private final FlipEvents events = new FlipEvents();

    private int read(ByteBuffer bytes) throws Exception {
        var driver = new byte[bytes.capacity()];
        bytes.get(0, driver);
        var kernel = new FakeKernel().device("/dev/events", new CardFuzz.Events(driver));
        try (DeviceNode node = DeviceNode.open(kernel, Path.of("/dev/events"))) {
            assertEquals(0, events.read(node, 7));
            return events.last() == 7 ? 1 : 0;
        }
    }

    /** An event of another kind with a length that it states, and behind it a flip. */
    private static ByteBuffer flipBehind(int length, int stated) {
        return ByteBuffer.allocate(length + SIZE)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(0, VENDOR)
                .putInt(4, stated)
                .putInt(length, drm_h.DRM_EVENT_FLIP_COMPLETE())
                .putInt(length + 4, SIZE)
                .putLong(length + 8, 7)
                .putInt(length + (int) drm_event_vblank.tv_sec$offset(), 2)
                .putInt(length + (int) drm_event_vblank.tv_usec$offset(), 5)
                .putInt(length + (int) drm_event_vblank.sequence$offset(), -1);
    }

    /** The last three by fuzzing: lengths that leave the next one unaligned. */
    @ParameterizedTest
    @CsvSource({"32, 1", "8, 1", "40, 1", "4073, 0", "33, 1", "34, 1", "36, 1"})
    void eventsOfAnyLengthAreSteppedOver(int length, int found) throws Exception {
        assertEquals(found, read(flipBehind(length, length)), "4096 bytes are read at a time");
        assertEquals(found == 1 ? 0xFFFF_FFFFL : 0, events.sequence());
        assertEquals(found == 1 ? 2_000_005_000L : 0, events.nanos());
    }

    @Test
    void anEventWithoutALengthIsTheLast() throws Exception {
        for (int stated : new int[] {0, -1, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
            assertEquals(0, read(flipBehind(SIZE, stated)), () -> "length " + stated);
        }
        assertEquals(0, read(ByteBuffer.allocate(SIZE - 1)));
    }
}
