// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.fuzz.FuzzTarget;
import dev.cenalloc.fuzz.Messages;
import dev.cenalloc.fuzz.Messages.Message;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Ring;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * A compositor that sends any messages in place of its own, to a window from its opening to its close. The first
 * message of an input is its table of formats, its kind the version of the protocol. Of the others, one without bytes
 * stands for that of the compositor.
 */
public final class WindowFuzz implements FuzzTarget {
    private static final long MEMORY = 1 << 20;
    private static final Duration NOW = Duration.ZERO;
    private static final int FRAMES = 3;
    private static final int LEAST_VERSION = 3;
    private static final int VERSIONS = 3;

    /** Two formats, one of them tiled. */
    private static final byte[] TABLE = ByteBuffer.allocate(32)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putInt(PixelFormat.XR24.drmFourcc().orElseThrow())
            .putInt(0)
            .putLong(Image.LINEAR)
            .putInt(PixelFormat.NV12.drmFourcc().orElseThrow())
            .putInt(0)
            .putLong(1L << 56 | 1)
            .array();

    /** What a compositor sends that behaves. */
    @Override
    public List<byte[]> seeds() throws Exception {
        var seeds = new ArrayList<byte[]>();
        for (int kind = 0; kind < VERSIONS; kind++) {
            var table = new Message(kind, TABLE);
            var sent = new ArrayList<>(List.of(table));
            assertTrue(play(table, List.of(), message -> {
                sent.add(new Message(0, message));
                return message;
            }));
            seeds.add(Messages.input(sent));
            seeds.add(Messages.input(List.of(table)));
        }
        return seeds;
    }

    @Override
    public boolean read(byte[] input) throws Exception {
        Deque<Message> messages = new ArrayDeque<>(Messages.of(input));
        Message table = messages.isEmpty() ? new Message(0, TABLE) : messages.pop();
        return play(table, messages, message -> {
            Message next = messages.poll();
            return next == null || next.bytes.length == 0 ? message : next.bytes;
        });
    }

    /**
     * A window from its opening to its close.
     *
     * @param rest what is sent at the end, without a change
     * @return whether it went well
     */
    private static boolean play(Message table, Iterable<Message> rest, UnaryOperator<byte[]> change) throws Exception {
        var kernel = new FakeKernel().heap("system", MEMORY);
        boolean well = true;
        try (Cenalloc cenalloc = kernel.open();
                var compositor = new ScriptedCompositor(kernel)) {
            compositor.isLenient = true;
            compositor.dmabufVersion = LEAST_VERSION + table.kind % VERSIONS;
            compositor.table = table.bytes;
            compositor.tableSize = table.bytes.length;
            compositor.mutation = change;
            var layout = Layout.of(new Image(PixelFormat.XR24, 16, 16));
            Agreement agreement = Agreement.of(cenalloc, List.of(layout), FrameRate.of(30), List.of());
            try (Ring ring = Ring.allocate(cenalloc, agreement, FRAMES)) {
                try (Window window = Window.open(cenalloc, ScriptedCompositor.SOCKET, "test")) {
                    assertTrue(window.port().images().size() <= 1 << 16);
                    play(compositor, window, ring);
                    compositor.mutation = message -> message;
                    for (Message message : rest) {
                        compositor.send(message.bytes);
                        boolean _ = window.handleEvents(NOW);
                    }
                } catch (CenallocException e) {
                    assertTrue(String.valueOf(e.getMessage()).length() < 10_000, e::getMessage);
                    well = false;
                }
                assertEquals(FRAMES, ring.pool().free(), "frames that are lost");
            }
        }
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        assertEquals(MEMORY, kernel.free());
        return well;
    }

    private static void play(ScriptedCompositor compositor, Window window, Ring ring) throws Exception {
        try {
            window.use(ring);
        } catch (IllegalArgumentException _) {
            return; // the formats are others
        }
        for (int i = 0; i < 2 * FRAMES && ring.pool().free() > 0; i++) {
            var frame = ring.lend("test", NOW);
            boolean taken = false;
            try {
                window.show(frame);
                taken = true;
            } finally {
                if (!taken) {
                    frame.close();
                }
            }
            switch (i) {
                case 0 -> compositor.ping(i);
                case 1 -> compositor.configure(64, 48, 1, 4);
                case 2 -> {
                    if (compositor.dmabufVersion > LEAST_VERSION) {
                        compositor.tellFormats();
                    }
                }
                case 3 -> compositor.requestClose();
                default -> {}
            }
            boolean _ = window.awaitShown(NOW);
            compositor.pump();
        }
    }
}
