package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Devices that cannot exchange images (EINVAL): they have none in common, and {@link #clash()} tells who is to blame; or there is no
 * memory for those that they have in common, and {@link #rejected()} tells why.
 */
public final class NoCommonImageException extends CenallocException {
    private static final long serialVersionUID = 1;

    /**
     * Images that all have in common, and that will not do.
     *
     * @param image one of them
     * @param rate at which they would have come
     * @param plans of the image's buffers, those that were made; the {@link Plan#conflict} of the last tells who is to blame. Empty if a
     *     device takes no such images after all, or nothing lays them out
     * @param reason why not, in words
     */
    public record Rejection(Image image, Rate rate, List<Plan> plans, String reason) {
        /** Copies the list. */
        public Rejection {
            plans = List.copyOf(plans);
        }

        @Override
        public String toString() {
            return image + " at " + rate + " (" + reason + ")";
        }
    }

    /** Not serialised. */
    private final transient @Nullable Clash clash;

    /** Not serialised. */
    private final transient @Nullable List<Rejection> rejected;

    NoCommonImageException(Clash clash) {
        super(
                Errno.EINVAL,
                "negotiate",
                null,
                -1,
                clash.toString(),
                clash.wish().isPresent()
                        ? "wish for something that they have, or for less"
                        : clash.ports().size() == 1
                                ? "see whether its driver lacks something that it waits for, such as a signal"
                                : "put a device between them that converts, or the CPU");
        this.clash = clash;
        this.rejected = List.of();
    }

    NoCommonImageException(List<Rejection> rejected) {
        super(
                Errno.EINVAL,
                "negotiate",
                null,
                -1,
                "no memory suits the images in common: "
                        + rejected.stream().map(Rejection::toString).collect(Collectors.joining(", ")),
                "leave one of the devices out, or copy between two buffers");
        this.clash = null;
        this.rejected = List.copyOf(rejected);
    }

    /** {@return the smallest set of ports that clash; empty if they have images in common, and in a copy that was serialised} */
    public Optional<Clash> clash() {
        return Optional.ofNullable(clash);
    }

    /** {@return the images in common, best first, each with what speaks against it; empty in a copy that was serialised} */
    public List<Rejection> rejected() {
        return rejected == null ? List.of() : rejected;
    }
}
