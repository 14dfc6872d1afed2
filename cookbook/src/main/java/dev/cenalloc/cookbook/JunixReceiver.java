// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import dev.cenalloc.DmaBuf;
import dev.cenalloc.Fence;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.newsclub.net.unix.AFUNIXSocket;
import org.newsclub.net.unix.FileDescriptorCast;

/**
 * Takes frames of a {@code dev.cenalloc.share.Sender} over a socket of junixsocket, and gives them back. Closes the
 * buffers that came; the caller closes the socket. Trusts its sender. For one thread.
 */
final class JunixReceiver implements AutoCloseable {
    /** Work on a frame, which is given back afterwards. */
    interface Work {
        void on(List<DmaBuf> memories, long number) throws IOException;
    }

    private final AFUNIXSocket socket;
    private final ArrayDeque<FileDescriptor> came = new ArrayDeque<>();
    private final Map<Integer, List<DmaBuf>> frames = new HashMap<>();

    JunixReceiver(AFUNIXSocket socket) {
        this.socket = socket;
        socket.setAncillaryReceiveBufferSize(256); // room for 16 descriptors
    }

    /** Waits for the next frame; returns false if the sender has gone. */
    boolean next(Work work) throws IOException {
        for (var header = read(Message.HEADER); header.hasRemaining(); header = read(Message.HEADER)) {
            if (!Message.isHeader(header) || Message.descriptors(header) > came.size()) {
                throw new IOException("no message of dev.cenalloc.share, version 1");
            }
            var payload = read(Message.payload(header));
            var passed = new ArrayDeque<FileDescriptor>();
            for (int i = 0; i < Message.descriptors(header); i++) {
                passed.add(came.remove());
            }
            int frame = Message.frame(header);
            switch (Message.type(header)) {
                case Message.BUFFERS -> { // the image is described in the payload
                    var memories = frames.computeIfAbsent(frame, _ -> new ArrayList<>());
                    while (!passed.isEmpty()) {
                        memories.add(DmaBuf.adopt(own(passed.remove())));
                    }
                }
                case Message.FORGET -> forget(frames.remove(frame));
                case Message.FRAME -> {
                    while (!passed.isEmpty()) {
                        try (var acquire = Fence.adopt(own(passed.remove()))) {
                            if (!acquire.await(Duration.ofSeconds(1))) {
                                throw new IOException("the work on frame " + frame + " has not ended within a second");
                            }
                        }
                    }
                    work.on(frames.getOrDefault(frame, List.of()), payload.getLong(0));
                    Message.write(socket.getOutputStream(), Message.of(Message.RELEASE, 0, 8, frame));
                    return true;
                }
                default -> { // of a later version: what came with it is closed with the socket
                }
            }
        }
        return false;
    }

    /** Reads all of it, or nothing if the sender has gone. */
    private ByteBuffer read(int bytes) throws IOException {
        byte[] read = socket.getInputStream().readNBytes(bytes);
        came.addAll(List.of(socket.getReceivedFileDescriptors()));
        if (read.length != bytes && (bytes != Message.HEADER || read.length != 0)) {
            throw new EOFException("the sender has gone in the middle of a message");
        }
        return ByteBuffer.wrap(read).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** A number of our own: junixsocket closes those that it gave when its socket is closed. */
    private static int own(FileDescriptor given) throws IOException {
        try (var theirs = new FileInputStream(given)) {
            return FileDescriptorCast.duplicating(theirs.getFD()).as(Integer.class);
        }
    }

    private static void forget(@Nullable List<DmaBuf> memories) {
        if (memories != null) {
            memories.forEach(DmaBuf::close);
        }
    }

    @Override
    public void close() {
        frames.values().forEach(JunixReceiver::forget);
        frames.clear();
    }
}
