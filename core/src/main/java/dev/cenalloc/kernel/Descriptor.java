// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * One open file descriptor, with counts of the calls under way and of its holds. Closed by its owner. The kernel may
 * reuse a number as soon as it is closed, so closing waits until the last call has returned. While a mapping or a CPU
 * access holds the descriptor, it refuses to close. Thread-safe and lock-free; its calls allocate no objects.
 */
public final class Descriptor {
    /** One call under way, of at most 16 million. */
    private static final long CALL = 1;

    private static final long CALLS = (1L << 24) - 1;
    /** One open mapping or access, of at most 16 million. */
    private static final long HOLD = 1L << 24;

    private static final long HOLDS = CALLS << 24;
    /** No call may begin, and nothing may hold it any more. */
    private static final long CLOSED = 1L << 62;
    /** The number has been closed. */
    private static final long GONE = 1L << 63;

    /** In place of a number: there is nothing to close. */
    public static final int NONE = -1;

    private final Kernel kernel;
    /** Changes only while no other thread can use it. */
    private int fd;
    /** Runs after the number has been closed. */
    private final Runnable afterwards;

    private final AtomicLong state = new AtomicLong();

    /** Owns an open descriptor; or none, if the number is negative: then there is nothing to close. */
    public Descriptor(Kernel kernel, int fd) {
        this(kernel, fd, () -> {});
    }

    /** Owns an open descriptor; {@code afterwards} runs once, after the number has been closed. */
    public Descriptor(Kernel kernel, int fd, Runnable afterwards) {
        this.kernel = kernel;
        this.fd = fd;
        this.afterwards = afterwards;
        if (fd >= 0) {
            kernel.owned().add(fd);
        }
    }

    /**
     * Closes a number that no object owns. An error comes before the system call, and nobody could close the number
     * later: so it tries again.
     */
    public static void closeNumber(Kernel kernel, int fd) {
        try {
            kernel.close(fd);
        } catch (OutOfMemoryError | StackOverflowError e) {
            kernel.close(fd);
        }
    }

    /** Of an owner that a program lost. */
    private record Abandoned(Descriptor descriptor, String what) implements Runnable {
        @Override
        public void run() {
            boolean lost = descriptor.isOpen();
            descriptor.abandon();
            if (lost) {
                Log.error("{} was never closed; it is closed now", what);
            }
        }
    }

    /**
     * As the constructor, for an owner that a program may lose without closing it: then this is closed, and the log says
     * so. If it throws, the number is the caller's.
     *
     * @param owner holds this; not reachable from it
     * @param what for the log, such as a path
     */
    public static Descriptor of(Object owner, Kernel kernel, int fd, String what) {
        var descriptor = new Descriptor(kernel, fd);
        boolean known = false;
        try {
            Lost.register(owner, new Abandoned(descriptor, what));
            known = true;
            return descriptor;
        } finally {
            if (!known) {
                kernel.owned().remove(fd);
            }
        }
    }

    /** Closes the descriptor, or the number if there is no descriptor yet. */
    public static void close(Kernel kernel, int fd, @Nullable Descriptor descriptor) {
        if (descriptor == null) {
            closeNumber(kernel, fd);
        } else {
            descriptor.close();
        }
    }

    /** Begins a call: returns the number, which is valid until the matching {@link #release}. */
    public int acquire() {
        return add(CALL);
    }

    /** Ends a call; closes the number if it was the last one and the descriptor is closed. */
    public void release() {
        endCall();
        closeWhenUnused();
    }

    /** The first part of {@link #release}, which {@link #closeWhenUnused} completes. */
    void endCall() {
        remove(CALL);
    }

    /** Returns the number; valid as long as the caller keeps this open. */
    public int number() {
        int number = acquire();
        release();
        return number;
    }

    /** As {@link #acquire}, for a mapping or an access: refuses {@link #close} until the matching {@link #drop}. */
    public int hold() {
        return add(HOLD);
    }

    /** The number, which is valid for a caller that has a {@link #hold}, as long as the owner is reachable. */
    public int held() {
        return fd;
    }

    /** Ends a hold. */
    public void drop() {
        remove(HOLD);
    }

    /** Needs no more stack than {@link #add}: if that had enough stack, this has too. */
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

    /** Returns whether it can be used. */
    public boolean isOpen() {
        return (state.get() & CLOSED) == 0;
    }

    /** Returns whether the number has been closed. */
    public boolean isGone() {
        return (state.get() & GONE) != 0;
    }

    /**
     * Refuses further use; the number is closed when the calls under way have returned. Idempotent: after an error, the
     * next call continues.
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

    /** As {@link #close}, of a socket: calls that block in it return, and find it closed. */
    public void shutDown() {
        StackRoom.require();
        if (isOpen()) {
            int number = acquire();
            try {
                close(); // a call that returns must find it closed
                int _ = kernel.shutdown(number);
            } finally {
                release();
            }
        }
        close();
    }

    /**
     * As {@link #close}, without closing the number: the caller owns it until {@link #finish} or {@link #reopen}.
     *
     * @return whether it did; not if it is closed, held, or a call is under way
     */
    public boolean seize() {
        return state.compareAndSet(0, CLOSED | CALL);
    }

    /** The number, after {@link #seize}. */
    public int seized() {
        return fd;
    }

    /** Returns whether it is open and has this number. */
    public boolean is(int number) {
        return isOpen() && fd == number;
    }

    /**
     * Takes another number and closes the previous one.
     *
     * @throws IllegalStateException if it is closed, held, or a call is under way; nothing has changed
     */
    public void replace(int other) {
        StackRoom.require();
        if (!seize()) {
            throw new IllegalStateException(isOpen() ? "in use by another thread" : "already closed");
        }
        reopen(other);
    }

    /** After {@link #seize}: closes the number. */
    public void finish() {
        release();
    }

    /** After {@link #seize}: makes it usable again. */
    public void reopen() {
        state.set(0);
    }

    /** After {@link #seize}: takes another number, and closes the previous one. */
    public void reopen(int other) {
        int before = fd;
        if (other >= 0) {
            kernel.owned().add(other);
        }
        fd = other;
        reopen();
        if (before >= 0) {
            kernel.owned().remove(before);
            closeNumber(kernel, before);
        }
    }

    /** As {@link #close}, even if it is held: for a descriptor that is unreachable. */
    public void abandon() {
        state.getAndUpdate(s -> s | CLOSED);
        closeWhenUnused();
    }

    /**
     * Closes the number if this is closed and no call is under way. Several threads may see the last call return; one of
     * them sets GONE and closes the number. Idempotent: after an error, the next call continues.
     */
    void closeWhenUnused() {
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
            // An error here happens before the system call, which itself cannot fail.
            if (fd >= 0) {
                kernel.owned().remove(fd);
                kernel.close(fd);
            }
            gone = true;
            afterwards.run();
        } finally {
            if (!gone) {
                remove(GONE);
            }
        }
    }
}
