// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.lending;

import dev.cenalloc.CenallocException;
import dev.cenalloc.stream.Frame;
import org.jspecify.annotations.Nullable;

/**
 * How the members of an {@link Audience} are spoken to. No call blocks. A member whose call throws is disconnected.
 *
 * @param <M> the members
 */
public interface Protocol<M extends Member> {
    /** {@return the descriptor to which members connect, for poll} */
    int listening();

    /**
     * {@return a member that has connected; null if none waits}
     *
     * @throws CenallocException with the errno of accept4; it is tried again after a pause
     */
    @Nullable
    M accept() throws CenallocException;

    /**
     * Begins with a frame, which is sent to some members then.
     *
     * @param id by which members give it back; none comes twice
     */
    void prepare(Frame frame, long id);

    /**
     * Sends the frame of {@link #prepare}.
     *
     * @return whether it was sent; false if the member does not read
     */
    boolean send(M member, Frame frame, long id) throws CenallocException;

    /** Receives what a member has sent, by one system call, and {@linkplain Audience#release releases} frames. */
    void receive(M member) throws CenallocException;
}
