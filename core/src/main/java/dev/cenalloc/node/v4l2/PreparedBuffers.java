// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.v4l2.v4l2_buffer;
import dev.cenalloc.bindings.v4l2.v4l2_exportbuffer;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_plane;
import dev.cenalloc.bindings.v4l2.v4l2_requestbuffers;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Lost;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The {@code v4l2_buffer} of each frame, filled in once, and the requests that make the driver have as many. Uses the
 * descriptors whose numbers are in there until it is closed, by the object that made it: a buffer that is closed before
 * that gives its number back only then.
 */
final class PreparedBuffers implements AutoCloseable {
    private final List<MemorySegment> frames = new ArrayList<>();
    private final Held held = new Held(new ArrayList<>());

    /** Separate from the buffers, so that the cleaner of a stream that was lost does not keep it reachable. */
    private record Held(List<Descriptor> descriptors) implements Runnable {
        @Override
        public synchronized void run() {
            while (!descriptors.isEmpty()) {
                descriptors.removeLast().release();
            }
        }
    }

    private PreparedBuffers() {
        Lost.register(this, held);
    }

    /**
     * For memory of ours.
     *
     * @param format what the driver said of its buffers
     * @param memory of each frame its buffers
     * @throws IllegalStateException if one of them is closed; nothing is held then
     */
    static PreparedBuffers of(BufferType type, VideoFormat format, List<List<DmaBuf>> memory) {
        var prepared = new PreparedBuffers();
        boolean complete = false;
        try {
            for (List<DmaBuf> buffers : memory) {
                prepared.add(type, format, buffers);
            }
            complete = true;
            return prepared;
        } finally {
            if (!complete) {
                prepared.close();
            }
        }
    }

    /** For memory of the driver, which needs no descriptor. */
    static PreparedBuffers ofDriver(BufferType type, VideoFormat format, int count) {
        var prepared = new PreparedBuffers();
        for (int i = 0; i < count; i++) {
            MemorySegment frame = empty(type, v4l2_h.V4L2_MEMORY_MMAP(), i, format.buffers());
            for (int j = 0; j < format.buffers(); j++) {
                setUsed(frame, type, format, j);
            }
            prepared.frames.add(frame);
        }
        return prepared;
    }

    /** Says how much of a buffer is to be read; how much the driver fills, it says itself. */
    private static void setUsed(MemorySegment frame, BufferType type, VideoFormat format, int buffer) {
        int used = type.isOutput() ? (int) format.size(buffer) : 0;
        if (type.isMultiplanar()) {
            v4l2_plane.bytesused(plane(frame, buffer), used);
        } else {
            v4l2_buffer.bytesused(frame, used);
        }
    }

    /**
     * A dma-buf of memory that the driver allocated.
     *
     * @return a descriptor that the caller closes
     * @throws CenallocException EINVAL, ENOTTY if the driver does not export it; else with its errno
     */
    static int export(VideoNode video, BufferType type, int frame, int buffer) throws CenallocException {
        DeviceNode node = video.node();
        try (Arena call = Arena.ofConfined()) {
            MemorySegment export = v4l2_exportbuffer.allocate(call);
            v4l2_exportbuffer.type(export, type.code());
            v4l2_exportbuffer.index(export, frame);
            v4l2_exportbuffer.plane(export, buffer);
            v4l2_exportbuffer.flags(export, Linux.O_RDWR | Linux.O_CLOEXEC);
            int result = node.tryIoctl(v4l2_h.VIDIOC_EXPBUF(), export);
            if (result == -Errno.EINVAL || result == -Errno.ENOTTY) {
                throw new CenallocException(
                        -result,
                        "VIDIOC_EXPBUF",
                        node.path(),
                        -1,
                        video.name() + " does not give its memory to others",
                        "use memory from heaps");
            }
            if (result < 0) {
                throw node.failure(-result, "VIDIOC_EXPBUF");
            }
            return v4l2_exportbuffer.fd(export);
        }
    }

