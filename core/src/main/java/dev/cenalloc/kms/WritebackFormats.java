// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.node.drm.Card;
import dev.cenalloc.node.drm.Scanout;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What a driver says that it writes back, the format of the pictures, and in words what is left out. Which memory does
 * is tried by showing it, so the format must be one that can be shown. A value.
 *
 * @param written by the word of the driver
 * @param mode in use
 * @param shown of the formats that are written, those that can be shown
 */
record WritebackFormats(Card.Writeback written, Scanout.Mode mode, List<PixelFormat> shown) {
    static WritebackFormats of(Card.Writeback written, Scanout.Mode mode, Scanout scanout) {
        return new WritebackFormats(
                written,
                mode,
                written.formats().stream()
                        .filter(format -> scanout.shows(new Image(format, mode.width(), mode.height())))
                        .toList());
    }

    /** The format of the pictures; empty if none can be shown. */
    Optional<PixelFormat> best() {
        return shown.stream().min(Comparator.comparing(format -> format != PixelFormat.XR24));
    }

    /** All formats of the driver, in words. */
    String all() {
        String all = Stream.concat(
                        written.formats().stream().map(PixelFormat::toString),
                        written.otherFormats().stream().map(other -> other + " (unknown here)"))
                .collect(Collectors.joining(", "));
        return all.isEmpty() ? "none" : all;
    }

    /** The sizes of the driver's modes, in words. */
    String sizes() {
        return written.modes().isEmpty()
                ? "no mode"
                : written.modes().stream()
                        .map(listed -> listed.width() + "x" + listed.height())
                        .distinct()
                        .collect(Collectors.joining(", "));
    }

    /** The formats with a name here that pictures do not have, in lines that each begin a new line. */
    String leftOut() {
        return leftOut(
                        written.formats().stream().filter(format -> !shown.contains(format)),
                        "the plane does not show that, and memory is tried by showing it")
                + leftOut(
                        shown.stream().filter(format -> !best().equals(Optional.of(format))),
                        "pictures have one format, which is XR24 if it can be");
    }

    private static String leftOut(Stream<PixelFormat> formats, String reason) {
        String names = formats.map(PixelFormat::toString).collect(Collectors.joining(", "));
        return names.isEmpty() ? "" : "\n  left out: " + names + ", since " + reason;
    }

    /** What the driver says of its modes that cannot be; the mode in use is tried all the same. */
    List<String> doubts() {
        var doubts = new ArrayList<>(written.doubts());
        if (written.modes().stream()
                .noneMatch(listed -> listed.width() == mode.width() && listed.height() == mode.height())) {
            doubts.add("its writeback lists no mode of " + mode.width() + "x" + mode.height()
                    + ", and pictures have the size of the mode in use");
        }
        return doubts;
    }
}
