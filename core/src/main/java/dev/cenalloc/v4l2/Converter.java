// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.node.Closing;
import dev.cenalloc.node.v4l2.VideoNode.Kind;
import dev.cenalloc.node.v4l2.VideoQueue;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A V4L2 device that reads images from memory and writes others to memory: a scaler, a decoder, an image processor. Its
 * node is open as long as this is; closed by the caller. For one thread at a time.
 *
 * <p>{@linkplain Agreement#negotiate Negotiate} with the ports {@link #input()} and {@link #output()}, {@link
 * #configure}, {@link #use} a ring for each and {@link #start()}. Then {@link #put} a frame of another stream, such as
 * a camera's, and take the converted one with {@link #next}. In steady state a frame takes five system calls
 * (VIDIOC_QBUF, poll and two VIDIOC_DQBUF, VIDIOC_QBUF) and no Java objects.
 *
 * <p>Negotiate at both ports, and configure, before you allocate a ring: while one of them lends the converter's own
 * memory, nothing can be tried with either, and a driver whose output depends on its input refuses another format.
 */
public final class Converter implements AutoCloseable {
    private final VideoDevice device;
    /** Works on the ring of another stream, whose frames it is given. */
    private final FrameQueue input;

    private final FrameQueue output;

    /** The frames that it reads, by index. */
    private @Nullable Frame[] reading = {};
    /** What their loans were: a frame that was given back by the caller, and lent again, is another. */
    private long[] loans = {};

    private int inFlight;

    private Converter(VideoDevice device) {
        this.device = device;
        this.input = device.queue(true);
        this.output = device.queue(false);
    }

    /**
     * Opens a converter.
     *
     * @param cenalloc whose heaps are offered to it in a negotiation; it stays the caller's
     * @param node such as {@code /dev/video0}
     * @return a converter without formats, which the caller closes
     * @throws NoPermissionException EACCES, EPERM: this process may not open the node
     * @throws MissingDeviceException ENOENT: there is no such node
     * @throws CenallocException ENOTTY: it is no V4L2 node; EINVAL: it is no converter, and the message says what it
     *     is; EBUSY: another program has it, and the driver lets only one open it; else the errno of the driver
     */
    public static Converter open(Cenalloc cenalloc, Path node) throws CenallocException {
        return new Converter(VideoDevice.open(cenalloc, node, Kind.CONVERTER));
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
    public Port input() throws CenallocException {
        return device.port(input);
    }

    /**
     * {@return the port at which it gives images} As {@link Camera#port()} otherwise. What it gives may depend on what
     * it takes: drivers tell that once the input is configured.
     *
     * @throws IllegalStateException if closed
     * @throws DeviceGoneException ENODEV: it was unplugged
     * @throws CenallocException with the errno of the driver
     */
    public Port output() throws CenallocException {
        return device.port(output);
    }

    /**
     * Sets format and size of what it takes, then of what it gives. It gives up the rings that it uses. May be called
     * again after {@link #stop}.
     *
     * @param taken on the images that it takes
     * @param given on the images that it gives; may be the same agreement
     * @throws IllegalStateException if it streams or is closed, or the CPU accesses a frame
     * @throws FormatChangedException EINVAL: the driver has no such images, or lays them out in another way
     * @throws DeviceGoneException ENODEV: it was unplugged
     * @throws CenallocException as {@link Camera#configure}
     */
    public void configure(Agreement taken, Agreement given) throws CenallocException {
        Objects.requireNonNull(taken, "taken");
        Objects.requireNonNull(given, "given");
        device.requireOpen();
        input.configure(taken);
        output.configure(given);
    }

    /**
     * Uses the buffers of two rings, in place of those that it had. It uses them until it is configured anew, gets
     * another ring or is closed; a ring that is closed before that gives its memory back only then.
     *
     * @param taken of the stream whose frames it is given; it stays the caller's
     * @param given for what it gives, another ring; it stays the caller's
     * @throws IllegalArgumentException if a ring is for other images than it is configured for, or it is one ring
     * @throws IllegalStateException as {@link Camera#use}
     * @throws DeviceGoneException ENODEV: it was unplugged
     * @throws CenallocException as {@link Camera#use}
     */
    public void use(Ring taken, Ring given) throws CenallocException {
        Objects.requireNonNull(taken, "taken");
        Objects.requireNonNull(given, "given");
        device.requireOpen();
        if (taken == given) {
            throw new IllegalArgumentException("a converter reads one ring and writes another: allocate two");
        }
        input.check(taken);
        output.check(given);
        input.use(taken);
        reading = new Frame[taken.size()];
        loans = new long[taken.size()];
        inFlight = 0;
        output.use(given);
    }

    /**
     * Starts the stream. Can be called again after {@link #stop}.
     *
     * @throws IllegalStateException if it streams, has no rings or is closed
     * @throws FormatChangedException EINVAL: another program changed the format since it was configured
     * @throws DeviceGoneException ENODEV: it was unplugged
     * @throws CenallocException EBUSY: it is in use; else the errno of the driver. It does not stream then
     */
    public void start() throws CenallocException {
        device.requireOpen();
        output.requireReady();
        input.startReading();
        boolean started = false;
        try {
            output.start(true);
            started = true;
        } finally {
            if (!started) {
                input.endForGood();
            }
        }
    }

    /**
     * Has it read a frame, which is the converter's from now on: it is given back to its stream when it has been read.
     * The converted frame has its timestamp. Does not block.
     *
     * @param frame of the ring that the input uses, lent, and without an open access of the CPU
     * @throws IllegalArgumentException if it is a frame of another ring
     * @throws IllegalStateException if the frame is not lent, or this does not stream
     * @throws DeviceGoneException ENODEV: it was unplugged
     * @throws CenallocException with the errno of the driver. The frame stays the caller's
     */
    public void put(Frame frame) throws CenallocException {
        Objects.requireNonNull(frame, "frame");
        input.requireStreaming();
        if (!input.uses(frame)) {
            throw new IllegalArgumentException("the frame is of another ring than the one that the input uses");
        }
        if (!frame.isLent()) {
            throw new IllegalStateException("frame " + frame.index() + " was given back");
        }
        int index = frame.index();
        if (reading[index] != null) {
            throw new IllegalStateException("frame " + index + " is being read");
        }
        int result = input.queue().queue(index, frame.timestampNanos());
        if (result < 0) {
            throw input.failure(-result, "VIDIOC_QBUF");
        }
        reading[index] = frame;
        loans[index] = frame.loans();
        inFlight++;
        if (frame.memory().isLent()) { // else the program took it back, and the driver has it all the same
            frame.handTo(device.name());
        }
    }

    /**
     * Waits for the next converted frame, and gives frames that have been read back to their stream. Blocks, and pins
     * the carrier of a virtual thread meanwhile. If it throws, the stream still runs and this can be called again,
     * unless the list of exceptions says otherwise.
     *
     * @param timeout how long to wait at most, positive, in steps of a millisecond
     * @return a frame, borrowed: the caller closes it, so that the converter writes to it again
     * @throws IllegalArgumentException if the timeout is not positive
     * @throws IllegalStateException if it does not stream, or all of its frames are lent
     * @throws NoFrameException ETIMEDOUT: the time is over; put a frame, wait again, or give up
     * @throws DamagedStreamException EIO: the driver reports an error; 100 damaged frames came in a row
     * @throws StreamEndedException EPIPE: there are no more frames
     * @throws DeviceGoneException ENODEV: it was unplugged; close it
     * @throws CenallocException with the errno of the driver, of this or of the stream that a frame is given back to
     */
    public Frame next(Duration timeout) throws CenallocException {
        long left = FrameQueue.nanos(timeout);
        output.requireFrame();
        VideoFrame frame = output.await(left);
        try {
            giveBackRead();
        } catch (CenallocException | RuntimeException | Error e) {
            if (frame != null) {
                giveBack(frame, e);
            }
            throw e;
        }
        if (frame != null) {
            return frame;
        }
        throw output.noFrame("put a frame, or wait longer");
    }

    /** Gives back a frame that cannot be returned; a failure of that is told beside the one before. */
    private static void giveBack(VideoFrame frame, Throwable because) {
        try {
            frame.close();
        } catch (CenallocException e) {
            because.addSuppressed(e);
        }
    }

    /** Gives back what has been read: a frame a call, and all of them if more are under way. */
    private void giveBackRead() throws CenallocException {
        VideoQueue queue = input.queue();
        while (inFlight > 0) {
            int index = queue.dequeue();
            if (index == -Errno.EAGAIN) {
                return;
            }
            if (index < 0) {
                throw input.failure(-index, "VIDIOC_DQBUF");
            }
            giveBack(index);
            if (inFlight == 1) {
                return;
            }
        }
    }

    private void giveBack(int index) throws CenallocException {
        Frame frame = reading[index];
        reading[index] = null;
        inFlight--;
        if (frame != null && frame.isLent() && frame.loans() == loans[index]) {
            frame.close();
        }
    }

    /**
     * Stops the stream. Frames that it reads are given back to their stream; those that it lent throw from now on. Does
     * nothing if it does not stream.
     *
     * @throws IllegalStateException if the CPU accesses a frame that it reads: that frame stays the caller's, and the
     *     stream has ended
     * @throws DeviceGoneException ENODEV: it was unplugged; the stream has ended
     * @throws CenallocException with the errno of the driver, of this or of the stream that a frame is given back to;
     *     the stream counts as ended
     */
    public void stop() throws CenallocException {
        var stopping = new ArrayList<AutoCloseable>();
        stopping.add(input::stop);
        stopping.add(output::stop);
        for (int i = 0; i < reading.length; i++) {
            int index = i;
            if (reading[index] != null) {
                stopping.add(() -> giveBack(index));
            }
        }
        Closing.all(stopping);
    }

    /**
     * Ends the stream, closes the node and lets go of the rings. Frames that it reads are given back to their stream.
     * Idempotent.
     *
     * @throws IllegalStateException if the CPU accesses a frame: all but its memory is released. The caller closes the
     *     access, calls this again, and gives a frame that this was to read back to its stream
     */
    @Override
    public void close() {
        try {
            stop();
        } catch (CenallocException e) {
            // The node, or that of the other stream, tells the same at the next use.
        } finally {
            closeAll();
        }
    }

    private void closeAll() {
        try {
            Closing.all(List.<AutoCloseable>of(device, input::close, output::close));
        } catch (CenallocException e) {
            throw new IllegalStateException(e); // none of them throws it
        }
    }

    @Override
    public String toString() {
        return device.toString();
    }
}
