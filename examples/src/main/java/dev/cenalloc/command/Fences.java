// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.Fence;
import dev.cenalloc.kms.Display;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.io.IOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Explicit fences of a display: each frame is shown with a fence that it has to wait for, and gives one that is
 * signalled when the frame is on the screen, which a third device could wait for. A kernel before 6.0 exports no fences
 * of buffers; then the program waits before the commit. Allocates no Java objects in steady state. Closed by the caller
 * that made it. For one thread.
 */
final class Fences implements AutoCloseable {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private final Display display;
    private final boolean exchanged;
    /** What the last frame had to wait for; null before the first. */
    private @Nullable Fence ready;
    /** When it is on the screen. */
    private @Nullable Fence shown;

    Fences(Display display, Ring ring) throws CenallocException {
        this.display = display;
        this.exchanged = ring.buffers(0).getFirst().exchangesFences();
    }

    void show(Frame frame) throws IOException {
        DmaBuf buffer = frame.buffers().getFirst();
        if (!exchanged) {
            if (!buffer.await(Direction.READ, LIMIT)) {
                throw new IOException("the frame was not ready after " + LIMIT.toSeconds() + " seconds");
            }
            display.show(frame);
            return;
        }
        Fence in = ready;
        if (in == null) {
            in = buffer.exportFence(Direction.READ);
            ready = in;
            // Any fence will do for the display to put its own in.
            shown = buffer.exportFence(Direction.READ);
        } else {
            buffer.exportFence(Direction.READ, in);
        }
        Fence out = shown;
        if (out == null) {
            throw new IllegalStateException("no fence for the display");
        }
        display.show(frame, in, out);
    }

    /** Waits until the last frame is on the screen, by its fence. */
    void awaitShown() throws IOException {
        if (shown != null && !shown.await(LIMIT)) {
            throw new IOException("the display did not show the frame for " + LIMIT.toSeconds() + " seconds");
        }
    }

    @Override
    public void close() {
        if (ready != null) {
            ready.close();
        }
        if (shown != null) {
            shown.close();
        }
    }
}
