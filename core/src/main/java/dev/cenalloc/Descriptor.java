package dev.cenalloc;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * One open file descriptor and the calls under way on it. A number may be reused the moment it is closed, so closing
 * waits for its users: the last {@link #release} after {@link #close} does it. Lock-free, allocates nothing.
 */
final class Descriptor {
    private static final int CLOSED = 1 << 30;

    private final Kernel kernel;
    private final int fd;
    /** Calls under way, plus {@link #CLOSED} once nobody may begin another. */
    private final AtomicInteger state = new AtomicInteger();

    Descriptor(Kernel kernel, int fd) {
        this.kernel = kernel;
        this.fd = fd;
    }

    /** The number, valid until the matching {@link #release}. */
    int acquire() {
        if ((state.incrementAndGet() & CLOSED) != 0) {
            release();
            throw new IllegalStateException("already closed");
        }
        return fd;
    }

    void release() {
        if (state.decrementAndGet() == CLOSED) {
            closeNow();
        }
    }

    boolean isOpen() {
        return (state.get() & CLOSED) == 0;
    }

    /** Refuses further use; the number goes back to the kernel when the last user has released it. Idempotent. */
    void close() {
        if ((state.getAndUpdate(s -> s | CLOSED) & CLOSED) == 0 && state.get() == CLOSED) {
            closeNow();
        }
    }

    /** Two threads may see the last use end: one of them takes the state to a value that it never has again. */
    private void closeNow() {
        if (state.compareAndSet(CLOSED, CLOSED | CLOSED << 1)) {
            kernel.close(fd);
        }
    }
}
