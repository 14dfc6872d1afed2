// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_rect;
import dev.cenalloc.bindings.v4l2.v4l2_selection;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
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
     * Where an image lies, in pixels from the first byte of its buffers.
     *
     * @param layout one that is a part of a {@linkplain Layout#whole whole}
     */
    static Selection of(Layout layout) {
        return new Selection(
                Math.toIntExact(layout.leftMargin()),
                Math.toIntExact(layout.topMargin()),
                layout.image().width(),
                layout.image().height());
    }

    /**
     * Why a device does not fill or read exactly the image, in words. Empty if it does, or if the image is the whole
     * format and the driver answers no question about a part.
     *
     * @param told as {@link #settled}
     * @param format of the queue, in which there is room for the image
     */
    static Optional<String> objection(Optional<Selection> told, BufferType type, VideoFormat format, Layout layout) {
        Image image = layout.image();
        if (told.isEmpty()) {
            return format.has(image) && of(layout).isAtOrigin() ? Optional.empty() : Optional.of(untold(format, image));
        }
        return told.get().equals(of(layout))
                ? Optional.empty()
                : Optional.of(told.get().instead(type, format, layout));
    }

    /**
     * Has the device fill or read exactly an image, where it lies in memory, if it can: the part then. Empty if the
     * driver does not tell.
     *
     * @param layout one that is a part of a {@linkplain Layout#whole whole}
     */
    static Optional<Selection> settled(DeviceNode node, BufferType type, Layout layout) throws CenallocException {
        Optional<Selection> told = of(node, type);
        if (told.isEmpty()) {
            return told;
        }
        Selection wanted = of(layout);
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
        return Optional.of(part);
    }

    /** What is to be said of a driver that keeps to this part, and not to that of a layout. */
    private String instead(BufferType type, VideoFormat format, Layout layout) {
        Selection wanted = of(layout);
        return "it " + (type.isOutput() ? "reads " : "fills ") + this + " of " + format
                + (isInside(format)
                        ? isBetween(layout) ? ", which is in the middle of a sample" : ""
                        : ", which is not inside")
                + ", and not " + layout.image() + " at "
                + wanted.left + "," + wanted.top;
    }

    /**
     * The margins that put an image where this part is, if the layout differs from it in nothing else.
     *
     * @return empty if another size is filled or read, or if no layout of the image has these margins
     */
    Optional<Constraints> margins(VideoFormat format, Layout layout) {
        Selection wanted = of(layout);
        if (width != wanted.width
                || height != wanted.height
                || !isInside(format)
                || left < wanted.left
                || top < wanted.top) {
            return Optional.empty();
        }
        Constraints margins = Constraints.NONE;
        margins = left == 0 ? margins : margins.leftMargin(left);
        margins = top == 0 ? margins : margins.topMargin(top);
        // Rounded up to whole blocks of samples, they are others.
        return Optional.of(margins)
                .filter(found -> Demand.ofImage(layout.image(), layout.buffer())
                        .layout(found)
                        .filter(moved -> of(moved).equals(this))
                        .isPresent());
    }

    /** Whether an image there would begin in the middle of samples of several pixels. */
    private boolean isBetween(Layout layout) {
        return layout.image().format().planes().stream()
                .anyMatch(plane -> left % plane.width() != 0 || top % plane.vertical() != 0);
    }

    private boolean isAtOrigin() {
        return left == 0 && top == 0;
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
