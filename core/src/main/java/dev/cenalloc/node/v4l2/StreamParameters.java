// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_captureparm;
import dev.cenalloc.bindings.v4l2.v4l2_fract;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_input;
import dev.cenalloc.bindings.v4l2.v4l2_outputparm;
import dev.cenalloc.bindings.v4l2.v4l2_streamparm;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/** What V4L2 knows of a stream beside its images: the rate, and the signal at the input. Stateless. */
public final class StreamParameters {
    // V4L2_IN_ST_* of videodev2.h, in the order in which they are told.
    private static final int NO_POWER = 0x1;
    private static final int NO_SIGNAL = 0x2;
    private static final int NO_SYNC = 0x10000;
    private static final int NO_LOCK = 0x100 | 0x200 | 0x400;

    private StreamParameters() {}

    /**
     * Sets the rate.
     *
     * @return the rate that came out; empty if the driver does not tell, or has no rate to set
     * @throws CenallocException with the errno of the driver
     */
    public static Optional<FrameRate> setRate(VideoNode video, VideoQueue queue, FrameRate rate)
            throws CenallocException {
        DeviceNode node = video.node();
        try (Arena call = Arena.ofConfined()) {
            MemorySegment parameters = v4l2_streamparm.allocate(call);
            v4l2_streamparm.type(parameters, queue.code());
            MemorySegment kind = v4l2_streamparm.parm(parameters);
            MemorySegment interval = queue.isOutput()
                    ? v4l2_outputparm.timeperframe(v4l2_streamparm.parm.output(kind))
                    : v4l2_captureparm.timeperframe(v4l2_streamparm.parm.capture(kind));
            // Both fit into 32 bits, in proportion.
            int shift = Math.max(0, Integer.SIZE + 1 - Long.numberOfLeadingZeros(rate.frames() | rate.seconds()));
            v4l2_fract.numerator(interval, (int) Math.max(1, rate.seconds() >> shift));
            v4l2_fract.denominator(interval, (int) Math.max(1, rate.frames() >> shift));
            int result = node.tryIoctl(v4l2_h.VIDIOC_S_PARM(), parameters);
            // Optional in V4L2: a camera of fixed rate refuses it.
            if (result == -Errno.ENOTTY || result == -Errno.EINVAL) {
                return Optional.empty();
            }
            if (result < 0) {
                throw node.failure(-result, "VIDIOC_S_PARM");
            }
            long numerator = Integer.toUnsignedLong(v4l2_fract.numerator(interval));
            long denominator = Integer.toUnsignedLong(v4l2_fract.denominator(interval));
            return numerator == 0 || denominator == 0
                    ? Optional.empty()
                    : Optional.of(FrameRate.ofInterval(numerator, denominator));
        }
    }

    /**
     * What is wrong with the signal at the current input of a camera, in words; empty if nothing is, or it does not
     * tell.
     */
    public static Optional<String> inputProblem(VideoNode video) {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment index = call.allocate(ValueLayout.JAVA_INT);
            MemorySegment input = v4l2_input.allocate(call);
            if (video.node().tryIoctl(v4l2_h.VIDIOC_G_INPUT(), index) < 0) {
                return Optional.empty();
            }
            v4l2_input.index(input, index.get(ValueLayout.JAVA_INT, 0));
            if (video.node().tryIoctl(v4l2_h.VIDIOC_ENUMINPUT(), input) < 0) {
                return Optional.empty();
            }
            int status = v4l2_input.status(input);
            String name = v4l2_input.name(input).getString(0);
            if ((status & NO_POWER) != 0) {
                return Optional.of("input " + name + " has no power");
            }
            if ((status & NO_SIGNAL) != 0) {
                return Optional.of("input " + name + " has no signal");
            }
            return (status & (NO_SYNC | NO_LOCK)) != 0
                    ? Optional.of("input " + name + " has a signal that it cannot lock to")
                    : Optional.empty();
        }
    }
}
