package dev.cenalloc;

import java.nio.charset.StandardCharsets;

/**
 * The pictures that a device is asked about: packed lines in one piece of memory. A value.
 *
 * @param fourcc the format, by the code that V4L2 and DRM know it by; see {@link #fourcc}
 * @param width in pixels
 * @param height in pixels
 * @param pitch bytes from one line to the next
 * @param size bytes of the whole picture
 */
public record Picture(int fourcc, int width, int height, int pitch, long size) {
    /**
     * A picture.
     *
     * @throws IllegalArgumentException if a number is not positive
     */
    public Picture {
        if (width <= 0 || height <= 0 || pitch <= 0 || size <= 0) {
            throw new IllegalArgumentException("a picture has at least one pixel, not " + width + "x" + height
                    + " at a pitch of " + pitch + " in " + size + " bytes");
        }
    }

    /**
     * {@return the code of a format}
     *
     * @param name its four letters, such as {@code "XR24"}
     * @throws IllegalArgumentException if it is not four characters of ASCII
     */
    public static int fourcc(String name) {
        byte[] letters = name.getBytes(StandardCharsets.US_ASCII);
        if (name.length() != 4 || !name.equals(new String(letters, StandardCharsets.US_ASCII))) {
            throw new IllegalArgumentException("the code of a format is four letters, not '" + name + "'");
        }
        return letters[0] | (letters[1] << 8) | (letters[2] << 16) | (letters[3] << 24);
    }

    static String describe(int fourcc, int width, int height) {
        var text = new StringBuilder().append(width).append('x').append(height).append(' ');
        for (int shift = 0; shift < 32; shift += 8) {
            // The highest bit says big-endian.
            text.append((char) (fourcc >> shift & 0x7F));
        }
        return text.toString();
    }

    @Override
    public String toString() {
        return describe(fourcc, width, height);
    }
}
