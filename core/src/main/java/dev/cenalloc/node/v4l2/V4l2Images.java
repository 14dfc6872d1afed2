// SPDX-License-Identifier: Apache-2.0
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
import java.util.Collection;
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

    /** Of sizes that every format has. */
    private static final int FINE_STEP = 2;

    /** Entries of all lists of a queue together. A camera of many formats, sizes and rates has some thousands. */
    private static final int ENTRIES = 1 << 16;

    /** What is told of a driver that says much that cannot be. */
    private static final int DOUBTS = 16;

    private final DeviceNode node;
    private final BufferType type;
    /** What the driver says that cannot be, in words. */
    private final Set<String> doubts = new LinkedHashSet<>();

    private int entries;

    private V4l2Images(DeviceNode node, BufferType type) {
        this.node = node;
        this.type = type;
    }

    /**
     * The images whose formats have a name here, in the driver's order.
     *
     * @param doubts takes what the driver says that cannot be, in words
     */
    static List<ImageRange> of(DeviceNode node, BufferType type, Collection<String> doubts) throws CenallocException {
        var images = new ArrayList<ImageRange>();
        var questions = new V4l2Images(node, type);
        Optional<Selection> part = Selection.of(node, type);
        Optional<VideoFormat> current =
                part.isEmpty() ? Optional.empty() : Optional.of(VideoFormat.current(node, type));
        for (PixelFormat format : questions.formats()) {
            List<ImageRange.Sizes> listed = questions.sizes(format);
            for (ImageRange.Sizes sizes : listed) {
                List<ImageRange.Rates> rates = questions.rates(format, sizes);
                images.add(new ImageRange(format, Image.LINEAR, sizes, rates));
                List<ImageRange.Sizes> seen =
                        part.isEmpty() ? List.of() : visible(format, current.get(), part.get(), sizes, listed);
                for (ImageRange.Sizes visible : seen) {
                    images.add(new ImageRange(format, Image.LINEAR, visible, rates));
                }
            }
        }
        doubts.addAll(questions.doubts);
        return images;
    }

    /** Whether the driver lists images of a format and size. */
    static boolean lists(DeviceNode node, BufferType type, Image image) throws CenallocException {
        var questions = new V4l2Images(node, type);
        return questions.formats().contains(image.format())
                && questions.listedSizes(image.format()).stream()
                        .anyMatch(sizes -> sizes.contains(image.width(), image.height()));
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

    private List<Integer> fourccs() throws CenallocException {
        var codes = new Listing<Integer>("formats");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment entry = v4l2_fmtdesc.allocate(arena);
            for (int i = 0; ; i++) {
                entry.fill((byte) 0);
                v4l2_fmtdesc.index(entry, i);
                v4l2_fmtdesc.type(entry, type.code());
                if (!next("VIDIOC_ENUM_FMT", v4l2_h.VIDIOC_ENUM_FMT(), entry)
                        || !codes.add(v4l2_fmtdesc.pixelformat(entry))) {
                    return told(codes);
                }
            }
        }
    }

    private void doubt(String what) {
        doubts.add(doubts.size() < DOUBTS ? what : "and more of that kind");
    }

    private <T> List<T> told(Listing<T> listing) {
        listing.doubt().ifPresent(this::doubt);
        return listing.entries();
    }

    private List<ImageRange.Sizes> sizes(PixelFormat format) throws CenallocException {
        List<ImageRange.Sizes> listed = listedSizes(format);
        return listed.isEmpty() ? List.of(limits(format)) : listed;
    }

    /**
     * The sizes that can be parts of those that the driver lists, if it tells which part of an image is filled or read:
     * the part that it has now, and those between the steps, which are those of its memory. Whether the driver keeps to
     * them is known when they are set.
     */
    private static List<ImageRange.Sizes> visible(
            PixelFormat format,
            VideoFormat current,
            Selection part,
            ImageRange.Sizes sizes,
            List<ImageRange.Sizes> listed) {
        var visible = new LinkedHashSet<ImageRange.Sizes>();
        if (current.holds(new Image(format, 1, 1))
                && sizes.contains(current.width(), current.height())
                && part.isInside(current)) {
            visible.add(ImageRange.Sizes.of(part.width(), part.height()));
        }
        if (sizes.widthStep() > FINE_STEP || sizes.heightStep() > FINE_STEP) {
            visible.add(new ImageRange.Sizes(
                    sizes.minWidth(),
                    sizes.maxWidth(),
                    Math.min(sizes.widthStep(), FINE_STEP),
                    sizes.minHeight(),
                    sizes.maxHeight(),
                    Math.min(sizes.heightStep(), FINE_STEP)));
        }
        visible.removeIf(one -> one.widthStep() == 1
                && one.heightStep() == 1
                && listed.stream().anyMatch(range -> range.contains(one.maxWidth(), one.maxHeight())));
        return List.copyOf(visible);
    }

    /** The sizes that the driver lists; empty if it has no list of them, or none that can be. */
    private List<ImageRange.Sizes> listedSizes(PixelFormat format) throws CenallocException {
        var sizes = new Listing<ImageRange.Sizes>("sizes of " + format);
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
                    return range(format, v4l2_frmsizeenum.stepwise(entry)).stream()
                            .toList();
                }
                MemorySegment one = v4l2_frmsizeenum.discrete(entry);
                int width = v4l2_frmsize_discrete.width(one);
                int height = v4l2_frmsize_discrete.height(one);
                boolean isSize = width > 0 && height > 0;
                if (!isSize) {
                    doubt("it lists the size " + unsigned(width, height) + " of " + format + ", which is left out");
                }
                if (!(isSize ? sizes.add(ImageRange.Sizes.of(width, height)) : sizes.skip())) {
                    break;
                }
            }
        }
        return told(sizes);
    }

    /** A range of sizes; empty if it cannot be. */
    private Optional<ImageRange.Sizes> range(PixelFormat format, MemorySegment range) {
        int minWidth = v4l2_frmsize_stepwise.min_width(range);
        int minHeight = v4l2_frmsize_stepwise.min_height(range);
        int maxWidth = v4l2_frmsize_stepwise.max_width(range);
        int maxHeight = v4l2_frmsize_stepwise.max_height(range);
        // Some drivers begin at 0, and mean 1.
        if (minWidth < 0 || minHeight < 0 || maxWidth < Math.max(1, minWidth) || maxHeight < Math.max(1, minHeight)) {
            doubt("it lists sizes of " + format + " from " + unsigned(minWidth, minHeight) + " to "
                    + unsigned(maxWidth, maxHeight) + ", which are left out");
            return Optional.empty();
        }
        return Optional.of(new ImageRange.Sizes(
                Math.max(1, minWidth),
                maxWidth,
                atLeastOne(v4l2_frmsize_stepwise.step_width(range)),
                Math.max(1, minHeight),
                maxHeight,
                atLeastOne(v4l2_frmsize_stepwise.step_height(range))));
    }

    private static String unsigned(int width, int height) {
        return Integer.toUnsignedString(width) + "x" + Integer.toUnsignedString(height);
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
        if (answer.width() <= 0 || answer.height() <= 0) {
            doubt("it makes " + answer + " of a request for " + format + " " + width + "x" + height);
        }
        return new Size(Math.max(1, answer.width()), Math.max(1, answer.height()));
    }

    private List<ImageRange.Rates> rates(PixelFormat format, ImageRange.Sizes sizes) throws CenallocException {
        var rates = new Listing<ImageRange.Rates>("rates of " + format + " " + sizes);
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
                    Optional<FrameRate> one = rate(format, v4l2_frmivalenum.discrete(entry));
                    if (!(one.isPresent() ? rates.add(ImageRange.Rates.of(one.get())) : rates.skip())) {
                        break;
                    }
                    continue;
                }
                // The shortest interval is the highest rate.
                MemorySegment range = v4l2_frmivalenum.stepwise(entry);
                FrameRate lowest =
                        rate(format, v4l2_frmival_stepwise.max(range)).orElse(ImageRange.Rates.ANY.min());
                FrameRate highest =
                        rate(format, v4l2_frmival_stepwise.min(range)).orElse(ImageRange.Rates.ANY.max());
                return List.of(new ImageRange.Rates(lowest, highest.compareTo(lowest) < 0 ? lowest : highest));
            }
        }
        List<ImageRange.Rates> listed = told(rates);
        // A converter has no rate of its own, and a driver need not tell.
        return listed.isEmpty() ? List.of(ImageRange.Rates.ANY) : listed;
    }

    /** The rate of an interval; empty if there is none of it. */
    private Optional<FrameRate> rate(PixelFormat format, MemorySegment interval) {
        long numerator = Integer.toUnsignedLong(v4l2_fract.numerator(interval));
        long denominator = Integer.toUnsignedLong(v4l2_fract.denominator(interval));
        if (numerator == 0 || denominator == 0) {
            doubt("it lists an interval of " + numerator + "/" + denominator + " seconds between frames of " + format
                    + ", which is left out");
            return Optional.empty();
        }
        return Optional.of(FrameRate.ofInterval(numerator, denominator));
    }

    /** Of an unsigned number. */
    private static int atLeastOne(int number) {
        return number < 0 ? Integer.MAX_VALUE : Math.max(1, number);
    }

    /** Whether there is one more entry. */
    private boolean next(String call, long request, MemorySegment entry) throws CenallocException {
        if (entries == ENTRIES) {
            doubt("its lists have more than " + ENTRIES + " entries; the others are left out");
            return false;
        }
        entries++;
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
