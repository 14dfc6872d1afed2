package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_buffer;
import dev.cenalloc.bindings.v4l2.v4l2_capability;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format_mplane;
import dev.cenalloc.bindings.v4l2.v4l2_plane;
import dev.cenalloc.bindings.v4l2.v4l2_plane_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_requestbuffers;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A V4L2 node that captures, shows or converts video. Buffers are queued without streaming: the driver maps them for the
 * device then, and no frame moves. While another program has buffers there, the kernel refuses with EBUSY.
 */
final class V4l2Importer implements Importer {
    /** One queue; a converter has two. The format is a {@code v4l2_format}. */
    private record Queue(int type, MemorySegment format) {
        boolean isMultiplanar() {
            return type == v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE()
                    || type == v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE();
        }

        boolean isOutput() {
            return type == v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT() || type == v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE();
        }

        private MemorySegment single() {
            return v4l2_format.fmt.pix(v4l2_format.fmt(format));
        }

        private MemorySegment multi() {
            return v4l2_format.fmt.pix_mp(v4l2_format.fmt(format));
        }

        int planes() {
            return isMultiplanar() ? v4l2_pix_format_mplane.num_planes(multi()) : 1;
        }

        /** Of the largest plane. */
        long size() {
            if (!isMultiplanar()) {
                return Integer.toUnsignedLong(v4l2_pix_format.sizeimage(single()));
            }
            long size = 0;
            for (int plane = 0; plane < planes(); plane++) {
                size = Math.max(size, Integer.toUnsignedLong(v4l2_plane_pix_format.sizeimage(plane(plane))));
            }
            return size;
        }

        private MemorySegment plane(int plane) {
            return v4l2_pix_format_mplane.plane_fmt(multi(), plane);
        }

        void ask(Layout layout) {
            Image image = layout.image();
            int fourcc = image.format().v4l2Fourcc();
            // That of the first plane tells those of the others.
            int pitch = (int) layout.planes().getFirst().pitch();
            if (isMultiplanar()) {
                v4l2_pix_format_mplane.width(multi(), image.width());
                v4l2_pix_format_mplane.height(multi(), image.height());
                v4l2_pix_format_mplane.pixelformat(multi(), fourcc);
                v4l2_pix_format_mplane.num_planes(multi(), (byte) image.format().buffers());
                v4l2_plane_pix_format.bytesperline(plane(0), pitch);
                v4l2_plane_pix_format.sizeimage(plane(0), 0);
            } else {
                v4l2_pix_format.width(single(), image.width());
                v4l2_pix_format.height(single(), image.height());
                v4l2_pix_format.pixelformat(single(), fourcc);
                v4l2_pix_format.bytesperline(single(), pitch);
                v4l2_pix_format.sizeimage(single(), 0);
            }
        }

        private int fourcc() {
            return isMultiplanar()
                    ? v4l2_pix_format_mplane.pixelformat(multi())
                    : v4l2_pix_format.pixelformat(single());
        }

        private int width() {
            return isMultiplanar() ? v4l2_pix_format_mplane.width(multi()) : v4l2_pix_format.width(single());
        }

        private int height() {
            return isMultiplanar() ? v4l2_pix_format_mplane.height(multi()) : v4l2_pix_format.height(single());
        }

        boolean has(Image image) {
            return fourcc() == image.format().v4l2Fourcc() && width() == image.width() && height() == image.height();
        }

        @Override
        public String toString() {
            var text = new StringBuilder();
            for (int shift = 0; shift < Integer.SIZE; shift += Byte.SIZE) {
                // The highest bit says big-endian.
                text.append((char) (fourcc() >> shift & 0x7F));
            }
            return text.append(' ').append(width()).append('x').append(height()).toString();
        }
    }

    private final Kernel kernel;
    private final DeviceFile file;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment capability = v4l2_capability.allocate(arena);
    /** Those that have the images. */
    private final List<Queue> queues = new ArrayList<>();
    /** What the formats were that have been changed. */
    private final List<Queue> before = new ArrayList<>();

