// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.CenallocException;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A frame of a stream of the test's own, which counts how often it comes back. Owns nothing. For one thread. */
final class Picture extends Frame {
    int returns;
    long timestamp = 5_000_000_000L;
    boolean damaged;
    /** What giving it back fails with. */
    @Nullable
    CenallocException failure;

    Picture(Ring ring, int index) {
        super(ring, index);
    }

    static List<Picture> of(Ring ring) {
        var pictures = new ArrayList<Picture>();
        for (int i = 0; i < ring.size(); i++) {
            pictures.add(new Picture(ring, i));
        }
        return pictures;
    }

    Picture lendAgain() {
        lend();
        return this;
    }

    /** Its stream ends. */
    void end() {
        revoke();
    }

    @Override
    public long sequence() {
        return index();
    }

    @Override
    public long timestampNanos() {
        return timestamp;
    }

    @Override
    public boolean isDamaged() {
        return damaged;
    }

    @Override
    protected void giveBack() throws CenallocException {
        returns++;
        if (failure != null) {
            throw failure;
        }
    }
}
