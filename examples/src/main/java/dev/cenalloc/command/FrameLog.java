// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.CenallocException;
import dev.cenalloc.command.proc.Count;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Frame;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * Tells of the frames that go through a process: a line for each, or for programs a document for each, and in the end
 * how many. For one thread.
 */
final class FrameLog {
    private final Answer answer;
    private final String verb;

    private long frames;
    private long missing;
    private long firstNanos;
    private long lastNanos;
    /** The number that the next frame has if none is missing; -1 before the first of a stream. */
    private long next = -1;

    /** @param verb what happens to a frame here, such as "received" */
    FrameLog(Answer answer, String verb) {
        this.answer = answer;
        this.verb = verb;
    }

    /** A checksum of an image: of the bytes of its lines, plane by plane, wherever they lie. */
    static String checksum(Frame frame) throws CenallocException {
        var sum = new CRC32();
        List<Layout> layouts = frame.layouts();
        try (var pixels = frame.access(Direction.READ)) {
            for (int part = 0; part < layouts.size(); part++) {
                Layout layout = layouts.get(part);
                for (int plane = 0; plane < layout.planes().size(); plane++) {
                    for (int row = 0; row < layout.rows(plane); row++) {
                        sum.update(layout.row(pixels.segment(part), plane, row).asByteBuffer());
                    }
                }
            }
        }
        return HexFormat.of().toHexDigits(sum.getValue(), 8);
    }

    /** Tells what happens to the stream. */
    void event(String text) {
        answer.say(text);
        answer.put("event", text);
        endPart();
    }

    /** Tells that frames come from somewhere from now on; their numbers begin anew. */
    void begin(Image image, String from, Map<String, ?> described) {
        next = -1;
        answer.say(image + " from " + from);
        var stream = new LinkedHashMap<String, Object>(described);
        stream.put("image", image);
        answer.put("stream", stream);
        endPart();
    }

    /** Counts a frame. */
    void count(long sequence) {
        if (next >= 0 && sequence > next) {
            missing += sequence - next;
        }
        next = sequence + 1;
        lastNanos = System.nanoTime();
        if (frames++ == 0) {
            firstNanos = lastNanos;
        }
    }

    /** Tells of a frame; what is null is not known, or was not asked for. */
    void tell(long sequence, long timestampNanos, @Nullable String checksum, @Nullable Path file) {
        answer.say("frame " + sequence + (checksum == null ? "" : ": " + checksum)
                + (file == null ? "" : (checksum == null ? ": " : ", ") + file));
        var frame = new LinkedHashMap<String, @Nullable Object>();
        frame.put("sequence", sequence);
        frame.put("timestampNanos", timestampNanos > 0 ? timestampNanos : null);
        frame.put("crc32", checksum);
        frame.put("file", file);
        answer.put("frame", frame);
        endPart();
    }

    long frames() {
        return frames;
    }

    /** Tells how many frames there were. */
    void end() {
        double seconds = (lastNanos - firstNanos) / 1e9;
        double rate = frames < 2 ? 0 : (frames - 1) / seconds;
        answer.say("%s %s, %.2f a second; %d missing by their numbers"
                .formatted(Count.of(frames, "frame"), verb, rate, missing));
        answer.put("frames", frames);
        answer.put("missing", missing);
        answer.put("framesPerSecond", rate);
    }

    private void endPart() {
        if (answer.isJson()) {
            answer.endPart();
        }
    }
}
