package dev.cenalloc.stream;

import dev.cenalloc.CenallocException;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.Overlap.Kind;
import dev.cenalloc.text.Printable;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One end of a stream of images at a device: the images that it gives or takes, and the memory that it needs for them.
 * A camera and a display have one port. A converter has two ports of the same device; both may take part in one
 * negotiation if one ring of buffers passes through. Immutable; owns nothing. Ports of declared devices need no device
 * node.
 */
public final class Port {
    /** Formats in {@link #toString}; a camera may have dozens. */
    private static final int SHOWN = 4;

    /** Tells what memory a device needs for a layout. */
    public interface Terms {
        /**
         * {@return the device, with its constraints for such a layout} May try imports, and block for as long.
         *
         * @param layout where the image lies
         * @throws CenallocException EINVAL or the like if the device takes no such images or no memory for them: the
         *     negotiation goes on with other images. EACCES, EPERM, ENOENT, ENODEV, EMFILE if the device cannot be
         *     reached: the negotiation ends
         */
        Device device(Layout layout) throws CenallocException;

        /**
         * {@return the device, with its constraints for such a layout in another device's own memory} A device that can
         * be offered the buffers is offered them. Another one has the same constraints as for any memory.
         *
         * @param layout where the image lies in each buffer
         * @param offer the buffers
         * @throws CenallocException as {@link #device(Layout)}
         */
        default Device device(Layout layout, DeviceMemory.Offer offer) throws CenallocException {
            return device(layout);
        }
    }

    private final String name;
    private final List<ImageRange> images;
    /** Formats without a name here. */
    private final List<String> otherFormats;

    private final Terms terms;
    private final @Nullable DeviceMemory memory;

    private Port(
            String name,
            List<ImageRange> images,
            List<String> otherFormats,
            Terms terms,
            @Nullable DeviceMemory memory) {
        this.name = Objects.requireNonNull(name, "name");
        if (name.isBlank()) {
            throw new IllegalArgumentException("name must not be blank");
        }
        Objects.requireNonNull(images, "images")
                .forEach(range -> Objects.requireNonNull(range, "an element of images"));
        this.images = List.copyOf(images);
        this.otherFormats = List.copyOf(otherFormats);
        this.terms = Objects.requireNonNull(terms, "terms");
        this.memory = memory;
    }

    /**
     * {@return a port of a device whose constraints are the same for all images}
     *
     * @param declared the device
     * @param images what it gives or takes, in its order of preference; without any, every negotiation fails
     */
    public static Port of(Device declared, List<ImageRange> images) {
        return of(Objects.requireNonNull(declared, "declared").name(), images, _ -> declared);
    }

    /**
     * {@return a port of a device whose constraints depend on the layout}
     *
     * @param name what explanations call the device
     * @param images what it gives or takes, in its order of preference; without any, every negotiation fails
     * @param terms asked for the device during a negotiation
     * @throws IllegalArgumentException if the name is blank
     */
    public static Port of(String name, List<ImageRange> images, Terms terms) {
        return new Port(name, images, List.of(), terms, null);
    }

    /**
     * {@return this port, of a device that has memory of its own, too} A negotiation uses it if no heap suits.
     *
     * @param own the memory
     */
    public Port withMemory(DeviceMemory own) {
        return new Port(name, images, otherFormats, terms, Objects.requireNonNull(own, "own"));
    }

    /**
     * {@return this port, of a device that has formats without a {@link PixelFormat}, too} They take no part in a
     * negotiation; the message of one that fails names them.
     *
     * @param others the formats, as the kernel calls them, such as {@code "MJPG"}
     */
    public Port withOtherFormats(List<String> others) {
        return new Port(name, images, Objects.requireNonNull(others, "others"), terms, memory);
    }

    /** {@return what explanations call the device} */
    public String name() {
        return name;
    }

    /** {@return the images that the device gives or takes here, in its order of preference} */
    public List<ImageRange> images() {
        return images;
    }

    /** The formats without a name here, in words; empty if there are none. */
    String otherFormats() {
        return otherFormats.isEmpty() ? "" : "unknown here: " + String.join(", ", otherFormats);
    }

    /** The kinds of images that satisfy a request. */
    Set<Kind> kinds(ImageRequest request) {
        return images.stream()
                .map(Kind::of)
                .filter(kind -> request.allows(kind.format()))
                .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /** This port with the images of one format only. */
    Port only(PixelFormat format) {
        return new Port(
                name, images.stream().filter(range -> range.format() == format).toList(), List.of(), terms, memory);
    }

    /**
     * {@return the device, with its constraints for a layout}
     *
     * @param layout where the image lies
     * @throws CenallocException as {@link Terms#device}
     */
    public Device device(Layout layout) throws CenallocException {
        return terms.device(Objects.requireNonNull(layout, "layout"));
    }

    /** The device, with its constraints for a layout in another device's own memory. */
    Device device(Layout layout, DeviceMemory.Offer offer) throws CenallocException {
        return terms.device(layout, offer);
    }

    /** {@return the device's own memory; empty if it has none that it exports} */
    public Optional<DeviceMemory> memory() {
        return Optional.ofNullable(memory);
    }

    /** {@return the name and the first formats; {@link #images} has all} */
    @Override
    public String toString() {
        List<String> kinds = images.stream()
                .map(range -> Kind.of(range).toString())
                .distinct()
                .toList();
        String more = kinds.size() > SHOWN ? " and " + (kinds.size() - SHOWN) + " more formats" : "";
        return Printable.of(name) + ": "
                + (kinds.isEmpty() ? "no format" : String.join(", ", kinds.subList(0, Math.min(SHOWN, kinds.size()))))
                + more;
    }
}
