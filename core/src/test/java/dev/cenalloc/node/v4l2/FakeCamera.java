// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.v4l2.timeval;
import dev.cenalloc.bindings.v4l2.v4l2_buffer;
import dev.cenalloc.bindings.v4l2.v4l2_capability;
import dev.cenalloc.bindings.v4l2.v4l2_captureparm;
import dev.cenalloc.bindings.v4l2.v4l2_exportbuffer;
import dev.cenalloc.bindings.v4l2.v4l2_fmtdesc;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_fract;
import dev.cenalloc.bindings.v4l2.v4l2_frmivalenum;
import dev.cenalloc.bindings.v4l2.v4l2_frmsize_discrete;
import dev.cenalloc.bindings.v4l2.v4l2_frmsizeenum;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_input;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format_mplane;
import dev.cenalloc.bindings.v4l2.v4l2_plane;
import dev.cenalloc.bindings.v4l2.v4l2_plane_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_requestbuffers;
import dev.cenalloc.bindings.v4l2.v4l2_selection;
import dev.cenalloc.bindings.v4l2.v4l2_streamparm;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.Consumer;

/**
 * A V4L2 device of YUYV, XR24, NV12 or YUV420, or with images in two buffers of NV16M, up to 4096 pixels wide and as
 * many high. It streams: a buffer is filled, read or converted each time that it is polled.
 */
public final class FakeCamera implements FakeKernel.Device {
    private static final int XR24 = PixelFormat.XR24.v4l2Fourcc().orElseThrow();
    private static final int AR24 = PixelFormat.AR24.v4l2Fourcc().orElseThrow();
    private static final int YUYV = PixelFormat.YUYV.v4l2Fourcc().orElseThrow();

    private static final int YU12 = PixelFormat.YUV420.v4l2Fourcc().orElseThrow();
    private static final int NV12 = PixelFormat.NV12.v4l2Fourcc().orElseThrow();
    private static final int NV16M = PixelFormat.NV16M.v4l2Fourcc().orElseThrow();

    private final FakeKernel kernel;
    private final int capabilities;
    /** The errno for memory of a heap in a buffer of a size, or 0. */
    private final BiFunction<String, Long, Integer> refusal;

    private final Map<Integer, FakeQueue> queues = new HashMap<>();
    /** How often the format can be changed. */
    public int changes = Integer.MAX_VALUE;
    /** Most buffers that were queued at a time. */
    public int held;
    /** What it lists, of what it knows. */
    public List<Integer> fourccs = List.of(YUYV, XR24);
    /** The sizes that it lists; with none, it does not know the request. */
    public List<int[]> sizes = List.of(new int[] {640, 480}, new int[] {320, 240});
    /** In place of sizes, a range: least and most width and height, and steps; as the driver says it. */
    public int[] range = {};
    /** How often it has been asked for an entry of a list. */
    public int asked;
    /** Frames a second that it lists; with none, it does not know the request. */
    public List<Integer> rates = List.of(30, 15);
    /** The seconds of the intervals that it lists, in which those are its frames. */
    public int numerator = 1;
    /** Frames a second; as with UVC's driver, it is the default, the first, when a format has been set. */
    public int rate = 30;
    /** Of what its lines are a multiple; 0 if it has no others than it says itself. */
    public int pitchMultiple = 1;
    /** Whether the planes of several buffers have the pitch that is asked for of the first, as with mxc-isi. */
    public boolean onePitch;
    /** How many bytes more than they have it says that its lines have; fewer if negative. */
    public int linePadding;
    /** What it wants behind the last line. */
    public int imagePadding;
    /** Of what the width of its images is a multiple; it rounds down. */
    public int widthMultiple = 1;
    /** Of what the width of its images is a multiple; it rounds up. */
    public int columnMultiple = 1;
    /** Of what the height of its images is a multiple, unless they have several buffers; it rounds up. */
    public int heightMultiple = 1;
    /**
     * The part of its images that it fills or reads: left, top, width and height. Empty if it has no such request; one
     * number for an errno.
     */
    public int[] part = {};
    /** Whether the part can be set. */
    public boolean partIsFree;
    /** The field that it answers; as asked if 0. */
    public int field;
    /** Whether its lists answer every index with the first entry. */
    public boolean repeats;
    /** Most buffers that it grants. */
    public int most = 32;
    /** Fewest buffers that it grants. */
    public int least = 1;
    /** Whether it was unplugged. */
    public boolean gone;
    /** What its requests give instead, by number: an errno. */
    public final Map<Long, Integer> errors = new HashMap<>();
    /** Whether it does its work when it is polled; else {@link #work} does. */
    public boolean works = true;
    /** The flags of the frames that are finished from now on, without the clock. */
    public int flags;
    /** The clock of the frames. */
    public int clock = v4l2_h.V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC();
    /** The time of the next frame. */
    public long micros = 1_000_000;
    /** The number of the first frame after a start. */
    public int firstSequence;
    /** Bytes before the image in each buffer. */
    public int header;
    /** {@code V4L2_IN_ST_*} of its input. */
    public int inputStatus;
    /** What becomes of the format that it answers to VIDIOC_TRY_FMT. */
    public Consumer<MemorySegment> tried = _ -> {};
    /** What becomes of the format that it answers to VIDIOC_S_FMT. */
    public Consumer<MemorySegment> settled = _ -> {};
    /** Where it is. */
    public String place = "platform:fake";
    /** By what name it exports its memory, which tells the kind. */
    public String exporter = "fake";
    /** Its number among the nodes of V4L2. */
    public int minor = 7;
    /** How often a buffer to read was queued of which it was not said how much of it is the image. */
    public int vague;
    /** Whether poll tells an error. */
    public boolean broken;

