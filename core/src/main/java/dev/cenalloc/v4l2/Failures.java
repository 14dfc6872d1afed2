// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.node.v4l2.StreamParameters;
import dev.cenalloc.node.v4l2.VideoNode;
import dev.cenalloc.node.v4l2.VideoQueue;
import dev.cenalloc.text.Count;
import java.nio.file.Path;
import java.util.Optional;

/** What the errnos of a stream mean, as exceptions. Stateless. */
final class Failures {
    private Failures() {}

    /** For a call that failed. */
    static CenallocException of(VideoNode video, int errno, String call) {
        Path node = video.node().path();
        return switch (errno) {
            case Errno.EPIPE ->
                call.equals("VIDIOC_STREAMON")
                        ? new CenallocException(
                                errno,
                                call,
                                node,
                                -1,
                                "the formats along the media pipeline of " + video.name() + " do not match",
                                "set them up, for example with media-ctl")
                        : new StreamEndedException(call, node);
            case Errno.EIO -> new DamagedStreamException(call, node, brokenBy(video));
            case Errno.ENOLINK, Errno.ENODATA, Errno.ENOLCK ->
                new NoSignalException(
                        errno,
                        call,
                        node,
                        StreamParameters.inputProblem(video)
                                .orElse(video.name() + " has no signal, or the links to its sensor are not set up"));
            default -> video.node().failure(errno, call);
        };
    }

    /** For an event of poll that is no frame. */
    static CenallocException ofPoll(VideoNode video) {
        return new DamagedStreamException("poll", video.node().path(), brokenBy(video));
    }

    private static String brokenBy(VideoNode video) {
        return video.name() + " reports an error with its stream";
    }

    /** For a time that is over. */
    static CenallocException noFrame(VideoNode video, VideoQueue queue, int lent, String holders, String remedy) {
        Path node = video.node().path();
        Optional<String> problem = queue.isOutput() ? Optional.empty() : StreamParameters.inputProblem(video);
        return problem.isPresent()
                ? new NoSignalException(Errno.ETIMEDOUT, "poll", node, problem.get())
                : new NoFrameException(
                        node,
                        video.name() + " gave no frame in time, with " + lent + " of its "
                                + Count.of(queue.frames(), "frame") + " lent" + holders,
                        remedy);
    }
}
