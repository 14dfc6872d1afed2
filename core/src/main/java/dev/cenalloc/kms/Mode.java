// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.node.drm.Scanout;
import java.util.Objects;

/**
 * One size and rate of a screen. A value.
 *
 * @param width in pixels
 * @param height in lines
 * @param refresh how often a second, as the driver rounds it
 * @param isPreferred whether the screen prefers it
 */
public record Mode(int width, int height, FrameRate refresh, boolean isPreferred) {
    /** Checks that nothing is null. */
    public Mode {
        Objects.requireNonNull(refresh, "refresh");
    }

    static Mode of(Scanout.Mode mode) {
        return new Mode(mode.width(), mode.height(), mode.refresh(), mode.isPreferred());
    }

    @Override
    public String toString() {
        return width + "x" + height + " at " + refresh + " Hz";
    }
}
