// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Devices cannot exchange images (EINVAL). Either they have none in common: {@link #conflict()} names the ports in
 * conflict. Or there is no memory for the images in common: {@link #rejected()} says why for each.
 */
public final class NoCommonImageException extends CenallocException {
    private static final long serialVersionUID = 1;

    /** Not serialised. */
    private final transient @Nullable ImageConflict conflict;

    /** Not serialised. */
    private final transient @Nullable List<ImageRejection> rejected;

    NoCommonImageException(ImageConflict conflict) {
        super(Errno.EINVAL, "negotiate", null, -1, conflict.toString(), remedy(conflict));
        this.conflict = conflict;
        this.rejected = List.of();
    }

    private static String remedy(ImageConflict conflict) {
        if (conflict.request().isPresent()) {
            return "request an image that the devices have, or leave format and size open";
        }
        if (conflict.blending().isPresent()) {
            return "if " + conflict.blending().get().name()
                    + " may ignore alpha, negotiate with Port.ignoringAlpha() of"
                    + " its port; else add a device between them that converts";
        }
        if (conflict.ports().size() > 1) {
            return "add a device between them that converts, or let the CPU convert";
        }
        return conflict.ports().getFirst().otherFormats().isEmpty()
                ? "check whether the driver waits for something, such as a signal"
                : "add a device that decodes or converts its formats, or another camera";
    }

    /**
     * There is no memory.
     *
     * @param leftOut the formats without a name here, in words
     */
    NoCommonImageException(List<ImageRejection> rejected, String remedy, List<String> leftOut) {
        super(
                Errno.EINVAL,
                "negotiate",
                null,
                -1,
                "no memory suits the images in common: "
                        + ImageRejection.groups(rejected).stream()
                                .map(ImageRejection::words)
                                .collect(Collectors.joining("; "))
                        + leftOut.stream()
                                .map(formats -> "; left out: " + formats)
                                .collect(Collectors.joining()),
                remedy);
        this.conflict = null;
        this.rejected = List.copyOf(rejected);
    }

    /**
     * {@return the smallest set of ports in conflict; empty if they have images in common, and in a copy that was
     * serialised}
     */
    public Optional<ImageConflict> conflict() {
        return Optional.ofNullable(conflict);
    }

    /**
     * {@return the images in common, best first, each with the reason against it; empty in a copy that was serialised}
     */
    public List<ImageRejection> rejected() {
        return rejected == null ? List.of() : rejected;
    }
}
