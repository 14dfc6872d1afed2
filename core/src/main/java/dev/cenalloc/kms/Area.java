// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

/**
 * A rectangle, of a screen or of an image. A value.
 *
 * @param x of its left edge, in pixels from the left; on a screen it may be negative
 * @param y of its upper edge, in lines from the top; on a screen it may be negative
 * @param width in pixels, at least 1
 * @param height in lines, at least 1
 */
public record Area(int x, int y, int width, int height) {
    /**
     * Checks the numbers.
     *
     * @throws IllegalArgumentException if width or height is not positive
     */
    public Area {
        if (width <= 0 || height <= 0) {
            throw new IllegalArgumentException(
                    "an area has at least 1 pixel across and 1 down, not " + width + "x" + height);
        }
    }

    /** Whether it lies inside an image of this size. */
    boolean isInside(int imageWidth, int imageHeight) {
        return x >= 0 && y >= 0 && (long) x + width <= imageWidth && (long) y + height <= imageHeight;
    }

    @Override
    public String toString() {
        return width + "x" + height + " at " + x + "," + y;
    }
}
