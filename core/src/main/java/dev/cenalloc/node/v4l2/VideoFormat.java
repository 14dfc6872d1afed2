// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format_mplane;
import dev.cenalloc.bindings.v4l2.v4l2_plane_pix_format;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.LayoutRules;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.OptionalInt;
import java.util.stream.LongStream;

/**
 * The format of a queue, a {@code v4l2_format}: first what is asked of the driver, then its answer. Probing and
 * streaming ask in the same words. Owns nothing that is to be closed. For one thread at a time.
 */
final class VideoFormat {
    // In videodev2.h, enum v4l2_field: two fields one after the other.
    private static final int FIELD_SEQ_TB = 5;
    private static final int FIELD_SEQ_BT = 6;

    /** More columns or lines than any device has. */
    private static final int LARGEST = 1 << 16;

    private final BufferType type;
    private final MemorySegment format = v4l2_format.allocate(Arena.ofAuto());
    private final MemorySegment single = v4l2_format.fmt.pix(v4l2_format.fmt(format));
    private final MemorySegment multi = v4l2_format.fmt.pix_mp(v4l2_format.fmt(format));

    private VideoFormat(BufferType type) {
        this.type = type;
        v4l2_format.type(format, type.code());
    }

    /** The format that a queue has now. */
    static VideoFormat current(DeviceNode node, BufferType type) throws CenallocException {
        var current = new VideoFormat(type);
        node.ioctl("VIDIOC_G_FMT", v4l2_h.VIDIOC_G_FMT(), current.format);
        return current;
    }

    /**
     * A request for images of whole frames, without lines between the planes.
     *
     * @param image in a format that V4L2 defines: see {@link VideoNode#require}
     * @param pitches as below
     */
    static VideoFormat request(BufferType type, Image image, long... pitches) {
        return request(type, image, image.height(), pitches);
    }

    /**
     * A request for images of whole frames.
     *
     * @param image in a format that V4L2 defines: see {@link VideoNode#require}
     * @param lines how many each buffer holds: see {@link #lines}
     * @param pitches of the first plane in each buffer, in bytes; it tells those of the others there. 0 leaves it to
     *     the driver
     */
    static VideoFormat request(BufferType type, Image image, int lines, long... pitches) {
        var asked = new VideoFormat(type);
        int fourcc = image.format().v4l2Fourcc().orElseThrow();
        if (type.isMultiplanar()) {
            v4l2_pix_format_mplane.width(asked.multi, image.width());
            v4l2_pix_format_mplane.height(asked.multi, lines);
            v4l2_pix_format_mplane.pixelformat(asked.multi, fourcc);
            v4l2_pix_format_mplane.field(asked.multi, v4l2_h.V4L2_FIELD_NONE());
            v4l2_pix_format_mplane.num_planes(asked.multi, (byte) pitches.length);
            for (int i = 0; i < pitches.length; i++) {
                v4l2_plane_pix_format.bytesperline(asked.plane(i), (int) pitches[i]);
            }
        } else {
            v4l2_pix_format.width(asked.single, image.width());
            v4l2_pix_format.height(asked.single, lines);
            v4l2_pix_format.pixelformat(asked.single, fourcc);
            v4l2_pix_format.field(asked.single, v4l2_h.V4L2_FIELD_NONE());
            v4l2_pix_format.bytesperline(asked.single, (int) pitches[0]);
        }
        return asked;
    }

    /** Becomes what the driver makes of it; the queue keeps its format. */
    VideoFormat tried(DeviceNode node) throws CenallocException {
        node.ioctl("VIDIOC_TRY_FMT", v4l2_h.VIDIOC_TRY_FMT(), format);
        return this;
    }

    /** Sets it, and becomes what the driver made of it: the result, or {@code -errno}. */
    int trySet(DeviceNode node) {
        return node.tryIoctl(v4l2_h.VIDIOC_S_FMT(), format);
    }

