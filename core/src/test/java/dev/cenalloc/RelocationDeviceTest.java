// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Memory that moves from heap to heap, with what it holds. */
@RequiresHeap({"system", "reserved", "udmabuf"})
class RelocationDeviceTest {
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "test");
    private static final int SIZE = 1_234_567;

    private static SharedBuffer filled(Cenalloc cenalloc, byte[] contents) throws Exception {
        var buffer = cenalloc.create(contents.length);
        try (var mapping = buffer.map(Direction.WRITE);
                var _ = buffer.access(Direction.WRITE)) {
            MemorySegment.copy(MemorySegment.ofArray(contents), 0, mapping.segment(), 0, contents.length);
        }
        return buffer;
    }

    private static byte[] noise() {
        byte[] contents = new byte[SIZE];
        new Random(1).nextBytes(contents);
        return contents;
    }

    private static void checkHolds(byte[] contents, SharedBuffer buffer) throws Exception {
        try (var mapping = buffer.map(Direction.READ);
                var _ = buffer.access(Direction.READ)) {
            assertEquals(-1, mapping.segment().asSlice(0, contents.length).mismatch(MemorySegment.ofArray(contents)));
        }
    }

    @Test
    void aNewcomerMovesTheMemory() throws Exception {
        byte[] contents = noise();
        try (var cenalloc = Cenalloc.open()) {
            String before = Traces.dmaBufs();
            int files = -1;
            try (var buffer = filled(cenalloc, contents)) {
                files = Traces.openFiles();
                assertEquals("system", buffer.choice().orElseThrow().heap().name());
                String scattered = Traces.dmaBufs();
                buffer.relocate(CONTIGUOUS);
                // The node of the other heap is open now, and the old memory is gone.
                assertEquals(files + 1, Traces.openFiles());
                assertEquals(scattered, Traces.dmaBufs());
                assertNotEquals(before, scattered);
                checkHolds(contents, buffer);
                assertEquals("reserved", buffer.dmaBuf().exporter());
                assertEquals(1, buffer.attachments().size());
            }
            assertEquals(before, Traces.dmaBufs());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "reserved", "udmabuf"})
    void theMemoryGoesWhereverTheDevicesNeedIt(String heap) throws Exception {
        byte[] contents = noise();
        for (String from : new String[] {"system", "reserved", "udmabuf"}) {
            try (var cenalloc = Cenalloc.open();
                    var buffer = cenalloc.create(contents.length)) {
                Attachment first = buffer.attach(only(from));
                try (var mapping = buffer.map(Direction.WRITE);
                        var _ = buffer.access(Direction.WRITE)) {
                    MemorySegment.copy(MemorySegment.ofArray(contents), 0, mapping.segment(), 0, contents.length);
                }
                first.close();
                buffer.relocate(only(heap));
                checkHolds(contents, buffer);
                assertEquals(heap, buffer.dmaBuf().exporter());
            }
        }
    }

    private static Device only(String heap) {
        return Device.of("only " + heap, Constraints.NONE.onlyHeaps(List.of(heap)), "test");
    }

    @Test
    void memoryInUseStays() throws Exception {
        byte[] contents = noise();
        try (var cenalloc = Cenalloc.open();
                var buffer = filled(cenalloc, contents)) {
            try (var _ = buffer.map(Direction.READ)) {
                assertThrows(BufferBusyException.class, () -> buffer.relocate(CONTIGUOUS));
            }
            try (var _ = buffer.access(Direction.READ)) {
                assertThrows(BufferBusyException.class, () -> buffer.relocate(CONTIGUOUS));
            }
            assertEquals(0, buffer.attachments().size());
            checkHolds(contents, buffer);
            assertEquals("system", buffer.dmaBuf().exporter());
            // Now that it was handed out, a device may have it.
            assertThrows(BufferBusyException.class, () -> buffer.relocate(CONTIGUOUS));
            checkHolds(contents, buffer);
        }
    }

    @Test
    void memoryStaysIfThereIsNoneToMoveTo() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(256 << 20)) {
            try (var mapping = buffer.map(Direction.WRITE)) {
                mapping.segment().set(ValueLayout.JAVA_INT, 100 << 20, 7);
            }
            String before = Traces.dmaBufs();
            var e = assertThrows(MemoryExhaustedException.class, () -> buffer.relocate(CONTIGUOUS));
            assertEquals("[reserved: ENOMEM]", e.attempts().toString());
            assertEquals(before, Traces.dmaBufs());
            try (var mapping = buffer.map(Direction.READ)) {
                assertEquals(7, mapping.segment().get(ValueLayout.JAVA_INT, 100 << 20));
            }
        }
    }
}
