package dev.cenalloc.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LayoutPixelsTest {
    private static final LayoutRules PADDED = new LayoutRules(64, 0, Long.MAX_VALUE, 256);

    @ParameterizedTest
    @EnumSource(PixelFormat.class)
    void packedIsEveryRowInOrder(PixelFormat format) {
        var image = new Image(format, 37, 13);
        for (int buffer = 0; buffer < format.buffers(); buffer++) {
            Layout layout = Layout.of(image, buffer, PADDED).orElseThrow();
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment memory = arena.allocate(layout.size(), 64).fill((byte) 0xEE);
                byte next = 0;
                for (int plane = 0; plane < layout.planes().size(); plane++) {
                    for (int row = 0; row < layout.rows(plane); row++) {
                        MemorySegment line = layout.row(memory, plane, row);
                        assertEquals(
                                layout.planes().get(plane).offset()
                                        + row * layout.planes().get(plane).pitch(),
                                line.address() - memory.address());
                        for (long i = 0; i < line.byteSize(); i++) {
                            line.set(ValueLayout.JAVA_BYTE, i, next++);
                        }
                    }
                }
                ByteBuffer packed = layout.packed(memory);
                byte expected = 0;
                while (packed.hasRemaining()) {
                    assertEquals(expected++, packed.get());
                }
                assertEquals(next, expected, "neither more nor less");
            }
        }
    }

    @Test
    void linesEndWhereTheImageEnds() {
        Layout layout =
                Layout.of(new Image(PixelFormat.NV12, 37, 13), 0, PADDED).orElseThrow();
        assertEquals(37, layout.rowBytes(0));
        assertEquals(38, layout.rowBytes(1), "19 pairs");
        assertEquals(13, layout.rows(0));
        assertEquals(7, layout.rows(1));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(layout.size());
            assertThrows(IndexOutOfBoundsException.class, () -> layout.row(memory, 0, 13));
            assertThrows(IndexOutOfBoundsException.class, () -> layout.row(memory, 2, 0));
            assertThrows(IndexOutOfBoundsException.class, () -> layout.row(memory.asSlice(0, 100), 0, 12));
        }
        var tiled = new Layout(
                new Image(PixelFormat.XR24, 4, 4, 1), 0, layout.planes().subList(0, 1), layout.size());
        assertThrows(IllegalStateException.class, () -> tiled.rows(0));
    }

    /** Java itself says no more than "Already closed". */
    @Test
    void ofClosedMemoryItIsSaidWhatToKeepOpen() {
        Layout layout = Layout.of(new Image(PixelFormat.NV12, 36, 12));
        MemorySegment closed;
        try (Arena arena = Arena.ofShared()) {
            closed = arena.allocate(layout.size());
        }
        MemorySegment open = MemorySegment.ofArray(new byte[(int) layout.size()]);
        for (Executable use : List.<Executable>of(
                () -> layout.row(closed, 0, 0),
                () -> layout.packed(closed),
                () -> layout.copy(closed, layout, open),
                () -> layout.copy(open, layout, closed))) {
            var e = assertThrows(IllegalStateException.class, use);
            assertTrue(
                    String.valueOf(e.getMessage()).contains("is closed: keep its mapping, and the buffer"),
                    e::toString);
        }
        layout.copy(open, layout, open);
    }
}
