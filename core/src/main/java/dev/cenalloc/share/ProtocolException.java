package dev.cenalloc.share;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;

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
}
