// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The message of a new buffer for images in one layout; what varies from frame to frame is written into it. Not safe
 * for several threads. Allocates objects only when it is made.
 */
final class Outgoing {
    private static final byte[] VIDEO_META = "GstVideoMeta".getBytes(StandardCharsets.US_ASCII);

    private final MemorySegment message;

    /** The bytes of each memory that belong to the image. */
    private final List<Long> sizes = new ArrayList<>();
    /** Of each plane, counted through all memories. */
    private final List<Long> offsets = new ArrayList<>();

    private final List<Layout.Plane> planes = new ArrayList<>();

    Outgoing(List<Layout> layouts) {
        Image image = layouts.getFirst().image();
        long start = 0;
        for (Layout layout : layouts) {
            for (Layout.Plane plane : layout.planes()) {
                planes.add(plane);
                offsets.add(start + plane.offset());
            }
            sizes.add(layout.planes().getLast().end());
            start += sizes.getLast();
        }
        boolean hasMeta = !isDefault(image, layouts);
        byte[] video = hasMeta ? videoMeta(image) : new byte[0];
        long payload = Wire.BUFFER_FIXED + Wire.MEMORY * layouts.size() + video.length;
        this.message = Arena.ofAuto().allocate(Wire.HEADER + payload, Long.BYTES);
        message.set(Wire.INT, 0, Wire.NEW_BUFFER);
        message.set(Wire.INT, 4, (int) payload);
        message.set(Wire.LONG, Wire.HEADER + Wire.DTS, Wire.NONE);
        message.set(Wire.BYTE, Wire.HEADER + Wire.TYPE, Wire.DMA_BUF);
        message.set(Wire.BYTE, Wire.HEADER + Wire.MEMORIES, (byte) layouts.size());
        message.set(Wire.SHORT, Wire.HEADER + Wire.METAS, (short) (hasMeta ? 1 : 0));
        long at = Wire.HEADER + Wire.BUFFER_FIXED;
        for (long size : sizes) {
            // The memory begins at byte 0 always, since receivers of 1.24 take another begin wrongly.
            message.set(Wire.LONG, at, size);
            at += Wire.MEMORY;
        }
        MemorySegment.copy(video, 0, message, Wire.BYTE, at, video.length);
    }

    /**
     * Whether the planes lie where a receiver expects them without a meta. Then the size is GStreamer's too, since some
     * elements write the whole memory.
     */
    private boolean isDefault(Image image, List<Layout> layouts) {
        if (image.modifier() != Image.LINEAR) {
            return false;
        }
        Strides strides = Strides.of(image.format(), image.width(), image.height(), false);
        long total = sizes.stream().mapToLong(Long::longValue).sum();
        boolean same = offsets.equals(strides.offsets())
                && planes.stream().map(Layout.Plane::pitch).toList().equals(strides.pitches())
                && (layouts.size() > 1
                        ? total == strides.size()
                        : layouts.getFirst().size() >= strides.size());
        if (same && layouts.size() == 1) {
            sizes.set(0, strides.size());
        }
        return same;
    }

    private byte[] videoMeta(Image image) {
        int count = planes.size();
        int format = image.modifier() != Image.LINEAR
                ? VideoFormat.DMA_DRM
                : VideoFormat.of(image.format()).orElseThrow().number();
        int header = 8 + VIDEO_META.length + 2;
        int size = header + 36 + 16 * count;
        var bytes = new byte[size];
        MemorySegment meta = MemorySegment.ofArray(bytes);
        meta.set(Wire.INT, 0, size);
        meta.set(Wire.INT, 4, VIDEO_META.length);
        MemorySegment.copy(VIDEO_META, 0, meta, Wire.BYTE, 8, VIDEO_META.length);
        meta.set(Wire.INT, header + 4, format);
        meta.set(Wire.INT, header + 8, image.width());
        meta.set(Wire.INT, header + 12, image.height());
        meta.set(Wire.INT, header + 16, count);
        for (int i = 0; i < count; i++) {
            meta.set(Wire.LONG, header + 20 + 8L * i, offsets.get(i));
            meta.set(
                    Wire.INT,
                    header + 20 + 8L * count + 4L * i,
                    Math.toIntExact(planes.get(i).pitch()));
        }
        writePaddings(image, meta, header + 20 + 12L * count);
        return bytes;
    }

    /**
     * The paddings that make the strides, if there are such: top, bottom, left, right. GStreamer compares them, and
     * warns if they make others; zeros are not compared.
     */
    private void writePaddings(Image image, MemorySegment meta, long at) {
        if (image.modifier() != Image.LINEAR) {
            return;
        }
        var first = image.format().planes().getFirst();
        long width = planes.getFirst().pitch() / first.bytes() * first.width();
        long height = Math.max(image.height(), planes.getFirst().lines() * first.vertical());
        Strides padded = width > 1 << 20
                ? Strides.of(image.format(), image.width(), image.height(), false)
                : Strides.of(image.format(), (int) Math.max(width, image.width()), (int) height, false);
        if (padded.pitches().equals(planes.stream().map(Layout.Plane::pitch).toList())) {
            meta.set(Wire.INT, at + 4, (int) height - image.height());
            meta.set(Wire.INT, at + 12, (int) width - image.width());
        }
    }

    /** Writes what is of one frame. */
    void set(long id, long pts, long duration, long number) {
        message.set(Wire.LONG, Wire.HEADER + Wire.ID, id);
        message.set(Wire.LONG, Wire.HEADER + Wire.PTS, pts);
        message.set(Wire.LONG, Wire.HEADER + Wire.DURATION, duration);
        message.set(Wire.LONG, Wire.HEADER + Wire.OFFSET, number);
        message.set(Wire.LONG, Wire.HEADER + Wire.OFFSET_END, number + 1);
    }

    void setFlags(int flags) {
        message.set(Wire.INT, Wire.HEADER + Wire.FLAGS, flags);
    }

    MemorySegment message() {
        return message;
    }
}
