// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.node.v4l2.VideoNode.Kind;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;

/**
 * A V4L2 device that captures images, with images in one buffer or in several. Its node is open as long as this is;
 * closed by the caller. For one thread at a time; different cameras are independent.
 *
 * <p>The shortest way, with buffers of its own:
 *
 * {@snippet :
 * try (var cenalloc = Cenalloc.open();
 *         var camera = Camera.open(cenalloc, Path.of("/dev/video0"), ImageRequest.ANY.size(640, 480).rate(30))) {
 *     camera.start();
 *     try (Frame frame = camera.next(Duration.ofSeconds(1));
 *             var pixels = frame.access(Direction.READ)) {
 *         System.out.println(pixels.layout() + " in " + pixels.segment());
 *     }
 * }
 * }
 *
 * <p>To share the images with other devices, {@linkplain Agreement#negotiate negotiate} with the {@link #port()} and
 * theirs, {@link #configure}, {@linkplain Ring#allocate allocate a ring} and {@link #use} it; or {@link #lend} the
 * camera's own memory. Then {@link #start()}; {@link #next} and {@link Frame#close} by turns; {@link #stop}. In steady
 * state a frame takes three system calls (poll, VIDIOC_DQBUF, VIDIOC_QBUF) and no Java objects.
 */
public final class Camera implements AutoCloseable {
    /** Of the ring that it allocates itself: two to fill by turns, one that the program reads, one to spare. */
    private static final int OWN_FRAMES = 4;

    private final VideoDevice device;
    private final FrameQueue frames;

    private Camera(VideoDevice device) {
        this.device = device;
        this.frames = device.queue(false);
    }

    /**
     * Opens a camera.
     *
     * @param cenalloc whose heaps are offered to it in a negotiation; it stays the caller's
     * @param node such as {@code /dev/video0}
     * @return a camera without a format, which the caller closes
     * @throws NoPermissionException EACCES, EPERM: this process may not open the node
     * @throws MissingDeviceException ENOENT: there is no such node
     * @throws CenallocException ENOTTY: it is no V4L2 node; EINVAL: it captures nothing, and the message says what it
     *     is; EBUSY: another program has it, and the driver lets only one open it; else the errno of the driver
     */
    public static Camera open(Cenalloc cenalloc, Path node) throws CenallocException {
        return new Camera(VideoDevice.open(cenalloc, node, Kind.CAMERA));
    }

