// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.image.PixelFormat;
import java.lang.foreign.MemorySegment;
import java.util.HexFormat;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ColoursTest {
    /** The bytes of 0xA65C3B by {@code drm_fourcc.h}. */
    @ParameterizedTest
    @CsvSource({"XR24, 3b5ca600", "AR24, 3b5ca6ff", "XB24, a65c3b00", "AB24, a65c3bff", "RG24, 3b5ca6", "RG16, e7a2"})
    void bytesAreThoseOfTheFormat(Colours colours, String bytes) {
        byte[] expected = HexFormat.of().parseHex(bytes);
        MemorySegment pixel = MemorySegment.ofArray(new byte[colours.bytes()]);
        colours.set(pixel, 0, 0xA65C3B);
        assertArrayEquals(expected, pixel.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE));
        assertEquals(0xA65C3B & colours.precision(), colours.get(pixel, 0));
    }

    @Test
    void everyOneHasAFormat() {
        for (Colours colours : Colours.values()) {
            assertEquals(Optional.of(colours), Colours.of(PixelFormat.valueOf(colours.name())));
        }
        assertEquals(Optional.empty(), Colours.of(PixelFormat.NV12));
    }
}
