// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * How the compositor gets the images of frames: it {@linkplain Buffers imports their memory}, or {@linkplain Copies they
 * are copied}. Closed by its {@link Window}. For one thread at a time.
 */
abstract class Delivery {
    /** What giving a frame back failed with; told by the next call of the program that may fail so. */
    private @Nullable Exception failure;

    /** What the compositor takes, in its order of preference. */
    abstract List<ImageRange> images();

    /** The formats without a name here. */
    abstract List<String> others();

    /** The formats that it takes with a modifier of {@link #images}. */
    Set<PixelFormat> formats(long modifier) {
        return images().stream()
                .filter(range -> range.modifier() == modifier)
                .map(ImageRange::format)
                .collect(Collectors.toSet());
    }

    /** Finds out what memory is needed. */
    abstract Port.Terms terms();

    /**
     * Gets ready for the frames of a ring in place of those before. If it fails, nothing has changed.
     *
     * @param where how the compositor is to know the images
     */
    abstract void use(Ring next, Layout where) throws CenallocException;

    /** The ring in use. */
    abstract Ring ring();

    /** Whether the compositor has this frame. */
    abstract boolean has(Frame frame);

    /** How many frames, or copies of them, the compositor has. */
    abstract int held();

    /** Whether the compositor has so many images that it must release one before it gets another. */
    abstract boolean isFull();

    /** Shows a frame; if this throws, it stays the caller's. */
    abstract void show(Frame frame, Surface surface) throws CenallocException;

    /** How many frames were copied. */
    abstract long copied();

    /** The connection has ended: nobody reads the frames any more. */
    abstract void giveAllBack();

    /** Releases what this has of its own, after {@link #giveAllBack}. */
    abstract void close();

    /** Gives a frame back to its stream; what that fails with is told later. */
    final void giveBack(Frame frame) {
        try {
            frame.close();
        } catch (CenallocException | RuntimeException e) {
            if (failure == null) {
                failure = e;
            } else {
                failure.addSuppressed(e);
            }
        }
    }

    /** Tells, once, what giving frames back failed with. */
    final void checkGivenBack() throws CenallocException {
        Exception told = failure;
        failure = null;
        switch (told) {
            case null -> {}
            case CenallocException e -> throw e;
            case RuntimeException e -> throw e;
            default -> throw new IllegalStateException(told);
        }
    }

    static IllegalStateException notReady() {
        return new IllegalStateException("no ring is in use: call use(ring) first");
    }
}
