// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A node of a V4L2 or DRM device, as {@link Devices#list} found it. Immutable; holds nothing open.
 *
 * @param kind what the device is for
 * @param name what explanations and profiles call the device: driver and bus, the same from boot to boot
 * @param driver the name of the driver; empty if it is unknown
 * @param bus where the device is, such as {@code platform:vivid-000} or {@code 0000:00:02.0}; empty if it is unknown
 * @param node the device node, such as {@code /dev/video0}; its number may change with the next boot
 * @param stablePath a link to the node that keeps its name from boot to boot, below {@code /dev/v4l/by-path} or
 *     {@code /dev/dri/by-path}; empty if there is none
 * @param reason why the node cannot be used: access is denied, it is busy, it has no video in buffers; empty if it can
 *     be used
 */
public record DeviceInfo(
        Kind kind,
        String name,
        String driver,
        String bus,
        Path node,
        Optional<Path> stablePath,
        Optional<String> reason) {
    /** What a device is for. */
    public enum Kind {
        /** A V4L2 device that gives images: a camera, a frame grabber, a receiver. */
        CAMERA("a camera"),
        /** A V4L2 device that takes images and gives others: a scaler, an encoder or decoder of raw images. */
        CONVERTER("a converter"),
        /** A V4L2 device that takes images. */
        OUTPUT("an output"),
        /** A DRM card with display outputs and atomic mode setting. Whether a screen is connected is not looked at. */
        DISPLAY("a display"),
        /** A DRM render node, or a card without displays or without atomic mode setting. */
        RENDER("a render device"),
        /** None of these, or unknown, since the node could not be opened: {@link #reason} says which. */
        OTHER("a device of another kind");

        private final String words;

        Kind(String words) {
            this.words = words;
        }

        /** The kind with its article. */
        String words() {
            return words;
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Checks that nothing is null. */
    public DeviceInfo {
        Objects.requireNonNull(kind, "kind");
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(driver, "driver");
        Objects.requireNonNull(bus, "bus");
        Objects.requireNonNull(node, "node");
        Objects.requireNonNull(stablePath, "stablePath");
        Objects.requireNonNull(reason, "reason");
    }

    /** This device, with a reason why it cannot be used; null for none. */
    DeviceInfo withReason(@Nullable String why) {
        return new DeviceInfo(kind, name, driver, bus, node, stablePath, Optional.ofNullable(why));
    }

    /** {@return whether the node could be opened and has images in buffers; {@link #reason} says why not} */
    public boolean isUsable() {
        return reason.isEmpty();
    }

    @Override
    public String toString() {
        return kind + " " + name + " (" + node + ")"
                + reason.map(why -> ", not usable: " + why).orElse("");
    }
}
