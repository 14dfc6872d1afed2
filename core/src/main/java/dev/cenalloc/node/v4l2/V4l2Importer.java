package dev.cenalloc.node.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
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
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.node.Importer;
import dev.cenalloc.node.Refusal;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A V4L2 node that captures, shows or converts video. Buffers are queued without streaming: the driver maps them for the
 * device then, and no frame moves. While another program has buffers there, the kernel refuses with EBUSY.
 */
public final class V4l2Importer implements Importer {
    /** Wider and higher than any image; the pitch of a line of it fits into 32 bits. */
    private static final int LARGEST = 1 << 15;

    /** More than from one size to the next. */
    private static final int LARGEST_STEP = 64;

    /** One queue; a converter has two. The format is a {@code v4l2_format}. */
    private record Queue(int type, MemorySegment format) {
        Queue copy(Arena arena) {
            return new Queue(type, v4l2_format.allocate(arena).copyFrom(format));
        }

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

        /** Of the largest buffer. */
        long size() {
            return IntStream.range(0, planes()).mapToLong(this::size).max().orElse(0);
        }

        private MemorySegment plane(int plane) {
            return v4l2_pix_format_mplane.plane_fmt(multi(), plane);
        }

        /**
         * Asks for images.
         *
         * @param pitch of the first plane in the buffer, in bytes; it tells those of the others there
         */
        void ask(Image image, int buffer, long pitch) {
            int fourcc = image.format().v4l2Fourcc();
            if (isMultiplanar()) {
                v4l2_pix_format_mplane.width(multi(), image.width());
                v4l2_pix_format_mplane.height(multi(), image.height());
                v4l2_pix_format_mplane.pixelformat(multi(), fourcc);
                v4l2_pix_format_mplane.num_planes(multi(), (byte) image.format().buffers());
                for (int i = 0; i < image.format().buffers(); i++) {
                    v4l2_plane_pix_format.bytesperline(plane(i), i == buffer ? (int) pitch : 0);
                    v4l2_plane_pix_format.sizeimage(plane(i), 0);
                }
            } else {
                v4l2_pix_format.width(single(), image.width());
                v4l2_pix_format.height(single(), image.height());
                v4l2_pix_format.pixelformat(single(), fourcc);
                v4l2_pix_format.bytesperline(single(), (int) pitch);
                v4l2_pix_format.sizeimage(single(), 0);
            }
        }

        /** The driver's bytes from one line to the next, of the first plane in a buffer. */
        long pitch(int buffer) {
            return Integer.toUnsignedLong(
                    isMultiplanar()
                            ? v4l2_plane_pix_format.bytesperline(plane(buffer))
                            : v4l2_pix_format.bytesperline(single()));
        }