    private FakeCamera(FakeKernel kernel, int capabilities, BiFunction<String, Long, Integer> refusal, int... types) {
        this.kernel = kernel;
        this.capabilities = capabilities;
        this.refusal = refusal;
        for (int type : types) {
            queues.put(type, new FakeQueue());
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

    public static FakeCamera showing(FakeKernel kernel, BiFunction<String, Long, Integer> refusal) {
        return new FakeCamera(kernel, v4l2_h.V4L2_CAP_VIDEO_OUTPUT(), refusal, v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT());
    }

    /** One whose images lie in two buffers. */
    public static FakeCamera multiplanar(FakeKernel kernel, BiFunction<String, Long, Integer> refusal) {
        var camera = new FakeCamera(
                kernel, v4l2_h.V4L2_CAP_VIDEO_CAPTURE_MPLANE(), refusal, v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE());
        camera.fourccs = List.of(NV16M);
        camera.queues.values().forEach(queue -> queue.fourcc = NV16M);
        return camera;
    }

    /** Something with these capabilities, and no queues. */
    public static FakeCamera without(FakeKernel kernel, int capabilities) {
        return new FakeCamera(kernel, capabilities, FakeCamera::anything);
    }

    /** Takes memory in one piece; up to 1 MiB from any heap is one. */
    public static int contiguousOnly(String heap, long size) {
        return heap.equals("reserved") || size <= 1 << 20 ? 0 : Errno.EFAULT;
    }

    /** Whether it takes dma-bufs at all. */
    public boolean importing = true;

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
                .append(queue.queued.keySet())
                .append("; "));
        return text.toString();
    }

    @Override
    public long number() {
        return 81L << 8 | minor;
    }

    @Override
    public int ioctl(int fd, long request, MemorySegment argument) {
        if (gone) {
            return -Errno.ENODEV;
        }
        Integer error = errors.get(request);
        return error == null ? request(fd, request, argument) : -error;
    }

