// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.fuzz.FuzzTarget;
import dev.cenalloc.fuzz.Messages;
import dev.cenalloc.fuzz.Messages.Message;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.share.Address;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Ring;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/** A pipeline that sends any messages, with as many dma-bufs as their kinds say, to a sink; a good one goes on. */
public final class SinkFuzz implements FuzzTarget {
    private static final Duration NOW = Duration.ZERO;
    private static final int FRAMES = 8;
    private static final int MOST_DESCRIPTORS = 17;

    /** Buffers have numbers from 1 on. */
    @Override
    public List<byte[]> seeds() {
        var nothing = new Message(0, new byte[0]);
        var second = new Message(1, ScriptedPeer.release(2));
        return List.of(
                Messages.input(List.of(new Message(0, ScriptedPeer.release(1)), second)),
                Messages.input(List.of(nothing, second, new Message(0, ScriptedPeer.release(1)))),
                Messages.input(List.of(new Message(0, ScriptedPeer.message(Wire.EOS, new byte[0])))));
    }

    @Override
    public boolean read(byte[] input) throws Exception {
        long memory = 1 << 20;
        var kernel = new FakeKernel().heap("system", memory);
        boolean taken;
        try (Cenalloc cenalloc = kernel.open()) {
            var layout = UnixFdSink.layout(new Image(PixelFormat.XR24, 16, 16));
            var agreement = Agreement.of(cenalloc, List.of(layout), FrameRate.of(25), List.of());
            var address = Address.ofAbstract("frames");
            try (Ring ring = Ring.allocate(cenalloc, agreement, FRAMES);
                    var sink = UnixFdSink.open(cenalloc, address, agreement)) {
                int file = kernel.foreignDmaBuf("elsewhere", 4096, false);
                var liar = ScriptedPeer.connect(kernel, "frames");
                try (var good = UnixFdSource.open(cenalloc, address)) {
                    taken = read(Messages.of(input), liar, file, sink, good, Picture.of(ring));
                }
                liar.close();
                kernel.close(file);
                sink.collect(NOW);
                assertEquals(0, sink.away());
            }
        }
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        assertEquals(memory, kernel.free());
        return taken;
    }

    private static boolean read(
            List<Message> messages,
            ScriptedPeer liar,
            int file,
            UnixFdSink sink,
            UnixFdSource good,
            List<Picture> pictures)
            throws CenallocException {
        assertTrue(sink.awaitPipeline(NOW));
        boolean taken = true;
        for (Message message : messages) {
            Picture picture =
                    pictures.stream().filter(one -> !one.isLent()).findFirst().orElseThrow();
            assertTrue(sink.send(picture.lendAgain()) >= 1);
            Objects.requireNonNull(good.next(NOW)).close();
            if (taken) {
                int[] passed = new int[message.kind % MOST_DESCRIPTORS];
                Arrays.fill(passed, file);
                liar.send(message.bytes, passed);
            }
            sink.collect(NOW);
            taken = sink.pipelines() == 2;
        }
        if (!taken) {
            assertFalse(pictures.stream().anyMatch(Picture::isLent), "what the liar had is back");
        }
        return taken;
    }
}
