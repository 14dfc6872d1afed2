// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.stream.Overlap.Kind;
import dev.cenalloc.text.Printable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;

/**
 * Images that all ports have in common, and for which there is no memory. Immutable.
 *
 * @param image the image
 * @param rate images a second
 * @param plans of the image's buffers, as many as were made; the {@link Plan#conflict} of the last names the devices in
 *     conflict. Empty if a device refuses such images after all, or if they have no linear layout
 * @param reason why there is no memory, in words
 */
public record ImageRejection(Image image, FrameRate rate, List<Plan> plans, String reason) {
    /** Sizes in a message. */
    private static final int SHOWN = 3;

    /** Characters of a reason in a message; {@link #reason} has all. */
    private static final int MOST = 400;

    /** Copies the list, and escapes control characters in the text. */
    public ImageRejection {
        Objects.requireNonNull(image, "image");
        Objects.requireNonNull(rate, "rate");
        reason = Printable.of(Objects.requireNonNull(reason, "reason"));
        plans = List.copyOf(Objects.requireNonNull(plans, "plans"));
    }

    @Override
    public String toString() {
        return image + " at " + rate + " (" + reason + ")";
    }

    /** The reason without what differs from image to image of the same device: the image, and bytes. */
    private String commonReason() {
        return reason.replace(image.toString(), "").replaceAll("[0-9]+ bytes", "");
    }

    /** Rejections with the same reason together, in the order of the first of each. */
    static List<List<ImageRejection>> groups(List<ImageRejection> rejections) {
        Map<String, List<ImageRejection>> groups = new LinkedHashMap<>();
        for (ImageRejection rejection : rejections) {
            groups.computeIfAbsent(rejection.commonReason(), _ -> new ArrayList<>())
                    .add(rejection);
        }
        return List.copyOf(groups.values());
    }

    /** Images with the same reason, which is told once. */
    static String words(List<ImageRejection> group) {
        Map<String, List<String>> formats = new LinkedHashMap<>();
        for (ImageRejection rejection : group) {
            Image image = rejection.image;
            formats.computeIfAbsent(
                            ImageRange.Sizes.of(image.width(), image.height()) + " at " + rejection.rate,
                            _ -> new ArrayList<>())
                    .add(new Kind(image.format(), image.modifier()).toString());
        }
        String reason = group.getFirst().reason;
        return formats.entrySet().stream()
                        .limit(SHOWN)
                        .map(entry -> String.join(", ", entry.getValue()) + " " + entry.getKey())
                        .collect(Collectors.joining(", "))
                + (formats.size() > SHOWN ? " and " + (formats.size() - SHOWN) + " other sizes" : "")
                + " (" + (reason.length() > MOST ? reason.substring(0, MOST) + "…" : reason) + ")";
    }
}