    private int request(int fd, long request, MemorySegment argument) {
        if (request == v4l2_h.VIDIOC_QUERYCAP()) {
            v4l2_capability.driver(argument).setString(0, "fake");
            v4l2_capability.bus_info(argument).setString(0, place);
            v4l2_capability.capabilities(argument, v4l2_h.V4L2_CAP_DEVICE_CAPS());
            v4l2_capability.device_caps(argument, capabilities | v4l2_h.V4L2_CAP_STREAMING());
            return 0;
        }
        if (request == v4l2_h.VIDIOC_G_FMT()
                || request == v4l2_h.VIDIOC_TRY_FMT()
                || request == v4l2_h.VIDIOC_S_FMT()) {
            FakeQueue queue = queues.get(v4l2_format.type(argument));
            int result = queue == null ? -Errno.EINVAL : format(queue, request, argument);
            if (result == 0 && request == v4l2_h.VIDIOC_S_FMT()) {
                rate = rates.isEmpty() ? rate : rates.getFirst();
                settled.accept(v4l2_format.fmt(argument));
            }
            if (result == 0 && request == v4l2_h.VIDIOC_TRY_FMT()) {
                tried.accept(v4l2_format.fmt(argument));
            }
            return result;
        }
        if (request == v4l2_h.VIDIOC_ENUM_FMT()
                || request == v4l2_h.VIDIOC_ENUM_FRAMESIZES()
                || request == v4l2_h.VIDIOC_ENUM_FRAMEINTERVALS()) {
            asked++;
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
            if (range.length > 0 && index == 0) {
                v4l2_frmsizeenum.type(argument, v4l2_h.V4L2_FRMSIZE_TYPE_STEPWISE());
                // struct v4l2_frmsize_stepwise: widths, then heights, each least, most and step.
                MemorySegment.copy(range, 0, v4l2_frmsizeenum.stepwise(argument), ValueLayout.JAVA_INT, 0, 6);
                return 0;
            }
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
            v4l2_fract.numerator(v4l2_frmivalenum.discrete(argument), numerator);
            v4l2_fract.denominator(v4l2_frmivalenum.discrete(argument), rates.get(index));
            return 0;
        }
        if (request == v4l2_h.VIDIOC_G_SELECTION() || request == v4l2_h.VIDIOC_S_SELECTION()) {
            return part(request, argument);
        }
        if (request == v4l2_h.VIDIOC_REQBUFS()) {
            FakeQueue queue = queues.get(v4l2_requestbuffers.type(argument));
            if (!importing && v4l2_requestbuffers.memory(argument) == v4l2_h.V4L2_MEMORY_DMABUF()) {
                return -Errno.EINVAL;
            }
            return queue == null ? -Errno.EINVAL : queue.request(fd, argument, least, most);
        }
        if (request == v4l2_h.VIDIOC_QBUF()) {
            FakeQueue queue = queues.get(v4l2_buffer.type(argument));
            return queue == null ? -Errno.EINVAL : queue(queue, fd, argument);
        }
        if (request == v4l2_h.VIDIOC_DQBUF()) {
            FakeQueue queue = queues.get(v4l2_buffer.type(argument));
            return queue == null ? -Errno.EINVAL : queue.dequeue(argument, planes(queue), header);
        }
        if (request == v4l2_h.VIDIOC_STREAMON() || request == v4l2_h.VIDIOC_STREAMOFF()) {
            FakeQueue queue = queues.get(argument.get(ValueLayout.JAVA_INT, 0));
            if (queue == null) {
                return -Errno.EINVAL;
            }
            if (request == v4l2_h.VIDIOC_STREAMON()) {
                return queue.start(fd, firstSequence);
            }
            queue.stop();
            return 0;
        }
        if (request == v4l2_h.VIDIOC_EXPBUF()) {
            FakeQueue queue = queues.get(v4l2_exportbuffer.type(argument));
            if (queue == null
                    || queue.memory != v4l2_h.V4L2_MEMORY_MMAP()
                    || v4l2_exportbuffer.index(argument) >= queue.count) {
                return -Errno.EINVAL;
            }
            v4l2_exportbuffer.fd(argument, kernel.foreignDmaBuf(exporter, size(queue), false));
            return 0;
        }
        if (request == v4l2_h.VIDIOC_S_PARM()) {
            if (queues.values().stream().anyMatch(queue -> queue.streaming)) {
                return -Errno.EBUSY;
            }
            return rates.isEmpty() ? -Errno.ENOTTY : rate(argument);
        }
        if (request == v4l2_h.VIDIOC_G_INPUT()) {
            argument.set(ValueLayout.JAVA_INT, 0, 3);
            return 0;
        }
        if (request == v4l2_h.VIDIOC_ENUMINPUT()) {
            if (v4l2_input.index(argument) != 3) {
                return -Errno.EINVAL;
            }
            v4l2_input.name(argument).setString(0, "HDMI");
            v4l2_input.status(argument, inputStatus);
            return 0;
        }
        return -Errno.ENOTTY;
    }

