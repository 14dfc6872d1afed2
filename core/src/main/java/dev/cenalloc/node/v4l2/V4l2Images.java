package dev.cenalloc.node.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_fmtdesc;
import dev.cenalloc.bindings.v4l2.v4l2_fract;
import dev.cenalloc.bindings.v4l2.v4l2_frmival_stepwise;
import dev.cenalloc.bindings.v4l2.v4l2_frmivalenum;
import dev.cenalloc.bindings.v4l2.v4l2_frmsize_discrete;
import dev.cenalloc.bindings.v4l2.v4l2_frmsize_stepwise;
import dev.cenalloc.bindings.v4l2.v4l2_frmsizeenum;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Asks a V4L2 queue which images it has: formats, their sizes, and the rates at each. Changes nothing. For one thread.
 *
 * <p>Source: {@code Documentation/userspace-api/media/v4l/vidioc-enum-fmt.rst}, {@code vidioc-enum-framesizes.rst} and
 * {@code vidioc-enum-frameintervals.rst} of Linux 6.12.
 */
final class V4l2Images {
    /** Wider and higher than any image; the pitch of a line of it fits into 32 bits. */
    private static final int LARGEST = 1 << 15;

    /** More than from one size to the next. */
    private static final int LARGEST_STEP = 64;

    private final DeviceNode node;
    private final BufferType type;

    private V4l2Images(DeviceNode node, BufferType type) {
        this.node = node;
        this.type = type;
    }

    /** The images whose formats have a name here, in the driver's order. */
    static List<ImageRange> of(DeviceNode node, BufferType type) throws CenallocException {
        var images = new ArrayList<ImageRange>();
        var questions = new V4l2Images(node, type);
        for (PixelFormat format : questions.formats()) {
            for (ImageRange.Sizes sizes : questions.sizes(format)) {
                images.add(new ImageRange(format, Image.LINEAR, sizes, questions.rates(format, sizes)));
            }
        }
        return images;
    }

    /** The formats without a name here, by their four characters. */
    static List<String> others(DeviceNode node, BufferType type) throws CenallocException {
        return new V4l2Images(node, type)
                .fourccs().stream()
                        .filter(fourcc -> PixelFormat.ofV4l2(fourcc).isEmpty())
                        .map(VideoFormat::name)
                        .toList();
    }

    /** The formats with a name here, in the driver's order. */
    static List<PixelFormat> formats(DeviceNode node, BufferType type) throws CenallocException {
        return new V4l2Images(node, type).formats();
    }

    private List<PixelFormat> formats() throws CenallocException {
        return fourccs().stream()
                .map(PixelFormat::ofV4l2)
                .flatMap(Optional::stream)
                .toList();
    }

