// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import dev.cenalloc.image.PixelFormat;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Optional;

/** How the colour of a pixel is read and written, in each {@link PixelFormat} whose pixels have one of their own. */
public enum Colours {
    XR24(4, 0xFFFFFF) {
        @Override
        public int get(MemorySegment pixels, long at) {
            return pixels.get(INT, at) & 0xFFFFFF;
        }

        @Override
        public void set(MemorySegment pixels, long at, int rgb) {
            pixels.set(INT, at, rgb);
        }
    },
    XB24(4, 0xFFFFFF) {
        @Override
        public int get(MemorySegment pixels, long at) {
            return Integer.reverseBytes(pixels.get(INT, at)) >>> 8;
        }

        @Override
        public void set(MemorySegment pixels, long at, int rgb) {
            pixels.set(INT, at, Integer.reverseBytes(rgb << 8));
        }
    },
    /** Drawn opaque. */
    AR24(4, 0xFFFFFF) {
        @Override
        public int get(MemorySegment pixels, long at) {
            return XR24.get(pixels, at);
        }

        @Override
        public void set(MemorySegment pixels, long at, int rgb) {
            pixels.set(INT, at, rgb | 0xFF000000);
        }
    },
    /** Drawn opaque. */
    AB24(4, 0xFFFFFF) {
        @Override
        public int get(MemorySegment pixels, long at) {
            return XB24.get(pixels, at);
        }

        @Override
        public void set(MemorySegment pixels, long at, int rgb) {
            pixels.set(INT, at, Integer.reverseBytes(rgb << 8 | 0xFF));
        }
    },
    RG24(3, 0xFFFFFF) {
        @Override
        public int get(MemorySegment pixels, long at) {
            return Short.toUnsignedInt(pixels.get(SHORT, at))
                    | Byte.toUnsignedInt(pixels.get(ValueLayout.JAVA_BYTE, at + 2)) << 16;
        }

        @Override
        public void set(MemorySegment pixels, long at, int rgb) {
            pixels.set(SHORT, at, (short) rgb);
            pixels.set(ValueLayout.JAVA_BYTE, at + 2, (byte) (rgb >> 16));
        }
    },
    RG16(2, 0xF8FCF8) {
        @Override
        public int get(MemorySegment pixels, long at) {
            int packed = pixels.get(SHORT, at);
            return (packed << 8 & 0xF80000) | (packed << 5 & 0xFC00) | (packed << 3 & 0xF8);
        }

        @Override
        public void set(MemorySegment pixels, long at, int rgb) {
            pixels.set(SHORT, at, (short) ((rgb >> 8 & 0xF800) | (rgb >> 5 & 0x7E0) | (rgb >> 3 & 0x1F)));
        }
    };

    // Lines may begin anywhere. The bytes are little-endian, as both supported architectures.
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

    private final int bytes;
    private final int precision;

    Colours(int bytes, int precision) {
        this.bytes = bytes;
        this.precision = precision;
    }

    /** Those of a format; none where neighbours share a colour. */
    public static Optional<Colours> of(PixelFormat format) {
        return Arrays.stream(values())
                .filter(colours -> colours.name().equals(format.name()))
                .findFirst();
    }

    /** From a pixel to the next. */
    public int bytes() {
        return bytes;
    }

    /** Which bits of a colour the format keeps. */
    public int precision() {
        return precision;
    }

    /** The colour as {@code 0xRRGGBB}, with zeros for bits that are not kept. */
    public abstract int get(MemorySegment pixels, long at);

    /** Sets a colour; bits that are not kept are cut off. */
    public abstract void set(MemorySegment pixels, long at, int rgb);
}
