package dev.cenalloc.image;

import dev.cenalloc.image.PixelFormat.Sampling;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Where an image, or what one buffer has of it, lies in memory. Immutable. {@link #of(Image, int, LayoutRules)} computes one:
 *
 * <ul>
 *   <li>What is stored is rounded up to whole groups of samples, in a 4:2:0 format to even width and height, as V4L2 asks of its
 *       drivers. One may settle on another size than it was asked for, odd ones above all: lay out what it settled on.
 *   <li>The pitch of each plane is what the {@link LayoutRules} say. In one
 *       buffer, every plane has as many pixels of padding as the first, so the pitch of the first tells those of the others:
 *       drivers are told, and tell, no other. It grows until all of them suit.
 *   <li>A plane follows the one before it at the next multiple of {@link LayoutRules#offsetAlignment}. If that leaves a gap, the
 *       image cannot be described to V4L2, whose formats of one buffer have none: see {@link #isGapless}.
 *   <li>The padding of the last line belongs to the memory, since hardware may touch it.
 * </ul>
 *
 * <p>Source: {@code pixfmt-v4l2.rst} and {@code pixfmt-yuv-planar.rst} in {@code Documentation/userspace-api/media/v4l} of
 * Linux 6.12.
 *
 * @param image what lies there
 * @param buffer which of the image's buffers this is, from 0; see {@link PixelFormat#buffers}
 * @param planes the planes in it, in the order of the format, at least one
 * @param size bytes of memory at least, which includes all planes
 */
public record Layout(Image image, int buffer, List<Plane> planes, long size) {

    /**
     * Where one plane lies.
     *
     * @param offset byte at which it begins, at least 0
     * @param pitch bytes from one line to the next, at least 1
     * @param lines how many, at least 1
     */
    public record Plane(long offset, long pitch, long lines) {
        /**
         * Checks the numbers.
         *
         * @throws IllegalArgumentException if one is out of its range, or the plane ends beyond 2^63
         */
        public Plane {
            if (offset < 0
                    || pitch <= 0
                    || lines <= 0
                    || Math.multiplyHigh(pitch, lines) != 0
                    || pitch * lines < 0
                    || offset + pitch * lines < 0) {
                throw new IllegalArgumentException(
                        "no plane has " + lines + " lines " + pitch + " bytes apart from byte " + offset);
            }
        }

        /** {@return bytes in it, with the padding of every line} */
        public long size() {
            return pitch * lines;
        }

        /** {@return the byte after the last} */
        public long end() {
            return offset + size();
        }

        @Override
        public String toString() {
            return lines + (lines == 1 ? " line" : " lines") + " at a pitch of " + pitch + " bytes from byte " + offset;
        }
    }

    /**
     * Checks that the planes lie in the memory, one after the other. One that comes from elsewhere may have any modifier; its
     * planes are then what the modifier makes of the format's.
     *
     * @throws IllegalArgumentException if they do not, or a linear image has other planes than its format
     */
    public Layout {
        planes = List.copyOf(planes);
        checkBuffer(image, buffer);
        int expected = image.format().planes(buffer).size();
        if (planes.isEmpty() || (image.modifier() == Image.LINEAR && planes.size() != expected)) {
            throw new IllegalArgumentException(
                    image + " has " + expected + " planes in buffer " + buffer + ", not " + planes.size());
        }
        long end = 0;
        for (Plane plane : planes) {
            if (plane.offset < end || plane.end() > size) {
                throw new IllegalArgumentException("planes lie one after the other in the memory, and these do not in "
                        + size + " bytes: " + planes);
            }
            end = plane.end();
        }
    }

    /**
     * {@return the tightest layout of an image}
     *
     * @param image a linear one in a format of one buffer
     * @throws IllegalArgumentException if the image is not linear, lies in several buffers, or ends beyond 2^63
     */
    public static Layout of(Image image) {
        if (image.format().buffers() != 1) {
            throw new IllegalArgumentException(
                    image + " lies in " + image.format().buffers() + " buffers: give the number of one of them");
        }
        return of(image, 0, LayoutRules.NONE)
                .orElseThrow(() -> new IllegalArgumentException(image + " has more than 2^63-1 bytes"));
    }

    /**
     * {@return the smallest layout that keeps the rules; empty if there is none below 2^63}
     *
     * @param image a linear one
     * @param buffer which of the image's buffers, from 0; see {@link PixelFormat#buffers}
     * @param rules what pitches and offsets keep to
     * @throws IllegalArgumentException if the image is not linear, or there is no such buffer
     */
    public static Optional<Layout> of(Image image, int buffer, LayoutRules rules) {
        checkBuffer(image, buffer);
        if (image.modifier() != Image.LINEAR) {
            throw new IllegalArgumentException("only a device that knows the modifier can lay out " + image
                    + ": let that device allocate it, or take a linear image");
        }
        return planes(image, buffer, rules)
                .map(planes ->
                        new Layout(image, buffer, planes, planes.getLast().end()));
    }

    /**
     * {@return this layout in a memory of another size}
     *
     * @param bytes at least the end of the last plane
     * @throws IllegalArgumentException if the planes do not fit
     */
    public Layout withSize(long bytes) {
        return new Layout(image, buffer, planes, bytes);
    }

    static void checkBuffer(Image image, int buffer) {
        if (buffer < 0 || buffer >= image.format().buffers()) {
            throw new IllegalArgumentException(
                    image + " lies in " + image.format().buffers() + " buffers, and " + buffer
                            + " is none of them; they are numbered from 0");
        }
    }

    private static Optional<List<Plane>> planes(Image image, int buffer, LayoutRules rules) {
        PixelFormat format = image.format();
        List<Sampling> samplings = format.planes(buffer);
        // Stored are whole columns and rows, of as many pixels as stand together in any plane.
        long columns = Math.ceilDiv(image.width(), format.widthMultiple());
        long rows = Math.ceilDiv(image.height(), format.heightMultiple());
        // Planes that share a buffer have whole columns from line to line, all the same number of them. A plane that is
        // alone in its buffer has any number of bytes.
        long[] units = new long[samplings.size()];
        long common = 0;
        long count = 1;
        for (int i = 0; i < units.length; i++) {
            Sampling sampling = samplings.get(i);
            long column = (long) format.widthMultiple() / sampling.horizontal() * sampling.bytes();
            units[i] = units.length == 1 ? 1 : column;
            common = Arithmetic.gcd(units[i], common);
            count = Math.max(count, Math.ceilDiv(Math.max(columns * column, rules.minPitch()), units[i]));
        }
        long alignment = rules.pitchAlignment();
        // The least number whose product with every unit is aligned.
        count = Arithmetic.roundUp(count, alignment / Arithmetic.gcd(alignment, common));
        var planes = new ArrayList<Plane>(units.length);
        long end = 0;
        for (int i = 0; i < units.length; i++) {
            long offset = Arithmetic.roundUp(end, rules.offsetAlignment());
            long pitch = Arithmetic.product(count, units[i]);
            long lines = format.heightMultiple() / samplings.get(i).vertical() * rows;
            long size = Arithmetic.product(pitch, lines);
            if (offset < 0 || size < 0 || pitch > rules.maxPitch() || size > Long.MAX_VALUE - offset) {
                return Optional.empty();
            }
            planes.add(new Plane(offset, pitch, lines));
            end = offset + size;
        }
        return Optional.of(planes);
    }

    // ---- pixels ----

    /**
     * {@return how many lines of a plane belong to the image, without those that are only stored}
     *
     * @param plane which of the planes in this buffer, from 0
     * @throws IndexOutOfBoundsException if there is no such plane
     */
    public int rows(int plane) {
        return Math.ceilDiv(image.height(), sampling(plane).vertical());
    }

    /**
     * {@return the bytes of one line of a plane that belong to the image, without padding}
     *
     * @param plane which of the planes in this buffer, from 0
     * @throws IndexOutOfBoundsException if there is no such plane
     */
    public long rowBytes(int plane) {
        Sampling sampling = sampling(plane);
        return (long) Math.ceilDiv(image.width(), sampling.horizontal()) * sampling.bytes();
    }

    private Sampling sampling(int plane) {
        if (image.modifier() != Image.LINEAR) {
            throw new IllegalStateException(image + " has no lines: only a linear image has");
        }
        return image.format().planes(buffer).get(plane);
    }

    /**
     * {@return one line of a plane, as a part of the memory, without padding}
     *
     * @param memory of at least {@link #size} bytes, such as that of a mapping
     * @param plane which of the planes in this buffer, from 0
     * @param row which line, from 0
     * @throws IndexOutOfBoundsException if there is no such plane or line, or it lies outside the memory
     * @throws IllegalStateException if the image is not linear
     */
    public MemorySegment row(MemorySegment memory, int plane, int row) {
        Plane place = planes.get(plane);
        return memory.asSlice(place.offset + Objects.checkIndex(row, rows(plane)) * place.pitch, rowBytes(plane));
    }

    /**
     * {@return a copy of the image without padding: line after line, plane after plane, in a heap buffer of exactly that size}
     *
     * @param memory of at least {@link #size} bytes, such as that of a mapping
     * @throws IndexOutOfBoundsException if a plane lies outside the memory
     * @throws IllegalStateException if the image is not linear, or the memory is closed
     * @throws IllegalArgumentException if the image has more than 2^31-1 bytes
     */
    public ByteBuffer packed(MemorySegment memory) {
        long bytes = 0;
        for (int plane = 0; plane < planes.size(); plane++) {
            bytes += rowBytes(plane) * rows(plane);
        }
        if (bytes > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(image + " has " + bytes + " bytes, more than a ByteBuffer");
        }
        ByteBuffer packed = ByteBuffer.allocate((int) bytes);
        MemorySegment target = MemorySegment.ofBuffer(packed);
        long at = 0;
        for (int plane = 0; plane < planes.size(); plane++) {
            for (int row = 0; row < rows(plane); row++) {
                MemorySegment line = row(memory, plane, row);
                MemorySegment.copy(line, 0, target, at, line.byteSize());
                at += line.byteSize();
            }
        }
        return packed;
    }

    /**
     * {@return whether each plane follows the one before it immediately, and the first is at the start} V4L2 describes an image in
     * one buffer by the pitch of the first plane alone, so it cannot be told of gaps; DRM is told every offset.
     */
    public boolean isGapless() {
        long end = 0;
        for (Plane plane : planes) {
            if (plane.offset != end) {
                return false;
            }
            end = plane.end();
        }
        return true;
    }

    /**
     * Copies an image from memory in this layout to memory in another layout of it, line by line.
     *
     * @param from memory of at least {@link #size} bytes
     * @param target the other layout, of the same image and buffer
     * @param to memory of at least its {@link #size} bytes
     * @throws IllegalArgumentException if the layouts are of different images, or {@code to} is read-only
     * @throws IndexOutOfBoundsException if a plane lies outside its memory
     * @throws IllegalStateException if one of the memories is closed
     */
    public void copy(MemorySegment from, Layout target, MemorySegment to) {
        if (!image.equals(target.image) || buffer != target.buffer) {
            throw new IllegalArgumentException(
                    "the layouts are of different images, " + image + " and " + target.image);
        }
        for (int i = 0; i < planes.size(); i++) {
            Plane source = planes.get(i);
            Plane sink = target.planes.get(i);
            long bytes = Math.min(source.pitch, sink.pitch);
            for (long line = 0; line < source.lines; line++) {
                MemorySegment.copy(
                        from, source.offset + line * source.pitch, to, sink.offset + line * sink.pitch, bytes);
            }
        }
    }

    @Override
    public String toString() {
        return image + planes.stream().map(Plane::toString).collect(Collectors.joining("; ", ": ", ""));
    }
}
