// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
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
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Whatever a compositor sends, a window throws nothing but what it says that it throws, and loses nothing. More
 * messages: {@code -Dcenalloc.mutations=1000000}.
 */
class MutationsTest {
    private static final long MEMORY = 16 << 20;
    private static final Duration NOW = Duration.ZERO;
    private static final int[] WORDS = {0, 1, -1, 8, Integer.MIN_VALUE, Integer.MAX_VALUE, 0xFF00_0000, 0xFF00_0001};

    private long messages;
    private long refusals;
    private long plays;
    private long frames;

    private static byte[] mutated(Random random, byte[] message) {
        byte[] changed = message.clone();
        int word = random.nextInt(changed.length / 4) * 4;
        switch (random.nextInt(7)) {
            case 0 -> changed[random.nextInt(changed.length)] ^= (byte) (1 << random.nextInt(8));
            case 1 -> put(changed, word, WORDS[random.nextInt(WORDS.length)]);
            case 2 -> put(changed, word, random.nextInt());
            case 3 -> {
                return Arrays.copyOf(changed, random.nextInt(2 * changed.length));
            }
            case 4 -> {
                byte[] twice = Arrays.copyOf(changed, 2 * changed.length);
                System.arraycopy(changed, 0, twice, changed.length, changed.length);
                return twice;
            }
            case 5 -> random.nextBytes(changed);
            default -> put(changed, 4, changed.length << 16 | random.nextInt(8));
        }
        return changed;
    }

    private static void put(byte[] bytes, int at, int word) {
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(at, word);
    }

    /** A window from its opening to its close. */
    private void play(long seed) throws Exception {
        var random = new Random(seed);
        var kernel = new FakeKernel().heap("system", MEMORY);
        kernel.socketPiece = random.nextInt(8) == 0 ? 1 + random.nextInt(16) : Integer.MAX_VALUE;
        Cenalloc cenalloc = kernel.open();
        var compositor = new ScriptedCompositor(kernel);
        compositor.isLenient = true;
        compositor.dmabufVersion = 3 + random.nextInt(3);
        int rate = 1 + random.nextInt(200);
        compositor.mutation = message -> {
            messages++;
            return random.nextInt(rate) == 0 ? mutated(random, message) : message;
        };
        var layout = Layout.of(new Image(PixelFormat.XR24, 16, 16));
        Agreement agreement = Agreement.of(cenalloc, List.of(layout), FrameRate.of(30), List.of());
        try (Ring ring = Ring.allocate(cenalloc, agreement, 3)) {
            try (Window window = Window.open(cenalloc, ScriptedCompositor.SOCKET, "test")) {
                play(random, compositor, window, ring);
            } catch (CenallocException e) {
                refusals++;
                assertTrue(String.valueOf(e.getMessage()).length() < 4096, e::getMessage);
            }
            assertEquals(3, ring.pool().free(), () -> "frames that are lost by " + seed);
        } catch (RuntimeException | Error e) {
            throw new AssertionError("play " + seed, e);
        } finally {
            compositor.close();
            cenalloc.close();
        }
        assertEquals(0, kernel.openFiles(), () -> "descriptors lost by " + seed);
        assertEquals(MEMORY, kernel.free(), () -> "memory lost by " + seed);
    }

    private void play(Random random, ScriptedCompositor compositor, Window window, Ring ring) throws Exception {
        assertTrue(window.port().images().size() < 100);
        try {
            window.use(ring);
        } catch (IllegalArgumentException _) {
            return; // the formats are others
        }
        for (int i = 0; i < 40; i++) {
            switch (random.nextInt(12)) {
                case 0 -> compositor.ping(i);
                case 1 -> compositor.configure(random.nextInt(2000), random.nextInt(2000), random.nextInt(9));
                case 2 -> compositor.tellFormats();
                case 3 -> compositor.requestClose();
                case 4 -> window.handleEvents(NOW);
                default -> {
                    if (ring.pool().free() > 0) {
                        var frame = ring.lend("test", NOW);
                        boolean taken = false;
                        try {
                            window.show(frame);
                            taken = true;
                            frames++;
                        } finally {
                            if (!taken) {
                                frame.close();
                            }
                        }
                        window.awaitShown(NOW);
                        compositor.pump();
                    }
                }
            }
        }
    }

    @Test
    void nothingIsLostWhateverComes() throws Exception {
        long wanted = Long.getLong("cenalloc.mutations", 20_000);
        while (messages < wanted) {
            play(plays++);
        }
        assertTrue(refusals > plays / 4, () -> refusals + " of " + plays + " windows were refused");
        assertTrue(frames > plays, () -> frames + " frames were shown by " + plays + " windows");
    }
}
