// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.fuzz.FuzzTarget;
import dev.cenalloc.fuzz.Messages;
import dev.cenalloc.fuzz.Messages.Message;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.share.HostilePeerTest.Ends;
import dev.cenalloc.share.HostilePeerTest.Passed;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;

/** A receiver that sends any messages, with what their kinds say, to a sender. */
public final class SenderFuzz implements FuzzTarget {
    private static final List<Passed> PASSED = List.of(Passed.values());
    private static final int FRAMES = 3;

    @Override
    public List<byte[]> seeds() {
        var plain = new Message(0, HostilePeerTest.release(1, 0, 0));
        var fence = new Message(PASSED.indexOf(Passed.FENCE), HostilePeerTest.release(2, Wire.HAS_FENCE, 1));
        var later = new Message(
                PASSED.indexOf(Passed.TWO),
                HostilePeerTest.message(77, 2, 100, 0).array());
        return List.of(Messages.input(List.of(plain, plain)), Messages.input(List.of(fence, later, plain, fence)));
    }

    @Override
    public boolean read(byte[] input) throws Exception {
        long memory = 1 << 20;
        var kernel = new FakeKernel().heap("system", memory);
        boolean taken;
        try (Cenalloc cenalloc = kernel.open();
                SharedBuffer buffer = cenalloc.create(1)) {
            Ends ends = HostilePeerTest.connect(kernel, cenalloc);
            try (var sender = new Sender(ends.ours())) {
                var away = new HashSet<SentFrame>();
                for (int i = 0; i < FRAMES; i++) {
                    SentFrame frame = sender.add(List.of(buffer), "", "");
                    assertTrue(sender.send(frame, 0, 0, null, Duration.ZERO));
                    away.add(frame);
                }
                taken = true;
                try {
                    for (Message message : Messages.of(input)) {
                        if (message.bytes.length > 0) {
                            HostilePeerTest.send(
                                    kernel, ends.peer(), message.bytes, PASSED.get(message.kind % PASSED.size()));
                        }
                        for (SentFrame frame = sender.returned(Duration.ZERO);
                                frame != null;
                                frame = sender.returned(Duration.ZERO)) {
                            assertTrue(away.remove(frame), "it came back once");
                            assertTrue(sender.send(frame, 0, 0, null, Duration.ZERO));
                            away.add(frame);
                        }
                    }
                } catch (CenallocException e) {
                    taken = false;
                }
            }
            ends.peer().discard();
            ends.peer().close();
        }
        assertEquals(0, kernel.openFiles());
        assertEquals(memory, kernel.free());
        return taken;
    }
}
