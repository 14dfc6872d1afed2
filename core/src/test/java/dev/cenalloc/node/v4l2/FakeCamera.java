package dev.cenalloc.node.v4l2;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_buffer;
import dev.cenalloc.bindings.v4l2.v4l2_capability;
import dev.cenalloc.bindings.v4l2.v4l2_fmtdesc;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_fract;
import dev.cenalloc.bindings.v4l2.v4l2_frmivalenum;
import dev.cenalloc.bindings.v4l2.v4l2_frmsize_discrete;
import dev.cenalloc.bindings.v4l2.v4l2_frmsizeenum;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_requestbuffers;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;

/** A V4L2 device of one plane a picture: YUYV or XR24, up to 4096 pixels wide and as many high. */
public final class FakeCamera implements FakeKernel.Device {
    private static final int XR24 = PixelFormat.XR24.v4l2Fourcc();
    private static final int YUYV = PixelFormat.YUYV.v4l2Fourcc();

    /** The buffers of one direction, and which descriptor made them. */
    private static final class Queue {
        int width = 320;
        int height = 240;
        int fourcc = YUYV;
        int owner = -1;
        int count;
        final Set<Integer> queued = new HashSet<>();
    }

    private final FakeKernel kernel;
    private final int capabilities;
    /** The errno for memory of a heap in a buffer of a size, or 0. */
    private final BiFunction<String, Long, Integer> refusal;

    private final Map<Integer, Queue> queues = new HashMap<>();
    /** How often the format can be changed. */
    public int changes = Integer.MAX_VALUE;
    /** Most buffers that were queued at a time. */
    public int held;
    /** What it lists, of what it knows. */
    public List<Integer> fourccs = List.of(YUYV, XR24);
    /** The sizes that it lists; with none, it does not know the request. */
    public List<int[]> sizes = List.of(new int[] {640, 480}, new int[] {320, 240});
    /** Frames a second that it lists; with none, it does not know the request. */
    public List<Integer> rates = List.of(30, 15);
    /** Of what its lines are a multiple; 0 if it has no others than it says itself. */
    public int pitchMultiple = 1;
    /** How many bytes more than they have it says that its lines have; fewer if negative. */
    public int linePadding;
    /** What it wants behind the last line. */
    public int imagePadding;
    /** Of what the width of its images is a multiple; it rounds down. */
    public int widthMultiple = 1;
    /** The field that it answers; as asked if 0. */
    public int field;
    /** Whether its lists answer every index with the first entry. */
    public boolean repeats;
    /** Most buffers that it grants. */
    public int most = Integer.MAX_VALUE;

    private FakeCamera(FakeKernel kernel, int capabilities, BiFunction<String, Long, Integer> refusal, int... types) {
        this.kernel = kernel;
        this.capabilities = capabilities;
        this.refusal = refusal;
        for (int type : types) {
            queues.put(type, new Queue());
        }
    }

    public static FakeCamera capturing(FakeKernel kernel, BiFunction<String, Long, Integer> refusal) {
        return new FakeCamera(kernel, v4l2_h.V4L2_CAP_VIDEO_CAPTURE(), refusal, v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE());
    }

    public static FakeCamera converting(FakeKernel kernel, BiFunction<String, Long, Integer> refusal) {
        return new FakeCamera(
                kernel,
                v4l2_h.V4L2_CAP_VIDEO_M2M(),
                refusal,
                v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE(),
                v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT());
    }

    /** Takes memory in one piece; up to 1 MiB from any heap is one. */
    public static int contiguousOnly(String heap, long size) {
        return heap.equals("reserved") || size <= 1 << 20 ? 0 : Errno.EFAULT;
    }

    public static int anything(String heap, long size) {
        return 0;
    }

    /** As if another program had buffers there. */
    public void use() {
        queues.values().forEach(queue -> {
            queue.owner = 1_000_000;
            queue.count = 4;
        });
    }

    /** What it would be noticed by that it was touched. */
    public String state() {
        var text = new StringBuilder();
        queues.forEach((type, queue) -> text.append(type)
                .append(": ")
                .append(queue.fourcc)
                .append(' ')
                .append(queue.width)
                .append('x')
                .append(queue.height)
                .append(", ")
                .append(queue.count)
                .append(" buffers of ")
                .append(queue.owner)
                .append(", queued ")
                .append(queue.queued)
                .append("; "));
        return text.toString();
    }

    @Override
    public long number() {
        return 81 << 8 | 7;
    }

