package dev.cenalloc.node.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_rect;
import dev.cenalloc.bindings.v4l2.v4l2_selection;
import dev.cenalloc.image.Image;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * The part of a queue's images, in pixels, that the device fills or, of an output, reads. A driver may have more
 * columns and lines in memory than that: 1920x1088 where 1920x1080 is to be seen. A value.
 *
 * <p>Source: {@code Documentation/userspace-api/media/v4l/selection-api-targets.rst} of Linux 6.12.
 */
record Selection(int left, int top, int width, int height) {
    /** The part now; empty if the driver does not tell. */
    static Optional<Selection> of(DeviceNode node, BufferType type) throws CenallocException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment asked = asked(arena, type);
            int result = node.tryIoctl(v4l2_h.VIDIOC_G_SELECTION(), asked);
            return switch (-result) {
                // No such request; not of this queue; not of this input.
                case Errno.ENOTTY, Errno.EINVAL, Errno.ENODATA, Errno.EOPNOTSUPP -> Optional.empty();
                default -> {
                    if (result < 0) {
                        throw node.failure(-result, "VIDIOC_G_SELECTION");
                    }
                    yield Optional.of(read(v4l2_selection.r(asked)));
                }
            };
        }
    }

    /** Asks for it, which the driver may not have, or not be able to change: the result, or {@code -errno}. */
    private int trySet(DeviceNode node, BufferType type) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment asked = asked(arena, type);
            MemorySegment part = v4l2_selection.r(asked);
            v4l2_rect.left(part, left);
            v4l2_rect.top(part, top);
            v4l2_rect.width(part, width);
            v4l2_rect.height(part, height);
            return node.tryIoctl(v4l2_h.VIDIOC_S_SELECTION(), asked);
        }
    }

    private static MemorySegment asked(Arena arena, BufferType type) {
        MemorySegment asked = v4l2_selection.allocate(arena);
        v4l2_selection.type(asked, type.code());
        v4l2_selection.target(asked, type.isOutput() ? v4l2_h.V4L2_SEL_TGT_CROP() : v4l2_h.V4L2_SEL_TGT_COMPOSE());
        return asked;
    }

    private static Selection read(MemorySegment part) {
        return new Selection(v4l2_rect.left(part), v4l2_rect.top(part), v4l2_rect.width(part), v4l2_rect.height(part));
    }

    /** Puts it back, if it is another now and the driver can: the result, or {@code -errno}. */
    int tryRestore(DeviceNode node, BufferType type) {
        try {
            if (of(node, type).equals(Optional.of(this))) {
                return 0;
            }
        } catch (CenallocException e) {
            return -e.errno();
        }
        int result = trySet(node, type);
        return cannot(-result) ? 0 : result;
    }

    /** Whether an errno says that there is no such part, or that it cannot be another. */
    private static boolean cannot(int errno) {
        return switch (errno) {
            case Errno.EINVAL, Errno.ENOTTY, Errno.ERANGE, Errno.ENODATA, Errno.EOPNOTSUPP -> true;
            default -> false;
        };
    }

    /**
     * Has the device fill or read exactly an image, from the first pixel in memory on.
     *
     * @param format of the queue, in which there is room for the image
     * @return what it does instead, in words; empty if it does that, or if the image is all of the format and the
     *     driver does not tell
     */
    static Optional<String> objection(DeviceNode node, BufferType type, VideoFormat format, Image image)
            throws CenallocException {
        Optional<Selection> told = of(node, type);
        if (told.isEmpty()) {
            return format.has(image) ? Optional.empty() : Optional.of(untold(format, image));
        }
        var wanted = new Selection(0, 0, image.width(), image.height());
        Selection part = told.get();
        if (!part.equals(wanted)) {
            int result = wanted.trySet(node, type);
            if (!cannot(-result)) {
                if (result < 0) {
                    throw node.failure(-result, "VIDIOC_S_SELECTION");
                }
                part = of(node, type).orElse(part);
            }
        }
        if (part.equals(wanted)) {
            return Optional.empty();
        }
        return Optional.of("it " + (type.isOutput() ? "reads " : "fills ") + part + " of " + format
                + (part.isInside(format) ? "" : ", which is not inside") + ", and not " + image + " at 0,0");
    }

    /** What is to be said of a driver that has more columns or lines than an image, and does not tell which are its. */
    static String untold(VideoFormat format, Image image) {
        return "it has " + format + ", and does not tell in which part of it " + image + " is";
    }

    /** Whether all of it is of a format. */
    boolean isInside(VideoFormat format) {
        return left >= 0
                && top >= 0
                && width > 0
                && height > 0
                && (long) left + width <= format.width()
                && (long) top + height <= format.height();
    }

    @Override
    public String toString() {
        return Integer.toUnsignedString(width) + "x" + Integer.toUnsignedString(height) + " at " + left + "," + top;
    }
}
