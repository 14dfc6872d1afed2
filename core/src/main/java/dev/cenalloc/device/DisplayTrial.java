// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.Layout;
import dev.cenalloc.node.Closing;
import dev.cenalloc.node.Refusal;
import dev.cenalloc.node.drm.DrmImporter;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Heap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Finds out with one small buffer whether a display takes memory of any heap at all: some drivers set modes and import
 * nothing. That proves nothing about larger buffers, which {@link Probe#device} is for.
 */
final class DisplayTrial {
    /** Pixels of an icon, and lines; every display has room for it. */
    private static final int SIZE = 64;

    private final Cenalloc cenalloc;
    private final DrmImporter card;

    DisplayTrial(Cenalloc cenalloc, DrmImporter card) {
        this.cenalloc = cenalloc;
        this.card = card;
    }

    /**
     * Why it takes no memory; empty if it takes some, or if none could be offered.
     *
     * @throws CenallocException if the driver failed for another reason than the memory
     */
    Optional<String> objection() throws CenallocException {
        Layout layout = icon().orElse(null);
        if (layout == null) {
            List<String> others = card.otherFormats(true);
            return Optional.of("a display that shows no linear format known here"
                    + (others.isEmpty() ? "" : ", but " + String.join(", ", others)));
        }
        long size = card.prepare(layout);
        Map<String, List<String>> refusals = new LinkedHashMap<>();
        for (Heap heap : cenalloc.plan(size, List.of()).candidates()) {
            try {
                Refusal refusal = offer(heap, size).orElse(null);
                // What it says of the image is no matter here: another size may do.
                if (refusal == null || refusal.ofImage()) {
                    return Optional.empty();
                }
                refusals.merge(
                        refusal.toString(),
                        List.of(heap.name()),
                        (some, more) ->
                                Stream.concat(some.stream(), more.stream()).toList());
            } catch (CenallocException e) {
                if (e.errno() == Errno.EBUSY || e.errno() == Errno.ENODEV) {
                    throw e;
                }
                // No memory, or no permission: another heap may do.
            } catch (IllegalStateException e) {
                // Unregistered meanwhile.
                if (cenalloc.heaps().contains(heap)) {
                    throw e;
                }
            }
        }
        return refusals.isEmpty()
                ? Optional.empty()
                : Optional.of("a display that takes no memory of any heap: " + words(refusals));
    }

    private Optional<Refusal> offer(Heap heap, long size) throws CenallocException {
        var buffers = List.of(cenalloc.allocate(heap, size));
        try {
            return card.offer(buffers);
        } finally {
            Closing.all(buffers);
        }
    }

    private static String words(Map<String, List<String>> refusals) {
        return String.join(
                "; ",
                refusals.entrySet().stream()
                        .map(entry -> entry.getKey() + " for " + String.join(", ", entry.getValue()))
                        .toList());
    }

    /** A small image that it shows. */
    private Optional<Layout> icon() throws CenallocException {
        return card.scanouts().stream()
                .flatMap(scanout -> scanout.images().stream())
                .filter(range ->
                        range.modifier() == Image.LINEAR && range.format().buffers() == 1)
                .map(DisplayTrial::icon)
                .findFirst();
    }

    private static Layout icon(ImageRange range) {
        ImageRange.Sizes sizes = range.sizes();
        int width = Math.clamp(SIZE, sizes.minWidth(), sizes.maxWidth());
        int height = Math.clamp(SIZE, sizes.minHeight(), sizes.maxHeight());
        return Demand.ofImage(new Image(range.format(), width, height))
                .layout(Constraints.NONE)
                .orElseThrow();
    }
}