    @Override
    public int ioctl(int fd, long request, MemorySegment argument) {
        if (request == v4l2_h.VIDIOC_QUERYCAP()) {
            v4l2_capability.driver(argument).setString(0, "fake");
            v4l2_capability.bus_info(argument).setString(0, "platform:fake");
            v4l2_capability.capabilities(argument, v4l2_h.V4L2_CAP_DEVICE_CAPS());
            v4l2_capability.device_caps(argument, capabilities | v4l2_h.V4L2_CAP_STREAMING());
            return 0;
        }
        if (request == v4l2_h.VIDIOC_G_FMT()
                || request == v4l2_h.VIDIOC_TRY_FMT()
                || request == v4l2_h.VIDIOC_S_FMT()) {
            Queue queue = queues.get(v4l2_format.type(argument));
            return queue == null ? -Errno.EINVAL : format(queue, request, argument);
        }
        if (repeats) {
            // Of all these, the index comes first.
            if (request == v4l2_h.VIDIOC_ENUM_FMT()
                    || request == v4l2_h.VIDIOC_ENUM_FRAMESIZES()
                    || request == v4l2_h.VIDIOC_ENUM_FRAMEINTERVALS()) {
                argument.set(ValueLayout.JAVA_INT, 0, 0);
            }
        }
        if (request == v4l2_h.VIDIOC_ENUM_FMT()) {
            if (!queues.containsKey(v4l2_fmtdesc.type(argument)) || v4l2_fmtdesc.index(argument) >= fourccs.size()) {
                return -Errno.EINVAL;
            }
            v4l2_fmtdesc.pixelformat(argument, fourccs.get(v4l2_fmtdesc.index(argument)));
            return 0;
        }
        if (request == v4l2_h.VIDIOC_ENUM_FRAMESIZES()) {
            int index = v4l2_frmsizeenum.index(argument);
            if (index >= sizes.size() || !fourccs.contains(v4l2_frmsizeenum.pixel_format(argument))) {
                return sizes.isEmpty() ? -Errno.ENOTTY : -Errno.EINVAL;
            }
            v4l2_frmsizeenum.type(argument, v4l2_h.V4L2_FRMSIZE_TYPE_DISCRETE());
            v4l2_frmsize_discrete.width(v4l2_frmsizeenum.discrete(argument), sizes.get(index)[0]);
            v4l2_frmsize_discrete.height(v4l2_frmsizeenum.discrete(argument), sizes.get(index)[1]);
            return 0;
        }
        if (request == v4l2_h.VIDIOC_ENUM_FRAMEINTERVALS()) {
            int index = v4l2_frmivalenum.index(argument);
            if (index >= rates.size()) {
                return rates.isEmpty() ? -Errno.ENOTTY : -Errno.EINVAL;
            }
            v4l2_frmivalenum.type(argument, v4l2_h.V4L2_FRMIVAL_TYPE_DISCRETE());
            v4l2_fract.numerator(v4l2_frmivalenum.discrete(argument), 1);
            v4l2_fract.denominator(v4l2_frmivalenum.discrete(argument), rates.get(index));
            return 0;
        }
        if (request == v4l2_h.VIDIOC_REQBUFS()) {
            Queue queue = queues.get(v4l2_requestbuffers.type(argument));
            return queue == null ? -Errno.EINVAL : request(queue, fd, argument, most);
        }
        if (request == v4l2_h.VIDIOC_QBUF()) {
            Queue queue = queues.get(v4l2_buffer.type(argument));
            return queue == null ? -Errno.EINVAL : queue(queue, fd, argument);
        }
        return -Errno.ENOTTY;
    }

    private int format(Queue queue, long request, MemorySegment argument) {
        MemorySegment pixels = v4l2_format.fmt.pix(v4l2_format.fmt(argument));
        int fourcc = queue.fourcc;
        int width = queue.width;
        int height = queue.height;
        if (request != v4l2_h.VIDIOC_G_FMT()) {
            fourcc = v4l2_pix_format.pixelformat(pixels) == XR24 ? XR24 : YUYV;
            width = Math.min(4096, v4l2_pix_format.width(pixels));
            width = Math.max(widthMultiple, width / widthMultiple * widthMultiple);
            height = Math.min(4096, v4l2_pix_format.height(pixels));
        }
        int pitch = pitch(fourcc, width) + linePadding;
        if (pitchMultiple > 0) {
            int asked = Math.max(pitch, v4l2_pix_format.bytesperline(pixels));
            pitch = Math.ceilDiv(asked, pitchMultiple) * pitchMultiple;
        }
        if (request == v4l2_h.VIDIOC_S_FMT()) {
            if (queue.count > 0) {
                return -Errno.EBUSY;
            }
            if (changes-- <= 0) {
                return -Errno.EINVAL;
            }
            queue.fourcc = fourcc;
            queue.width = width;
            queue.height = height;
        }
        v4l2_pix_format.pixelformat(pixels, fourcc);
        if (field != 0) {
            v4l2_pix_format.field(pixels, field);
        }
        v4l2_pix_format.width(pixels, width);
        v4l2_pix_format.height(pixels, height);
        v4l2_pix_format.bytesperline(pixels, pitch);
        v4l2_pix_format.sizeimage(pixels, pitch * height + imagePadding);
        return 0;
    }

    private static int pitch(int fourcc, int width) {
        return width * (fourcc == XR24 ? 4 : 2);
    }

    private static int request(Queue queue, int fd, MemorySegment argument, int most) {
        if (queue.owner >= 0 && queue.owner != fd) {
            return -Errno.EBUSY;
        }
        if (v4l2_requestbuffers.memory(argument) != v4l2_h.V4L2_MEMORY_DMABUF()) {
            return -Errno.EINVAL;
        }
        queue.queued.clear();
        queue.count = Math.min(most, v4l2_requestbuffers.count(argument));
        v4l2_requestbuffers.count(argument, queue.count);
        queue.owner = queue.count == 0 ? -1 : fd;
        return 0;
    }

    private int queue(Queue queue, int fd, MemorySegment argument) {
        if (queue.owner != fd) {
            return -Errno.EBUSY;
        }
        int index = v4l2_buffer.index(argument);
        int buffer = v4l2_buffer.m.fd(v4l2_buffer.m(argument));
        String heap = kernel.heapOf(buffer);
        long length = Integer.toUnsignedLong(v4l2_buffer.length(argument));
        if (index >= queue.count
                || heap == null
                || kernel.sizeOf(buffer) < length
                || length < (long) pitch(queue.fourcc, queue.width) * queue.height + imagePadding
                || queue.queued.contains(index)) {
            return -Errno.EINVAL;
        }
        int errno = refusal.apply(heap, length);
        if (errno == 0) {
            queue.queued.add(index);
            held = Math.max(held, queue.queued.size());
        }
        return -errno;
    }

    @Override
    public void closed(int fd) {
        queues.values().stream().filter(queue -> queue.owner == fd).forEach(queue -> {
            queue.owner = -1;
            queue.count = 0;
            queue.queued.clear();
        });
    }
}
