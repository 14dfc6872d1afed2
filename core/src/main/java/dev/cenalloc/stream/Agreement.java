// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.text.Printable;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * An image that all devices have in common, its rate, and the memory for it: the result of {@link #negotiate}.
 * Immutable; holds nothing open. {@link Ring#allocate} makes buffers for it.
 */
public final class Agreement {
    private final Image image;
    private final FrameRate rate;
    private final List<Plan> plans;
    private final List<Layout> layouts;
    private final List<Device> unknown;
    private final @Nullable DeviceMemory memory;
    private final @Nullable Agreement alternative;
    private final boolean ignoresAlpha;
    private final String explanation;

    Agreement(
            Image image,
            FrameRate rate,
            List<Plan> plans,
            @Nullable DeviceMemory memory,
            @Nullable Agreement alternative,
            boolean ignoresAlpha,
            String explanation) {
        this.image = image;
        this.ignoresAlpha = ignoresAlpha;
        this.rate = rate;
        this.plans = List.copyOf(plans);
        this.memory = memory;
        this.alternative = alternative;
        this.layouts = plans.stream().map(plan -> plan.layout().orElseThrow()).toList();
        this.unknown = plans.stream()
                .flatMap(plan -> plan.unknown().stream())
                .distinct()
                .toList();
        this.explanation = Printable.wrapped(explanation
                + unknown.stream()
                        .map(device -> "\n  unknown memory of "
                                + Printable.of(device.name() + ": " + device.detail())
                                + "; the memory that was chosen is a guess for it, and it may refuse it")
                        .distinct()
                        .collect(Collectors.joining()));
    }

    /**
     * Finds the best image that all ports have in common, and for which there is memory that suits all devices. The
     * best image has:
     *
     * <ol>
     *   <li>The requested format. Without a request: the format with the most bits of colour in a pixel; of these the
     *       one with the fewest bytes; of these one without alpha; of these one in the fewest buffers; of these the one
     *       that the producer lists first. A producer that lists a format only with alpha gives it without, too: nobody
     *       reads the alpha then. A consumer that lists it only with alpha takes it without only if it is said to
     *       {@linkplain Port#ignoringAlpha ignore alpha}.
     *   <li>The requested size. Without a request: the largest area among the sizes that reach the requested rate, or
     *       29.97 images a second if none is requested; if no size reaches it, the largest area. Of equal areas the one
     *       that the producer lists first, then the wider.
     *       Of more than 1024 ranges of sizes that some ports have in common, those with the largest sizes are looked
     *       at.
     *   <li>The requested rate; if not all ports have it, the nearest above it, or if there is none, below. Without a
     *       request: the highest rate that all ports have; if no port limits the rate, the nearest to 30.
     * </ol>
     *
     * <p>Size and rate are chosen for each format. Then the memory is planned, best format first: each device is asked
     * for its constraints on the memory for the {@link Layout}, and asked again if the constraints of all together
     * change the layout. The first format with a heap is the result. If there is none, the next smaller size of each
     * format is tried, and so on, up to 12 sizes: the largest of each range that a device lists, and those of video
     * standards. An obstacle that no other size removes ends this for its format.
     *
     * <p>If no heap suits for an image, the devices' {@linkplain DeviceMemory own memory} is offered to the others, in
     * the order of the ports, before the image is given up. {@link #memory()} tells whose is used. If the chosen heap
     * is scarce, or does not promise addresses that one of the devices reaches, such memory is offered, too: {@link
     * #alternative()}.
     *
     * <p>Ports of declared devices ask nothing of the kernel. Ports of a {@code Probe} may try imports, and block for
     * as long.
     *
     * @param cenalloc whose heaps the memory may come from
     * @param request what the caller needs; {@link ImageRequest#ANY} leaves it to the devices
     * @param ports all that take part, at least one; the first is the producer
     * @return the agreement; no memory has been allocated for it
     * @throws IllegalArgumentException if there is no port
     * @throws NoCommonImageException EINVAL: the ports have no such image in common, and it names the smallest set of
     *     ports in conflict; or there is no memory for the images in common, and it says why for each. Request another
     *     image, or leave a device out
     * @throws NoPermissionException EACCES, EPERM: this process may not open the node of a device
     * @throws MissingDeviceException ENOENT: the node of a device is gone
     * @throws CenallocException ENODEV: a device was unplugged; EMFILE: this process has too many open files
     */
    public static Agreement negotiate(Cenalloc cenalloc, ImageRequest request, List<Port> ports)
            throws CenallocException {
        return new Negotiation(cenalloc, request, ports).agree();
    }

    /**
     * {@return an agreement on images that lie where somebody else has put them, or wants them} Nothing is negotiated.
     *
     * @param cenalloc whose heaps the memory may come from, if it is not there
     * @param layouts where the image lies in each of its buffers, in their order
     * @param rate images a second
     * @param devices that use the buffers; each takes the layouts as they are
     * @throws IllegalArgumentException if these are not the layouts of all buffers of one image
     * @throws CenallocException EINVAL: a device does not take a layout, or the devices exclude each other; the message
     *     says which
     */
    public static Agreement of(Cenalloc cenalloc, List<Layout> layouts, FrameRate rate, List<Device> devices)
            throws CenallocException {
        Objects.requireNonNull(cenalloc, "cenalloc");
        for (Layout layout : Objects.requireNonNull(layouts, "layouts")) {
            Objects.requireNonNull(layout, "an element of layouts");
        }
        Objects.requireNonNull(rate, "rate");
        Objects.requireNonNull(devices, "devices");
        Image image = layouts.isEmpty() ? null : layouts.getFirst().image();
        if (image == null || layouts.size() != image.format().buffers()) {
            throw new IllegalArgumentException(
                    "layouts must be those of all buffers of one image, not " + Printable.of(layouts.toString()));
        }
        var plans = new ArrayList<Plan>();
        for (int i = 0; i < layouts.size(); i++) {
            Layout layout = layouts.get(i);
            if (!layout.image().equals(image) || layout.buffer() != i) {
                throw new IllegalArgumentException("layouts must be those of one image, in the order of its buffers;"
                        + " layout " + i + " is of buffer " + layout.buffer() + " of " + layout.image());
            }
            Plan plan = cenalloc.plan(Demand.ofLayout(layout), devices);
            if (plan.layout().isEmpty()) {
                throw CenallocException.ofRefusal(
                        Errno.EINVAL,
                        "agree",
                        null,
                        layout.size(),
                        "a device does not take this layout: " + plan.explain(),
                        "copy the image to a layout that suits the device");
            }
            plans.add(plan);
        }
        return new Agreement(
                image, rate, plans, null, null, false, image + " at " + rate + " images a second, as was stated");
    }

    /** {@return format, size and modifier of the images} */
    public Image image() {
        return image;
    }

    /** {@return images a second} */
    public FrameRate rate() {
        return rate;
    }

    /** {@return the plan of each of the image's buffers; see {@link PixelFormat#buffers}} Each plan has a heap. */
    public List<Plan> plans() {
        return plans;
    }

    /**
     * {@return the memory of one of the devices that the buffers come from; empty if they come from a heap} Then the
     * heap of the {@link #plans()} stands for it.
     */
    public Optional<DeviceMemory> memory() {
        return Optional.ofNullable(memory);
    }

    /**
     * {@return the same images in memory of one of the devices, if that is known to be better than the heap that was
     * chosen} It is if the heap is scarce and the memory is not; or if a device, and no other, reaches only some
     * addresses, which the heap does not promise, and the memory is what that device's own driver allocates. All
     * devices take it, on trial or by what they state. Empty if there is no such memory, or no heap was chosen.
     */
    public Optional<Agreement> alternative() {
        return Optional.ofNullable(alternative);
    }

    /**
     * {@return the devices of which it is unknown what memory they take, such as a camera that another program is
     * using} They may refuse the buffers; {@link Device#detail} says why nothing is known. Empty if all is known.
     */
    public List<Device> unknown() {
        return unknown;
    }

    /**
     * {@return the devices to attach to a buffer, in the order of the ports; a device with several ports once}
     *
     * @throws IllegalStateException if the image lies in several buffers
     */
    public List<Device> devices() {
        return devices(onlyBuffer());
    }

    /**
     * As {@link #devices()}, of one of the buffers of an image whose planes have buffers of their own.
     *
     * @param buffer which, from 0
     * @return the devices, with their constraints on this buffer
     * @throws IndexOutOfBoundsException if there is no such buffer
     */
    public List<Device> devices(int buffer) {
        return List.copyOf(plans.get(buffer).attached());
    }

    /**
     * {@return where the image lies in the buffer, so that it suits all devices}
     *
     * @throws IllegalStateException if the image lies in several buffers
     */
    public Layout layout() {
        return layout(onlyBuffer());
    }

    /**
     * As {@link #layout()}, of one of the buffers of an image whose planes have buffers of their own.
     *
     * @param buffer which, from 0
     * @return where its planes lie
     * @throws IndexOutOfBoundsException if there is no such buffer
     */
    public Layout layout(int buffer) {
        return layouts.get(buffer);
    }

    /** {@return where the image lies in each of its buffers} */
    public List<Layout> layouts() {
        return layouts;
    }

    /**
     * {@return where the image lies in each of its buffers, in the format that a device lists} That is the format of
     * {@link #image()} or, if the device lists it only with alpha, the one with alpha: if the device gives the images,
     * or if a consumer was said to {@linkplain Port#ignoringAlpha ignore alpha}.
     *
     * @param listed the formats that the device lists
     * @param gives whether the device gives the images
     */
    public List<Layout> layoutsIn(Collection<PixelFormat> listed, boolean gives) {
        Objects.requireNonNull(listed, "listed");
        PixelFormat own = listed.contains(image.format()) || !(gives || ignoresAlpha)
                ? image.format()
                : image.format().withAlpha().filter(listed::contains).orElse(image.format());
        return own == image.format()
                ? layouts
                : layouts.stream().map(layout -> layout.in(own)).toList();
    }

    private int onlyBuffer() {
        if (plans.size() != 1) {
            throw new IllegalStateException(image + " lies in " + plans.size() + " buffers: give the number of one");
        }
        return 0;
    }

    /**
     * {@return why these images were chosen, in lines: the reasons for format, size and rate, why better formats were
     * not chosen, which devices' memory is unknown, and whose own memory is better} Each of the {@link #plans()}
     * explains the choice of memory.
     */
    public String explain() {
        return explanation;
    }

    @Override
    public String toString() {
        return explanation;
    }
}
