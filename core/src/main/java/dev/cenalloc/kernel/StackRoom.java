// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

/**
 * Checks that the stack has room for an operation that must not be interrupted. A stack overflow in the middle of a
 * release would leak a resource; here it happens before anything has changed. Stateless.
 */
public final class StackRoom {
    /**
     * A compiled frame has about 64 bytes, an interpreted one more: at least 8 KiB, several times the need of a
     * release.
     */
    private static final int FRAMES = 128;

    private StackRoom() {}

    /**
     * Returns if there is room. Allocates no objects.
     *
     * @throws StackOverflowError if there is none
     */
    public static void require() {
        if (frame(FRAMES, 1, 2, 3, 4, 5) < 0) {
            throw new AssertionError("a sum of positive numbers is negative");
        }
    }

    /** The values that are used after the call must stay in the frame meanwhile. */
    private static long frame(int more, long a, long b, long c, long d, long e) {
        return more == 0
                ? a
                : (frame(more - 1, b, c, d, e, a) ^ a ^ (b << 1) ^ (c << 2) ^ (d << 3) ^ (e << 4)) & 0xFFFF;
    }
}
