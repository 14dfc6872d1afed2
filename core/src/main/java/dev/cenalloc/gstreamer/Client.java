// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.UnixSocket;
import dev.cenalloc.lending.Member;
import dev.cenalloc.share.Connection;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A pipeline that takes frames of a sink: its connection. Closed by the sink. */
final class Client extends Member {
    /** Room for many releases at a time; a client has nothing longer to say. */
    private static final long MOST_PAYLOAD = 1024 - Wire.HEADER;

    private final Connection connection;
    private final UnixSocket socket;
    final Inbox inbox;

    private Client(Connection connection) {
        this.connection = connection;
        this.socket = Seam.socket(connection);
        this.inbox = new Inbox(socket, MOST_PAYLOAD);
    }

    /** A pipeline that was told which frames come; null if it has gone already. Closes the connection if it fails. */
    static @Nullable Client greeted(Connection connection, MemorySegment caps) {
        boolean told = false;
        try {
            var client = new Client(connection);
            told = client.tryTell(caps);
            return told ? client : null;
        } finally {
            if (!told) {
                connection.close();
            }
        }
    }

    /** {@return whether a whole message could be sent at once} */
    boolean tryTell(MemorySegment message) {
        return socket.send(message, 0, message.byteSize(), List.of(), 0) == 0;
    }

    /** {@return whether a message was sent; false if the pipeline does not read} */
    boolean send(MemorySegment message, List<Descriptor> passed) throws CenallocException {
        int result = socket.send(message, 0, message.byteSize(), passed, 0);
        if (result < 0 && result != -Errno.EAGAIN) {
            throw Wire.notSent(socket, result);
        }
        return result == 0;
    }

    @Override
    protected int fd() {
        return socket.descriptor().number();
    }

    @Override
    protected String name() {
        return connection.toString();
    }

    @Override
    protected void close() {
        connection.close();
        inbox.discard();
    }
}
