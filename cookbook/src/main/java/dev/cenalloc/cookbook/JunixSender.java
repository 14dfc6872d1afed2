// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import dev.cenalloc.DmaBuf;
import dev.cenalloc.image.Layout;
import java.io.FileDescriptor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.newsclub.net.unix.AFUNIXSocket;
import org.newsclub.net.unix.FileDescriptorCast;

/**
 * Lends frames to a {@code dev.cenalloc.share.Receiver} over a socket of junixsocket. The caller closes the socket and
 * the buffers: the receiver has duplicates. For one thread.
 */
final class JunixSender {
    private static final int FIXED = Message.HEADER + 40;

    private final AFUNIXSocket socket;

    JunixSender(AFUNIXSocket socket) {
        this.socket = socket;
    }

    /** Adds a frame, numbered from 0 to 63, whose planes lie in one buffer. */
    void add(int frame, Layout layout, DmaBuf buffer) throws IOException {
        var image = layout.image();
        int planes = layout.planes().size();
        var message = Message.of(Message.BUFFERS, 1, 40 + 8 + 24 * planes, frame)
                .putInt(16, image.format().drmFourcc().orElseThrow())
                .putInt(20, image.width())
                .putInt(24, image.height())
                .putInt(28, 1)
                .putLong(32, image.modifier())
                .putInt(40, planes)
                .putLong(FIXED, layout.size());
        message.position(FIXED + 8);
        for (var plane : layout.planes()) {
            message.putInt(0)
                    .putInt((int) plane.lines())
                    .putLong(plane.offset())
                    .putLong(plane.pitch());
        }
        // Goes with the next bytes that are written.
        FileDescriptor passed = FileDescriptorCast.unsafeUsing(buffer.fd()).getFileDescriptor();
        socket.setOutboundFileDescriptors(passed);
        Message.write(socket.getOutputStream(), message);
    }

    /** Lends a frame that was added and is here. Devices must have finished with it. */
    void send(int frame, long number, long timestampNanos) throws IOException {
        var message =
                Message.of(Message.FRAME, 0, 24, frame).putLong(16, number).putLong(24, timestampNanos);
        Message.write(socket.getOutputStream(), message);
    }

    /** Waits for a frame to come back; returns which. This one takes no fences from the receiver. */
    int returned() throws IOException {
        var in = socket.getInputStream();
        var release = ByteBuffer.wrap(in.readNBytes(Message.HEADER + 8)).order(ByteOrder.LITTLE_ENDIAN);
        if (release.limit() < Message.HEADER + 8 || Message.type(release) != Message.RELEASE) {
            throw new IOException("the receiver has gone, or speaks another language");
        }
        return Message.frame(release);
    }
}
