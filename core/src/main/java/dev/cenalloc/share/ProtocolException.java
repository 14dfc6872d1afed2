// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.UnixSocket;

/** What the peer sent is not what the protocol allows (EPROTO). The connection has been ended. */
public final class ProtocolException extends CenallocException {
    private static final long serialVersionUID = 1;

    ProtocolException(String what) {
        this(what, "compare the peer with the page of package dev.cenalloc.share, and connect again");
    }

    /**
     * Makes an exception for a message that breaks a protocol.
     *
     * @param what what is wrong with it
     * @param remedy one thing that can be done
     */
    public ProtocolException(String what, String remedy) {
        super(Errno.EPROTO, "receive", null, -1, what, remedy);
    }

    static ProtocolException ofLostDescriptors() {
        return new ProtocolException(
                "descriptors were lost: the peer sent more than " + UnixSocket.MOST_DESCRIPTORS + " at once");
    }
}
