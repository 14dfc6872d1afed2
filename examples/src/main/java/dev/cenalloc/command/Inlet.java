// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.gstreamer.UnixFdSource;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.ReceivedFrame;
import dev.cenalloc.share.Receiver;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Takes the frames that another process lends, whatever protocol it speaks. Closed by the caller, which gives all back.
 * Each frame is the only one of its ring; all frames of the same images have one agreement. For one thread.
 */
sealed interface Inlet extends AutoCloseable {
    /** Connects to a process that listens. */
    static Inlet connect(Cenalloc cenalloc, Address address, boolean gstreamer) throws CenallocException {
        return gstreamer
                ? new FromPipeline(UnixFdSource.open(cenalloc, address))
                : new FromSender(cenalloc, new Receiver(Connection.connect(cenalloc, address)));
    }

    /** The next frame, which the caller gives back; null after the timeout. */
    @Nullable
    Frame next(Duration timeout) throws CenallocException, CommandFailedException;

    Connection connection();

    @Override
    void close();

    /** In GStreamer's protocol. */
    record FromPipeline(UnixFdSource source) implements Inlet {
        @Override
        public @Nullable Frame next(Duration timeout) throws CenallocException {
            return source.next(timeout);
        }

        @Override
        public Connection connection() {
            return source.connection();
        }

        @Override
        public void close() {
            source.close();
        }
    }

    /** In the library's own. */
    final class FromSender implements Inlet {
        /** The protocol does not tell the rate. */
        private static final FrameRate UNKNOWN_RATE = FrameRate.of(30);

        private final Cenalloc cenalloc;
        private final Receiver receiver;
        private final Map<ReceivedFrame, Arrived> frames = new HashMap<>();
        private @Nullable Agreement agreement;

        /** A received frame as one of a stream, which a display takes. */
        private static final class Arrived extends Frame {
            private final ReceivedFrame received;

            Arrived(Ring ring, ReceivedFrame received) {
                super(ring, 0);
                this.received = received;
                hold("the sender");
            }

            Arrived begin() {
                lend();
                return this;
            }

            /** The ring goes before the receiver, which owns the memory. */
            void end() {
                revoke();
                ring().close();
            }

            @Override
            public long sequence() {
                return received.sequence();
            }

            @Override
            public long timestampNanos() {
                return Math.max(0, received.timestampNanos());
            }

            @Override
            public boolean isDamaged() {
                return received.isDamaged();
            }

            @Override
            protected void giveBack() throws CenallocException {
                try {
                    received.close();
                } catch (DisconnectedException e) {
                    // A sender that is gone has it back.
                } finally {
                    if (received.isLent()) {
                        keepLent();
                    }
                }
            }
        }

        FromSender(Cenalloc cenalloc, Receiver receiver) {
            this.cenalloc = cenalloc;
            this.receiver = receiver;
        }

        @Override
        public @Nullable Frame next(Duration timeout) throws CenallocException, CommandFailedException {
            ReceivedFrame received = receiver.next(timeout);
            if (received == null) {
                return null;
            }
            if (!received.acquire().await(timeout)) {
                received.close(); // its device is late
                return null;
            }
            Arrived frame = frames.get(received);
            if (frame == null) {
                frame = add(received);
            }
            return frame.begin();
        }

        private Arrived add(ReceivedFrame received) throws CenallocException, CommandFailedException {
            if (received.layouts().isEmpty()) {
                throw new CommandFailedException("the sender lends memory that holds bytes and no images", "");
            }
            frames.values().removeIf(frame -> {
                boolean removed = frame.received.isRemoved();
                if (removed) {
                    frame.end();
                }
                return removed;
            });
            Agreement images = agreement;
            if (images == null || !images.layouts().equals(received.layouts())) {
                images = Agreement.of(cenalloc, received.layouts(), UNKNOWN_RATE, List.of());
                agreement = images;
            }
            var frame = new Arrived(Ring.of(images, List.of(received.buffers())), received);
            frames.put(received, frame);
            return frame;
        }

        @Override
        public Connection connection() {
            return receiver.connection();
        }

        @Override
        public void close() {
            try {
                frames.values().forEach(Arrived::end);
            } finally {
                receiver.close();
            }
        }
    }
}