        /** The driver's bytes in a buffer. */
        long size(int buffer) {
            return Integer.toUnsignedLong(
                    isMultiplanar()
                            ? v4l2_plane_pix_format.sizeimage(plane(buffer))
                            : v4l2_pix_format.sizeimage(single()));
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
    private final DeviceNode file;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment capability = v4l2_capability.allocate(arena);
    /** Those that have the images. */
    private final List<Queue> queues = new ArrayList<>();
    /** What the formats were that have been changed. */
    private final List<Queue> before = new ArrayList<>();

    private Constraints needs = Constraints.NONE;

    private V4l2Importer(Kernel kernel, DeviceNode file) {
        this.kernel = kernel;
        this.file = file;
    }

    public static Importer open(Kernel kernel, Path path) throws CenallocException {
        var opened = new V4l2Importer(kernel, DeviceNode.open(kernel, path));
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
    public Optional<List<ImageRange>> produces() throws CenallocException {
        return images(false);
    }

    @Override
    public Optional<List<ImageRange>> consumes() throws CenallocException {
        return images(true);
    }

    private Optional<List<ImageRange>> images(boolean output) throws CenallocException {
        for (int type : types()) {
            Queue queue = current(type);
            if (queue.isOutput() == output) {
                return Optional.of(V4l2Images.of(file, type, format -> sizes(queue, format)));
            }
        }
        return Optional.empty();
    }

    /** The sizes of a driver that has no list of them: by what it makes of the least, of the most, and of a little more than the least. */
    private ImageRange.Sizes sizes(Queue queue, PixelFormat format) throws CenallocException {
        Size least = nearest(queue, format, 1, 1);
        Size most = nearest(queue, format, LARGEST, LARGEST);
        int widthStep = most.width - least.width;
        int heightStep = most.height - least.height;
        // The smallest growth that any of these leads to, whether the driver rounds up or down.
        for (int more = LARGEST_STEP; more > 0; more /= 2) {
            Size next = nearest(queue, format, least.width + more, least.height + more);
            widthStep = next.width > least.width ? Math.min(widthStep, next.width - least.width) : widthStep;
            heightStep = next.height > least.height ? Math.min(heightStep, next.height - least.height) : heightStep;
        }
        return new ImageRange.Sizes(
                least.width,
                Math.max(least.width, most.width),
                Math.max(1, widthStep),
                least.height,
                Math.max(least.height, most.height),
                Math.max(1, heightStep));
    }

    private record Size(int width, int height) {}

    private Size nearest(Queue queue, PixelFormat format, int width, int height) throws CenallocException {
        Queue asked = answer(queue, new Image(format, width, height), 0, 0);
        return new Size(Math.max(1, asked.width()), Math.max(1, asked.height()));
    }

    /** A queue with the format that it has now. */
    private Queue current(int type) throws CenallocException {
        Queue queue = new Queue(type, v4l2_format.allocate(arena));
        v4l2_format.type(queue.format(), type);
        file.ioctl("VIDIOC_G_FMT", v4l2_h.VIDIOC_G_FMT(), queue.format());
        return queue;
    }

    @Override
    public long prepare(Layout layout) throws CenallocException {
        Image image = layout.image();
        if (!layout.isGapless()) {
            throw new CenallocException(
                    Errno.EINVAL,
                    "VIDIOC_TRY_FMT",
                    file.path(),
                    -1,
                    "V4L2 cannot be told of gaps between the planes of " + layout,
                    "take the format with each plane in a buffer of its own");
        }
        var instead = new ArrayList<String>();
        for (int type : types()) {
            Queue old = current(type);
            // Changes nothing yet, so a device that has no such images is left alone.
            Queue queue = answer(
                    old, image, layout.buffer(), layout.planes().getFirst().pitch());
            if (!queue.has(image)) {
                instead.add(queue.toString());
                continue;
            }
            Constraints pitches = pitches(old, image, layout.buffer());
            needs = needs.and(pitches);
            boolean isKept =
                    queue.pitch(layout.buffer()) == layout.planes().getFirst().pitch();
            Layout own = isKept ? layout : laidOut(image, layout.buffer(), pitches);
            long room = queue.size(layout.buffer());
            if (room > own.planes().getLast().end()) {
                needs = needs.and(Constraints.NONE.minSize(room));
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
                    name() + " has no images of " + image,
                    "the nearest that it has: " + String.join(", ", instead));
        }
        return Math.max(
                layout.size(), queues.stream().mapToLong(Queue::size).max().orElseThrow());
    }

    /**
     * Which pitches the driver has for images: by what it makes of the least, and of one more byte. Of the planes that share a
     * buffer, V4L2 speaks of the first, and the pitches of the others follow from that; constraints are about all of them, so
     * they are said of the narrowest.
     */
    private Constraints pitches(Queue now, Image image, int buffer) throws CenallocException {
        List<Layout.Plane> planes = laidOut(image, buffer, Constraints.NONE).planes();
        long least = planes.getFirst().pitch();
        long narrowest = planes.stream().mapToLong(Layout.Plane::pitch).min().orElseThrow();
        long pitch = answer(now, image, buffer, least).pitch(buffer);
        if (pitch < least) {
            throw strange("the driver says that lines of " + image + " are " + pitch + " bytes apart, and they have "
                    + least);
        }
        long next = answer(now, image, buffer, pitch + 1).pitch(buffer);
        Constraints found = Constraints.NONE;
        long alignment = (next - pitch) * narrowest / least;
        if (next <= pitch) {
            found = found.maxPitch(pitch);
        } else if (alignment > 0 && pitch % (next - pitch) == 0 && alignment * least == (next - pitch) * narrowest) {
            found = found.pitchAlignment(alignment);
        }
        return laidOut(image, buffer, found).planes().getFirst().pitch() < pitch
                ? found.minPitch(pitch * narrowest / least)
                : found;
    }

    /** As the driver lays an image out. It said these pitches itself, so a layout has them. */
    private static Layout laidOut(Image image, int buffer, Constraints pitches) {
        return Demand.ofImage(image, buffer)
                .layout(pitches)
                .orElseThrow(() -> new IllegalArgumentException("no layout of " + image + " has " + pitches));
    }

    private CenallocException strange(String what) {
        return new CenallocException(
                Errno.EINVAL,
                "VIDIOC_TRY_FMT",
                file.path(),
                -1,
                what,
                "report it to the authors of the driver, and take another format or size");
    }

    /** What the driver makes of a request for images. Changes nothing. */
    private Queue answer(Queue now, Image image, int buffer, long pitch) throws CenallocException {
        Queue asked = now.copy(arena);
        asked.ask(image, buffer, pitch);
        file.ioctl("VIDIOC_TRY_FMT", v4l2_h.VIDIOC_TRY_FMT(), asked.format());
        if (asked.has(image)
                && asked.planes() != (asked.isMultiplanar() ? image.format().buffers() : 1)) {
            throw strange("the driver says that " + image + " lies in " + asked.planes() + " buffers, and it lies in "
                    + image.format().buffers());
        }
        return asked;
    }

    @Override
    public Constraints needs() {
        return needs;
    }

    @Override
    public String omitted() {
        return "";
    }

    @Override
    public Optional<Refusal> offer(List<DmaBuf> buffers) throws CenallocException {
        for (Queue queue : queues) {
            int granted = request(queue, buffers.size());
            try {
                for (int i = 0; i < Math.min(granted, buffers.size()); i++) {
                    Optional<Refusal> refusal = queue(queue, i, buffers.get(i));
                    if (refusal.isPresent()) {
                        return refusal;
                    }
                }
            } finally {
                release(queue);
            }
        }
        return Optional.empty();
    }

    private int request(Queue queue, int count) throws CenallocException {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment request = v4l2_requestbuffers.allocate(call);
            v4l2_requestbuffers.count(request, count);
            v4l2_requestbuffers.type(request, queue.type());
            v4l2_requestbuffers.memory(request, v4l2_h.V4L2_MEMORY_DMABUF());
            file.ioctl("VIDIOC_REQBUFS", v4l2_h.VIDIOC_REQBUFS(), request);
            if (v4l2_requestbuffers.count(request) < 1) {
                throw file.failure(Errno.ENOMEM, "VIDIOC_REQBUFS");
            }
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
    private Optional<Refusal> queue(Queue queue, int index, DmaBuf buffer) throws CenallocException {
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
            DeviceNode again = DeviceNode.open(kernel, file.path());
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
