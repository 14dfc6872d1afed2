package dev.cenalloc.gstreamer;

import dev.cenalloc.CenallocException;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.UnixSocket;
import dev.cenalloc.share.Connection;

/** A pipeline that takes frames of a sink: its connection, and how many frames it has. Closed by the sink. */
final class Client {
    /** Room for many releases at a time; a client has nothing longer to say. */
    private static final long MOST_PAYLOAD = 1024 - Wire.HEADER;

    private final Connection connection;
    final UnixSocket socket;
    final Inbox inbox;
    /** Its number at the sink. */
    final int index;
    /** How many frames it has. */
    int away;
    /** When it gave one back, or got the first while it had none. */
    long progressNanos;
    /** Whether frames are missing before the next that it gets. */
    boolean isDiscontinuous = true;

    Client(Connection connection, int index) {
        this.connection = connection;
        this.socket = Seam.socket(connection);
        this.inbox = new Inbox(socket, MOST_PAYLOAD);
        this.index = index;
    }

    /** The descriptor for poll; only this thread closes it. */
    int fd() {
        int fd = socket.descriptor().acquire();
        socket.descriptor().release();
        return fd;
    }

    /** Who it is, for the log. */
    String name() {
        try {
            return "process " + connection.peer().pid();
        } catch (CenallocException | IllegalStateException e) {
            return "a client";
        }
    }

    void close() {
        connection.close();
        inbox.discard();
    }
}
