// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.image.ImageRange;
import java.util.List;
import java.util.Objects;

/**
 * Hardware that scans out one image; several lie one above the other on a screen. A value.
 *
 * @param id the kernel's number for it
 * @param kind what it is meant for
 * @param images that it takes
 */
public record Plane(int id, Kind kind, List<ImageRange> images) {
    /** What a plane is meant for. */
    public enum Kind {
        /** The image below all others; a screen has one. */
        PRIMARY,
        /** An image above it. */
        OVERLAY,
        /** A mouse pointer; most hardware takes a few small sizes only. */
        CURSOR
    }

    /** Makes it immutable. */
    public Plane {
        Objects.requireNonNull(kind, "kind");
        images = List.copyOf(Objects.requireNonNull(images, "images"));
    }
}