    private void add(BufferType type, VideoFormat format, List<DmaBuf> buffers) {
        MemorySegment frame = empty(type, v4l2_h.V4L2_MEMORY_DMABUF(), frames.size(), buffers.size());
        for (int i = 0; i < buffers.size(); i++) {
            DmaBuf buffer = buffers.get(i);
            Descriptor descriptor = Seam.descriptor(buffer);
            int fd = descriptor.acquire();
            held.descriptors.add(descriptor);
            // The whole of the buffer, not what the image fills: drivers check as much as is said here.
            int length = (int) Math.min(buffer.size(), Integer.MAX_VALUE);
            if (type.isMultiplanar()) {
                MemorySegment plane = plane(frame, i);
                v4l2_plane.m.fd(v4l2_plane.m(plane), fd);
                v4l2_plane.length(plane, length);
                // Its data_offset stays 0. Of a capture, it is the driver's; for an output, vb2 takes any, and most
                // drivers do not add it to the address (vb2_dma_contig_plane_dma_addr): so one buffer cannot stand for
                // two planes.
            } else {
                v4l2_buffer.m.fd(v4l2_buffer.m(frame), fd);
                v4l2_buffer.length(frame, length);
            }
            setUsed(frame, type, format, i);
        }
        frames.add(frame);
    }

    /** A description without memory, as the kernel fills it in. */
    static MemorySegment empty(BufferType type, int memory, int index, int planes) {
        int behind = type.isMultiplanar() ? planes : 0;
        // The planes lie behind the buffer that points to them, so that one segment reaches all.
        MemorySegment frame = Arena.ofAuto().allocate(v4l2_buffer.sizeof() + behind * v4l2_plane.sizeof(), Long.BYTES);
        v4l2_buffer.index(frame, index);
        v4l2_buffer.type(frame, type.code());
        v4l2_buffer.memory(frame, memory);
        v4l2_buffer.field(frame, v4l2_h.V4L2_FIELD_NONE());
        if (type.isMultiplanar()) {
            v4l2_buffer.m.planes(v4l2_buffer.m(frame), plane(frame, 0));
            v4l2_buffer.length(frame, planes);
        }
        return frame;
    }

    static MemorySegment plane(MemorySegment frame, int index) {
        return v4l2_plane.asSlice(frame.asSlice(v4l2_buffer.sizeof()), index);
    }

    MemorySegment frame(int index) {
        return frames.get(index);
    }

    int size() {
        return frames.size();
    }

    /**
     * Has the driver get ready for buffers.
     *
     * @param memory {@code V4L2_MEMORY_*}
     * @param count from 1
     * @return for how many: it may be fewer or more
     * @throws CenallocException EINVAL if the driver takes no memory of that kind; ENOMEM if it grants no buffer; else
     *     with its errno
     */
    static int request(VideoNode video, BufferType type, int memory, int count) throws CenallocException {
        DeviceNode node = video.node();
        try (Arena call = Arena.ofConfined()) {
            MemorySegment request = request(call, type, memory, count);
            int result = node.tryIoctl(v4l2_h.VIDIOC_REQBUFS(), request);
            if (result == -Errno.EINVAL) {
                // vb2_core_verify_memory_type: what is wrong can only be the kind of memory.
                boolean isOurs = memory == v4l2_h.V4L2_MEMORY_DMABUF();
                throw new CenallocException(
                        Errno.EINVAL,
                        "VIDIOC_REQBUFS",
                        node.path(),
                        -1,
                        video.name() + (isOurs ? " takes no dma-bufs" : " has no memory of its own"),
                        isOurs ? "let it lend its own memory" : "use memory from heaps");
            }
            if (result < 0) {
                throw node.failure(-result, "VIDIOC_REQBUFS");
            }
            int granted = v4l2_requestbuffers.count(request);
            if (granted < 1) {
                throw new CenallocException(
                        Errno.ENOMEM,
                        "answer to VIDIOC_REQBUFS",
                        node.path(),
                        -1,
                        video.name() + " grants no buffers",
                        "free memory, or request smaller images");
            }
            return granted;
        }
    }

    /** Takes back all buffers: the result, or {@code -errno}. */
    static int release(DeviceNode node, BufferType type, int memory) {
        try (Arena call = Arena.ofConfined()) {
            return node.tryIoctl(v4l2_h.VIDIOC_REQBUFS(), request(call, type, memory, 0));
        }
    }

    private static MemorySegment request(Arena call, BufferType type, int memory, int count) {
        MemorySegment request = v4l2_requestbuffers.allocate(call);
        v4l2_requestbuffers.count(request, count);
        v4l2_requestbuffers.type(request, type.code());
        v4l2_requestbuffers.memory(request, memory);
        return request;
    }

    /** Lets go of the descriptors. The driver must have no use for them any more. */
    @Override
    public void close() {
        held.run();
    }
}
