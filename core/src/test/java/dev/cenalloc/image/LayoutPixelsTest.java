// SPDX-License-Identifier: Apache-2.0
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

    /** The same memory, seen as a larger image, has the pixels of the image at its bottom right. */
    @ParameterizedTest
    @EnumSource(PixelFormat.class)
    void anImageIsAPartOfTheMemory(PixelFormat format) {
        var image = new Image(format, 37, 13);
        long wide = format.widthMultiple();
        long high = format.heightMultiple();
        for (int buffer = 0; buffer < format.buffers(); buffer++) {
            var rules = new LayoutRules(1, 0, Long.MAX_VALUE, 1, 1, 0, 5, 3, false, true, true);
            Layout part = Layout.of(image, buffer, rules).orElseThrow();
            assertEquals(Math.ceilDiv(5L, wide) * wide, part.leftMargin());
            assertEquals(Math.ceilDiv(3L, high) * high, part.topMargin());
            assertTrue(part.isGapless());
            Layout whole = part.whole().orElseThrow();
            assertEquals(0, whole.planes().getFirst().offset());
            assertTrue(whole.isGapless());
            assertEquals(whole, whole.whole().orElseThrow());
            assertEquals(37 + part.leftMargin(), whole.image().width());
            assertEquals(part.end(), whole.end());
            assertEquals(part.size(), whole.size());
            assertEquals(part.hasProportionalPitches(), whole.hasProportionalPitches());
            Layout tight = Layout.of(image, buffer, LayoutRules.NONE).orElseThrow();
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment memory = arena.allocate(part.size());
                for (long i = 0; i < memory.byteSize(); i++) {
                    memory.set(ValueLayout.JAVA_BYTE, i, (byte) (i * 7 + i / 64));
                }
                for (int plane = 0; plane < part.planes().size(); plane++) {
                    var sampling = format.planes(buffer).get(plane);
                    for (int row = 0; row < part.rows(plane); row++) {
                        MemorySegment line = part.row(memory, plane, row);
                        MemorySegment all =
                                whole.row(memory, plane, row + (int) part.topMargin() / sampling.vertical());
                        long before = part.leftMargin() / sampling.width() * sampling.bytes();
                        assertEquals(-1, line.mismatch(all.asSlice(before, line.byteSize())));
                    }
                }
                MemorySegment copy = arena.allocate(tight.size());
                part.copy(memory, tight, copy);
                assertEquals(part.packed(memory), tight.packed(copy));
                MemorySegment back = arena.allocate(part.size()).fill((byte) 0xEE);
                tight.copy(copy, part, back);
                assertEquals(part.packed(memory), part.packed(back));
                if (part.planes().getFirst().offset() > 0) {
                    assertEquals((byte) 0xEE, back.get(ValueLayout.JAVA_BYTE, 0), "before the image");
                }
            }
        }
    }

    /** What a peer says: columns before the image are none if another plane has no room for them. */
    @Test
    void planesOfWhichOneHasNoRoomForColumnsBeforeTheImageAreNoPartsOfOne() {
        var image = new Image(PixelFormat.NV12, 4, 2);
        var first = new Layout.Plane(4, 8, 2);
        var layout = new Layout(image, 0, List.of(first, new Layout.Plane(20, 4, 1)), 24);
        assertEquals(0, layout.leftMargin());
        assertTrue(layout.whole().isEmpty());
        assertEquals(24, layout.end());
        assertThrows(
                IllegalArgumentException.class,
                () -> new Layout(image, 0, List.of(first, new Layout.Plane(20, 4, 1)), 23));
        assertThrows(
                IllegalArgumentException.class,
                () -> new Layout(image, 0, List.of(first, new Layout.Plane(12, 8, 1)), 24));
        // More lines or columns than an image has are no margin that a device could be told.
        var far = new Layout(new Image(PixelFormat.R8, 1, 1), 0, List.of(new Layout.Plane(1L << 40, 1, 1)), 1L << 41);
        assertTrue(far.isGapless());
        assertTrue(far.whole().isEmpty());
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
