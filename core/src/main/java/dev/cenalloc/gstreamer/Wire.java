// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.CenallocException;
import dev.cenalloc.kernel.UnixSocket;
import dev.cenalloc.share.ProtocolException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The numbers of the messages, as package-info describes them. Stateless. The protocol has the byte order of the
 * machine; those that this library supports are little-endian.
 */
final class Wire {
    static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    static final int NEW_BUFFER = 0;
    static final int RELEASE_BUFFER = 1;
    static final int CAPS = 2;
    static final int EOS = 3;

    /** Type and size of the payload. */
    static final long HEADER = 8;
    /** The largest payload that is taken; the protocol itself has no limit. */
    static final int MOST_PAYLOAD = 1 << 16;

    /** Of NEW_BUFFER, without memories and metas. */
    static final long BUFFER_FIXED = 56;

    static final long ID = 0;
    static final long PTS = 8;
    static final long DTS = 16;
    static final long DURATION = 24;
    static final long OFFSET = 32;
    static final long OFFSET_END = 40;
    static final long FLAGS = 48;
    static final long TYPE = 52;
    static final long MEMORIES = 53;
    static final long METAS = 54;

    /** Size and offset of a memory. */
    static final long MEMORY = 16;
    /** As many as a GstBuffer has (GST_BUFFER_MEM_MAX), and as one message passes here. */
    static final int MOST_MEMORIES = UnixSocket.MOST_DESCRIPTORS;

    static final byte DMA_BUF = 1;

    static final long RELEASE_PAYLOAD = 8;

    /** For a time or a number that there is none of. */
    static final long NONE = -1;

    // GstBufferFlags
    static final int LIVE = 1 << 4;
    static final int DISCONTINUITY = 1 << 6;
    static final int CORRUPTED = 1 << 8;

    private static final String REMEDY =
            "compare the peer with the page of package dev.cenalloc.gstreamer, and connect again";

    private Wire() {}

    static ProtocolException lie(String what) {
        return new ProtocolException(what, REMEDY);
    }

    /** What a result of {@link UnixSocket#send} means that is an error. */
    static CenallocException notSent(UnixSocket socket, int result) {
        return socket.isCut()
                ? new CenallocException(
                        -result,
                        "sendmsg",
                        null,
                        -1,
                        "the pipeline stopped reading in the middle of a message, so the connection has been ended",
                        "connect again")
                : CenallocException.ofCall(-result, "sendmsg", null, -1);
    }
}
