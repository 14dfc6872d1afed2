package dev.cenalloc.kernel;

/**
 * Room on the stack for what must not end half way. An overflow in the middle of a release would leave what is neither held
 * nor released; here it comes before anything has changed. Stateless.
 */
public final class StackRoom {
    /** Each takes some 64 bytes once compiled, and more before: at least 8 KiB, several times what a release takes. */
    private static final int FRAMES = 128;

    private StackRoom() {}

    /** Allocates nothing. */
    public static void require() {
        if (frame(FRAMES, 1, 2, 3, 4, 5) < 0) {
            throw new AssertionError("sums of what is positive");
        }
    }

    /** What is needed after the call has to be kept in the frame meanwhile. */
    private static long frame(int more, long a, long b, long c, long d, long e) {
        return more == 0
                ? a
                : (frame(more - 1, b, c, d, e, a) ^ a ^ (b << 1) ^ (c << 2) ^ (d << 3) ^ (e << 4)) & 0xFFFF;
    }
}
