// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_event;
import dev.cenalloc.bindings.drm.drm_event_vblank;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The events of commits that came on the screen. Holds nothing but memory, which the collector frees. Allocates nothing
 * once made. For one thread at a time.
 */
public final class FlipEvents {
    /**
     * Room for 128 events of 32 bytes: as many as the kernel keeps for a file, and refuses commits with ENOMEM beyond
     * (drm_file.c, event_space).
     */
    private static final int BYTES = 4096;

    private final MemorySegment events = Arena.ofAuto().allocate(BYTES, Long.BYTES);
    private long last;
    private long sequence;
    private long nanos;

    /**
     * Reads the events that are there. The user data of commits are numbers that grow, from 1 on; any other is ignored.
     *
     * @param newest user data of the last commit that was made
     * @return 0, also if none is there, or {@code -errno}
     */
    public int read(DeviceNode node, long newest) {
        long length = node.tryRead(events);
        if (length < 0) {
            return length == -Errno.EAGAIN ? 0 : (int) length;
        }
        long at = 0;
        while (at + drm_event_vblank.sizeof() <= length) {
            int type = events.get(ValueLayout.JAVA_INT_UNALIGNED, at + drm_event.type$offset());
            long user = events.get(ValueLayout.JAVA_LONG_UNALIGNED, at + drm_event_vblank.user_data$offset());
            if (type == drm_h.DRM_EVENT_FLIP_COMPLETE() && user > last && user <= newest) {
                last = user;
                sequence = number(at + drm_event_vblank.sequence$offset());
                nanos = number(at + drm_event_vblank.tv_sec$offset()) * 1_000_000_000
                        + number(at + drm_event_vblank.tv_usec$offset()) * 1000;
            }
            // Of one that has no length, the next is not known; one of another driver's kind may have any.
            int step = events.get(ValueLayout.JAVA_INT_UNALIGNED, at + drm_event.length$offset());
            at = step <= 0 ? length : at + step;
        }
        return 0;
    }

    private long number(long offset) {
        return Integer.toUnsignedLong(events.get(ValueLayout.JAVA_INT_UNALIGNED, offset));
    }

    /** The user data of the last commit whose event was read; 0 if there is none. */
    public long last() {
        return last;
    }

    /** The number of the refresh of that event. */
    public long sequence() {
        return sequence;
    }

    /** When that was, in nanoseconds of the monotonic clock. */
    public long nanos() {
        return nanos;
    }
}
