// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.CenallocException;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A frame of a stream of the test's own, which counts how often it comes back. Owns nothing. For one thread. */
final class TestFrame extends Frame {
    int returns;
    private long lendings;
    /** What giving it back fails with, once. */
    @Nullable
    CenallocException failure;

    private TestFrame(Ring ring, int index) {
        super(ring, index);
    }

    static List<TestFrame> of(Ring ring) {
        var frames = new ArrayList<TestFrame>();
        for (int i = 0; i < ring.size(); i++) {
            frames.add(new TestFrame(ring, i));
        }
        return frames;
    }

    TestFrame lendAgain() {
        lend();
        lendings++;
        return this;
    }

    /** Its stream begins anew, and so do its numbers. */
    void restart() {
        lendings = 0;
    }

    /** Its stream ends. */
    void end() {
        revoke();
    }

    @Override
    public long sequence() {
        return lendings;
    }

    @Override
    public long timestampNanos() {
        return 0;
    }

    @Override
    public boolean isDamaged() {
        return false;
    }

    @Override
    protected void giveBack() throws CenallocException {
        returns++;
        CenallocException thrown = failure;
        failure = null;
        if (thrown != null) {
            throw thrown;
        }
    }
}
