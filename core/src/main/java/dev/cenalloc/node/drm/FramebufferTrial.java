// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Finds out which layouts a driver makes framebuffers of, whatever the memory: in memory of its own (dumb buffers).
 * Gives all back. Stateless.
 */
final class FramebufferTrial {
    /** More than any driver is known to want. */
    private static final long LARGEST_PITCH_ALIGNMENT = 4096;

    private enum Answer {
        TAKEN,
        REFUSED,
        /** Not found out, for want of memory. */
        NO_MEMORY
    }

    private FramebufferTrial() {}

    /**
     * Refuses images in several buffers if the driver makes framebuffers of one buffer only, as those of Intel and AMD
     * do. It tells no reason, so it is offered both in memory of its own: in one buffer it takes the planes, in several
     * it does not.
     */
    static void requirePlanesApart(Card card, Layout wanted) throws CenallocException {
        Image image = wanted.image();
        PixelFormat format = image.format().withPlanesTogether().orElseThrow();
        Demand together = Demand.ofImage(new Image(format, image.width(), image.height(), image.modifier()));
        // A driver with a rule for pitches takes the second.
        for (long alignment : new long[] {alignment(wanted), LARGEST_PITCH_ALIGNMENT}) {
            Constraints aligned = Constraints.NONE.pitchAlignment(alignment);
            Answer apart = answer(card, layouts(image, aligned));
            if (apart == Answer.TAKEN) {
                return;
            }
            if (apart == Answer.REFUSED
                    && answer(card, List.of(together.layout(aligned).orElseThrow())) == Answer.TAKEN) {
                throw new CenallocException(
                        Errno.EINVAL,
                        Framebuffer.ADD,
                        card.node().path(),
                        -1,
                        card.name() + " makes no framebuffer of planes in several buffers, as those of "
                                + image.format() + " are; it does of planes in one",
                        "take images of " + format + ", or let a device convert");
            }
        }
    }

    /** Of each buffer of an image, the tightest layout that satisfies constraints. */
    private static List<Layout> layouts(Image image, Constraints wanted) {
        return IntStream.range(0, image.format().buffers())
                .mapToObj(buffer -> Demand.ofImage(image, buffer).layout(wanted).orElseThrow())
                .toList();
    }

    /**
     * A layout of one buffer, among those of the others, which have pitches as well aligned.
     *
     * @param one of a linear image, if that has other buffers
     */
    static List<Layout> withOthers(Layout one) {
        if (one.image().format().buffers() == 1) {
            return List.of(one);
        }
        var all = new ArrayList<>(layouts(one.image(), Constraints.NONE.pitchAlignment(alignment(one))));
        all.set(one.buffer(), one);
        return all;
    }

    /** A power of two that divides the pitches. */
    private static long alignment(Layout layout) {
        return Math.min(
                LARGEST_PITCH_ALIGNMENT,
                layout.planes().stream()
                        .mapToLong(plane -> Long.lowestOneBit(plane.pitch()))
                        .min()
                        .orElseThrow());
    }

    /**
     * Which pitches the driver takes, if it is the pitch that it refused; else nothing. It tells no rule, so each power
     * of two is tried, with a pitch that is no multiple of a larger one; then the same with one pitch for all planes.
     */
    static Constraints pitches(Card card, Layout refused) {
        Image image = refused.image();
        if (image.modifier() != Image.LINEAR || answer(card, withOthers(refused)) != Answer.REFUSED) {
            return Constraints.NONE; // it is the memory that was refused, or has no lines
        }
        for (long alignment = 2; alignment <= LARGEST_PITCH_ALIGNMENT; alignment *= 2) {
            var padded = new ArrayList<Layout>();
            for (int buffer = 0; buffer < image.format().buffers(); buffer++) {
                padded.add(padded(Demand.ofImage(image, buffer), alignment));
            }
            if (answer(card, padded) == Answer.TAKEN) {
                return Constraints.NONE.pitchAlignment(alignment);
            }
        }
        // Last, since a larger pitch of the narrow planes may happen to be aligned, too.
        for (long alignment = 1; alignment <= LARGEST_PITCH_ALIGNMENT; alignment *= 2) {
            Constraints equal = Constraints.NONE.equalPitches().pitchAlignment(alignment);
            if (answer(card, layouts(image, equal)) == Answer.TAKEN) {
                return equal;
            }
        }
        return Constraints.NONE;
    }

    /** With a pitch that is a multiple of a power of two, and of no larger one. */
    private static Layout padded(Demand demand, long alignment) {
        Constraints aligned = Constraints.NONE.pitchAlignment(alignment);
        Layout padded = demand.layout(aligned).orElseThrow();
        long narrowest = narrowest(padded);
        return narrowest / alignment % 2 == 0
                ? demand.layout(aligned.minPitch(narrowest + 1)).orElseThrow()
                : padded;
    }

    /** Whether the driver makes a framebuffer of an image with such layouts. */
    private static Answer answer(Card card, List<Layout> tried) {
        DeviceNode node = card.node();
        var handles = new ArrayList<Integer>();
        try (Arena arena = Arena.ofConfined()) {
            for (Layout one : tried) {
                int handle = DumbBuffer.tryCreate(node, arena, one.size());
                if (handle < 0) {
                    return Answer.NO_MEMORY;
                }
                handles.add(handle);
            }
            int id = Framebuffer.tryAdd(card, arena, handles, tried);
            if (id >= 0) {
                new Framebuffer(node, id).close();
            }
            return id >= 0 ? Answer.TAKEN : id == -Errno.ENOMEM ? Answer.NO_MEMORY : Answer.REFUSED;
        } finally {
            handles.forEach(handle -> Framebuffer.release(node, handle));
        }
    }

    private static long narrowest(Layout layout) {
        return layout.planes().stream().mapToLong(Layout.Plane::pitch).min().orElseThrow();
    }
}
