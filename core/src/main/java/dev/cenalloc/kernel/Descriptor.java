package dev.cenalloc.kernel;

import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * One open file descriptor, the calls under way on it and what is held by it. A number may be reused the moment it is
 * closed, so closing is put off until the last call has returned; and while something holds it, a mapping or a CPU
 * access, it cannot be closed at all. Lock-free, allocates nothing.
 */
public final class Descriptor {
    /** One call under way; room for 16 million. */
    private static final long CALL = 1;

    private static final long CALLS = (1L << 24) - 1;
    /** One mapping or access that is open; as many. */
    private static final long HOLD = 1L << 24;

    private static final long HOLDS = CALLS << 24;
    /** Nobody may begin a call or hold it any more. */
    private static final long CLOSED = 1L << 62;
    /** The number has gone back to the kernel. */
    private static final long GONE = 1L << 63;

    private final Kernel kernel;
    /** Changes only while nobody else can use it. */
    private int fd;
    /** Runs once the number has gone back. */
    private final Runnable afterwards;

    private final AtomicLong state = new AtomicLong();

    public Descriptor(Kernel kernel, int fd) {
        this(kernel, fd, () -> {});
    }

    public Descriptor(Kernel kernel, int fd, Runnable afterwards) {
        this.kernel = kernel;
        this.fd = fd;
        this.afterwards = afterwards;
    }

    /** As {@link #close()} of the object, or if there is none yet, of the number. */
    public static void close(Kernel kernel, int fd, @Nullable Descriptor descriptor) {
        if (descriptor == null) {
            kernel.close(fd);
        } else {
            descriptor.close();
        }
    }

    /** The number, valid until the matching {@link #release}. */
    public int acquire() {
        return add(CALL);
    }

    public void release() {
        remove(CALL);
        closeWhenUnused();
    }

    /** As {@link #acquire}, and keeps it from being closed until the matching {@link #drop}. */
    public int hold() {
        return add(HOLD);
    }

    public void drop() {
        remove(HOLD);
    }

    /** No deeper than {@link #add}: where there was stack for that, the undoing cannot overflow it. */
    private void remove(long what) {
        long before;
        do {
            before = state.get();
        } while (!state.compareAndSet(before, before - what));
    }

    private int add(long what) {
        long before;
        do {
            before = state.get();
            if ((before & CLOSED) != 0) {
                throw new IllegalStateException("already closed");
            }
        } while (!state.compareAndSet(before, before + what));
        return fd;
    }

    public boolean isOpen() {
        return (state.get() & CLOSED) == 0;
    }

    public boolean isGone() {
        return (state.get() & GONE) != 0;
    }

    /**
     * Refuses further use; the number goes back to the kernel when the calls under way have returned. Idempotent: what an
     * error has stopped goes on with the next call.
     *
     * @throws IllegalStateException if it is held; nothing has changed
     */
    public void close() {
        long before;
        do {
            before = state.get();
            if ((before & CLOSED) != 0) {
                break;
            }
            if ((before & HOLDS) != 0) {
                throw new IllegalStateException(
                        "close its mappings and CPU accesses before the buffer; open: " + (before & HOLDS) / HOLD);
            }
        } while (!state.compareAndSet(before, before | CLOSED));
        closeWhenUnused();
    }

    /**
     * As {@link #close}, without giving the number back: it is the caller's until {@link #finish} or {@link #reopen}.
     *
     * @return the number, or -1 if it is closed, held, or a call is under way
     */
    public int seize() {
        return state.compareAndSet(0, CLOSED | CALL) ? fd : -1;
    }

    /** Whether it is open, and has this number. */
    public boolean is(int number) {
        return isOpen() && fd == number;
    }

    /**
     * Takes another number; the one before goes back to the kernel.
     *
     * @throws IllegalStateException if it is closed, held, or a call is under way; nothing has changed
     */
    public void replace(int other) {
        StackRoom.require();
        int before = seize();
        if (before < 0) {
            throw new IllegalStateException(isOpen() ? "in use by another thread at this moment" : "already closed");
        }
        fd = other;
        reopen();
        kernel.close(before);
    }

    /** After {@link #seize}: gives the number back. */
    public void finish() {
        release();
    }

    /** After {@link #seize}: as if nothing had happened. */
    public void reopen() {
        state.set(0);
    }

    /** As {@link #close}, held or not: for what nobody can reach any more. */
    public void abandon() {
        state.getAndUpdate(s -> s | CLOSED);
        closeWhenUnused();
    }

    /** Several threads may see the last call return; one of them takes the state to GONE. */
    private void closeWhenUnused() {
        long now = state.get();
        while ((now & CLOSED) != 0 && (now & CALLS) == 0 && (now & GONE) == 0) {
            StackRoom.require();
            if (state.compareAndSet(now, now | GONE)) {
                giveBack();
                return;
            }
            now = state.get();
        }
    }

    private void giveBack() {
        boolean gone = false;
        try {
            // An error here comes before the system call, which itself cannot fail.
            kernel.close(fd);
            gone = true;
            afterwards.run();
        } finally {
            if (!gone) {
                remove(GONE);
            }
        }
    }
}
