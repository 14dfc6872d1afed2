package dev.cenalloc.stream;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Devices that cannot exchange images (EINVAL): they have none in common, and {@link #conflict()} tells who is to blame; or there is no
 * memory for those that they have in common, and {@link #rejected()} tells why.
 */
public final class NoCommonImageException extends CenallocException {
    private static final long serialVersionUID = 1;

    /** Not serialised. */
    private final transient @Nullable ImageConflict conflict;

    /** Not serialised. */
    private final transient @Nullable List<ImageRejection> rejected;

    NoCommonImageException(ImageConflict conflict) {
        super(
                Errno.EINVAL,
                "negotiate",
                null,
                -1,
                conflict.toString(),
                conflict.wish().isPresent()
                        ? "wish for something that they have, or for less"
                        : conflict.ports().size() == 1
                                ? "see whether its driver lacks something that it waits for, such as a signal"
                                : "put a device between them that converts, or the CPU");
        this.conflict = conflict;
        this.rejected = List.of();
    }

    NoCommonImageException(List<ImageRejection> rejected) {
        super(
                Errno.EINVAL,
                "negotiate",
                null,
                -1,
                "no memory suits the images in common: "
                        + rejected.stream().map(ImageRejection::toString).collect(Collectors.joining(", ")),
                "leave one of the devices out, or copy between two buffers");
        this.conflict = null;
        this.rejected = List.copyOf(rejected);
    }

    /** {@return the smallest set of ports that conflict; empty if they have images in common, and in a copy that was serialised} */
    public Optional<ImageConflict> conflict() {
        return Optional.ofNullable(conflict);
    }

    /** {@return the images in common, best first, each with what speaks against it; empty in a copy that was serialised} */
    public List<ImageRejection> rejected() {
        return rejected == null ? List.of() : rejected;
    }
}
