// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.image;

import dev.cenalloc.image.PixelFormat.Sampling;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * The layout in memory of an image, or of the planes of an image that lie in one buffer. Immutable.
 * {@link #of(Image, int, LayoutRules)} computes a layout by these rules:
 *
 * <ul>
 *   <li>Stored width and height are rounded up to whole blocks of samples; for a 4:2:0 format to even numbers, for
 *       samples of 10 bits packed to multiples of four. V4L2 requires this of drivers. A driver may choose another size
 *       than the requested one, mostly for odd sizes: then agree on the size that it chose.
 *   <li>The pitch of each plane satisfies the {@link LayoutRules}. All planes in one buffer have the same number of
 *       padding pixels, so the pitch of the first plane determines the others; V4L2 reports only that one. It grows
 *       until every plane satisfies the rules. With {@link LayoutRules#equalPitches}, all planes then have the largest
 *       of these pitches.
 *   <li>Each plane begins at the first multiple of {@link LayoutRules#offsetAlignment} after the plane before it. If
 *       that leaves a gap, V4L2 cannot describe the image, since its formats of one buffer have no gaps: see {@link
 *       #isGapless}. With {@link LayoutRules#gapless}, the pitch grows until there is none.
 *   <li>The number of stored lines is a multiple of {@link LayoutRules#lineAlignment}: each plane has room for them,
 *       and the next begins after them.
 *   <li>Before the image lie at least {@link LayoutRules#topMargin} lines and, in each line, {@link
 *       LayoutRules#leftMargin} columns of memory, in whole blocks of samples. The offset of a plane is that of the
 *       image's first pixel. Left margin and pitch grow until that is aligned.
 *   <li>The size includes the padding of the last line, since hardware may touch it, and {@link
 *       LayoutRules#extraLines}.
 * </ul>
 *
 * <p>Source: {@code pixfmt-v4l2.rst} and {@code pixfmt-yuv-planar.rst} in {@code Documentation/userspace-api/media/v4l}
 * of Linux 6.12.
 *
 * @param image the image
 * @param buffer which of the image's buffers this is, from 0; see {@link PixelFormat#buffers}
 * @param planes the planes in it, in the order of the format, at least one
 * @param size bytes of memory that the buffer needs; includes all planes
 */
public record Layout(Image image, int buffer, List<Plane> planes, long size) {

    /**
     * The place of one plane. A value.
     *
     * @param offset of the first byte of the image in the buffer, in bytes, at least 0
     * @param pitch bytes from one line to the next, at least 1
     * @param lines the number of lines from there on, at least 1
     */
    public record Plane(long offset, long pitch, long lines) {
        /**
         * Checks the numbers.
         *
         * @throws IllegalArgumentException if a number is out of its range, or the plane ends beyond 2^63
         */
        public Plane {
            if (offset < 0
                    || pitch <= 0
                    || lines <= 0
                    || Math.multiplyHigh(pitch, lines) != 0
                    || pitch * lines < 0
                    || offset + pitch * lines < 0) {
                throw new IllegalArgumentException(
                        "not a plane: " + lines + " lines at a pitch of " + pitch + " bytes from byte " + offset);
            }
        }

        /** {@return the size in bytes, with the padding of every line} */
        public long size() {
            return pitch * lines;
        }

        /** {@return the offset at which a further line would begin} */
        public long end() {
            return offset + size();
        }

        @Override
        public String toString() {
            return lines + (lines == 1 ? " line" : " lines") + " at a pitch of " + pitch + " bytes from byte " + offset;
        }
    }

    /**
     * Checks that the planes lie in the memory, one after the other. The last line ends at the last column of the
     * plane. A layout from another source may have any modifier; the modifier then decides the number of planes.
     *
     * @throws IllegalArgumentException if the planes overlap or do not fit into the size, if the image has no such
     *     buffer, or if a linear image has another number of planes than its format
     */
    public Layout {
        Objects.requireNonNull(image, "image");
        for (Plane plane : Objects.requireNonNull(planes, "planes")) {
            Objects.requireNonNull(plane, "an element of planes");
        }
        planes = List.copyOf(planes);
        checkBuffer(image, buffer);
        int expected = image.format().planes(buffer).size();
        if (planes.isEmpty() || (image.modifier() == Image.LINEAR && planes.size() != expected)) {
            throw new IllegalArgumentException(
                    image + " has " + expected + " planes in buffer " + buffer + ", not " + planes.size());
        }
        long end = 0;
        for (int i = 0; i < planes.size(); i++) {
            long next = planes.get(i).end() - marginBytes(image, buffer, planes, i);
            if (planes.get(i).offset < end || next > size) {
                throw new IllegalArgumentException(
                        "planes must lie one after the other within " + size + " bytes, and these do not: " + planes);
            }
            end = next;
        }
    }

    /**
     * {@return the tightest layout of an image}
     *
     * @param image a linear image in a format of one buffer
     * @throws IllegalArgumentException if the image is not linear, lies in several buffers, or ends beyond 2^63
     */
    public static Layout of(Image image) {
        Objects.requireNonNull(image, "image");
        if (image.format().buffers() != 1) {
            throw new IllegalArgumentException(
                    image + " lies in " + image.format().buffers() + " buffers: pass the number of one of them");
        }
        return of(image, 0, LayoutRules.NONE)
                .orElseThrow(() -> new IllegalArgumentException(image + " has more than 2^63-1 bytes"));
    }

    /**
     * {@return the smallest layout that satisfies the rules; empty if there is none below 2^63}
     *
     * @param image a linear image
     * @param buffer which of the image's buffers, from 0; see {@link PixelFormat#buffers}
     * @param rules the rules for pitches and offsets
     * @throws IllegalArgumentException if the image is not linear, or has no such buffer
     */
    public static Optional<Layout> of(Image image, int buffer, LayoutRules rules) {
        Objects.requireNonNull(image, "image");
        Objects.requireNonNull(rules, "rules");
        checkBuffer(image, buffer);
        if (image.modifier() != Image.LINEAR) {
            throw new IllegalArgumentException("only a device that knows the modifier can lay out " + image
                    + ": let that device allocate it, or take a linear image");
        }
        return planes(image, buffer, rules).flatMap(planes -> {
            Plane last = planes.getLast();
            long end = last.end() - marginBytes(image, buffer, planes, planes.size() - 1);
            long extra = rules.extraLines() == 0 ? 0 : Arithmetic.product(last.pitch, rules.extraLines());
            return extra < 0 || extra > Long.MAX_VALUE - end
                    ? Optional.empty()
                    : Optional.of(new Layout(image, buffer, planes, end + extra));
        });
    }

    /**
     * {@return the number of lines of the image that the planes have room for, at least its height} The lines of the
     * {@link #topMargin} are not counted. The image is the first of these lines; what the others hold is undefined, and
     * nothing shows it. A line of a plane with fewer samples stands for several.
     */
    public long storedLines() {
        Plane first = planes.getFirst();
        return image.modifier() == Image.LINEAR ? first.lines * sampling(0).vertical() : first.lines;
    }

    /** {@return the offset of the byte after the last line of the last plane, which is as long as the pitch} */
    public long end() {
        return planes.getLast().end() - marginBytes(image, buffer, planes, planes.size() - 1);
    }

    /** {@return the number of whole lines of the last plane that fit behind it} */
    public long extraLines() {
        return (size - end()) / planes.getLast().pitch;
    }

    /**
     * {@return the number of columns of memory before the image in each line} Lines are counted from byte 0; a buffer
     * with other data before the image has a margin too, if that data fills whole pixels. 0 if the image is not linear.
     */
    public long leftMargin() {
        return blocksBefore(image, buffer, planes) * image.format().widthMultiple();
    }

    /**
     * {@return the number of lines of memory before the first line of the image} Counted as for {@link #leftMargin}. A
     * line of a plane with fewer samples stands for several.
     */
    public long topMargin() {
        Plane first = planes.getFirst();
        return image.modifier() == Image.LINEAR
                ? first.offset / first.pitch * sampling(0).vertical()
                : 0;
    }

    /** Blocks as wide as those of the format, before the image in each line. */
    private static long blocksBefore(Image image, int buffer, List<Plane> planes) {
        if (image.modifier() != Image.LINEAR) {
            return 0;
        }
        List<Sampling> samplings = image.format().planes(buffer);
        Plane first = planes.getFirst();
        long before = first.offset % first.pitch;
        long block = column(image.format(), samplings.getFirst());
        boolean fits = before % block == 0;
        for (int i = 0; fits && i < planes.size(); i++) {
            Sampling sampling = samplings.get(i);
            fits = before / block * column(image.format(), sampling) <= planes.get(i).pitch - rowBytes(image, sampling);
        }
        return fits ? before / block : 0;
    }

    /** Bytes before the image in each line of a plane. */
    private static long marginBytes(Image image, int buffer, List<Plane> planes, int plane) {
        long blocks = blocksBefore(image, buffer, planes);
        return blocks == 0
                ? 0
                : blocks * column(image.format(), image.format().planes(buffer).get(plane));
    }

    /**
     * {@return this layout with another size}
     *
     * @param bytes the size, at least the end of the last plane
     * @throws IllegalArgumentException if the planes do not fit
     */
    public Layout withSize(long bytes) {
        return new Layout(image, buffer, planes, bytes);
    }

    /**
     * {@return the same layout, of the image in another format of the same planes} For a device that has its own name
     * for these bytes: one with alpha for one without.
     *
     * @param format has the same planes
     * @throws IllegalArgumentException if the format has other planes
     */
    public Layout in(PixelFormat format) {
        Objects.requireNonNull(format, "format");
        if (!format.planes().equals(image.format().planes())
                || format.buffers() != image.format().buffers()) {
            throw new IllegalArgumentException(format + " has other planes than " + image.format());
        }
        return new Layout(new Image(format, image.width(), image.height(), image.modifier()), buffer, planes, size);
    }

    static void checkBuffer(Image image, int buffer) {
        if (buffer < 0 || buffer >= image.format().buffers()) {
            throw new IllegalArgumentException(image + " has no buffer " + buffer
                    + ": its buffers are numbered from 0 to " + (image.format().buffers() - 1));
        }
    }

    private static Optional<List<Plane>> planes(Image image, int buffer, LayoutRules rules) {
        PixelFormat format = image.format();
        List<Sampling> samplings = format.planes(buffer);
        // Whole columns and rows are stored. A column is as wide as the widest block of any plane.
        long left = left(format, samplings, rules);
        long columns = left + Math.ceilDiv(image.width(), format.widthMultiple());
        long top = Arithmetic.roundUp(rules.topMargin(), format.heightMultiple());
        long stored = top < 0 || top > Long.MAX_VALUE - image.height()
                ? Arithmetic.NO_RESULT
                : Arithmetic.roundUp(
                        top + image.height(), Arithmetic.lcm(format.heightMultiple(), rules.lineAlignment()));
        if (left < 0 || columns < 0 || stored < 0) {
            return Optional.empty();
        }
        long[] units = units(format, samplings);
        long common = 0;
        long count = 1;
        for (int i = 0; i < units.length; i++) {
            long bytes = Arithmetic.product(columns, column(format, samplings.get(i)));
            if (bytes < 0) {
                return Optional.empty();
            }
            long least = Math.max(bytes, rules.minPitch());
            common = Arithmetic.gcd(units[i], common);
            count = Math.max(count, Math.ceilDiv(least, units[i]));
        }
        long widest = Arrays.stream(units).max().orElseThrow();
        if (rules.equalPitches() && rules.proportionalPitches() && widest != common) {
            return Optional.empty();
        }
        // The smallest number of units for which the pitch of every plane is aligned, and without gaps its end.
        long step = factor(rules.pitchAlignment(), common);
        for (int i = 0; rules.gapless() && i < units.length - 1; i++) {
            long lines = stored / samplings.get(i).vertical();
            step = Arithmetic.lcm(step, factor(factor(rules.offsetAlignment(), units[i]), lines));
            if (rules.equalPitches()) {
                step = Arithmetic.lcm(step, factor(factor(rules.offsetAlignment(), widest), lines));
            }
        }
        // Any number of lines before the image keeps each plane aligned.
        for (int i = 0; top > 0 && i < units.length; i++) {
            step = Arithmetic.lcm(step, factor(rules.offsetAlignment(), rules.equalPitches() ? widest : units[i]));
        }
        count = Arithmetic.roundUp(count, step);
        var planes = new ArrayList<Plane>(units.length);
        long end = 0;
        for (int i = 0; i < units.length; i++) {
            long offset = Arithmetic.roundUp(end, rules.offsetAlignment());
            long pitch = Arithmetic.product(count, rules.equalPitches() ? widest : units[i]);
            long lines = stored / samplings.get(i).vertical();
            long size = Arithmetic.product(pitch, lines);
            long columnsBefore = left * column(format, samplings.get(i));
            // Columns before the image count twice: a further line would begin behind the last byte.
            if (offset < 0
                    || size < 0
                    || pitch > rules.maxPitch()
                    || size > Long.MAX_VALUE - offset
                    || columnsBefore > Long.MAX_VALUE - offset - size) {
                return Optional.empty();
            }
            long above = top / samplings.get(i).vertical();
            planes.add(new Plane(offset + above * pitch + columnsBefore, pitch, lines - above));
            end = offset + size;
        }
        return Optional.of(planes);
    }

    /** Blocks of columns before the image: the least number with which the planes are aligned. */
    private static long left(PixelFormat format, List<Sampling> samplings, LayoutRules rules) {
        if (rules.leftMargin() == 0) {
            return 0;
        }
        long step = 1;
        for (Sampling sampling : samplings) {
            step = Arithmetic.lcm(step, factor(rules.offsetAlignment(), column(format, sampling)));
        }
        return Arithmetic.roundUp(Math.ceilDiv(rules.leftMargin(), format.widthMultiple()), step);
    }

    /** The smallest number by which a number is multiplied to become a multiple of another. */
    private static long factor(long multiple, long number) {
        return multiple / Arithmetic.gcd(multiple, number);
    }

    /** Bytes of a plane in a column. */
    private static long column(PixelFormat format, Sampling sampling) {
        return (long) format.widthMultiple() / sampling.width() * sampling.bytes();
    }

    /**
     * By how many bytes the pitch of each plane in a buffer grows at a time. The pitches keep the ratio that the planes
     * have in a column, and whole samples fit into the padding; if samples have no whole bytes, whole bytes do, as
     * drivers have it for NV15. The pitch of a single plane is any number of bytes.
     *
     * <p>A line of NV15 has whole blocks of 4 pixels in 5 bytes. By the kernel's {@code v4l2_fill_pixfmt_mp} and {@code
     * drm_format_info_min_pitch} the last block may be cut, which would put the next line into it. No driver does that:
     * the decoders that give NV15 have widths of whole blocks only ({@code rkvdec.c}: multiples of 64; {@code
     * rockchip_vpu_hw.c} of hantro: 16). So a pitch that is less is refused.
     */
    private static long[] units(PixelFormat format, List<Sampling> samplings) {
        long[] units = samplings.stream()
                .mapToLong(sampling -> column(format, sampling))
                .toArray();
        long divisor = Arrays.stream(units).reduce(0, Arithmetic::gcd);
        long factor = 1;
        for (int i = 0; i < units.length; i++) {
            units[i] /= divisor;
            int step = units.length == 1 ? 1 : samplings.get(i).step();
            factor = Arithmetic.lcm(factor, step / Arithmetic.gcd(step, units[i]));
        }
        for (int i = 0; i < units.length; i++) {
            units[i] *= factor;
        }
        return units;
    }

    // ---- pixels ----

    /**
     * {@return the number of lines of a plane that belong to the image, without padding lines}
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
        return rowBytes(image, sampling(plane));
    }

    private static long rowBytes(Image image, Sampling sampling) {
        return (long) Math.ceilDiv(image.width(), sampling.width()) * sampling.bytes();
    }

    private Sampling sampling(int plane) {
        if (image.modifier() != Image.LINEAR) {
            throw new IllegalStateException(image + " is not linear, so it has no lines");
        }
        return image.format().planes(buffer).get(plane);
    }

    /** Java says no more than "Already closed", at the first access. */
    private static void checkAlive(MemorySegment memory, String name) {
        if (!Objects.requireNonNull(memory, name).scope().isAlive()) {
            throw new IllegalStateException(
                    name + " is closed: keep its mapping, and the buffer of that, open as long as"
                            + " the memory is in use");
        }
    }

    /**
     * {@return one line of a plane without padding, as a slice of the memory}
     *
     * @param memory of at least {@link #size} bytes, such as that of a mapping
     * @param plane which of the planes in this buffer, from 0
     * @param row which line, from 0
     * @throws IndexOutOfBoundsException if there is no such plane or line, or it lies outside the memory
     * @throws IllegalStateException if the image is not linear, or the memory is closed
     */
    public MemorySegment row(MemorySegment memory, int plane, int row) {
        checkAlive(memory, "memory");
        Plane place = planes.get(plane);
        return memory.asSlice(place.offset + Objects.checkIndex(row, rows(plane)) * place.pitch, rowBytes(plane));
    }

    /**
     * {@return a copy of the image without padding: line after line, plane after plane, in a new heap buffer}
     *
     * @param memory of at least {@link #size} bytes, such as that of a mapping
     * @throws IndexOutOfBoundsException if a plane lies outside the memory
     * @throws IllegalStateException if the image is not linear, or the memory is closed
     * @throws IllegalArgumentException if the image has more than 2^31-1 bytes
     */
    public ByteBuffer packed(MemorySegment memory) {
        checkAlive(memory, "memory");
        long bytes = 0;
        for (int plane = 0; plane < planes.size(); plane++) {
            bytes += rowBytes(plane) * rows(plane);
        }
        if (bytes > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(image + " has " + bytes + " bytes, more than a ByteBuffer can hold");
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
     * {@return whether the first plane begins at byte 0 and each further plane follows the one before it immediately}
     * The {@linkplain #topMargin margins} are part of the planes. V4L2 describes an image in one buffer by the pitch of
     * the first plane alone, so it cannot describe gaps. DRM takes an offset for each plane.
     */
    public boolean isGapless() {
        long top = topMargin();
        long end = 0;
        for (int i = 0; i < planes.size(); i++) {
            Plane plane = planes.get(i);
            int vertical = top == 0 ? 1 : sampling(i).vertical();
            long before = marginBytes(image, buffer, planes, i);
            // No product overflows: the plane lies behind.
            if (top % vertical != 0
                    || top / vertical > plane.offset / plane.pitch
                    || plane.offset - top / vertical * plane.pitch != end + before) {
                return false;
            }
            end = plane.end() - before;
        }
        return true;
    }

    /**
     * {@return this memory as an image without margins: that from byte 0 on, of which this is the part at the bottom
     * right} V4L2 and DRM have words for such parts: selection and source rectangle. Empty if the layout is not {@link
     * #isGapless}, or the image would have 2^31 columns or lines.
     */
    public Optional<Layout> whole() {
        long left = leftMargin();
        long top = topMargin();
        if (!isGapless() || left > Integer.MAX_VALUE - image.width() || top > Integer.MAX_VALUE - image.height()) {
            return Optional.empty();
        }
        if (left == 0 && top == 0) {
            return Optional.of(this);
        }
        var all = new ArrayList<Plane>();
        for (int i = 0; i < planes.size(); i++) {
            Plane plane = planes.get(i);
            long above = top / sampling(i).vertical();
            long before = above * plane.pitch + marginBytes(image, buffer, planes, i);
            all.add(new Plane(plane.offset - before, plane.pitch, plane.lines + above));
        }
        var larger = new Image(image.format(), (int) left + image.width(), (int) top + image.height());
        return Optional.of(new Layout(larger, buffer, all, size));
    }

    /**
     * {@return whether the pitch of the first plane tells those of the others} So V4L2 describes an image in one
     * buffer: all planes have the same number of padding pixels. Of an image that is not linear, only a single plane
     * is.
     */
    public boolean hasProportionalPitches() {
        if (planes.size() == 1) {
            return true;
        }
        if (image.modifier() != Image.LINEAR) {
            return false;
        }
        for (int i = 1; i < planes.size(); i++) {
            long width = column(image.format(), sampling(i));
            long firstWidth = column(image.format(), sampling(0));
            long pitch = planes.get(i).pitch;
            long first = planes.getFirst().pitch;
            // The products, in 128 bits.
            if (pitch * firstWidth != first * width
                    || Math.multiplyHigh(pitch, firstWidth) != Math.multiplyHigh(first, width)) {
                return false;
            }
        }
        return true;
    }

    /**
     * Copies an image line by line from memory in this layout to memory in another layout.
     *
     * @param from memory of at least {@link #size} bytes
     * @param target the other layout, of the same image and buffer
     * @param to memory of at least {@code target.size()} bytes
     * @throws IllegalArgumentException if the layouts are of different images, or {@code to} is read-only
     * @throws IndexOutOfBoundsException if a plane lies outside its memory
     * @throws IllegalStateException if {@code from} or {@code to} is closed
     */
    public void copy(MemorySegment from, Layout target, MemorySegment to) {
        checkAlive(from, "from");
        Objects.requireNonNull(target, "target");
        checkAlive(to, "to");
        if (!image.equals(target.image) || buffer != target.buffer) {
            throw new IllegalArgumentException(
                    "the layouts are of different images, " + image + " and " + target.image);
        }
        for (int i = 0; i < planes.size(); i++) {
            Plane source = planes.get(i);
            Plane sink = target.planes.get(i);
            // Of another modifier all that both have; else the image, without what lies around it.
            boolean isLinear = image.modifier() == Image.LINEAR;
            long bytes = isLinear ? rowBytes(i) : Math.min(source.pitch, sink.pitch);
            long lines = isLinear ? rows(i) : Math.min(source.lines, sink.lines);
            for (long line = 0; line < lines; line++) {
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
