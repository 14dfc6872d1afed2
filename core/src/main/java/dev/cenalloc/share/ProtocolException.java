package dev.cenalloc.share;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;

/** What the peer sent is not what the protocol allows (EPROTO). The connection has been ended. */
public final class ProtocolException extends CenallocException {
    private static final long serialVersionUID = 1;

    ProtocolException(String what) {
        super(
                Errno.EPROTO,
                "receive",
                null,
                -1,
                what,
                "compare the peer with the page of package dev.cenalloc.share, and connect again");
    }
}
