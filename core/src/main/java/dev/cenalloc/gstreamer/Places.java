// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.image.PixelFormat.Sampling;
import dev.cenalloc.share.ProtocolException;
import dev.cenalloc.text.Count;
import java.util.ArrayList;
import java.util.List;

/**
 * Finds where the planes of a new buffer lie in its dma-bufs. GStreamer counts their offsets through all memories, as
 * if each followed the one before; a memory is a part of a dma-buf, and several may be parts of one. For one buffer.
 */
final class Places {
    private final Caps caps;
    private final Image image;
    private final NewBuffer what;
    private final Files files;
    private final List<Sampling> samplings;
    private final int count;
    /** Of each plane: the number of the memory by which its dma-buf is known, the offset in that, the pitch. */
    private final int[] memories;

    private final long[] offsets;
    private final long[] pitches;
    /** Of each plane: the end in its dma-buf of the memory in which it lies, with those that go on there. */
    private final long[] ends;

    private Places(Caps caps, Image image, NewBuffer what, Files files) {
        this.caps = caps;
        this.image = image;
        this.what = what;
        this.files = files;
        this.samplings = image.format().planes();
        this.count = what.planes() > 0 ? what.planes() : samplings.size();
        this.memories = new int[count];
        this.offsets = new long[count];
        this.pitches = new long[count];
        this.ends = new long[count];
    }

    /**
     * The memories of the dma-bufs to adopt, and where the image lies in each.
     *
     * @param memories the first of each dma-buf, in the order of the image's buffers
     */
    record Found(List<Integer> memories, List<Layout> layouts) {}

    /**
     * Finds them.
     *
     * @throws ProtocolException if the peer contradicts itself
     * @throws UnusableFrameException if the image has a form that a layout has not
     */
    static Found find(Caps caps, Image image, NewBuffer what, Files files)
            throws ProtocolException, UnusableFrameException {
        var places = new Places(caps, image, what, files);
        places.checkMemories();
        places.checkMeta();
        places.placePlanes();
        return places.found();
    }

    private void checkMemories() throws ProtocolException {
        for (int i = 0; i < files.count(); i++) {
            long size = what.size(i);
            long offset = what.offset(i);
            if (size < 0 || offset < 0 || offset > files.size(i) || size > files.size(i) - offset) {
                throw Wire.lie("memory " + i + " has " + Long.toUnsignedString(size) + " bytes from byte "
                        + Long.toUnsignedString(offset) + ", and its file has " + files.size(i));
            }
        }
    }

    private void checkMeta() throws ProtocolException, UnusableFrameException {
        boolean linear = image.modifier() == Image.LINEAR;
        if (what.planes() == 0) {
            if (!linear) {
                throw unusable("it has a modifier, and no GstVideoMeta, which would say where its planes lie");
            }
            return;
        }
        boolean ours = what.format() == VideoFormat.DMA_DRM
                || (caps.format() != null && what.format() == caps.format().number());
        if (!ours || what.width() < image.width() || what.height() < image.height()) {
            throw Wire.lie("a GstVideoMeta is of " + what.width() + "x" + what.height() + " in format " + what.format()
                    + ", and the caps are " + caps.text());
        }
        if (linear && what.planes() != samplings.size()) {
            throw Wire.lie("a GstVideoMeta has " + Count.of(what.planes(), "plane") + ", and " + image.format()
                    + " has " + samplings.size());
        }
    }

    private void placePlanes() throws ProtocolException {
        Strides strides = Strides.of(image.format(), image.width(), image.height(), caps.isInterlaced());
        for (int i = 0; i < count; i++) {
            long start =
                    what.planes() > 0 ? what.planeOffset(i) : strides.offsets().get(i);
            pitches[i] = what.planes() > 0 ? what.stride(i) : strides.pitches().get(i);
            place(i, start);
            long needed = image.modifier() != Image.LINEAR ? 1 : (rows(i) - 1) * pitches[i] + rowBytes(i);
            long least = image.modifier() != Image.LINEAR ? 1 : rowBytes(i);
            if (pitches[i] < least || needed > ends[i] - offsets[i]) {
                throw leaves(i);
            }
        }
    }

    private ProtocolException leaves(int plane) {
        return Wire.lie("plane " + plane + " of " + image + ", at a pitch of " + pitches[plane]
                + " bytes, is not inside the memory of the buffer");
    }

