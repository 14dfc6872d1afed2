// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.timeval;
import dev.cenalloc.bindings.v4l2.v4l2_buffer;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_plane;
import dev.cenalloc.bindings.v4l2.v4l2_requestbuffers;
import dev.cenalloc.image.PixelFormat;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/** The buffers of one direction of a {@link FakeCamera}, and which descriptor made them. */
final class FakeQueue {
    /** A buffer that the driver is done with. */
    private record Done(int index, int sequence, int flags, long micros) {}

    int width = 320;
    int height = 240;
    int fourcc = PixelFormat.YUYV.v4l2Fourcc().orElseThrow();
    int owner = -1;
    int count;
    int memory;
    boolean streaming;
    /** The time that came with each, by index, in the order of queueing. */
    final Map<Integer, Long> queued = new LinkedHashMap<>();

    final Deque<Integer> finished = new ArrayDeque<>();
    private final Deque<Done> done = new ArrayDeque<>();
    private int sequence;

    int request(int fd, MemorySegment argument, int least, int most) {
        if (owner >= 0 && owner != fd) {
            return -Errno.EBUSY;
        }
        stop();
        memory = v4l2_requestbuffers.memory(argument);
        int asked = v4l2_requestbuffers.count(argument);
        count = asked == 0 ? 0 : Math.clamp(asked, Math.min(least, most), most);
        v4l2_requestbuffers.count(argument, count);
        owner = count == 0 ? -1 : fd;
        return 0;
    }

    int start(int fd, int first) {
        if (owner != fd || count == 0) {
            return -Errno.EINVAL;
        }
        streaming = true;
        sequence = first;
        return 0;
    }

    void stop() {
        streaming = false;
        queued.clear();
        done.clear();
    }

    void release() {
        stop();
        owner = -1;
        count = 0;
    }

    boolean canFinish() {
        return streaming && !queued.isEmpty();
    }

    boolean isDone() {
        return !done.isEmpty();
    }

    /** Is done with the buffer that has been queued for longest: the time that came with it. */
    long finish(int flags, long micros) {
        int index = queued.keySet().iterator().next();
        long came = Objects.requireNonNull(queued.remove(index));
        finished.add(index);
        done.add(new Done(index, sequence++, flags, micros));
        return came;
    }

    /** Loses frames. */
    void lose(int frames) {
        sequence += frames;
    }

    int dequeue(MemorySegment argument, int planes, int header) {
        if (!streaming || v4l2_buffer.memory(argument) != memory) {
            return -Errno.EINVAL;
        }
        Done next = done.poll();
        if (next == null) {
            return -Errno.EAGAIN;
        }
        v4l2_buffer.index(argument, next.index);
        v4l2_buffer.sequence(argument, next.sequence);
        v4l2_buffer.flags(argument, next.flags);
        MemorySegment time = v4l2_buffer.timestamp(argument);
        timeval.tv_sec(time, next.micros / 1_000_000);
        timeval.tv_usec(time, next.micros % 1_000_000);
        boolean isEmpty = (next.flags & v4l2_h.V4L2_BUF_FLAG_LAST()) != 0;
        int used = isEmpty ? 0 : width * height;
        if (planes == 1) {
            v4l2_buffer.bytesused(argument, used);
        } else {
            for (int i = 0; i < planes; i++) {
                v4l2_plane.bytesused(plane(argument, i), used);
                v4l2_plane.data_offset(plane(argument, i), header);
            }
        }
        return 0;
    }

    /** A plane of a buffer; it must lie in the same segment. */
    static MemorySegment plane(MemorySegment buffer, int index) {
        MemorySegment planes = v4l2_buffer.m.planes(v4l2_buffer.m(buffer));
        return v4l2_plane.asSlice(buffer.asSlice(planes.address() - buffer.address()), index);
    }
}