    private V4l2Importer(Kernel kernel, DeviceFile file) {
        this.kernel = kernel;
        this.file = file;
    }

    static Importer openVideo(Kernel kernel, Path path) throws CenallocException {
        var opened = new V4l2Importer(kernel, DeviceFile.open(kernel, path));
        boolean usable = false;
        try {
            opened.file.ioctl("VIDIOC_QUERYCAP", v4l2_h.VIDIOC_QUERYCAP(), opened.capability);
            if (opened.types().isEmpty()) {
                throw new CenallocException(
                        Errno.EINVAL,
                        "VIDIOC_QUERYCAP",
                        path,
                        -1,
                        opened.name() + " has no video in buffers at this node",
                        "give its node that captures, shows or converts video");
            }
            usable = true;
            return opened;
        } finally {
            if (!usable) {
                opened.close();
            }
        }
    }

    @Override
    public String driver() {
        return v4l2_capability.driver(capability).getString(0);
    }

    @Override
    public String name() {
        return driver() + " " + v4l2_capability.bus_info(capability).getString(0);
    }

    /** Output before capture: what a converter can put out may depend on what is put in. */
    private List<Integer> types() {
        int capabilities = v4l2_capability.capabilities(capability);
        if ((capabilities & v4l2_h.V4L2_CAP_DEVICE_CAPS()) != 0) {
            capabilities = v4l2_capability.device_caps(capability);
        }
        var types = new ArrayList<Integer>();
        if ((capabilities & v4l2_h.V4L2_CAP_STREAMING()) == 0) {
            return types;
        }
        if ((capabilities & (v4l2_h.V4L2_CAP_VIDEO_OUTPUT() | v4l2_h.V4L2_CAP_VIDEO_M2M())) != 0) {
            types.add(v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT());
        }
        if ((capabilities & (v4l2_h.V4L2_CAP_VIDEO_OUTPUT_MPLANE() | v4l2_h.V4L2_CAP_VIDEO_M2M_MPLANE())) != 0) {
            types.add(v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE());
        }
        if ((capabilities & (v4l2_h.V4L2_CAP_VIDEO_CAPTURE() | v4l2_h.V4L2_CAP_VIDEO_M2M())) != 0) {
            types.add(v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE());
        }
        if ((capabilities & (v4l2_h.V4L2_CAP_VIDEO_CAPTURE_MPLANE() | v4l2_h.V4L2_CAP_VIDEO_M2M_MPLANE())) != 0) {
            types.add(v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE());
        }
        return types;
    }

    @Override
    public long prepare(Layout layout) throws CenallocException {
        var instead = new ArrayList<String>();
        for (int type : types()) {
            Queue old = new Queue(type, v4l2_format.allocate(arena));
            v4l2_format.type(old.format(), type);
            file.ioctl("VIDIOC_G_FMT", v4l2_h.VIDIOC_G_FMT(), old.format());
            Queue queue = new Queue(type, v4l2_format.allocate(arena).copyFrom(old.format()));
            queue.ask(layout);
            // Changes nothing yet, so a device that has no such images is left alone.
            file.ioctl("VIDIOC_TRY_FMT", v4l2_h.VIDIOC_TRY_FMT(), queue.format());
            if (!queue.has(layout.image())) {
                instead.add(queue.toString());
                continue;
            }
            if (old.format().mismatch(queue.format()) >= 0) {
                file.ioctl("VIDIOC_S_FMT", v4l2_h.VIDIOC_S_FMT(), queue.format());
                before.add(old);
            }
            queues.add(queue);
        }
        if (queues.isEmpty()) {
            throw new CenallocException(
                    Errno.EINVAL,
                    "VIDIOC_TRY_FMT",
                    file.path(),
                    -1,
                    name() + " has no images of " + layout.image(),
                    "the nearest that it has: " + String.join(", ", instead));
        }
        return queues.stream().mapToLong(Queue::size).max().orElseThrow();
    }