    private int part(long request, MemorySegment argument) {
        FakeQueue queue = queues.get(v4l2_selection.type(argument));
        if (part.length < 4) {
            return part.length == 0 ? -Errno.ENOTTY : -part[0];
        }
        boolean isOutput = v4l2_selection.type(argument) == v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT();
        int target = isOutput ? v4l2_h.V4L2_SEL_TGT_CROP() : v4l2_h.V4L2_SEL_TGT_COMPOSE();
        if (queue == null || v4l2_selection.target(argument) != target) {
            return -Errno.EINVAL;
        }
        // struct v4l2_rect: four integers.
        MemorySegment rectangle = v4l2_selection.r(argument);
        if (request == v4l2_h.VIDIOC_S_SELECTION() && partIsFree) {
            if (queue.count > 0) {
                return -Errno.EBUSY;
            }
            int[] wanted = rectangle.toArray(ValueLayout.JAVA_INT);
            if (wanted[0] + wanted[2] > queue.width || wanted[1] + wanted[3] > queue.height) {
                return -Errno.ERANGE;
            }
            part = wanted;
        }
        MemorySegment.copy(part, 0, rectangle, ValueLayout.JAVA_INT, 0, 4);
        return 0;
    }

    /** The highest rate that it lists and that is not above what is asked for; else the lowest. */
    private int rate(MemorySegment argument) {
        MemorySegment parameters = v4l2_streamparm.parm.capture(v4l2_streamparm.parm(argument));
        MemorySegment interval = v4l2_captureparm.timeperframe(parameters);
        int asked = v4l2_fract.denominator(interval) / v4l2_fract.numerator(interval);
        rate = rates.stream()
                .filter(one -> one <= asked)
                .max(Integer::compare)
                .orElseGet(() -> rates.stream().min(Integer::compare).orElseThrow());
        v4l2_fract.numerator(interval, 1);
        v4l2_fract.denominator(interval, rate);
        return 0;
    }

    /** Fills, reads or converts a frame, if it has the buffers for it. */
    public void work() {
        if (queues.values().isEmpty() || !queues.values().stream().allMatch(FakeQueue::canFinish)) {
            return;
        }
        if (queues.size() == 1) {
            queues.values().forEach(queue -> {
                long _ = queue.finish(flags | clock, micros);
            });
        } else {
            // What is converted has the time of what it was made of.
            long time = output().finish(0, 0);
            long _ = capture().finish(flags | COPIED, time);
        }
        micros += 1_000;
    }

    private static final int COPIED = 0x4000;

    private FakeQueue capture() {
        return Objects.requireNonNull(queues.get(v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE()));
    }

    private FakeQueue output() {
        return Objects.requireNonNull(queues.get(v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT()));
    }

    /** Loses frames. */
    public void lose(int frames) {
        queues.values().forEach(queue -> queue.lose(frames));
    }

    /** The buffers that were finished, by index. */
    public List<Integer> finished() {
        return queues.values().stream()
                .flatMap(queue -> queue.finished.stream())
                .toList();
    }

    @Override
    public int ready(int fd) {
        if (gone) {
            return Linux.POLLERR | Linux.POLLHUP;
        }
        if (broken || queues.values().stream().noneMatch(queue -> queue.streaming)) {
            return Linux.POLLERR;
        }
        if (works && queues.values().stream().noneMatch(FakeQueue::isDone)) {
            work();
        }
        int events = 0;
        for (var entry : queues.entrySet()) {
            boolean isOutput = entry.getKey() == v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT();
            events |= entry.getValue().isDone() ? isOutput ? Linux.POLLOUT : Linux.POLLIN : 0;
        }
        return events;
    }

    private static int planes(FakeQueue queue) {
        return queue.fourcc == NV16M ? 2 : 1;
    }

    /** Bytes of a buffer. */
    private long size(FakeQueue queue) {
        return (long) pitch(queue.fourcc, queue.width) * lines(queue.fourcc, queue.height) + imagePadding;
    }

    private int formatOfPlanes(FakeQueue queue, long request, MemorySegment argument) {
        MemorySegment format = v4l2_format.fmt.pix_mp(v4l2_format.fmt(argument));
        int width = queue.width;
        int height = queue.height;
        if (request != v4l2_h.VIDIOC_G_FMT()) {
            width = Math.min(4096, v4l2_pix_format_mplane.width(format)) & ~1;
            height = Math.min(4096, v4l2_pix_format_mplane.height(format));
        }
        if (request == v4l2_h.VIDIOC_S_FMT()) {
            if (queue.count > 0) {
                return -Errno.EBUSY;
            }
            queue.width = width;
            queue.height = height;
        }
        v4l2_pix_format_mplane.width(format, width);
        v4l2_pix_format_mplane.height(format, height);
        v4l2_pix_format_mplane.pixelformat(format, NV16M);
        v4l2_pix_format_mplane.num_planes(format, (byte) 2);
        int first = v4l2_plane_pix_format.bytesperline(v4l2_pix_format_mplane.plane_fmt(format, 0));
        for (int i = 0; i < 2; i++) {
            MemorySegment plane = v4l2_pix_format_mplane.plane_fmt(format, i);
            int pitch = width + linePadding;
            if (pitchMultiple > 0) {
                int asked = Math.max(pitch, onePitch ? first : v4l2_plane_pix_format.bytesperline(plane));
                pitch = Math.ceilDiv(asked, pitchMultiple) * pitchMultiple;
            }
            v4l2_plane_pix_format.bytesperline(plane, pitch);
            v4l2_plane_pix_format.sizeimage(plane, pitch * height + imagePadding);
        }
        return 0;
    }

