// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.node.v4l2.VideoNode.Kind;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.nio.file.Path;
import java.time.Duration;

/**
 * A V4L2 device that shows images, such as a television output. Its node is open as long as this is; closed by the
 * caller. For one thread at a time.
 *
 * <p>{@linkplain Agreement#negotiate Negotiate} with the {@link #port()}, {@link #configure}, {@link #use} a ring and
 * {@link #start()}; then {@link #next} gives an empty frame to draw into, and {@link Frame#close} queues it, to be
 * shown after those that were queued before. In steady state a frame takes three system calls (poll, VIDIOC_DQBUF,
 * VIDIOC_QBUF) and no Java objects. Many drivers show nothing before two frames are queued: a ring has at least three.
 */
public final class VideoOutput implements AutoCloseable {
    private final VideoDevice device;
    private final FrameQueue frames;
    /** Of the ring, so many frames were lent since the start; the others are empty still. */
    private int used;
    /** Frames that were lent since the start. */
    private long count;

    private VideoOutput(VideoDevice device) {
        this.device = device;
        this.frames = device.queue(true);
    }

    /**
     * Opens a video output.
     *
     * @param cenalloc whose heaps are offered to it in a negotiation; it stays the caller's
     * @param node such as {@code /dev/video0}
     * @return an output without a format, which the caller closes
     * @throws NoPermissionException EACCES, EPERM: this process may not open the node
     * @throws MissingDeviceException ENOENT: there is no such node
     * @throws CenallocException ENOTTY: it is no V4L2 node; EINVAL: it is no output, and the message says what it is;
     *     EBUSY: another program has it, and the driver lets only one open it; else the errno of the driver
     */
    public static VideoOutput open(Cenalloc cenalloc, Path node) throws CenallocException {
        return new VideoOutput(VideoDevice.open(cenalloc, node, Kind.OUTPUT));
    }

    /** {@return what explanations and profiles call it: driver and place, which last from boot to boot} */
    public String name() {
        return device.name();
    }

    /** {@return the name of the driver} */
    public String driver() {
        return device.driver();
    }

    /** {@return the node} */
    public Path node() {
        return device.path();
    }

    /**
     * {@return the port at which it takes images} As {@link Camera#port()} otherwise.
     *
     * @throws IllegalStateException if closed
     * @throws DeviceGoneException ENODEV: it was unplugged
     * @throws CenallocException with the errno of the driver
     */
    public Port port() throws CenallocException {
        return device.port(frames);
    }

    /**
     * Sets format, size and rate. It gives up a ring that it uses. May be called again after {@link #stop}.
     *
     * @param agreement on images that this output takes
     * @throws IllegalStateException if it streams or is closed, or the CPU accesses a frame
     * @throws FormatChangedException EINVAL: the driver has no such images, or lays them out in another way
     * @throws DeviceGoneException ENODEV: it was unplugged
     * @throws CenallocException as {@link Camera#configure}
     */
    public void configure(Agreement agreement) throws CenallocException {
        device.requireOpen();
        frames.configure(agreement);
    }

    /**
     * {@return the images that it is configured for}
     *
     * @throws IllegalStateException if it is not configured
     */
    public Image image() {
        return frames.image();
    }

    /**
     * {@return how many images a second it shows, by its own word; if it does not tell, how many were agreed on}
     *
     * @throws IllegalStateException if it is not configured
     */
    public FrameRate rate() {
        return frames.rate();
    }

    /**
     * Uses the buffers of a ring, in place of those that it had. It uses them until it is configured anew, gets
     * another ring or is closed; a ring that is closed before that gives its memory back only then.
     *
     * @param ring of an agreement on the images that it is configured for; it stays the caller's
     * @throws IllegalArgumentException if the ring is for other images
     * @throws IllegalStateException as {@link Camera#use}
     * @throws CenallocException as {@link Camera#use}
     */
    public void use(Ring ring) throws CenallocException {
        device.requireOpen();
        frames.use(ring);
    }

    /**
     * Starts the stream, with all frames empty. Can be called again after {@link #stop}.
     *
     * @throws IllegalStateException if it streams, has no ring or is closed
     * @throws FormatChangedException EINVAL: another program changed the format since it was configured
     * @throws DeviceGoneException ENODEV: it was unplugged
     * @throws CenallocException EBUSY: another program streams; else the errno of the driver. It does not stream then
     */
    public void start() throws CenallocException {
        device.requireOpen();
        frames.start(false);
        used = 0;
        count = 0;
    }

    /**
     * Gives an empty frame to draw into, {@linkplain Frame#close closing} which has it shown: at first those of the
     * ring that were not used yet, which takes no system call, then the one that was shown. Blocks until one was, and
     * pins the carrier of a virtual thread meanwhile. The frame's number counts the calls; its timestamp tells when
     * what was in it before was shown, 0 if nothing was.
     *
     * @param timeout how long to wait at most, positive, in steps of a millisecond
     * @return a frame, borrowed: the caller closes it
     * @throws IllegalArgumentException if the timeout is not positive
     * @throws IllegalStateException if it does not stream, or all of its frames are lent
     * @throws NoFrameException ETIMEDOUT: the time is over; wait again, or give up
     * @throws DamagedStreamException EIO: the driver reports an error
     * @throws DeviceGoneException ENODEV: it was unplugged; close it
     * @throws CenallocException with the errno of the driver
     */
    public Frame next(Duration timeout) throws CenallocException {
        long left = FrameQueue.nanos(timeout);
        frames.requireFrame();
        if (used < frames.size()) {
            return frames.lend(used++, count++, 0, false);
        }
        long end = System.nanoTime() + left;
        while (left > 0) {
            int events = device.await(Linux.POLLOUT, left);
            int index = events == 0 ? FrameQueue.NONE : frames.takeIndex(events, Linux.POLLOUT);
            if (index != FrameQueue.NONE) {
                return frames.lend(index, count++, frames.queue().timestampNanos(), false);
            }
            left = events == 0 ? 0 : end - System.nanoTime();
        }
        throw frames.noFrame("close more frames, since many drivers wait for two; wait longer");
    }

    /**
     * Stops the stream: what was not shown yet is lost. Frames that are lent throw from now on. Does nothing if it does
     * not stream.
     *
     * @throws DeviceGoneException ENODEV: it was unplugged; the stream has ended
     * @throws CenallocException with the errno of the driver; the stream counts as ended
     */
    public void stop() throws CenallocException {
        frames.stop();
    }

    /**
     * Ends the stream, closes the node and lets go of the ring. Idempotent.
     *
     * @throws IllegalStateException if the CPU accesses a frame: all but its memory is released, and the caller closes
     *     the access and calls this again
     */
    @Override
    public void close() {
        frames.endForGood();
        device.close();
        frames.close();
    }

    @Override
    public String toString() {
        return device.toString();
    }
}
