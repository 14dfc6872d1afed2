// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import dev.cenalloc.stream.Frame;
import org.jspecify.annotations.Nullable;

/** A dma-buf that the compositor has imported, and the frame in it that the compositor has. */
final class ImportedBuffer extends Proxy {
    private final Buffers buffers;

    /** Null if the compositor has none. */
    private @Nullable Frame frame;
    /** Which loan of it: its stream may have begun anew meanwhile. */
    private long loan;

    /** Whether it is of no use any more, and goes when the compositor has released it. */
    private boolean retired;

    ImportedBuffer(Buffers buffers) {
        super(Wire.BUFFER);
        this.buffers = buffers;
    }

    /** The compositor has it until the release. */
    void take(Frame one) {
        frame = one;
        loan = one.loans();
    }

    /** Whether the compositor has it. */
    boolean isBusy() {
        return frame != null;
    }

    /** Whether the compositor has a frame of a loan that is over: its stream has ended. */
    boolean isStale() {
        Frame one = frame;
        return one != null && (!one.isLent() || one.loans() != loan);
    }

    boolean isRetired() {
        return retired;
    }

    void retire() {
        retired = true;
    }

    /** The frame, to be given back; null if its stream has ended, or there is none. */
    @Nullable
    Frame takeBack() {
        boolean over = isStale();
        Frame one = frame;
        frame = null;
        return over ? null : one;
    }

    @Override
    void event(int opcode, Channel channel) throws CenallocException {
        // A second release is of nothing.
        if (opcode == Wire.BUFFER_RELEASE && isBusy()) {
            buffers.released(this);
        }
    }
}
