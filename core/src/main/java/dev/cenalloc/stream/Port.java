// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.CenallocException;
import dev.cenalloc.image.Image;
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
import java.util.stream.Stream;
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
    /** Columns for formats without a name, in a line that says more. */
    private static final int WIDE = Printable.COLUMNS - 25;

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

        /**
         * {@return whether the device can be asked again, after it has thrown} If not, as where a connection has ended,
         * the negotiation ends with what was thrown, whatever its errno.
         */
        default boolean isReachable() {
            return true;
        }
    }

    private final String name;
    private final List<ImageRange> images;
    /** Of the images, in their order. */
    private final Set<Kind> kinds;

    /** Formats without a name here. */
    private final List<String> otherFormats;
    /** What the driver says that cannot be. */
    private final List<String> doubts;

    private final boolean ignoresAlpha;

    private final Terms terms;
    private final @Nullable DeviceMemory memory;

    private Port(
            String name,
            List<ImageRange> images,
            List<String> otherFormats,
            List<String> doubts,
            boolean ignoresAlpha,
            Terms terms,
            @Nullable DeviceMemory memory) {
        this.name = Objects.requireNonNull(name, "name");
        if (name.isBlank()) {
            throw new IllegalArgumentException("name must not be blank");
        }
        Objects.requireNonNull(images, "images")
                .forEach(range -> Objects.requireNonNull(range, "an element of images"));
        this.images = List.copyOf(images);
        this.kinds = this.images.stream().map(Kind::of).collect(Collectors.toCollection(LinkedHashSet::new));
        this.otherFormats = List.copyOf(otherFormats);
        this.doubts = List.copyOf(Objects.requireNonNull(doubts, "doubts"));
        this.ignoresAlpha = ignoresAlpha;
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
        return new Port(name, images, List.of(), List.of(), false, terms, null);
    }

    /**
     * {@return this port, of a device that has memory of its own, too} A negotiation uses it if no heap suits.
     *
     * @param own the memory
     */
    public Port withMemory(DeviceMemory own) {
        return new Port(name, images, otherFormats, doubts, ignoresAlpha, terms, Objects.requireNonNull(own, "own"));
    }

    /**
     * {@return this port, of a device that has formats without a {@link PixelFormat}, too} They take no part in a
     * negotiation; the message of one that fails names them.
     *
     * @param others the formats, as the kernel calls them, such as {@code "MJPG"}
     */
    public Port withOtherFormats(List<String> others) {
        return new Port(name, images, Objects.requireNonNull(others, "others"), doubts, ignoresAlpha, terms, memory);
    }

    /**
     * {@return this port, of a consumer that ignores alpha, such as an encoder} It takes images without alpha, such as
     * {@link PixelFormat#XR24}, too if it only lists the format with alpha, {@link PixelFormat#AR24}: it will find
     * undefined alpha there. Without this, such images are refused, since a device that blends would show what is below
     * them. No port needs this for the reverse: a device that takes {@code XR24} ignores the alpha of {@code AR24}.
     *
     * <p>The library's own ports are not said to, on purpose, since no driver tells: V4L2 has no question for it, and a
     * plane of a display blends unless its property {@code pixel blend mode} is {@code None}, which the library leaves
     * as it is. A program that knows its device says it here.
     */
    public Port ignoringAlpha() {
        return new Port(name, images, otherFormats, doubts, true, terms, memory);
    }

    /**
     * {@return this port, of a device whose driver says something of its images that cannot be} Explanations and
     * refusals tell it.
     *
     * @param strange what the driver says, in words, such as {@code "it lists the size 0x480 of YUYV, which is left
     *     out"}; each takes the place of those before
     */
    public Port withDoubts(List<String> strange) {
        return new Port(
                name, images, otherFormats, Objects.requireNonNull(strange, "strange"), ignoresAlpha, terms, memory);
    }

    /**
     * {@return this port, of a device whose constraints are known} Its driver is not tried with memory of heaps.
     * Another device's own memory is offered to it as before.
     *
     * @param known the device, which has the same constraints for all images
     */
    public Port withDevice(Device known) {
        Objects.requireNonNull(known, "known");
        return asking(_ -> known);
    }

    /**
     * {@return this port, of a device of which more is known than its driver tells} A trial cannot see a limit of
     * addresses, for example. The device has the constraints of both: see {@link Device#alsoSaying}. Another device's
     * own memory is offered to it as before; then what its driver takes counts alone.
     *
     * @param more what else is known of it
     */
    public Port knowing(Device more) {
        Objects.requireNonNull(more, "more");
        return asking(layout -> terms.device(layout).alsoSaying(more));
    }

    /** This port with other terms for memory of heaps. */
    private Port asking(Terms others) {
        Terms both = new Terms() {
            @Override
            public Device device(Layout layout) throws CenallocException {
                return others.device(layout);
            }

            @Override
            public Device device(Layout layout, DeviceMemory.Offer offer) throws CenallocException {
                return terms.device(layout, offer);
            }

            @Override
            public boolean isReachable() {
                return terms.isReachable();
            }
        };
        return new Port(name, images, otherFormats, doubts, ignoresAlpha, both, memory);
    }

    /** {@return what explanations call the device} */
    public String name() {
        return name;
    }

    /** {@return what the device's driver says of its images that cannot be, in words; empty if all can be} */
    public List<String> doubts() {
        return doubts;
    }

    /** {@return the images that the device gives or takes here, in its order of preference} */
    public List<ImageRange> images() {
        return images;
    }

    /**
     * {@return the device's formats that have no {@link PixelFormat}, as the kernel calls them} They take no part in a
     * negotiation.
     */
    public List<String> otherFormats() {
        return otherFormats;
    }

    /** The formats without a name here, in words; empty if there are none. */
    String unknownHere() {
        return otherFormats.isEmpty() ? "" : "unknown here: " + some(otherFormats, WIDE);
    }

    /** The formats of each port that have no name here, in words. */
    static List<String> leftOut(List<Port> ports) {
        return ports.stream()
                .filter(port -> !port.otherFormats.isEmpty())
                .map(port -> {
                    String of = " of " + port.name + ", unknown here";
                    return some(port.otherFormats, Math.max(WIDE / 2, WIDE - of.length())) + of;
                })
                .distinct()
                .toList();
    }

    /** As many as fit, at least one; the others are counted. */
    private static String some(List<String> words, int columns) {
        int shown = 1;
        int length = words.getFirst().length();
        while (shown < words.size() && length + 2 + words.get(shown).length() <= columns) {
            length += 2 + words.get(shown).length();
            shown++;
        }
        return String.join(", ", words.subList(0, shown))
                + (shown < words.size() ? " and " + (words.size() - shown) + " more" : "");
    }

    // ---- kinds of images ----

    /** The kinds of images that satisfy a request. */
    Set<Kind> kinds(ImageRequest request, boolean gives) {
        return kinds.stream()
                .flatMap(kind -> Stream.concat(
                        Stream.of(kind),
                        kind.withoutAlpha().filter(opaque -> !own(opaque, gives).equals(opaque)).stream()))
                .filter(kind -> request.allows(kind.format()))
                .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /**
     * As what the device lists images of a kind: the kind itself, or the one with alpha, if it lists only that. A
     * producer may fill in alpha that nobody reads. A consumer must ignore it.
     */
    Kind own(Kind kind, boolean gives) {
        return kinds.contains(kind) || !(gives || ignoresAlpha)
                ? kind
                : kind.withAlpha().filter(kinds::contains).orElse(kind);
    }

    /** The images of a kind. */
    List<ImageRange> images(Kind kind, boolean gives) {
        Kind own = own(kind, gives);
        return images.stream().filter(range -> Kind.of(range).equals(own)).toList();
    }

    /** This port with the images of one format only. */
    Port only(PixelFormat format, boolean gives) {
        return new Port(
                name,
                images.stream()
                        .filter(range -> range.format() == format
                                || own(new Kind(format, range.modifier()), gives)
                                        .equals(Kind.of(range)))
                        .toList(),
                List.of(),
                List.of(),
                ignoresAlpha,
                terms,
                memory);
    }

    /**
     * {@return the device, with its constraints for a layout}
     *
     * @param layout where the image lies; if the device lists its format only with alpha, it is asked for that
     * @throws CenallocException as {@link Terms#device}
     */
    public Device device(Layout layout) throws CenallocException {
        return terms.device(own(Objects.requireNonNull(layout, "layout")));
    }

    /** A layout in the format that the device lists. */
    Layout own(Layout layout) {
        Image image = layout.image();
        // Whether it may be, has been decided.
        Kind own = own(new Kind(image.format(), image.modifier()), true);
        return own.format() == image.format() ? layout : layout.in(own.format());
    }

    /** The device, with its constraints for a layout in another device's own memory. */
    Device device(Layout layout, DeviceMemory.Offer offer) throws CenallocException {
        return terms.device(own(layout), offer);
    }

    /** Whether the device can be asked again. */
    boolean isReachable() {
        return terms.isReachable();
    }

    /** {@return the device's own memory; empty if it has none that it exports} */
    public Optional<DeviceMemory> memory() {
        return Optional.ofNullable(memory);
    }

    /** {@return the name and the first formats; {@link #images} has all} */
    @Override
    public String toString() {
        List<String> words = kinds.stream().map(Kind::toString).toList();
        String more = words.size() > SHOWN ? " and " + (words.size() - SHOWN) + " more formats" : "";
        return Printable.of(name) + ": "
                + (words.isEmpty() ? "no format" : String.join(", ", words.subList(0, Math.min(SHOWN, words.size()))))
                + more;
    }
}
