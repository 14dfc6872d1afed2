// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

/**
 * Checks that the stack has room for an operation that must not be interrupted. A stack overflow in the middle of a
 * release would leak a resource; here it happens before anything has changed. Stateless.
 */
public final class StackRoom {
    /**
     * Each takes 300 bytes interpreted. A compiler makes one frame of two of them, of 220 bytes: more than 4 KiB,
     * several times the need of a release.
     */
    private static final int FRAMES = 40;

    /** So many times the room of a release has what makes something, and gives it back if it cannot go on. */
    private static final int RELEASES = 3;

    private StackRoom() {}

    /**
     * As {@link #require}, before something is made that the caller gives back when the stack overflows later: a
     * release that requires room has it then, too.
     *
     * @throws StackOverflowError if there is none
     */
    public static void requireToOwn() {
        require(RELEASES * FRAMES);
    }

    /**
     * As {@link #requireToOwn}, before something is taken over that the caller may have made: it required the room for
     * that, and a little more than this.
     *
     * @throws StackOverflowError if there is none
     */
    public static void requireToAdopt() {
        require((RELEASES - 1) * FRAMES);
    }

    /**
     * Returns if there is room. Allocates no objects.
     *
     * @throws StackOverflowError if there is none
     */
    public static void require() {
        require(FRAMES);
    }

    private static void require(int frames) {
        if (frame(frames, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
                != frames) {
            throw new AssertionError("a call was left out");
        }
    }

    /** Its arguments are passed on the stack: so few calls, which are few instructions, need much of it. */
    @SuppressWarnings("unused")
    private static int frame(
            int more,
            long p1,
            long p2,
            long p3,
            long p4,
            long p5,
            long p6,
            long p7,
            long p8,
            long p9,
            long p10,
            long p11,
            long p12,
            long p13,
            long p14,
            long p15,
            long p16,
            long p17,
            long p18,
            long p19,
            long p20,
            long p21,
            long p22,
            long p23,
            long p24,
            long p25,
            long p26,
            long p27,
            long p28,
            long p29,
            long p30) {
        return more == 0
                ? 0
                : 1
                        + frame(
                                more - 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                0, 0, 0, 0);
    }
}
