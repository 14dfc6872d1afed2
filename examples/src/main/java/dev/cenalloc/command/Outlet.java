// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.gstreamer.UnixFdSink;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Broadcast;
import dev.cenalloc.share.Listener;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.time.Duration;

/** Lends frames to other processes, whatever protocol they speak. Closed by the caller, before the ring. */
sealed interface Outlet extends AutoCloseable {
    /** How long a process may take for its last frames. */
    Duration LIMIT = Duration.ofSeconds(2);

    /** Listens for processes that take the frames of a ring. */
    static Outlet open(Cenalloc cenalloc, Address address, Ring ring, boolean gstreamer) throws CenallocException {
        if (gstreamer) {
            return new ToPipelines(UnixFdSink.open(cenalloc, address, ring.agreement()));
        }
        Listener listener = Listener.open(cenalloc, address);
        Outlet opened = null;
        try {
            opened = new ToReceivers(Broadcast.open(listener, ring));
            return opened;
        } finally {
            if (opened == null) {
                listener.close();
            }
        }
    }

    /** Takes a frame over; returns to how many processes it went. */
    int send(Frame frame) throws CenallocException;

    /** The processes that are connected, as of the last call. */
    int takers();

    /** How many frames processes did not get, since they had too many; two count for two processes. */
    long missed();

    /** Waits until the processes have given all frames back. */
    void finish() throws CenallocException;

    /** Ends the connections. */
    @Override
    void close() throws CenallocException;

    /** In the library's own protocol. */
    record ToReceivers(Broadcast broadcast) implements Outlet {
        @Override
        public int send(Frame frame) throws CenallocException {
            return broadcast.send(frame);
        }

        @Override
        public int takers() {
            return broadcast.receivers();
        }

        @Override
        public long missed() {
            return broadcast.missed();
        }

        @Override
        public void finish() throws CenallocException {
            while (broadcast.away() > 0 && broadcast.collect(LIMIT) > 0) {
                // Until none is away, or none comes back.
            }
        }

        @Override
        public void close() throws CenallocException {
            broadcast.close();
        }
    }

    /** In GStreamer's. */
    record ToPipelines(UnixFdSink sink) implements Outlet {
        @Override
        public int send(Frame frame) throws CenallocException {
            return sink.send(frame);
        }

        @Override
        public int takers() {
            return sink.pipelines();
        }

        @Override
        public long missed() {
            return sink.missed();
        }

        @Override
        public void finish() throws CenallocException {
            boolean _ = sink.finish(LIMIT);
        }

        @Override
        public void close() throws CenallocException {
            sink.close();
        }
    }
}
