// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.CenallocException;
import java.time.Duration;

/**
 * What shows the frames of a stream: the screen of a display that this program controls, or a window on the desktop of
 * another. {@code dev.cenalloc.device.Sinks} opens what this machine has. Closed by the caller. For one thread at a
 * time; every use after the close throws {@link IllegalStateException}.
 */
public interface FrameSink extends AutoCloseable {
    /** {@return what explanations call it} */
    String name();

    /** {@return the images that it shows, for a negotiation} During the negotiation it is offered memory, and shows none. */
    Port port();

    /**
     * Gets ready to show the frames of a ring, in place of those of the ring before. Blocks until the other side has
     * answered.
     *
     * @param ring of images that it takes; it stays the caller's
     * @throws IllegalArgumentException if it has no such images
     * @throws CenallocException EINVAL: it does not take the memory, and nothing has changed; else with the errno of
     *     the other side
     */
    void use(Ring ring) throws CenallocException;

    /**
     * Shows a frame, which belongs to it from now on, until it gives the frame back to its stream. If this throws, the
     * frame stays the caller's. Waits for the frame before, so that frames are shown at most at the rate of the screen.
     * Allocates nothing where frames are shared.
     *
     * @param frame lent by the stream that fills the ring in use. The CPU must not access it any more
     * @throws IllegalArgumentException if it is a frame of a ring of another agreement
     * @throws IllegalStateException if no ring is in use, or the frame is not lent, or was shown already
     * @throws CenallocException if it cannot be shown; or with the errno of the stream that another frame goes back to
     */
    void show(Frame frame) throws CenallocException;

    /**
     * Waits until the last frame that was shown is on the screen, and gives back those that are not any more. A program
     * that shows no frames for a while calls this: a compositor takes a window that does not answer for dead.
     *
     * @param timeout how long at most
     * @return whether it is; false at once if it never will be, and of a window that is hidden, no frame ever is
     * @throws CenallocException as {@link #show}
     */
    boolean awaitShown(Duration timeout) throws CenallocException;

    /** {@return how many frames have come on the screen, as far as is known; 0 if a compositor does not tell} */
    long flips();

    /**
     * {@return how many frames never came on the screen, since the other side took a later one or hides the window; as
     * far as is known}
     */
    long discarded();

    /**
     * {@return when the last of the {@link #flips} was, in nanoseconds of the monotonic clock ({@link
     * System#nanoTime}); 0 before the first, and if a compositor does not tell}
     */
    long lastFlipNanos();

    /** {@return the number of the refresh at which that was, which grows by one each refresh; 0 if it is not told} */
    long lastFlipSequence();

    /** {@return whether somebody wants it closed, as far as is known; of a screen, nobody does} The program decides. */
    boolean isCloseRequested();

    /** {@return how many frames the CPU had to copy, since the other side takes no dma-bufs; 0 where frames are shared} */
    long copied();

    /**
     * Takes the frames from the screen and gives them back. Idempotent.
     *
     * @throws CenallocException with the errno of a stream that a frame goes back to; everything is closed all the same
     */
    @Override
    void close() throws CenallocException;
}
