// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.JavaProgram;
import dev.cenalloc.Pool;
import dev.cenalloc.PoolBuffer;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.Traces;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.Listener;
import dev.cenalloc.share.ReceivedFrame;
import dev.cenalloc.share.Receiver;
import dev.cenalloc.share.Sender;
import dev.cenalloc.share.SentFrame;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Programs that are killed at any moment (kill -9), one after the other. After each, the kernel has none of its buffers,
 * the screen is as before, and the program at the other end goes on. {@code -Dcenalloc.deaths=200} for more of those in
 * C, {@code -Dcenalloc.javaDeaths=200} for more of those in Java (ci/soak).
 */
@RequiresDevices
@Timeout(value = 1, unit = TimeUnit.DAYS)
class SuddenDeathDeviceTest {
    /** Longer than a virtual machine takes to start on an emulated processor that is busy. */
    private static final Duration LIMIT = Duration.ofMinutes(10);

    private static final Duration SHORT = Duration.ofMillis(100);
    private static final Image PICTURE = new Image(PixelFormat.NV12, 64, 48);

    /** Of a process that was killed: 128, and the number of the signal. */
    private static final int KILLED = 128 + 9;

    private final long seed = Long.getLong("cenalloc.seed", 13);
    private final Random random = new Random(seed);

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    private MachineState before = new MachineState("", 0, List.of());

    @BeforeEach
    void lookAtWhatIs() throws Exception {
        StreamRun.find().direct(LinuxKernel.instance(), StreamRun::showSome);
        // What the JDK opens once for all, for sockets and processes.
        ServerSocketChannel.open(StandardProtocolFamily.UNIX).close();
        new ProcessBuilder("true").start().waitFor();
        before = MachineState.now();
    }

    @AfterEach
    void theNextRunWorks() throws Exception {
        StreamRun.find().direct(LinuxKernel.instance(), StreamRun::showSome);
        before.assertSame("at the end");
    }

    private static void end(Process process) throws Exception {
        process.destroyForcibly().waitFor();
        assertEquals(KILLED, process.exitValue(), "it ended by itself before it was killed");
        process.getInputStream().close();
        process.getOutputStream().close();
    }

    private static Process start(List<String> command) throws Exception {
        return new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }

    /** A program in C sends frames until it is killed, while we may have some of its frames. */
    @Test
    void producersThatDieLeaveUsTheFramesThatWeHave() throws Exception {
        int deaths = Integer.getInteger("cenalloc.deaths", 10);
        long taken = 0;
        Path socket = directory.resolve("frames");
        try (var cenalloc = Cenalloc.open();
                var listener = Listener.open(cenalloc, Address.of(socket))) {
            for (int death = 0; death < deaths; death++) {
                Process process =
                        start(List.of(System.getProperty("cenalloc.peer.c"), "send", socket.toString(), "1000000"));
                try (var receiver = new Receiver(Objects.requireNonNull(listener.accept(LIMIT)))) {
                    int frames = random.nextInt(20);
                    for (int i = 0; i < frames; i++) {
                        Objects.requireNonNull(receiver.next(LIMIT)).close();
                    }
                    taken += frames;
                    ReceivedFrame kept = random.nextBoolean() ? receiver.next(LIMIT) : null;
                    Thread.sleep(0, random.nextInt(1_000_000));
                    end(process);
                    if (kept != null) {
                        try (var pixels = kept.access(Direction.READ)) {
                            byte number = (byte) (kept.sequence() % 251);
                            assertEquals(number, pixels.segment().get(ValueLayout.JAVA_BYTE, 0));
                        }
                    }
                    assertThrows(DisconnectedException.class, () -> {
                        while (true) {
                            Objects.requireNonNull(receiver.next(LIMIT)).close();
                        }
                    });
                }
                assertNoBuffers(death);
            }
        }
        System.out.println(deaths + " producers in C killed after " + taken + " frames, seed " + seed);
    }

    private void assertNoBuffers(int death) throws Exception {
        String none = "Total 0 objects, 0 bytes";
        for (int i = 0; i < 500 && !Traces.dmaBufs().equals(none); i++) {
            Thread.sleep(10); // the kernel closes the files of a process that was killed in its own time
        }
        assertEquals(none, Traces.dmaBufs(), "after death " + death);
    }

    /**
     * One virtual machine that is all at once: a producer of frames, a consumer, a user of a pool, and a pipeline from
     * camera to display.
     */
    static final class Victim {
        private static final CountDownLatch RUNNING = new CountDownLatch(4);

        private Victim() {}

        private interface Round {
            void run() throws Exception;
        }

        private interface Role {
            void play(Cenalloc cenalloc) throws Exception;
        }

        private static void begin(Role role) {
            Thread.ofPlatform().start(() -> {
                try (var cenalloc = Cenalloc.open()) {
                    role.play(cenalloc);
                } catch (Throwable e) {
                    e.printStackTrace();
                    Runtime.getRuntime().halt(1);
                }
            });
        }

