// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.image.PixelFormat.Sampling;
import java.util.ArrayList;
import java.util.List;

/**
 * Where the planes of a linear image lie if no GstVideoMeta says so. A value.
 *
 * <p>Source: {@code fill_planes} of {@code video-info.c} of gst-plugins-base 1.26: strides are multiples of 4 bytes,
 * except those of NV15, and each plane follows the one before it; the lines of a 4:2:0 image are an even number, and
 * so are those of its chroma if it is interlaced, except of P010.
 *
 * @param offsets of each plane, from the begin of the image
 * @param pitches bytes from one line to the next, of each plane
 * @param size bytes of the image
 */
record Strides(List<Long> offsets, List<Long> pitches, long size) {
    static Strides of(PixelFormat format, int width, int height, boolean isInterlaced) {
        var offsets = new ArrayList<Long>();
        var pitches = new ArrayList<Long>();
        long end = 0;
        for (Sampling plane : format.planes()) {
            long rowBytes = (long) Math.ceilDiv(width, plane.width()) * plane.bytes();
            long pitch = format == PixelFormat.NV15 ? rowBytes : roundUp(rowBytes, 4);
            long lines = storedLines(format, height) / plane.vertical();
            if (isInterlaced && plane.vertical() == 2 && format != PixelFormat.P010) {
                lines = roundUp(lines, 2);
            }
            offsets.add(end);
            pitches.add(pitch);
            end += pitch * lines;
        }
        return new Strides(List.copyOf(offsets), List.copyOf(pitches), end);
    }

    /** The lines of an image, rounded up to whole samples of each plane. */
    static long storedLines(PixelFormat format, int height) {
        return roundUp(
                height,
                format.planes().stream().mapToInt(Sampling::vertical).max().orElse(1));
    }

    private static long roundUp(long number, long multiple) {
        return Math.ceilDiv(number, multiple) * multiple;
    }

    /** As a layout, of a linear image in one buffer. */
    Layout layout(Image image) {
        var planes = new ArrayList<Layout.Plane>();
        for (int i = 0; i < offsets.size(); i++) {
            planes.add(new Layout.Plane(
                    offsets.get(i),
                    pitches.get(i),
                    storedLines(image.format(), image.height())
                            / image.format().planes().get(i).vertical()));
        }
        return new Layout(image, 0, planes, size);
    }
}
