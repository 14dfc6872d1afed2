// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.fuzz.FuzzTarget;
import dev.cenalloc.fuzz.Messages;
import dev.cenalloc.fuzz.Messages.Message;
import dev.cenalloc.image.Image;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.UnixSocket;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.HostilePeerTest.Ends;
import dev.cenalloc.share.HostilePeerTest.Passed;
import java.time.Duration;
import java.util.List;

/** A sender that sends any messages, with what their kinds say, to a receiver. */
public final class ReceiverFuzz implements FuzzTarget {
    private static final List<Passed> PASSED = List.of(Passed.values());

    private static Message message(byte[] bytes, Passed passed) {
        return new Message(PASSED.indexOf(passed), bytes);
    }

    @Override
    public List<byte[]> seeds() {
        var first = message(HostilePeerTest.buffers(0), Passed.MEMORY);
        var frame = message(HostilePeerTest.frame(0, 0, 0), Passed.NOTHING);
        return List.of(
                Messages.input(List.of(first, frame, frame, message(HostilePeerTest.forget(0), Passed.NOTHING))),
                Messages.input(List.of(
                        message(HostilePeerTest.buffers(1), Passed.MEMORY),
                        message(HostilePeerTest.frame(1, Wire.HAS_FENCE, 1), Passed.FENCE),
                        message(HostilePeerTest.message(77, 2, 100, 0).array(), Passed.TWO))));
    }

    @Override
    public boolean read(byte[] input) throws Exception {
        var kernel = new FakeKernel();
        boolean taken;
        try (Cenalloc cenalloc = kernel.open()) {
            Ends ends = HostilePeerTest.connect(kernel, cenalloc);
            try (var receiver = new Receiver(ends.ours())) {
                taken = read(kernel, Messages.of(input), ends.peer(), receiver);
            }
            ends.peer().discard();
            ends.peer().close();
        }
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        return taken;
    }

    private static boolean read(FakeKernel kernel, List<Message> messages, UnixSocket peer, Receiver receiver) {
        try {
            for (Message message : messages) {
                if (message.bytes.length > 0) {
                    HostilePeerTest.send(kernel, peer, message.bytes, PASSED.get(message.kind % PASSED.size()));
                }
                for (ReceivedFrame frame = receiver.next(Duration.ZERO);
                        frame != null;
                        frame = receiver.next(Duration.ZERO)) {
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

    /** Every byte that is described is there. */
    private static void look(ReceivedFrame frame) throws CenallocException {
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