    /**
     * Opens a camera, and makes it ready for {@link #start()}: it is configured for the best images that it has of
     * those that are requested, and has a ring of 4 frames of its own, in memory that suits it.
     *
     * @param cenalloc whose heaps the memory comes from; it stays the caller's
     * @param node such as {@code /dev/video0}
     * @param request which images; {@link ImageRequest#ANY} leaves it to the camera
     * @return a camera, which the caller closes, with its ring
     * @throws NoCommonImageException EINVAL: the camera has no such images
     * @throws CenallocException as {@link #open(Cenalloc, Path)}, {@link #configure} and {@link #use}; nothing stays
     *     open
     */
    public static Camera open(Cenalloc cenalloc, Path node, ImageRequest request) throws CenallocException {
        Objects.requireNonNull(request, "request");
        Camera camera = open(cenalloc, node);
        boolean ready = false;
        try {
            Agreement agreement = Agreement.negotiate(cenalloc, request, List.of(camera.port()));
            camera.configure(agreement);
            camera.frames.useOwn(Ring.allocate(cenalloc, agreement, OWN_FRAMES));
            ready = true;
            return camera;
        } finally {
            if (!ready) {
                camera.close();
            }
        }
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
     * {@return the port at which it gives images, in memory of the heaps, or if none suits, of its own} Reads formats,
     * sizes and rates, and changes nothing. In a negotiation, memory is offered to the camera, with the node that is
     * open; while it streams or lends its own memory, nothing can be tried, and nothing is known of the memory.
     *
     * @throws IllegalStateException if closed
     * @throws DeviceGoneException ENODEV: it was unplugged
     * @throws CenallocException with the errno of the driver
     */
    public Port port() throws CenallocException {
        return device.port(frames);
    }

    /**
     * {@return the port at which it gives images, in memory of its own: see {@link #lend}} In a negotiation, no memory
     * is offered to it. As {@link #port()} otherwise.
     *
     * @throws IllegalStateException if closed
     * @throws CenallocException as {@link #port()}
     */
    public Port exports() throws CenallocException {
        return device.exports(frames);
    }

    /**
     * Sets format, size and rate. The camera gives up a ring that it uses. The rate is approached: {@link #rate()}
     * tells what came out. May be called again after {@link #stop}, for other images, without closing.
     *
     * @param agreement on images that this camera has
     * @throws IllegalStateException if it streams or is closed, or the CPU accesses a frame
     * @throws FormatChangedException EINVAL: the driver has no such images, or lays them out in another way
     * @throws DeviceGoneException ENODEV: it was unplugged
     * @throws CenallocException EINVAL: the driver refuses the images; EBUSY: another program streams; else the errno
     *     of the driver
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
     * {@return how many images a second it gives, by its own word; if it does not tell, how many were agreed on}
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
     * @param ring of an agreement on the images that it is configured for; it stays the caller's. The ring that it
     *     lends is in use already
     * @throws IllegalArgumentException if the ring is for other images
     * @throws IllegalStateException if it streams, is not configured or is closed; if the ring is closed
     * @throws DeviceGoneException ENODEV: it was unplugged
     * @throws CenallocException EINVAL: the driver takes no dma-bufs, or not this number of frames; EBUSY: another
     *     program has buffers there; else the errno of the driver
     */
    public void use(Ring ring) throws CenallocException {
        device.requireOpen();
        frames.use(ring);
    }

    /**
     * Has the driver allocate memory of its own, exports it (VIDIOC_EXPBUF), and uses it, in place of the buffers that
     * it had.
     *
     * @param agreement on the images that it is configured for, with {@link #exports} among the ports
     * @param count how many frames, from 1 to 32; the driver may give more
     * @return the frames, which the caller closes
     * @throws IllegalArgumentException if the count is out of its range, or the agreement is on other images
     * @throws IllegalStateException as {@link #use}
     * @throws DeviceGoneException ENODEV: it was unplugged
     * @throws CenallocException EINVAL, ENOTTY: the driver has no memory of its own, or does not export it; EBUSY: its
     *     memory is of no use to another device of the agreement, or another program has buffers there; ENOMEM; else
     *     the errno of the driver
     */
    public Ring lend(Agreement agreement, int count) throws CenallocException {
        device.requireOpen();
        return frames.lend(device.cenalloc(), agreement, count);
    }

    /**
     * {@return the buffers that it uses}
     *
     * @throws IllegalStateException if it has none
     */
    public Ring ring() {
        return frames.ring();
    }

    /**
     * Starts to fill all frames of its ring. Can be called again after {@link #stop}.
     *
     * @throws IllegalStateException if it streams, has no ring or is closed
     * @throws NoSignalException ENOLINK, ENODATA, ENOLCK: there is nothing to capture
     * @throws FormatChangedException EINVAL: another program changed the format since it was configured
     * @throws DeviceGoneException ENODEV: it was unplugged
     * @throws CenallocException EBUSY: another program streams; ENOSPC: the bus has no bandwidth left; else the errno
     *     of the driver. It does not stream then
     */
    public void start() throws CenallocException {
        device.requireOpen();
        frames.start(true);
    }

    /**
     * Waits for the next frame. Damaged frames are passed over, unless {@link #acceptDamaged} says otherwise. Blocks,
     * and pins the carrier of a virtual thread meanwhile. If it throws, the stream still runs and this can be called
     * again, unless the list of exceptions says otherwise.
     *
     * @param timeout how long to wait at most, positive, in steps of a millisecond
     * @return a frame, borrowed: the caller closes it, so that the camera fills it again
     * @throws IllegalArgumentException if the timeout is not positive
     * @throws IllegalStateException if it does not stream, or all of its frames are lent
     * @throws NoFrameException ETIMEDOUT: the time is over; wait again, or give up
     * @throws NoSignalException ETIMEDOUT: the time is over, and the input has no signal
     * @throws DamagedStreamException EIO: the driver reports an error; 100 damaged frames came in a row. Stop and start
     *     it
     * @throws StreamEndedException EPIPE: there are no more frames
     * @throws FormatChangedException EINVAL: the driver puts the image elsewhere in the buffer than was agreed on
     * @throws DeviceGoneException ENODEV: it was unplugged; close it
     * @throws CenallocException with the errno of the driver
     */
    public Frame next(Duration timeout) throws CenallocException {
        long left = FrameQueue.nanos(timeout);
        frames.requireFrame();
        VideoFrame frame = frames.await(left);
        if (frame != null) {
            return frame;
        }
        throw frames.noFrame("wait longer; give frames back sooner");
    }

    /**
     * Says whether {@link #next} returns damaged frames too; if not, which is so at first, they count as dropped.
     *
     * @param accepted whether it does
     */
    public void acceptDamaged(boolean accepted) {
        frames.acceptDamaged(accepted);
    }

    /**
     * Says whether {@link #next} returns frames with bytes before the image, as some multi-planar drivers give them; if
     * not, which is so at first, they are a {@link FormatChangedException}, since neither the layout nor other devices
     * know of them.
     *
     * @param accepted whether it does; then {@link #headerBytes} tells how many
     */
    public void acceptHeaders(boolean accepted) {
        frames.acceptHeaders(accepted);
    }

    /**
     * {@return the bytes before the image in a buffer of a frame; the planes of the layout lie behind them}
     *
     * @param frame of this camera
     * @param buffer which of the frame's buffers, from 0
     * @throws IllegalArgumentException if it is no frame of this camera
     * @throws IndexOutOfBoundsException if there is no such buffer
     */
    public long headerBytes(Frame frame, int buffer) {
        Objects.requireNonNull(frame, "frame");
        if (frame instanceof VideoFrame ours && ours.isOf(frames)) {
            return ours.headerBytes(buffer);
        }
        throw new IllegalArgumentException("the frame is not of " + name());
    }

    /** {@return how many frames were lost since {@link #start}: captured when no buffer was free, or damaged} */
    public long dropped() {
        return frames.dropped();
    }

    /**
     * Stops the stream. Frames that are lent are the camera's again: they throw from now on. Does nothing if it does
     * not stream.
     *
     * @throws DeviceGoneException ENODEV: it was unplugged; the stream has ended
     * @throws CenallocException with the errno of the driver; the stream counts as ended
     */
    public void stop() throws CenallocException {
        frames.stop();
    }

    /**
     * Ends the stream, closes the node, lets go of the ring, and closes one of its own. Idempotent.
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