        private static void repeat(Round round) throws Exception {
            round.run();
            RUNNING.countDown();
            while (true) {
                round.run();
            }
        }

        /** The arguments are the addresses of the test, to which frames go and from which they come. */
        public static void main(String[] arguments) throws Exception {
            begin(cenalloc -> {
                try (var sender = new Sender(Connection.connect(cenalloc, Address.of(Path.of(arguments[0]))));
                        SharedBuffer buffer = cenalloc.create(PICTURE)) {
                    SentFrame frame = sender.add(List.of(buffer), "", "");
                    repeat(() -> {
                        sender.send(frame, 0, 0, null, LIMIT);
                        Objects.requireNonNull(sender.returned(LIMIT));
                    });
                }
            });
            begin(cenalloc -> {
                try (var receiver = new Receiver(Connection.connect(cenalloc, Address.of(Path.of(arguments[1]))))) {
                    repeat(() -> {
                        try (ReceivedFrame frame = Objects.requireNonNull(receiver.next(LIMIT));
                                var pixels = frame.access(Direction.READ_WRITE)) {
                            pixels.segment().fill((byte) 7);
                        }
                    });
                }
            });
            begin(cenalloc -> repeat(() -> {
                try (Pool pool = Pool.allocate(cenalloc, Demand.ofBytes(5000), List.of(), 2)) {
                    for (int i = 0; i < 20; i++) {
                        try (PoolBuffer buffer = pool.lend("victim", LIMIT);
                                var bytes = buffer.access(Direction.WRITE)) {
                            bytes.segment().fill((byte) i);
                        }
                    }
                    pool.grow(2);
                    pool.trim(1);
                }
            }));
            begin(_ -> StreamRun.find()
                    .direct(LinuxKernel.instance(), (source, shown) -> repeat(() -> shown.show(source.next()))));
            RUNNING.await();
            System.out.println("all run");
        }
    }

    /** Every fourth while it starts, the others while all that they do goes on. */
    @Test
    void aProgramInJavaThatDiesLeavesNothing() throws Exception {
        int deaths = Integer.getInteger("cenalloc.javaDeaths", 3);
        Path sent = directory.resolve("sent");
        Path taken = directory.resolve("taken");
        long frames = 0;
        try (var cenalloc = Cenalloc.open();
                var fromThem = Listener.open(cenalloc, Address.of(sent));
                var toThem = Listener.open(cenalloc, Address.of(taken))) {
            for (int death = 0; death < deaths; death++) {
                Process process = start(JavaProgram.command(Victim.class, sent.toString(), taken.toString()));
                try {
                    if (death % 4 == 3) {
                        Thread.sleep(random.nextInt(4000));
                        end(process);
                        refuse(fromThem);
                        refuse(toThem);
                    } else {
                        frames += exchange(cenalloc, fromThem, toThem, process);
                    }
                } finally {
                    process.destroyForcibly().waitFor();
                }
                assertNoBuffers(death);
                assertEquals(before.screen(), MachineState.now().screen(), "after death " + death);
            }
        }
        System.out.println(
                deaths + " programs in Java killed, which exchanged " + frames + " frames with us, seed " + seed);
    }

    /** Those that connected before they died. */
    private static void refuse(Listener listener) throws CenallocException {
        for (Connection one = listener.accept(Duration.ZERO); one != null; one = listener.accept(Duration.ZERO)) {
            one.close();
        }
    }

    /** Takes frames from a program and sends others to it, kills it, and goes on until both ends are known to be gone. */
    private long exchange(Cenalloc cenalloc, Listener fromThem, Listener toThem, Process process) throws Exception {
        var ends = new ArrayList<String>();
        long frames = 0;
        try (var receiver = new Receiver(Objects.requireNonNull(fromThem.accept(LIMIT)));
                var sender = new Sender(Objects.requireNonNull(toThem.accept(LIMIT)));
                SharedBuffer buffer = cenalloc.create(PICTURE)) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            long end = Long.MAX_VALUE;
            while (ends.size() < 2) {
                try {
                    ReceivedFrame received = ends.contains("received") ? null : receiver.next(SHORT);
                    if (received != null) {
                        received.close();
                        frames++;
                    }
                } catch (DisconnectedException e) {
                    ends.add("received");
                }
                try {
                    if (!ends.contains("sent") && sender.send(frame, frames, 0, null, SHORT)) {
                        frames += sender.returned(LIMIT) == frame ? 1 : 0;
                    }
                } catch (DisconnectedException e) {
                    ends.add("sent");
                }
                if (end == Long.MAX_VALUE && process.getInputStream().available() > 0) { // "all run"
                    end = System.nanoTime() + random.nextInt(1_500_000_000);
                }
                if (process.isAlive() && System.nanoTime() > end) {
                    end(process);
                }
                assertTrue(end < Long.MAX_VALUE || process.isAlive(), "it ended before all ran");
            }
        }
        return frames;
    }
}
