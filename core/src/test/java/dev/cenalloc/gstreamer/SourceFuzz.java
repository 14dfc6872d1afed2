// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.fuzz.FuzzTarget;
import dev.cenalloc.fuzz.Messages;
import dev.cenalloc.fuzz.Messages.Message;
import dev.cenalloc.image.Image;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Connection;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;

/** A pipeline that sends any messages, each with as many dma-bufs as its kind says, to a source. */
public final class SourceFuzz implements FuzzTarget {
    private static final int SIZE = 4096;
    private static final int MOST_DESCRIPTORS = 17;

    @Override
    public List<byte[]> seeds() {
        var caps = new Message(0, HostilePipelineTest.CAPS);
        var plain = new Message(1, HostilePipelineTest.frame(new ScriptedPeer.Memory(0, 384, 0)));
        var meta = new Message(1, HostilePipelineTest.good());
        var two = new Message(
                2, HostilePipelineTest.frame(new ScriptedPeer.Memory(0, 256, 0), new ScriptedPeer.Memory(1, 128, 512)));
        var tiled = new Message(
                0,
                ScriptedPeer.caps("video/x-raw(memory:DMABuf), format=DMA_DRM, width=16, height=16,"
                        + " drm-format=NV12:0x0100000000000002, framerate=30/1"));
        return List.of(
                Messages.input(List.of(caps, plain, meta, plain)),
                Messages.input(List.of(caps, two, caps, meta)),
                Messages.input(List.of(tiled, meta)));
    }

    @Override
    public boolean read(byte[] input) throws Exception {
        var kernel = new FakeKernel();
        boolean taken;
        try (Cenalloc cenalloc = kernel.open()) {
            var ends = ScriptedPeer.connect(kernel);
            int[] memories = {ends.peer().dmaBuf(SIZE), ends.peer().dmaBuf(SIZE)};
            try (var source = UnixFdSource.of(cenalloc, Connection.adopt(cenalloc, ends.ours()))) {
                taken = read(Messages.of(input), ends.peer(), memories, source);
            }
            ends.peer().close();
            Arrays.stream(memories).forEach(kernel::close);
        }
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        return taken;
    }

    private static boolean read(List<Message> messages, ScriptedPeer peer, int[] memories, UnixFdSource source) {
        try {
            for (Message message : messages) {
                int[] passed = new int[message.kind % MOST_DESCRIPTORS];
                Arrays.setAll(passed, i -> memories[i % memories.length]);
                peer.send(message.bytes, passed);
                for (UnixFdFrame frame = source.next(Duration.ZERO);
                        frame != null;
                        frame = source.next(Duration.ZERO)) {
                    look(frame);
                    frame.close();
                }
            }
            return true;
        } catch (CenallocException e) {
            assertTrue(String.valueOf(e.getMessage()).length() < 10_000, e::getMessage);
            return false;
        }
    }

    /** Every byte of the image is there. */
    private static void look(UnixFdFrame frame) throws CenallocException {
        try (var access = frame.access(Direction.READ)) {
            for (int i = 0; i < frame.layouts().size(); i++) {
                var layout = frame.layouts().get(i);
                if (layout.image().modifier() == Image.LINEAR) {
                    assertTrue(layout.packed(access.segment(i)).remaining() > 0);
                }
            }
        }
    }
}
