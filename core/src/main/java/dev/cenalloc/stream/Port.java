package dev.cenalloc.stream;

import dev.cenalloc.CenallocException;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.Overlap.Kind;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * One end of a stream of images at a device: which it gives or takes, and which memory it takes for them. A camera and a
 * display have one; what converts images has two, of the same device, and both may take part in one negotiation, if one pool
 * of buffers goes all the way. Immutable; owns nothing. Ports of declared devices need no device node.
 */
public final class Port {
    /** What a device asks of memory, known once the layout is. */
    public interface Terms {
        /**
         * {@return the device, with what memory it takes for such a layout} May try it out.
         *
         * @param layout where the image would lie
         * @throws CenallocException EINVAL or the like if it takes no such images or no memory for them, which rules them out;
         *     EACCES, EPERM, ENOENT, ENODEV, EMFILE if the device is out of reach, which ends the negotiation
         */
        Device device(Layout layout) throws CenallocException;
    }

    private final String name;
    private final List<ImageRange> images;
    private final Terms terms;

    private Port(String name, List<ImageRange> images, Terms terms) {
        this.name = Objects.requireNonNull(name);
        this.images = List.copyOf(images);
        this.terms = terms;
    }

    /**
     * {@return a port of a device whose constraints are the same for all its images}
     *
     * @param declared the device
     * @param images what it gives or takes, in its own order of preference; with none, no negotiation succeeds
     */
    public static Port of(Device declared, List<ImageRange> images) {
        return of(declared.name(), images, _ -> declared);
    }

    /**
     * {@return a port of a device whose constraints depend on the layout}
     *
     * @param name what explanations call the device
     * @param images what it gives or takes, in its own order of preference; with none, no negotiation succeeds
     * @param terms asked for the device during a negotiation
     */
    public static Port of(String name, List<ImageRange> images, Terms terms) {
        return new Port(name, images, terms);
    }

    /** {@return what explanations call the device} */
    public String name() {
        return name;
    }

    /** {@return the images that the device gives or takes here, in its own order of preference} */
    public List<ImageRange> images() {
        return images;
    }

    /** The kinds of its images, of what is wished for. */
    Set<Kind> kinds(ImageRequest wish) {
        return images.stream()
                .map(Kind::of)
                .filter(kind -> wish.allows(kind.format()))
                .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /** This port with no other images than those of a format. */
    Port only(PixelFormat format) {
        return new Port(
                name, images.stream().filter(range -> range.format() == format).toList(), terms);
    }

    /**
     * {@return the device, with what memory it takes for a layout}
     *
     * @param layout where the image would lie
     * @throws CenallocException as {@link Terms#device}
     */
    public Device device(Layout layout) throws CenallocException {
        return terms.device(layout);
    }

    @Override
    public String toString() {
        return name + images.stream().map(ImageRange::toString).collect(Collectors.joining("; ", ": ", ""));
    }
}
