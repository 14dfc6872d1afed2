// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.lending;

/** A process that takes frames of an {@link Audience}, by its connection. Closed by the audience. For one thread. */
public abstract class Member {
    /** Its number in the audience. */
    int index;
    /** How many frames it has. */
    int away;
    /** When it gave one back, or got the first while it had none. */
    long progressNanos;
    /** Whether frames are missing before the next that it gets. */
    private boolean missed = true;

    /** Not in an audience yet. */
    protected Member() {}

    /** {@return whether frames are missing before the next that it gets; so it is at first} */
    public final boolean hasMissed() {
        return missed;
    }

    final void missed(boolean now) {
        missed = now;
    }

    /** {@return the descriptor for poll} */
    protected abstract int fd();

    /** {@return what the log calls it} */
    protected abstract String name();

    /** Ends the connection, which gives back what it has. */
    protected abstract void close();
}