    private MemorySegment plane(int buffer) {
        return v4l2_pix_format_mplane.plane_fmt(multi, buffer);
    }

    int buffers() {
        return type.isMultiplanar() ? Byte.toUnsignedInt(v4l2_pix_format_mplane.num_planes(multi)) : 1;
    }

    /** Bytes of the largest buffer. */
    long size() {
        return LongStream.range(0, buffers()).map(i -> size((int) i)).max().orElse(0);
    }

    /** Bytes in a buffer. */
    long size(int buffer) {
        return Integer.toUnsignedLong(
                type.isMultiplanar()
                        ? v4l2_plane_pix_format.sizeimage(plane(buffer))
                        : v4l2_pix_format.sizeimage(single));
    }

    /** Bytes from one line to the next, of the first plane in a buffer. */
    long pitch(int buffer) {
        return Integer.toUnsignedLong(
                type.isMultiplanar()
                        ? v4l2_plane_pix_format.bytesperline(plane(buffer))
                        : v4l2_pix_format.bytesperline(single));
    }

    private int fourcc() {
        return type.isMultiplanar() ? v4l2_pix_format_mplane.pixelformat(multi) : v4l2_pix_format.pixelformat(single);
    }

    int width() {
        return type.isMultiplanar() ? v4l2_pix_format_mplane.width(multi) : v4l2_pix_format.width(single);
    }

    int height() {
        return type.isMultiplanar() ? v4l2_pix_format_mplane.height(multi) : v4l2_pix_format.height(single);
    }

    private int field() {
        return type.isMultiplanar() ? v4l2_pix_format_mplane.field(multi) : v4l2_pix_format.field(single);
    }

    /** Whether an image is no whole frame, but one field, or two of them one after the other. */
    boolean isOfFields() {
        int field = field();
        return field == v4l2_h.V4L2_FIELD_TOP()
                || field == v4l2_h.V4L2_FIELD_BOTTOM()
                || field == v4l2_h.V4L2_FIELD_ALTERNATE()
                || field == FIELD_SEQ_TB
                || field == FIELD_SEQ_BT;
    }

    boolean has(Image image) {
        return image.format().v4l2Fourcc().equals(OptionalInt.of(fourcc()))
                && width() == image.width()
                && height() == image.height();
    }

    /** Whether it has at least the columns and lines of an image: as much, or more in memory than is to be seen. */
    boolean holds(Image image) {
        return has(image)
                || (image.format().v4l2Fourcc().equals(OptionalInt.of(fourcc()))
                        && width() >= image.width()
                        && width() <= LARGEST
                        && height() >= image.height()
                        && height() <= LARGEST);
    }

    /**
     * The image that all of its columns and lines make.
     *
     * @param format of an image that it {@link #holds}
     */
    Image whole(PixelFormat format) {
        return new Image(format, width(), height());
    }

    /**
     * The height to ask for. V4L2 derives from it where the second plane in a buffer begins, so that lines between the
     * planes count; lines behind a single plane do not matter.
     *
     * @param whole without margins
     */
    static int lines(Layout whole) {
        Image image = whole.image();
        return whole.planes().size() == 1
                        || whole.storedLines()
                                == Layout.of(image, whole.buffer(), LayoutRules.NONE)
                                        .orElseThrow()
                                        .storedLines()
                ? image.height()
                : (int) Math.min(whole.storedLines(), Integer.MAX_VALUE);
    }

    boolean isSameAs(VideoFormat other) {
        return format.mismatch(other.format) < 0;
    }

    /** The name of a format, or its four characters if it has no name here. */
    static String name(int fourcc) {
        return PixelFormat.ofV4l2(fourcc).map(PixelFormat::name).orElseGet(() -> PixelFormat.characters(fourcc));
    }

    @Override
    public String toString() {
        return name(fourcc()) + " " + Integer.toUnsignedString(width()) + "x" + Integer.toUnsignedString(height());
    }
}
