package dev.cenalloc.stream;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.plan.Plan;
import java.util.List;

/**
 * Images that all have in common, and that will not do.
 *
 * @param image one of them
 * @param rate at which they would have come
 * @param plans of the image's buffers, those that were made; the {@link Plan#conflict} of the last tells who is to blame. Empty if a
 *     device takes no such images after all, or nothing lays them out
 * @param reason why not, in words
 */
public record ImageRejection(Image image, FrameRate rate, List<Plan> plans, String reason) {
    /** Copies the list. */
    public ImageRejection {
        plans = List.copyOf(plans);
    }

    @Override
    public String toString() {
        return image + " at " + rate + " (" + reason + ")";
    }
}