    @Override
    public String offer(List<DmaBuf> buffers) throws CenallocException {
        for (Queue queue : queues) {
            int granted = request(queue, buffers.size());
            try {
                for (int i = 0; i < Math.min(granted, buffers.size()); i++) {
                    String refusal = queue(queue, i, buffers.get(i));
                    if (!refusal.isEmpty()) {
                        return refusal;
                    }
                }
            } finally {
                release(queue);
            }
        }
        return "";
    }

    private int request(Queue queue, int count) throws CenallocException {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment request = v4l2_requestbuffers.allocate(call);
            v4l2_requestbuffers.count(request, count);
            v4l2_requestbuffers.type(request, queue.type());
            v4l2_requestbuffers.memory(request, v4l2_h.V4L2_MEMORY_DMABUF());
            file.ioctl("VIDIOC_REQBUFS", v4l2_h.VIDIOC_REQBUFS(), request);
            return v4l2_requestbuffers.count(request);
        }
    }

    /** Takes back what is queued. If the driver fails to, it does so when the node is closed. */
    private void release(Queue queue) {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment request = v4l2_requestbuffers.allocate(call);
            v4l2_requestbuffers.type(request, queue.type());
            v4l2_requestbuffers.memory(request, v4l2_h.V4L2_MEMORY_DMABUF());
            file.tryIoctl(v4l2_h.VIDIOC_REQBUFS(), request);
        }
    }

    /** The same buffer stands for every plane: it is large enough for each, and drivers map them one by one. */
    private String queue(Queue queue, int index, DmaBuf buffer) throws CenallocException {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment described = v4l2_buffer.allocate(call);
            v4l2_buffer.index(described, index);
            v4l2_buffer.type(described, queue.type());
            v4l2_buffer.memory(described, v4l2_h.V4L2_MEMORY_DMABUF());
            v4l2_buffer.field(described, v4l2_h.V4L2_FIELD_NONE());
            // The whole of the buffer, not what a picture fills: drivers check as much as is said here.
            int length = (int) Math.min(buffer.size(), Integer.MAX_VALUE);
            int used = queue.isOutput() ? (int) queue.size() : 0;
            if (queue.isMultiplanar()) {
                int count = queue.planes();
                MemorySegment planes = v4l2_plane.allocateArray(count, call);
                for (int i = 0; i < count; i++) {
                    MemorySegment plane = v4l2_plane.asSlice(planes, i);
                    v4l2_plane.m.fd(v4l2_plane.m(plane), buffer.fd());
                    v4l2_plane.length(plane, length);
                    v4l2_plane.bytesused(plane, used);
                }
                v4l2_buffer.m.planes(v4l2_buffer.m(described), planes);
                v4l2_buffer.length(described, count);
            } else {
                v4l2_buffer.m.fd(v4l2_buffer.m(described), buffer.fd());
                v4l2_buffer.length(described, length);
                v4l2_buffer.bytesused(described, used);
            }
            return file.refusal(file.tryIoctl(v4l2_h.VIDIOC_QBUF(), described), "VIDIOC_QBUF");
        }
    }

    @Override
    public void close() throws CenallocException {
        try (arena) {
            List<Queue> left;
            try {
                left = before.stream()
                        .filter(queue -> file.tryIoctl(v4l2_h.VIDIOC_S_FMT(), queue.format()) < 0)
                        .toList();
            } finally {
                file.close();
            }
            if (!left.isEmpty()) {
                restoreAfterClose(left);
            }
        }
    }

    /** A driver that failed to let go of a buffer refuses a new format, but not once the node has been closed. */
    private void restoreAfterClose(List<Queue> left) throws CenallocException {
        try {
            DeviceFile again = DeviceFile.open(kernel, file.path());
            try {
                for (Queue queue : left) {
                    again.ioctl("VIDIOC_S_FMT", v4l2_h.VIDIOC_S_FMT(), queue.format());
                }
            } finally {
                again.close();
            }
        } catch (CenallocException e) {
            var told = new CenallocException(
                    e.errno(),
                    e.call(),
                    file.path(),
                    -1,
                    "the format of before the trial, " + left.getFirst() + ", could not be put back",
                    "set it, for example with v4l2-ctl --set-fmt-video");
            told.initCause(e);
            throw told;
        }
    }
}
