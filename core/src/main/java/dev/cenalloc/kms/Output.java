// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.image.ImageRange;
import dev.cenalloc.node.drm.Scanout;
import java.util.List;
import java.util.Objects;

/**
 * A connector of a display with a screen on it, as it was when the display was opened. A value.
 *
 * @param name of the connector, such as {@code HDMI-A-1}; unique on a card
 * @param widthMm of the screen, in millimetres; 0 if it is not known
 * @param heightMm of the screen, in millimetres; 0 if it is not known
 * @param isVirtual whether the screen exists in the driver only
 * @param modes of the screen, at least one, in the driver's order
 * @param images that its primary plane takes
 */
public record Output(
        String name, int widthMm, int heightMm, boolean isVirtual, List<Mode> modes, List<ImageRange> images) {
    /** Makes it immutable. */
    public Output {
        Objects.requireNonNull(name, "name");
        modes = List.copyOf(Objects.requireNonNull(modes, "modes"));
        images = List.copyOf(Objects.requireNonNull(images, "images"));
    }

    static Output of(Scanout scanout) {
        return new Output(
                scanout.name(),
                scanout.widthMm(),
                scanout.heightMm(),
                scanout.isVirtual(),
                scanout.modes().stream().map(Mode::of).toList(),
                scanout.images());
    }

    @Override
    public String toString() {
        return name;
    }
}