    /** Finds the memory of a plane. */
    private void place(int plane, long start) throws ProtocolException {
        long before = 0;
        for (int i = 0; i < files.count(); i++) {
            long within = start - before;
            if (start >= 0 && within < what.size(i)) {
                memories[plane] = files.first(i);
                offsets[plane] = what.offset(i) + within;
                ends[plane] = what.offset(i) + what.size(i);
                for (int j = i + 1; j < files.count(); j++) {
                    if (files.first(j) == memories[plane] && what.offset(j) == ends[plane]) {
                        ends[plane] += what.size(j);
                    } else {
                        break;
                    }
                }
                return;
            }
            before += what.size(i);
        }
        throw Wire.lie("plane " + plane + " of " + image + " begins at byte " + Long.toUnsignedString(start)
                + ", behind all memories of the buffer");
    }

    private long rows(int plane) {
        return Math.ceilDiv(image.height(), samplings.get(plane).vertical());
    }

    private long rowBytes(int plane) {
        Sampling sampling = samplings.get(plane);
        return (long) Math.ceilDiv(image.width(), sampling.width()) * sampling.bytes();
    }

    private Found found() throws ProtocolException, UnusableFrameException {
        var buffers = new ArrayList<Integer>();
        for (int memory : memories) {
            if (!buffers.contains(memory)) {
                buffers.add(memory);
            }
        }
        PixelFormat format = image.format();
        if (buffers.size() > 1) {
            format = format.withPlanesApart().orElse(format);
            if (image.modifier() != Image.LINEAR || buffers.size() != format.buffers()) {
                throw unusable("its " + Count.of(count, "plane") + " lie in " + Count.of(buffers.size(), "dma-buf"));
            }
        }
        long[] lines = lines();
        var of = new Image(format, image.width(), image.height(), image.modifier());
        var layouts = new ArrayList<Layout>();
        for (int i = 0; i < buffers.size(); i++) {
            var planes = new ArrayList<Layout.Plane>();
            for (int plane = 0; plane < count; plane++) {
                if (memories[plane] == buffers.get(i)) {
                    planes.add(new Layout.Plane(offsets[plane], pitches[plane], lines[plane]));
                }
            }
            try {
                layouts.add(new Layout(of, i, planes, files.size(buffers.get(i))));
            } catch (IllegalArgumentException e) {
                throw unusable(String.valueOf(e.getMessage()));
            }
        }
        return new Found(List.copyOf(buffers), List.copyOf(layouts));
    }

    /** The stored lines of each plane: at least those of the image. */
    private long[] lines() throws ProtocolException {
        if (image.modifier() != Image.LINEAR) {
            var lines = new long[count];
            for (int i = 0; i < count; i++) {
                long rows = i < samplings.size() ? rows(i) : rows(0);
                lines[i] = Math.clamp((limit(i, files.size(memories[i])) - offsets[i]) / pitches[i], 1, rows);
            }
            return lines;
        }
        // A decoder has more lines in memory than it shows; the gap before the second plane tells how many.
        if (count > 1 && memories[0] == memories[1] && offsets[1] > offsets[0]) {
            long gap = offsets[1] - offsets[0];
            long stored = gap / pitches[0] * samplings.getFirst().vertical();
            if (gap % pitches[0] == 0 && stored >= image.height() && fit(stored, true)) {
                return lines(stored);
            }
        }
        long whole = Strides.storedLines(image.format(), image.height());
        if (fit(whole, false)) {
            return lines(whole);
        }
        if (fit(image.height(), false)) {
            return lines(image.height());
        }
        throw Wire.lie("the planes of " + image + " overlap, or the last line of one is not inside its dma-buf");
    }

    private long[] lines(long stored) {
        var lines = new long[count];
        for (int i = 0; i < count; i++) {
            lines[i] = Math.ceilDiv(stored, samplings.get(i).vertical());
        }
        return lines;
    }

    /** Whether each plane has room for so many lines of the image, in its memory or else in its dma-buf. */
    private boolean fit(long stored, boolean inMemory) {
        for (int i = 0; i < count; i++) {
            long end = inMemory ? ends[i] : files.size(memories[i]);
            long lines = Math.ceilDiv(stored, samplings.get(i).vertical());
            if (lines > (limit(i, end) - offsets[i]) / pitches[i]) {
                return false;
            }
        }
        return true;
    }

    /** Where a plane must end: before the next one in its dma-buf, or at an end. */
    private long limit(int plane, long end) {
        long limit = end;
        for (int i = 0; i < count; i++) {
            if (i != plane && memories[i] == memories[plane] && offsets[i] >= offsets[plane]) {
                limit = Math.min(limit, offsets[i]);
            }
        }
        return limit;
    }

    private UnusableFrameException unusable(String why) {
        return UnusableFrameException.ofCaps(caps.text(), why);
    }
}