    private int format(FakeQueue queue, long request, MemorySegment argument) {
        if (queue.fourcc == NV16M) {
            return formatOfPlanes(queue, request, argument);
        }
        MemorySegment pixels = v4l2_format.fmt.pix(v4l2_format.fmt(argument));
        int fourcc = queue.fourcc;
        int width = queue.width;
        int height = queue.height;
        if (request != v4l2_h.VIDIOC_G_FMT()) {
            int wanted = v4l2_pix_format.pixelformat(pixels);
            fourcc = fourccs.contains(wanted) && (wanted == XR24 || wanted == AR24 || isPlanar(wanted)) ? wanted : YUYV;
            width = Math.min(4096, v4l2_pix_format.width(pixels));
            width = Math.max(widthMultiple, width / widthMultiple * widthMultiple);
            width = Math.ceilDiv(width, columnMultiple) * columnMultiple;
            height = Math.min(4096, Math.ceilDiv(v4l2_pix_format.height(pixels), heightMultiple) * heightMultiple);
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
        v4l2_pix_format.sizeimage(pixels, pitch * lines(fourcc, height) + imagePadding);
        return 0;
    }

    /** 4:2:0 with all planes in one buffer. */
    private static boolean isPlanar(int fourcc) {
        return fourcc == YU12 || fourcc == NV12;
    }

    /** Of the first plane. */
    private static int pitch(int fourcc, int width) {
        return width * (fourcc == XR24 || fourcc == AR24 ? 4 : fourcc == NV16M || isPlanar(fourcc) ? 1 : 2);
    }

    /** Of all planes in a buffer. */
    private static int lines(int fourcc, int height) {
        return isPlanar(fourcc) ? height * 3 / 2 : height;
    }

    private int queue(FakeQueue queue, int fd, MemorySegment argument) {
        if (queue.owner != fd) {
            return -Errno.EBUSY;
        }
        int index = v4l2_buffer.index(argument);
        if (index >= queue.count || v4l2_buffer.memory(argument) != queue.memory || queue.queued.containsKey(index)) {
            return -Errno.EINVAL;
        }
        int planes = planes(queue);
        for (int i = 0; i < planes && queue.memory == v4l2_h.V4L2_MEMORY_DMABUF(); i++) {
            MemorySegment plane = planes == 1 ? MemorySegment.NULL : FakeQueue.plane(argument, i);
            int errno = planes == 1
                    ? offered(queue, v4l2_buffer.m.fd(v4l2_buffer.m(argument)), v4l2_buffer.length(argument))
                    : offered(queue, v4l2_plane.m.fd(v4l2_plane.m(plane)), v4l2_plane.length(plane));
            if (errno != 0) {
                return -errno;
            }
        }
        if (v4l2_buffer.type(argument) == v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT()
                && v4l2_buffer.bytesused(argument) != size(queue)) {
            vague++;
        }
        MemorySegment time = v4l2_buffer.timestamp(argument);
        queue.queued.put(index, timeval.tv_sec(time) * 1_000_000 + timeval.tv_usec(time));
        held = Math.max(held, queue.queued.size());
        return 0;
    }

    private int offered(FakeQueue queue, int buffer, int bytes) {
        String heap = kernel.heapOf(buffer);
        long length = Integer.toUnsignedLong(bytes);
        return heap == null || kernel.sizeOf(buffer) < length || length < size(queue)
                ? Errno.EINVAL
                : refusal.apply(heap, length);
    }

    @Override
    public void closed(int fd) {
        queues.values().stream().filter(queue -> queue.owner == fd).forEach(FakeQueue::release);
    }
}
