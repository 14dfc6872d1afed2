// SPDX-License-Identifier: Apache-2.0
import com.sun.management.ThreadMXBean;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.ReceivedFrame;
import dev.cenalloc.share.Receiver;
import dev.cenalloc.share.SentFrame;
import dev.cenalloc.share.Sender;
import java.io.FileDescriptor;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.newsclub.net.unix.AFUNIXSocket;
import org.newsclub.net.unix.AFUNIXSocketAddress;
import org.newsclub.net.unix.FileDescriptorCast;

/** One end of a conversation with peer.c (ci/compare/passing): prints the CPU time of its thread a frame, in ns. */
final class Passing {
    private static final Duration LIMIT = Duration.ofSeconds(60);

    private interface Exchange {
        void once(int number) throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        Path path = Path.of(arguments[1]);
        int frames = Integer.parseInt(arguments[2]);
        int warmUp = Integer.parseInt(arguments[3]);
        try (var cenalloc = Cenalloc.open();
                SharedBuffer one = cenalloc.create(new Image(PixelFormat.NV12, 64, 48));
                SharedBuffer other = cenalloc.create(new Image(PixelFormat.NV12, 64, 48))) {
            switch (arguments[0]) {
                case "send" -> send(Connection.connect(cenalloc, Address.of(path)), one, other, frames, warmUp);
                case "receive" -> receive(Connection.connect(cenalloc, Address.of(path)), frames, warmUp);
                case "descriptor" -> descriptor(Connection.connect(cenalloc, Address.of(path)), one, frames, warmUp);
                case "junixsocket" -> junixsocket(path, one.dmaBuf(), frames, warmUp);
                default -> throw new IllegalArgumentException(arguments[0]);
            }
        }
    }

    /** Prints what the thread uses for one exchange, once it is warm and the compilers are quiet: ns and bytes. */
    private static void measure(int frames, int warmUp, Exchange exchange) throws Exception {
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        for (int i = 0; i < warmUp; i++) {
            exchange.once(i);
        }
        Thread.sleep(2_000);
        long bytes = threads.getCurrentThreadAllocatedBytes();
        long before = threads.getCurrentThreadCpuTime();
        for (int i = 0; i < frames; i++) {
            exchange.once(warmUp + i);
        }
        long used = threads.getCurrentThreadCpuTime() - before;
        System.out.println(used / frames + " " + (threads.getCurrentThreadAllocatedBytes() - bytes) / frames);
    }

    /** Lends two frames by turns, as "peer pass" does. */
    private static void send(Connection connection, SharedBuffer one, SharedBuffer other, int frames, int warmUp)
            throws Exception {
        try (var sender = new Sender(connection)) {
            var both = List.of(sender.add(List.of(one), "", ""), sender.add(List.of(other), "", ""));
            measure(frames, warmUp, number -> {
                SentFrame frame = both.get(number % 2);
                while (frame.isAway()) {
                    sender.returned(LIMIT);
                }
                if (!sender.send(frame, number, -1, null, LIMIT)) {
                    throw new IllegalStateException("not sent");
                }
            });
        }
    }

    private static void receive(Connection connection, int frames, int warmUp) throws Exception {
        try (var receiver = new Receiver(connection)) {
            measure(frames, warmUp, number -> {
                ReceivedFrame frame = receiver.next(LIMIT);
                if (frame == null || frame.sequence() != number) {
                    throw new IllegalStateException("not received");
                }
                frame.close();
            });
        }
    }

    /** Each time with the descriptor. */
    private static void descriptor(Connection connection, SharedBuffer one, int frames, int warmUp) throws Exception {
        var message = new byte[] {1};
        var passed = List.of(one.dmaBuf());
        var answer = new byte[1];
        var none = new ArrayList<SharedBuffer>();
        try (connection) {
            measure(frames, warmUp, _ -> {
                if (!connection.send(message, passed, LIMIT) || connection.receive(answer, none, LIMIT) != 1) {
                    throw new IllegalStateException("no answer");
                }
            });
        }
    }

    private static void junixsocket(Path path, DmaBuf buffer, int frames, int warmUp) throws Exception {
        FileDescriptor passed = FileDescriptorCast.unsafeUsing(buffer.fd()).getFileDescriptor();
        try (var socket = AFUNIXSocket.connectTo(AFUNIXSocketAddress.of(path))) {
            var output = socket.getOutputStream();
            var input = socket.getInputStream();
            measure(frames, warmUp, _ -> {
                socket.setOutboundFileDescriptors(passed);
                output.write(1);
                if (input.read() != 1) {
                    throw new IllegalStateException("no answer");
                }
            });
        }
    }
}
