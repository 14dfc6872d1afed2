// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.CenallocException;

/** The peer has ended the connection, or its process has ended (EPIPE, ECONNRESET). */
public final class DisconnectedException extends CenallocException {
    private static final long serialVersionUID = 1;

    /**
     * Makes an exception for a peer that is gone.
     *
     * @param errno EPIPE or ECONNRESET
     * @param call the system call that found out
     */
    public DisconnectedException(int errno, String call) {
        this(errno, call, "the peer is gone", "close this end, take back the frames that it had, and connect again");
    }

    /**
     * As {@link #DisconnectedException(int, String)}, of a peer of which more is known.
     *
     * @param errno EPIPE or ECONNRESET
     * @param call the system call that found out
     * @param what which peer is gone, in words
     * @param remedy what can be done, in words
     */
    public DisconnectedException(int errno, String call, String what, String remedy) {
        super(errno, call, null, -1, what, remedy);
    }
}
