// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.text.Count;
import java.util.List;

/**
 * How a V4L2 driver lays images out: by what it makes of requests that change nothing (VIDIOC_TRY_FMT). Owns nothing.
 *
 * @param file the open node
 */
record DriverLayout(DeviceNode file) {
    /** Refuses an answer in which the lines do not hold the pixels, or the buffer the lines. */
    void checkRoom(VideoFormat answer, Image image, int buffer) throws CenallocException {
        List<Layout.Plane> tightest = laidOut(image, buffer, Constraints.NONE).planes();
        long least = tightest.getFirst().pitch();
        long pitch = answer.pitch(buffer);
        if (pitch < least) {
            throw strange("the driver says that lines of " + image + " are " + pitch + " bytes apart, and they have "
                    + least);
        }
        // The planes of a buffer have pitches in the same proportion.
        long bytes = tightest.stream()
                .mapToLong(plane -> pitch * plane.pitch() / least * plane.lines())
                .sum();
        long room = answer.size(buffer);
        if (room < bytes) {
            throw strange("the driver says that " + image + " has " + room + " bytes, and its lines, " + pitch
                    + " bytes apart, have " + bytes);
        }
        if (room > Integer.MAX_VALUE) {
            throw strange("the driver says that " + image + " has " + room + " bytes, more than a buffer of V4L2 here");
        }
    }

    /**
     * Which pitches the driver has for images: by what it makes of the least, and of one more byte. Of the planes that
     * share a buffer, V4L2 speaks of the first, and the pitches of the others follow from that; constraints are about
     * all of them, so they are said of the narrowest.
     */
    private Constraints pitches(BufferType type, Image image, int lines, int buffer) throws CenallocException {
        List<Layout.Plane> planes = laidOut(image, buffer, Constraints.NONE).planes();
        long least = planes.getFirst().pitch();
        long narrowest = planes.stream().mapToLong(Layout.Plane::pitch).min().orElseThrow();
        long widest = planes.stream().mapToLong(Layout.Plane::pitch).max().orElseThrow();
        VideoFormat tightest = answer(type, image, lines, buffer, least);
        checkRoom(tightest, image, buffer);
        long pitch = tightest.pitch(buffer);
        long next = answer(type, image, lines, buffer, pitch + 1).pitch(buffer);
        Constraints found = Constraints.NONE;
        long alignment = (next - pitch) * narrowest / least;
        if (next <= pitch) {
            // The limit that it showed is that of the first plane; others may be wider, as the chroma of NV24.
            found = found.maxPitch(pitch * widest / least);
        } else if (alignment > 0 && pitch % (next - pitch) == 0 && alignment * least == (next - pitch) * narrowest) {
            found = found.pitchAlignment(alignment);
        }
        return laidOut(image, buffer, found).planes().getFirst().pitch() < pitch
                ? found.minPitch(pitch * narrowest / least)
                : found;
    }

    /** How the driver lays an image out. */
    Constraints rules(BufferType type, Layout layout) throws CenallocException {
        Image image = layout.image();
        Constraints pitches = pitches(type, image, VideoFormat.lines(layout), layout.buffer());
        if (layout.planes().size() == 1) {
            return pitches;
        }
        // Of planes in one buffer, V4L2 speaks of the first pitch and the lines; the rest follows.
        return pitches.and(lines(type, image, layout.buffer()))
                .and(Constraints.NONE.gapless().proportionalPitches());
    }

    /**
     * How many lines the driver has between the planes of a buffer: by what it makes of the least, and of one more. The
     * number for this image is certain, and the multiple that it seems to be is a guess for others.
     */
    private Constraints lines(BufferType type, Image image, int buffer) throws CenallocException {
        long least = laidOut(image, buffer, Constraints.NONE).storedLines();
        VideoFormat tightest = answer(type, image, image.height(), buffer, 0);
        if (!tightest.holds(image)) {
            throw strange("the driver says that it has room for " + image + ", and " + tightest + " instead");
        }
        int lines = tightest.height();
        if (lines <= least) {
            return Constraints.NONE;
        }
        int step = answer(type, image, lines + 1, buffer, 0).height() - lines;
        return Constraints.NONE.lineAlignment(step > 0 && lines % step == 0 && lines - step < least ? step : lines);
    }

    /** As the driver lays an image out, with the pitches that it said itself. */
    Layout laidOut(Image image, int buffer, Constraints pitches) throws CenallocException {
        return Demand.ofImage(image, buffer)
                .layout(pitches)
                .orElseThrow(() ->
                        strange("the driver says that " + image + " has " + pitches + ", which no layout of it has"));
    }

    /** Of the first plane in a buffer. */
    private long tightestPitch(Image image, int buffer) throws CenallocException {
        return laidOut(image, buffer, Constraints.NONE).planes().getFirst().pitch();
    }

    CenallocException strange(String what) {
        return new CenallocException(
                Errno.EINVAL,
                "answer to VIDIOC_TRY_FMT",
                file.path(),
                -1,
                what,
                "report it to the authors of the driver, and take another format or size");
    }

    /**
     * What the driver makes of a request for images. Changes nothing. The other buffers are asked for with pitches in
     * the same proportion: some hardware has one pitch for all planes, and its driver listens to that of the first
     * (mxc_isi_format_try of imx8-isi-video.c).
     */
    VideoFormat answer(BufferType type, Image image, int lines, int buffer, long pitch) throws CenallocException {
        var pitches = new long[image.format().buffers()];
        long least = tightestPitch(image, buffer);
        for (int i = 0; i < pitches.length; i++) {
            pitches[i] = i == buffer ? pitch : Math.ceilDiv(pitch * tightestPitch(image, i), least);
        }
        VideoFormat answer = VideoFormat.request(type, image, lines, pitches).tried(file);
        if (answer.holds(image) && answer.buffers() != pitches.length) {
            throw strange("the driver says that " + image + " lies in " + Count.of(answer.buffers(), "buffer")
                    + ", and it lies in " + pitches.length);
        }
        return answer;
    }
}