    private Set<Integer> fourccs() throws CenallocException {
        // In all lists, what is there already ends them: a driver that does not look at the index would keep us here.
        var codes = new LinkedHashSet<Integer>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment entry = v4l2_fmtdesc.allocate(arena);
            for (int i = 0; ; i++) {
                entry.fill((byte) 0);
                v4l2_fmtdesc.index(entry, i);
                v4l2_fmtdesc.type(entry, type.code());
                if (!next("VIDIOC_ENUM_FMT", v4l2_h.VIDIOC_ENUM_FMT(), entry)
                        || !codes.add(v4l2_fmtdesc.pixelformat(entry))) {
                    return codes;
                }
            }
        }
    }

    private List<ImageRange.Sizes> sizes(PixelFormat format) throws CenallocException {
        var sizes = new ArrayList<ImageRange.Sizes>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment entry = v4l2_frmsizeenum.allocate(arena);
            for (int i = 0; ; i++) {
                entry.fill((byte) 0);
                v4l2_frmsizeenum.index(entry, i);
                v4l2_frmsizeenum.pixel_format(entry, format.v4l2Fourcc().orElseThrow());
                if (!next("VIDIOC_ENUM_FRAMESIZES", v4l2_h.VIDIOC_ENUM_FRAMESIZES(), entry)) {
                    break;
                }
                if (v4l2_frmsizeenum.type(entry) != v4l2_h.V4L2_FRMSIZE_TYPE_DISCRETE()) {
                    MemorySegment range = v4l2_frmsizeenum.stepwise(entry);
                    int minWidth = atLeastOne(v4l2_frmsize_stepwise.min_width(range));
                    int minHeight = atLeastOne(v4l2_frmsize_stepwise.min_height(range));
                    return List.of(new ImageRange.Sizes(
                            minWidth,
                            Math.max(minWidth, atLeastOne(v4l2_frmsize_stepwise.max_width(range))),
                            atLeastOne(v4l2_frmsize_stepwise.step_width(range)),
                            minHeight,
                            Math.max(minHeight, atLeastOne(v4l2_frmsize_stepwise.max_height(range))),
                            atLeastOne(v4l2_frmsize_stepwise.step_height(range))));
                }
                MemorySegment one = v4l2_frmsizeenum.discrete(entry);
                var size = ImageRange.Sizes.of(
                        atLeastOne(v4l2_frmsize_discrete.width(one)), atLeastOne(v4l2_frmsize_discrete.height(one)));
                if (sizes.contains(size)) {
                    break;
                }
                sizes.add(size);
            }
        }
        return sizes.isEmpty() ? List.of(limits(format)) : sizes;
    }

    /**
     * The sizes of a driver that has no list of them: by what it makes of the least, of the most, and of a little more
     * than the least.
     */
    private ImageRange.Sizes limits(PixelFormat format) throws CenallocException {
        Size least = nearest(format, 1, 1);
        Size most = nearest(format, LARGEST, LARGEST);
        int widthStep = most.width - least.width;
        int heightStep = most.height - least.height;
        // The smallest growth that any of these leads to, whether the driver rounds up or down.
        for (int more = LARGEST_STEP; more > 0; more /= 2) {
            Size next = nearest(format, least.width + more, least.height + more);
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

    private Size nearest(PixelFormat format, int width, int height) throws CenallocException {
        VideoFormat answer = VideoFormat.request(
                        type, new Image(format, width, height), new long[type.isMultiplanar() ? format.buffers() : 1])
                .tried(node);
        return new Size(Math.max(1, answer.width()), Math.max(1, answer.height()));
    }

    private List<ImageRange.Rates> rates(PixelFormat format, ImageRange.Sizes sizes) throws CenallocException {
        var rates = new ArrayList<ImageRange.Rates>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment entry = v4l2_frmivalenum.allocate(arena);
            for (int i = 0; ; i++) {
                entry.fill((byte) 0);
                v4l2_frmivalenum.index(entry, i);
                v4l2_frmivalenum.pixel_format(entry, format.v4l2Fourcc().orElseThrow());
                // What it does at its largest, it does at all.
                v4l2_frmivalenum.width(entry, sizes.maxWidth());
                v4l2_frmivalenum.height(entry, sizes.maxHeight());
                if (!next("VIDIOC_ENUM_FRAMEINTERVALS", v4l2_h.VIDIOC_ENUM_FRAMEINTERVALS(), entry)) {
                    break;
                }
                if (v4l2_frmivalenum.type(entry) == v4l2_h.V4L2_FRMIVAL_TYPE_DISCRETE()) {
                    var one = ImageRange.Rates.of(rate(v4l2_frmivalenum.discrete(entry)));
                    if (rates.contains(one)) {
                        break;
                    }
                    rates.add(one);
                    continue;
                }
                // The shortest interval is the highest rate.
                MemorySegment range = v4l2_frmivalenum.stepwise(entry);
                FrameRate lowest = rate(v4l2_frmival_stepwise.max(range));
                FrameRate highest = rate(v4l2_frmival_stepwise.min(range));
                return List.of(new ImageRange.Rates(lowest, highest.compareTo(lowest) < 0 ? lowest : highest));
            }
        }
        // A converter has no rate of its own, and a driver need not tell.
        return rates.isEmpty() ? List.of(ImageRange.Rates.ANY) : rates;
    }

    private static FrameRate rate(MemorySegment interval) {
        return FrameRate.ofInterval(
                atLeastOne(v4l2_fract.numerator(interval)), atLeastOne(v4l2_fract.denominator(interval)));
    }

    /** The numbers are unsigned; none of these may be 0, and no driver's is above 2^31. */
    private static int atLeastOne(int number) {
        return number < 0 ? Integer.MAX_VALUE : Math.max(1, number);
    }

    /** Whether there is one more entry. */
    private boolean next(String call, long request, MemorySegment entry) throws CenallocException {
        int result = node.tryIoctl(request, entry);
        return switch (-result) {
            // The end of the list, or a list that this driver has not.
            case Errno.EINVAL, Errno.ENOTTY -> false;
            default -> {
                if (result < 0) {
                    throw node.failure(-result, call);
                }
                yield true;
            }
        };
    }
}
